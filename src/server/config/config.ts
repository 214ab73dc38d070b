/**
 * The configuration of a private Sigstore, with every default filled in, and what follows from it: the public URL of
 * each service and where on the listener it is mounted. Made by `parseConfig`; described in the reference of settings.
 */
import { BoltsealError } from '../../core/errors.ts';
import { type IssuerType, issuerTypes } from '../ca/issuers.ts';
import { isOpenHttp, type ListenAddress } from './values.ts';

export type { ListenAddress };

/** The services that have a public URL, in the order of reference and guide. */
export const serviceNames = ['ca', 'tsa', 'rekor', 'rekor2', 'ct', 'tuf'] as const;

/** One of {@link serviceNames}: Fulcio, timestamp authority, Rekor v1, Rekor v2, CT log, TUF repository. */
export type ServiceName = (typeof serviceNames)[number];

/** Where below the public URL each service is, unless it has a URL of its own. */
export const servicePrefixes: Readonly<Record<ServiceName, string>> = {
  ca: '',
  tsa: '',
  rekor: '/rekor',
  rekor2: '/rekor2',
  ct: '/ct',
  tuf: '/tuf',
};

/** What has a key. `tuf-online` signs snapshot and timestamp. */
export const keyRoles = [
  'root',
  'ca',
  'ct',
  'rekor',
  'rekor2',
  'tsa',
  'tuf-root',
  'tuf-targets',
  'tuf-online',
] as const;

/** One of {@link keyRoles}. */
export type KeyRole = (typeof keyRoles)[number];

export { type IssuerType, issuerTypes };

/** An issuer of identity tokens, or a pattern of many. */
export interface IssuerSettings {
  /** The exact `iss` of its tokens; in a meta-issuer a pattern, in which `*` stands for one part of a name or path. */
  readonly url: string;
  readonly type: IssuerType;
  /** What `aud` of its tokens must contain. */
  readonly audience: string;
  /** The entry of {@link SigstoreConfig.ciProviders}, or a built-in one; set when the type is `ci-provider`. */
  readonly ciProvider: string | undefined;
  /** JSONPath of the claim that is the issuer in the certificate, such as `$.federated_claims.connector_id`. */
  readonly issuerClaim: string | undefined;
  /** Set when the type is `uri` or `username`. */
  readonly subjectDomain: string | undefined;
  /** Set when the type is `spiffe`. */
  readonly spiffeTrustDomain: string | undefined;
  /** PEM file of the authorities that the issuer's certificate is checked with, beside the usual ones. */
  readonly caFile: string | undefined;
  readonly skipEmailVerification: boolean;
}

/** How certificates for a CI system are filled from claims: texts, or templates such as `{{ .url }}/{{ .ref }}`. */
export interface CiProviderSettings {
  readonly defaults: Readonly<Record<string, string>>;
  /** By the name of the extension: `build-signer-uri` … */
  readonly extensions: Readonly<Record<string, string>>;
  readonly subjectAlternativeName: string;
}

/** A witness that cosigns checkpoints (C2SP tlog-witness). */
export interface WitnessSettings {
  readonly url: string;
  /** Its verifier key as a note has it: `name+hash+base64`. */
  readonly key: string;
}

/** Where entries of the logs are kept. */
export type StorageSettings =
  | { readonly type: 'sqlite' }
  | {
      readonly type: 'postgres';
      /** A `postgres://` URL without a password, or a secret reference (`env://NAME`, or a file) to one. */
      readonly url: string;
      readonly connections: number;
    };

/** Bounds on what is taken in. 0 turns a rate off. */
export interface LimitSettings {
  /** Certificates of one subject of one issuer in a minute. */
  readonly certificatesPerMinute: number;
  /** Requests to change something (POST) of one client address in a minute. */
  readonly writesPerMinute: number;
  /** Requests under way at once; more are answered with 503. */
  readonly inFlight: number;
  /** Connections open at once. */
  readonly connections: number;
  /** Entries that wait to be added to one log; more are answered with 503. */
  readonly pendingEntries: number;
  /** How long a request may take to arrive, from its first byte to its last; milliseconds. */
  readonly requestTime: number;
  /** How long the process waits for requests under way when it is told to end; milliseconds. */
  readonly shutdownTime: number;
}

/** When TUF metadata expires, milliseconds after it was signed. */
export interface TufSettings {
  readonly rootExpires: number;
  readonly targetsExpires: number;
  readonly snapshotExpires: number;
  readonly timestampExpires: number;
  /** How often the timestamp is signed again. */
  readonly resignEvery: number;
}

