/** The flags of registries and images as options of flows. */
import { BoltsealError } from '../core/errors.ts';
import type { ImageOptions } from '../flows/image.ts';
import type { RegistryOptions } from '../registry/open.ts';
import type { CommandContext, Flags } from './command.ts';
import type { FlagId } from './flags.ts';
import { quoted } from './values.ts';

/** What every flow that looks at an image is told. */
export function imageOptions({ flags, signal }: CommandContext): ImageOptions {
  return { registry: registryOptions(flags), signatureRepository: flags.get('signature-repository'), signal };
}

/** Credentials and permissions. TLS settings are the runtime’s. */
export function registryOptions(flags: Flags): RegistryOptions {
  return {
    username: flags.get('registry-username'),
    password: flags.get('registry-password'),
    token: flags.get('registry-token'),
    authRealms: flags.get('registry-auth-realm'),
    allowHttp: flags.get('allow-http-registry'),
  };
}

/**
 * `KEY=VALUE` words as annotations. A value may hold further equal signs. Throws `ERR_USAGE` for a word without one, an
 * empty key, or one key with two values: cosign lets the last win, and nobody sees which.
 */
export function annotationsOf(
  flags: Flags,
  id: Extract<FlagId, 'annotations' | 'required-annotations'>,
): Readonly<Record<string, string>> {
  const annotations = new Map<string, string>();
  for (const word of flags.get(id)) {
    const split = word.indexOf('=');
    const key = word.slice(0, Math.max(split, 0));
    if (key === '') {
      throw new BoltsealError('ERR_USAGE', `${quoted(word)} is no annotation`, {
        hint: 'Write -a KEY=VALUE.',
      });
    }
    const value = word.slice(split + 1);
    const earlier = annotations.get(key);
    if (earlier !== undefined && earlier !== value) {
      throw new BoltsealError(
        'ERR_USAGE',
        `the annotation ${quoted(key)} is given twice, with different values`,
      );
    }
    annotations.set(key, value);
  }
  return Object.fromEntries(annotations);
}
