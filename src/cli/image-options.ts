/** The flags of registries and images as options of flows. */
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { ImageOptions } from '../flows/image.ts';
import { parseAnnotations } from '../formats/annotations.ts';
import type { Annotations } from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import type { Credential, CredentialSource } from '../registry/credentials/credential.ts';
import type { CommandContext, Flags } from './command.ts';
import type { FlagId } from './flags.ts';

/** What every flow that looks at an image is told. `images` are the references that credentials of flags are for. */
export async function imageOptions(
  context: CommandContext,
  images: readonly string[] = context.args,
): Promise<ImageOptions> {
  const { command, flags, signal } = context;
  const runtime = await context.runtime();
  const elsewhere = command.flags.includes('signature-repository');
  const { createRegistryClient } = await import('../registry/client.ts');
  return {
    registry: createRegistryClient(runtime, {
      ...registryPermissions(flags),
      credentials: credentialSource(flags, images, runtime),
    }),
    signatureRepository: elsewhere ? flags.get('signature-repository') : undefined,
    signal,
  };
}

/** What a registry may be and where it may send us. */
export function registryPermissions(flags: Flags): {
  readonly allowHttp: boolean;
  readonly preferTls: boolean;
  readonly trustedRealms: readonly string[];
} {
  const files = ['registry-cacert', 'registry-client-cert', 'registry-server-name'] as const;
  return {
    allowHttp: flags.get('allow-http-registry'),
    // These flags say that registries on this machine speak TLS too.
    preferTls: flags.get('allow-insecure-registry') || files.some((id) => flags.get(id) !== undefined),
    trustedRealms: flags.get('registry-auth-realm'),
  };
}

/**
 * Credentials of flags for the registry of the images, and for no other host: not for that of `--signature-repository`,
 * nor for a second registry among the images, which is an error because it cannot be told which is meant. Every other
 * registry gets what docker and podman have stored for it.
 */
function credentialSource(flags: Flags, images: readonly string[], runtime: Runtime): CredentialSource {
  const given = givenCredential(flags);
  const stored: CredentialSource = async (...request) => {
    const { storedCredentials } = await import('../registry/credentials/stored.ts');
    return storedCredentials(runtime)(...request);
  };
  if (given === undefined) return stored;
  const registries = new Set<string>();
  for (const image of images) {
    const reference = parseReference(image);
    if (reference.kind === 'registry') registries.add(reference.registry);
  }
  if (registries.size > 1) {
    throw new BoltsealError(
      'ERR_USAGE',
      'credentials are given by flags, and the images are in several registries',
      {
        hint: 'Use `boltseal login` for each registry, or one command for each.',
      },
    );
  }
  return async (registry, repository, options) =>
    registries.has(registry) ? given : stored(registry, repository, options);
}

function givenCredential(flags: Flags): Credential | undefined {
  const username = flags.get('registry-username');
  const password = flags.get('registry-password');
  const token = flags.get('registry-token');
  if (token !== undefined && (username !== undefined || password !== undefined)) {
    throw new BoltsealError(
      'ERR_USAGE',
      'give --registry-token, or --registry-username and --registry-password, not both',
    );
  }
  if (token !== undefined) return { kind: 'registry-token', token, origin: '--registry-token' };
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      '--registry-username and --registry-password are only of use together',
    );
  }
  return { kind: 'basic', username, password, origin: '--registry-username' };
}

/** The annotations of a flag. Throws what `parseAnnotations` throws. */
export function annotationsOf(
  flags: Flags,
  id: Extract<FlagId, 'annotations' | 'required-annotations'>,
): Annotations {
  return parseAnnotations(flags.get(id), 'Write -a KEY=VALUE.');
}
