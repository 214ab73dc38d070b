/** From flags to who signs, and what records it. */
import { begin, nextTurn } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Recorder } from '../flows/record.ts';
import type { SigningOptions } from '../flows/signing.ts';
import type { Recorders } from '../flows/signing-services.ts';
import type { LoadedTrust } from '../flows/trust.ts';
import type { SigningConfig } from '../formats/signing-config.ts';
import type { IdentityToken } from '../identity/token.ts';
import type { Signer } from '../keys/signer.ts';
import type { ChosenServices } from '../services/choose-services.ts';
import type { CommandContext, Flags } from './command.ts';
import { keyContext } from './keys.ts';
import { givenSigningConfig, serviceFlags, signingConfigFor, trustFor } from './trust.ts';

/** Who signs, what records it, and what there is to say about it. */
export interface SigningSetup extends SigningOptions {
  /** Absent when a key signs. */
  readonly services?: ChosenServices;
  /** For signatures in the cosign format; absent when none of the logs fits it. */
  readonly layerRecorder?: Recorder;
  /** Whether signatures in the cosign format can say everything that is recorded. */
  readonly fitsLayers: boolean;
  readonly isKeyless: boolean;
}

/**
 * What the flags ask for. A key is loaded in the background; identity tokens are asked for late. Throws `ERR_USAGE` for
 * flags that contradict each other, `ERR_SIGNING_CONFIG`, and what loading trust throws.
 */
export async function signingSetup(context: CommandContext): Promise<SigningSetup> {
  const { flags } = context;
  const key = flags.get('key');
  const wanted = await recordingWanted(context, key === undefined);
  if (key !== undefined) {
    refuseIdentityFlags(flags);
    const signer = begin(loadKey(context, key));
    if (!wanted.log && wanted.timestamp !== true) {
      refuseServiceFlags(flags);
      await nextTurn();
      return { signer, fitsLayers: true, isKeyless: false };
    }
    return recordedKey(context, signer, wanted);
  }
  return keyless(context, wanted);
}

/**
 * The reference to exactly the key that signed, its version pinned, when it is kept elsewhere. Undefined for every other,
 * and for one that could not be loaded: its error is told where it signs.
 */
export async function keptElsewhere({ signer, isKeyless }: SigningSetup): Promise<string | undefined> {
  if (isKeyless) return undefined;
  return Promise.resolve(signer).then(
    (loaded) => ('reference' in loaded ? loaded.reference : undefined),
    () => undefined,
  );
}

interface Wanted {
  /** Whether signatures are recorded in the logs of the configuration. */
  readonly log: boolean;
  /** Whether they are timestamped; undefined when there is an authority for it. */
  readonly timestamp: boolean | undefined;
  /** `--signing-config`, when it was given. */
  readonly given: SigningConfig | undefined;
}

async function recordingWanted(context: CommandContext, isKeyless: boolean): Promise<Wanted> {
  const { flags } = context;
  const choice = flags.get('log');
  const upload = flags.get('tlog-upload');
  if (choice !== undefined && upload !== undefined && (choice !== 'none') !== upload) {
    throw new BoltsealError('ERR_USAGE', `--log ${choice} and --tlog-upload=${upload} contradict each other`);
  }
  const given = await givenSigningConfig(context);
  const isAsked = choice === undefined ? upload : choice !== 'none';
  const isNamed =
    given === undefined ? flags.get('rekor-url') !== undefined : given.rekor.services.length > 0;
  const log = isAsked ?? (isNamed || (isKeyless && given === undefined));
  const stamps = given !== undefined && given.tsa.services.length > 0;
  const timestamp =
    flags.get('timestamp') ?? (stamps || flags.get('timestamp-server-url') ? true : undefined);
  if (!log && flags.get('defer-log') !== undefined) {
    throw new BoltsealError('ERR_USAGE', '--defer-log is given, and nothing is logged', {
      hint: 'Say --log private or --log public, or leave it out.',
    });
  }
  if (isKeyless && !log && timestamp === false) {
    throw new BoltsealError('ERR_USAGE', 'a keyless signature needs a log entry or a timestamp', {
      hint: 'Nothing else proves that it was made while its certificate was valid. Leave --no-timestamp out.',
    });
  }
  return { log, timestamp, given };
}

async function loadKey(context: CommandContext, key: string): Promise<Signer> {
  const { loadSigner } = await import('../keys/reference.ts');
  return loadSigner(key, await keyContext(context));
}

async function recordedKey(
  context: CommandContext,
  signer: Promise<Signer>,
  wanted: Wanted,
): Promise<SigningSetup> {
  const loaded = await trustFor(context);
  const services = await chooseFor(context, loaded, wanted, false);
  await checkPrivacy(context, services, undefined);
  return {
    signer,
    trust: loaded.trust,
    services,
    isKeyless: false,
    ...(await recorders(context, services, loaded, false)),
  };
}