/** A private Sigstore as its operator wants it. Times are milliseconds; paths are as `parseConfig` resolved them. */
export interface SigstoreConfig {
  /** The data folder; undefined when only `--data` names it. */
  readonly data: string | undefined;
  /** Whose Sigstore this is: the organization in the subjects of its certificates and the operator of its services. */
  readonly organization: string;
  readonly listen: ListenAddress;
  /** PEM files; undefined serves plain http, for loopback or behind a proxy. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** What clients put before every path, without a slash at its end; undefined is the URL of the listener. */
  readonly publicUrl: string | undefined;
  /** URLs of services that are not below the public URL. */
  readonly urls: Readonly<Partial<Record<ServiceName, string>>>;
  /** Whether public URLs and issuers that are not on this machine may be plain http. */
  readonly allowHttp: boolean;
  /** Where metrics are served, over plain http; undefined serves them nowhere. */
  readonly admin: ListenAddress | undefined;

  readonly issuers: readonly IssuerSettings[];
  readonly metaIssuers: readonly IssuerSettings[];
  readonly ciProviders: Readonly<Record<string, CiProviderSettings>>;
  /** A configuration file of Fulcio, whose issuers are accepted too. */
  readonly fulcioConfig: string | undefined;
  /** How long a certificate is valid. */
  readonly certificateLifetime: number;

  /** Key references without secrets; a role without one has a key file in the data folder, made at the first start. */
  readonly keys: Readonly<Partial<Record<KeyRole, string>>>;
  /** A secret reference (`env://NAME`, or a file) to the passphrase of key files. */
  readonly keysPassword: string | undefined;

  readonly storage: StorageSettings;
  /** A folder, best on another disk, that remembers the last public checkpoint of each log. */
  readonly pins: string | undefined;
  readonly witnesses: readonly WitnessSettings[];
  /** How many witnesses must have signed before a checkpoint is made public; 0 never waits for one that fails. */
  readonly witnessQuorum: number;
  /** Whether Rekor v2 takes `dsse` entries, which no Go client can read. */
  readonly rekor2AllowDsse: boolean;
  readonly tuf: TufSettings;
  readonly limits: LimitSettings;
  readonly logging: {
    readonly format: 'json' | 'text';
    readonly level: 'debug' | 'info' | 'warn';
    /** Whether each request is an event. */
    readonly requests: boolean;
  };
}

/**
 * The public URL of each service, without a slash at its end. `listenerUrl` is that of the listener once it listens, and
 * is the public URL when none is configured. Throws `ERR_SERVER_CONFIG` when it cannot be, and for plain http to other
 * machines that is not allowed.
 */
export function publicUrls(
  config: Pick<SigstoreConfig, 'publicUrl' | 'urls' | 'allowHttp'>,
  listenerUrl: string,
): Readonly<Record<ServiceName, string>> {
  const base = config.publicUrl ?? listenerUrl;
  const urls = serviceNames.map((name) => [name, config.urls[name] ?? base + servicePrefixes[name]] as const);
  for (const [name, url] of urls) checkPublicUrl(name, url, config.allowHttp);
  return Object.fromEntries(urls) as Record<ServiceName, string>;
}

function checkPublicUrl(name: ServiceName, url: string, allowHttp: boolean): void {
  const { hostname } = new URL(url);
  if (hostname === '0.0.0.0' || hostname === '[::]') {
    throw configError(
      'the server listens on every address, and which one clients should use is not said',
      'Set public-url to what clients use, such as https://sigstore.example.com.',
    );
  }
  if (allowHttp || !isOpenHttp(url)) return;
  throw configError(
    `the public URL ${url} (${name}) is plain http to other machines`,
    'Use https; or set allow-http when the network in between is trusted.',
  );
}

/** Where on the listener a service answers. */
export interface MountPoint {
  /** Empty, or starts with a slash and does not end with one. */
  readonly prefix: string;
  /** Only requests to this host (with its port when it is not the scheme's own); any host when undefined. */
  readonly host?: string;
}

/**
 * The places where a service answers: its usual prefix, on any host; also the path of the public URL in front of it;
 * and host and path of its own URL. So a proxy may pass host and path on as they are, or may take the path off.
 */
export function mountPoints(
  config: Pick<SigstoreConfig, 'publicUrl' | 'urls'>,
  name: ServiceName,
): readonly MountPoint[] {
  const usual = servicePrefixes[name];
  const own = config.urls[name];
  const points: MountPoint[] = [{ prefix: usual }];
  if (config.publicUrl !== undefined) points.push({ prefix: pathOf(config.publicUrl) + usual });
  if (own !== undefined) points.push({ prefix: pathOf(own), host: new URL(own).host });
  return points.filter(
    (point, index) =>
      index === points.findIndex(({ prefix, host }) => prefix === point.prefix && host === point.host),
  );
}

function pathOf(url: string): string {
  const { pathname } = new URL(url);
  return pathname === '/' ? '' : pathname;
}

/** An `ERR_SERVER_CONFIG`. */
export function configError(message: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', message, { hint });
}
