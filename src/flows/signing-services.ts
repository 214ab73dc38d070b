/** From what somebody wants of a signature to the services that certify and record it, and whether they may. */
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { ConfiguredService, SigningConfig } from '../formats/signing-config.ts';
import type { TrustedRoot } from '../formats/trusted-root.ts';
import { checkLogPrivacy, isPublicLog } from '../identity/log-privacy.ts';
import type { IdentityToken } from '../identity/token.ts';
import { repositoryVisibility } from '../identity/visibility.ts';
import { type ChosenServices, chooseServices, type RekorVersion } from '../services/choose-services.ts';
import type { ServiceRuntime } from '../services/service-request.ts';
import { createRecorder, type Recorder } from './record.ts';
import type { LoadedTrust } from './trust.ts';

/** What is wanted of the services. */
export interface ServiceWish {
  /** Whether an identity signs, which needs a certificate. */
  readonly keyless: boolean;
  /** Whether signatures are recorded in the logs of the configuration. */
  readonly log: boolean;
  /** Whether they are timestamped; undefined when there is an authority for it. */
  readonly timestamp: boolean | undefined;
  /** The only version of Rekor that will do. */
  readonly rekorVersion?: RekorVersion | undefined;
}

/** The services of `config` that are asked. Throws `ERR_SIGNING_CONFIG` when one that is needed is not there. */
export function servicesFor(
  config: SigningConfig,
  wish: ServiceWish,
  runtime: ServiceRuntime,
): ChosenServices {
  const { keyless, log, timestamp, rekorVersion } = wish;
  const used: SigningConfig = {
    ...config,
    rekor: log ? config.rekor : { services: [] },
    tsa: timestamp === false ? { services: [] } : config.tsa,
  };
  return chooseServices(
    used,
    {
      require: [
        ...(keyless ? (['ca'] as const) : []),
        ...(log ? (['log'] as const) : []),
        ...(timestamp === true || (keyless && !log) ? (['timestamp authority'] as const) : []),
      ],
      ...(rekorVersion === undefined ? {} : { rekor: { version: rekorVersion, only: true } }),
    },
    runtime,
  );
}

/** What records signatures, in each format. */
export interface Recorders {
  readonly recorder: Recorder;
  /** For signatures in the cosign format; absent when `recorder` does, or none of the logs fits it. */
  readonly layerRecorder?: Recorder;
  /** Whether signatures in the cosign format can say everything that is recorded. */
  readonly fitsLayers: boolean;
  /** Timestamps what cannot be logged now. */
  readonly deferral?: Recorder;
}

/** Recorders of `services`. Throws what `createRecorder` throws. */
export function recordersFor(
  services: ChosenServices,
  { root, keyless, defers = false }: { root: TrustedRoot; keyless: boolean; defers?: boolean },
  runtime: ServiceRuntime,
): Recorders {
  const { logs, timestampAuthorities } = services;
  const options = { keyless, logIds: root.tlogs.map(({ logId }) => logId) };
  const recorder = createRecorder(services, runtime, options);
  const first = logs.filter(({ version }) => version === 1);
  const fitsLayers = first.length > 0 || logs.length === 0;
  const deferral = defers ? { deferral: createRecorder({ logs: [], timestampAuthorities }, runtime) } : {};
  if (first.length === logs.length || (first.length === 0 && keyless))
    return { recorder, fitsLayers, ...deferral };
  const layerRecorder = createRecorder({ logs: first, timestampAuthorities }, runtime, options);
  return { recorder, layerRecorder, fitsLayers, ...deferral };
}

/** A service that everyone can read; a certificate authority is one too, because it logs certificates. */
export function publicService({ ca, logs }: ChosenServices, keyless: boolean): string | undefined {
  const urls = [...logs.map(({ url }) => url), ...(keyless && ca !== undefined ? [ca.url] : [])];
  return urls.find(isPublicLog);
}

/** What was said about publishing. */
export interface PublishingWish {
  readonly env: Runtime['env'];
  /** Only services that are not public will do. */
  readonly isPrivate: boolean;
  /** Publishing was agreed to. */
  readonly consent: boolean;
  /** What is signed, as far as it is known. */
  readonly references: readonly string[];
  /** How a user asks for services of their own, for the hint of an error. */
  readonly privateHint: string;
}

/**
 * Refuses to publish what must not be, and services that are public where private ones were asked for. `token` is that of
 * a keyless signature. Throws `ERR_LOG_PRIVACY`.
 */
export async function checkPublishing(
  services: ChosenServices,
  token: IdentityToken | undefined,
  wish: PublishingWish,
): Promise<void> {
  const log = publicService(services, token !== undefined);
  if (log === undefined) return;
  if (wish.isPrivate) {
    throw new BoltsealError('ERR_LOG_PRIVACY', `a private log is asked for, and ${log} is a public service`, {
      hint: wish.privateHint,
    });
  }
  checkLogPrivacy({
    visibility: await repositoryVisibility({ env: wish.env, token }),
    token,
    digests: wish.references.flatMap((text) => /@(sha(?:256|512):[0-9a-f]+)$/.exec(text)?.[1] ?? []),
    log,
    isPublic: true,
    consent: wish.consent,
  });
}

/**
 * The services of the instance in use, for a trusted root from a file that knows them: then it is one of that instance.
 * With any other, signing there would make what is not trusted afterwards. `instance` loads what is trusted without the
 * file.
 */
export async function configOfInstance(
  { root, source }: LoadedTrust,
  instance: () => Promise<LoadedTrust>,
): Promise<SigningConfig | undefined> {
  if (source.kind !== 'file') return undefined;
  const { signingConfig } = await instance();
  const trusted = new Set(
    [...root.certificateAuthorities.map(({ uri }) => uri), ...root.tlogs.map(({ baseUrl }) => baseUrl)].map(
      withoutSlash,
    ),
  );
  const isKnown = ({ url }: ConfiguredService): boolean => trusted.has(withoutSlash(url));
  const services = [...(signingConfig?.ca ?? []), ...(signingConfig?.rekor.services ?? [])];
  return services.length > 0 && services.every(isKnown) ? signingConfig : undefined;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
