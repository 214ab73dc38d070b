/** Flags about what is trusted and which services sign. */
import { BoltsealError } from '../core/errors.ts';
import type { LoadedTrust } from '../flows/trust.ts';
import type { SigningConfig } from '../formats/signing-config.ts';
import type { CommandContext } from './command.ts';
import type { FlagId } from './flags.ts';

/** Flags that {@link trustFor} reads. */
export const trustFlags: readonly FlagId[] = ['trusted-root', 'offline'];

/** Flags that {@link signingConfigFor} reads. */
export const serviceFlags: readonly FlagId[] = [
  'signing-config',
  'fulcio-url',
  'rekor-url',
  'timestamp-server-url',
  'oidc-issuer',
];

/** What a command trusts, of its flags `--trusted-root` and `--offline`. Throws what `loadTrust` throws. */
export async function trustFor(context: CommandContext): Promise<LoadedTrust> {
  const { flags, signal } = context;
  const { loadTrust } = await import('../flows/trust.ts');
  return loadTrust(
    { trustedRootFile: flags.get('trusted-root'), offline: flags.get('offline'), signal },
    await context.serviceRuntime(),
  );
}

/** The signing configuration of `--signing-config`; undefined without that flag. Throws `ERR_FILE_READ` and what parsing throws. */
export async function givenSigningConfig(context: CommandContext): Promise<SigningConfig | undefined> {
  const path = context.flags.get('signing-config');
  if (path === undefined) return undefined;
  const { readFile } = await import('node:fs/promises');
  const { parseSigningConfig } = await import('../formats/signing-config.ts');
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_READ', `the signing config ${path} cannot be read`, { cause });
  });
  return parseSigningConfig(bytes, `the signing config ${path}`);
}

/**
 * The services that a command signs with: `--signing-config`, else those of cosign's flags for single services, else
 * those of the instance that is trusted. Throws `ERR_SIGNING_CONFIG` when nothing names any, `ERR_USAGE` for flags that
 * contradict each other, and what {@link givenSigningConfig} throws.
 */
export async function signingConfigFor(context: CommandContext, trust: LoadedTrust): Promise<SigningConfig> {
  const config = (await givenSigningConfig(context)) ?? trust.signingConfig;
  if (config !== undefined) return config;
  throw new BoltsealError('ERR_SIGNING_CONFIG', 'no signing configuration is given', {
    hint: 'Give one: --signing-config FILE. `boltseal signing-config create` makes it.',
  });
}