async function keyless(context: CommandContext, wanted: Wanted): Promise<SigningSetup> {
  refuseEmptyKey(context);
  const { requireTokenSource, tokenSource } = await import('./identity.ts');
  await requireTokenSource(context);
  const [{ createKeylessSession }, loaded, runtime] = await Promise.all([
    import('../flows/keyless.ts'),
    trustFor(context),
    context.serviceRuntime(),
  ]);
  const services = await chooseFor(context, loaded, wanted, true);
  if (services.ca === undefined) {
    throw new BoltsealError('ERR_SIGNING_CONFIG', 'the signing configuration names no certificate authority');
  }
  const source = tokenSource(context, {
    issuer: services.oidc?.url,
    beforeSignIn: () => tellOfPublicLog(context, services),
  });
  const getToken = async (): Promise<IdentityToken> => {
    const token = await source();
    await checkPrivacy(context, services, token);
    return token;
  };
  return {
    signer: createKeylessSession({ caUrl: services.ca.url, getToken }, runtime),
    trust: loaded.trust,
    services,
    isKeyless: true,
    ...(await recorders(context, services, loaded, true)),
  };
}

async function chooseFor(
  context: CommandContext,
  loaded: LoadedTrust,
  wanted: Wanted,
  keyless: boolean,
): Promise<ChosenServices> {
  const { servicesFor } = await import('../flows/signing-services.ts');
  const { log, timestamp } = wanted;
  const config = wanted.given ?? (await configFor(context, loaded));
  const version = context.flags.get('rekor-version');
  const rekorVersion = version === undefined ? undefined : version === '1' ? 1 : 2;
  return servicesFor(config, { keyless, log, timestamp, rekorVersion }, await context.serviceRuntime());
}

/** An instance publishes a configuration of its own for logs of the second version. */
async function configFor(context: CommandContext, loaded: LoadedTrust): Promise<SigningConfig> {
  const { rekorV2SigningConfig, signingConfig } = loaded;
  const isV2 = context.flags.get('rekor-version') === '2' && rekorV2SigningConfig !== undefined;
  const chosen = isV2 ? rekorV2SigningConfig : signingConfig;
  return signingConfigFor(context, chosen === undefined ? loaded : { ...loaded, signingConfig: chosen });
}

/** What `boltseal log submit` records with: logs alone, because timestamps were made before. */
export async function submissionServices(context: CommandContext): Promise<{
  readonly recorder: Recorder;
  readonly trust: LoadedTrust['trust'];
  readonly signsTime: boolean;
}> {
  const loaded = await trustFor(context);
  const given = await givenSigningConfig(context);
  const { logs } = await chooseFor(context, loaded, { log: true, timestamp: false, given }, false);
  await checkPrivacy(context, { logs, timestampAuthorities: [] }, undefined);
  const { createRecorder } = await import('../flows/record.ts');
  const options = { logIds: loaded.root.tlogs.map(({ logId }) => logId) };
  const recorder = createRecorder(
    { logs, timestampAuthorities: [] },
    await context.serviceRuntime(),
    options,
  );
  return { recorder, trust: loaded.trust, signsTime: logs.some(({ version }) => version === 1) };
}

async function recorders(
  context: CommandContext,
  services: ChosenServices,
  { root }: LoadedTrust,
  keyless: boolean,
): Promise<Recorders> {
  const { recordersFor } = await import('../flows/signing-services.ts');
  const defers = context.flags.get('defer-log') !== undefined;
  return recordersFor(services, { root, keyless, defers }, await context.serviceRuntime());
}

/** Before somebody signs in, they are told what a public log will show of them. */
async function tellOfPublicLog(context: CommandContext, services: ChosenServices): Promise<void> {
  const { publicService } = await import('../flows/signing-services.ts');
  const log = publicService(services, true);
  if (log === undefined) return;
  const { confirmPublicLog } = await import('./sign-in.ts');
  await confirmPublicLog(context, { log, consent: consents(context.flags) });
}

function consents(flags: Flags): boolean {
  return flags.get('log') === 'public' || flags.get('consent');
}

/** Refuses to publish what must not be, and services that are public where a private log was asked for. */
async function checkPrivacy(
  { args, flags, io }: CommandContext,
  services: ChosenServices,
  token: IdentityToken | undefined,
): Promise<void> {
  const { checkPublishing } = await import('../flows/signing-services.ts');
  await checkPublishing(services, token, {
    env: io.env,
    isPrivate: flags.get('log') === 'private',
    consent: consents(flags),
    references: args,
    privateHint:
      'Point Boltseal at a private Sigstore with `boltseal initialize` or --signing-config, or use --log public.',
  });
}

/** A variable that should hold a key and is empty is a secret that is missing, and not the wish to sign without one. */
function refuseEmptyKey({ io }: CommandContext): void {
  const variable = ['BOLTSEAL_KEY', 'COSIGN_KEY'].find((name) => io.env[name] === '');
  if (variable === undefined) return;
  throw new BoltsealError('ERR_USAGE', `${variable} is set and empty`, {
    hint: 'Is the secret there for this run? Unset the variable to sign with an identity.',
  });
}

function refuseIdentityFlags(flags: Flags): void {
  const given = (['identity-token', 'oidc-provider', 'fulcio-url', 'fulcio-auth-flow'] as const).find((id) =>
    flags.given(id),
  );
  if (given === undefined) return;
  throw new BoltsealError('ERR_USAGE', `--key and --${given} contradict each other`, {
    hint: 'A key pair signs, or an identity does: leave one of the two out.',
  });
}

function refuseServiceFlags(flags: Flags): void {
  const given = serviceFlags.find((id) => id !== 'signing-config' && id !== 'oidc-issuer' && flags.given(id));
  if (given === undefined) return;
  throw new BoltsealError('ERR_USAGE', `--${given} is given, and nothing is recorded there`, {
    hint: 'Say --log private or --log public, or leave it out.',
  });
}
