/** Flags about what is trusted and which services sign. */
import { BoltsealError } from '../core/errors.ts';
import type { LoadedTrust } from '../flows/trust.ts';
import {
  type ConfiguredService,
  parseSigningConfig,
  type ServiceSet,
  type SigningConfig,
} from '../formats/signing-config.ts';
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
  return load(context, context.flags.get('trusted-root'));
}

async function load(context: CommandContext, trustedRootFile: string | undefined): Promise<LoadedTrust> {
  const { command, flags } = context;
  const offline = command.flags.includes('offline') && flags.get('offline');
  const { loadTrust } = await import('../flows/trust.ts');
  // A file is not waited for; what waits asks for the signal, which starts a timer.
  const signal = trustedRootFile === undefined ? context.signal : undefined;
  return loadTrust({ trustedRootFile, offline, signal }, await context.serviceRuntime());
}

/** The signing configuration of `--signing-config`; undefined without that flag. Throws `ERR_FILE_READ` and what parsing throws. */
export async function givenSigningConfig(context: CommandContext): Promise<SigningConfig | undefined> {
  const path = context.flags.get('signing-config');
  if (path === undefined) return undefined;
  const { readFile } = await import('node:fs/promises');
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_READ', `the signing config ${path} cannot be read`, { cause });
  });
  return parseSigningConfig(bytes, `the signing config ${path}`);
}

/**
 * The services that a command signs with: those of `--signing-config`; else those of the instance that is trusted, with
 * cosign's flags for single services over them. Once such a flag names any service but the issuer of tokens, logs and
 * timestamp authorities that none names are not used: what a private service gets must not end in a public log.
 *
 * Throws `ERR_SIGNING_CONFIG` when nothing names services, `ERR_USAGE` for flags that contradict each other, and what
 * {@link givenSigningConfig} and {@link trustFor} throw.
 */
export async function signingConfigFor(context: CommandContext, trust: LoadedTrust): Promise<SigningConfig> {
  const { command, flags } = context;
  const named = serviceFlags.find(
    (id) => id !== 'signing-config' && command.flags.includes(id) && flags.get(id) !== undefined,
  );
  const given = await givenSigningConfig(context);
  if (given !== undefined && named !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--signing-config and --${named} contradict each other`, {
      hint: 'A signing config names every service: leave the other flag out.',
    });
  }
  if (given !== undefined) return given;
  const isOther = named !== undefined && named !== 'oidc-issuer';
  const base = trust.signingConfig ?? (isOther ? undefined : await instanceConfig(context, trust));
  if (named !== undefined) return withNamedServices(context, base ?? nothing);
  if (base !== undefined) return base;
  throw new BoltsealError(
    'ERR_SIGNING_CONFIG',
    `${trust.source.where} says who is trusted, and nothing says which services sign`,
    { hint: 'Give --signing-config FILE. `boltseal signing-config create` makes one.' },
  );
}

async function instanceConfig(
  context: CommandContext,
  trust: LoadedTrust,
): Promise<SigningConfig | undefined> {
  const { configOfInstance } = await import('../flows/signing-services.ts');
  return configOfInstance(trust, () => load(context, undefined));
}

const nothing: SigningConfig = { ca: [], oidc: [], rekor: { services: [] }, tsa: { services: [] } };

function withNamedServices({ command, flags }: CommandContext, base: SigningConfig): SigningConfig {
  const url = (
    id: 'fulcio-url' | 'rekor-url' | 'timestamp-server-url' | 'oidc-issuer',
  ): string | undefined => (command.flags.includes(id) ? flags.get(id) : undefined);
  const ca = url('fulcio-url');
  const log = url('rekor-url');
  const authority = url('timestamp-server-url');
  const issuer = url('oidc-issuer');
  const isIssuerAlone = ca === undefined && log === undefined && authority === undefined;
  const version = command.flags.includes('rekor-version') && flags.get('rekor-version') === '2' ? 2 : 1;
  return {
    ca: ca === undefined ? base.ca : [service(ca, 1)],
    oidc: issuer === undefined ? base.oidc : [service(issuer, 1)],
    rekor: isIssuerAlone ? base.rekor : setOf(log, version),
    tsa: isIssuerAlone ? base.tsa : setOf(authority, 1),
  };
}

function setOf(url: string | undefined, version: number): ServiceSet {
  return url === undefined
    ? { services: [] }
    : { services: [service(url, version)], selector: { selector: 'ANY' } };
}

function service(url: string, majorApiVersion: number): ConfiguredService {
  return { url, majorApiVersion, validFor: {}, operator: '' };
}
