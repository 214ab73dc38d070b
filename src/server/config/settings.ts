/**
 * The one table of settings: names, types, defaults and what each is for. Parsing and the reference page are made from
 * it; {@link configOf} turns values of the right shape into a configuration.
 */
import { type IssuerSettings, issuerTypes, type SigstoreConfig } from './config.ts';
import {
  address,
  count,
  duration,
  flag,
  group,
  type Kind,
  list,
  map,
  named,
  needed,
  oneOf,
  preset,
  section,
  setting,
  text,
  texts,
  url,
  type Values,
} from './kinds.ts';

const reference = 'key reference';

const issuer = {
  type: needed(oneOf(issuerTypes), issuerTypes.join(', '), 'What its tokens are about.'),
  audience: preset(text(), 'sigstore', 'text', 'What `aud` of a token must contain.'),
  'ci-provider': setting(
    text(),
    'name',
    'For the type `ci-provider`: a name of `ci-providers`, or of one that is built in.',
  ),
  'issuer-claim': setting(
    text(),
    'JSONPath',
    'For the type `email`: the claim that is the issuer in certificates, such as `$.federated_claims.connector_id`.',
  ),
  'subject-domain': setting(
    text(),
    'URL or domain',
    'For the types `uri` and `username`: where subjects belong to.',
  ),
  'spiffe-trust-domain': setting(text(), 'domain', 'For the type `spiffe`: the trust domain of subjects.'),
  'ca-file': setting(
    text(),
    'file',
    'PEM certificates that the issuer’s own certificate is checked with, beside the usual ones.',
  ),
  'skip-email-verification': preset(
    flag,
    false,
    'boolean',
    'For the type `email`: accept addresses that the issuer does not say are verified.',
  ),
};

const table = {
  data: setting(text(), 'folder', 'The data folder. `--data` wins.'),
  organization: preset(
    text(64),
    'Boltseal',
    'text',
    'Whose Sigstore this is: `O` in the names of its authorities, and the operator of its services.',
  ),
  listen: preset(address, '127.0.0.1:5200', 'address:port', 'Where to listen. `--listen` wins.'),
  tls: group(
    'Serve https. Without it plain http is served: to this machine, or to a proxy in front that serves https.',
    {
      cert: needed(text(), 'file', 'The certificate and its intermediates, PEM.'),
      key: needed(text(), 'file', 'The private key of the certificate, PEM.'),
    },
  ),
  'public-url': setting(
    url,
    'URL',
    'What clients put in front of every path. It is written into the trusted root and signing configurations, so it ' +
      'must not change later. By default where the server listens.',
  ),
  urls: section(
    'URLs of services that are not below `public-url`. A request is told apart by its host and path; a proxy may also ' +
      'send it to the usual path.',
    {
      ca: setting(url, 'URL', 'Fulcio; by default `public-url` itself.'),
      tsa: setting(
        url,
        'URL',
        'The timestamp authority, without `/api/v1/timestamp`; by default `public-url` itself.',
      ),
      rekor: setting(url, 'URL', 'Rekor v1; by default `/rekor` below `public-url`.'),
      rekor2: setting(url, 'URL', 'Rekor v2; by default `/rekor2` below `public-url`.'),
      ct: setting(url, 'URL', 'The certificate transparency log; by default `/ct` below `public-url`.'),
      tuf: setting(url, 'URL', 'The TUF repository; by default `/tuf` below `public-url`.'),
    },
  ),
  'allow-http': preset(
    flag,
    false,
    'boolean',
    'Accept plain-http public URLs and issuers that are not on this machine. Identity tokens then travel in clear.',
  ),
  admin: setting(
    address,
    'address:port',
    'Where `/metrics` is served, beside `/healthz` and `/readyz`: another address than `listen`, plain http, for ' +
      'monitoring only. Without it there are no metrics.',
  ),

  issuers: list('Issuers whose identity tokens get a certificate.', {
    url: needed(url, 'URL', 'The exact `iss` of its tokens.'),
    ...issuer,
  }),
  'meta-issuers': list('Families of issuers.', {
    url: needed(
      text(),
      'pattern',
      'The `iss` of their tokens; `*` stands for one or more letters, digits, `-` and `_`.',
    ),
    ...issuer,
  }),
  'ci-providers': named('How certificates are filled for CI systems; one of a built-in name replaces that.', {
    defaults: preset(texts, {}, 'map', 'Claims to assume when a token does not have them.'),
    extensions: preset(
      texts,
      {},
      'map',
      'Name of the certificate extension to claim name or template, such as `build-signer-uri: "{{ .url }}/{{ .ref }}"`.',
    ),
    'subject-alternative-name': needed(text(), 'template', 'The identity in the certificate: a URI.'),
  }),
  'fulcio-config': setting(
    text(),
    'file',
    'A configuration file of Fulcio, YAML or JSON; its issuers are accepted beside those above.',
  ),
  certificates: section('Certificates of signers.', {
    lifetime: preset(duration, '10m', 'duration', 'How long one is valid: 1m to 1h.'),
  }),

  keys: section(
    'Keys by what they sign. By default each is a file in the data folder, made at the first start. A key reference is ' +
      'what `--key` of `boltseal sign` takes, without a PIN: a file, KMS, Vault, Kubernetes, an HSM.',
    {
      root: setting(
        text(),
        reference,
        'What certificates of `ca` and `tsa` lead to; ECDSA. Needed for their rotation only.',
      ),
      ca: setting(text(), reference, 'Certificates of signers; ECDSA or RSA.'),
      ct: setting(text(), reference, 'The certificate transparency log; ECDSA P-256.'),
      rekor: setting(text(), reference, 'Rekor v1; ECDSA P-256.'),
      rekor2: setting(text(), reference, 'Rekor v2; ECDSA P-256 or Ed25519.'),
      tsa: setting(text(), reference, 'Timestamps; ECDSA.'),
      'tuf-root': setting(text(), reference, 'The TUF role root; ECDSA P-256.'),
      'tuf-targets': setting(text(), reference, 'The TUF role targets; ECDSA P-256.'),
      'tuf-online': setting(text(), reference, 'The TUF roles snapshot and timestamp; ECDSA P-256.'),
      password: setting(
        text(),
        'secret',
        'The passphrase of key files: `env://NAME`, or a file that holds it. By default BOLTSEAL_PASSWORD or ' +
          'COSIGN_PASSWORD.',
      ),
    },
  ),

  storage: section('Where entries of the logs are kept.', {
    type: preset(
      oneOf(['sqlite', 'postgres']),
      'sqlite',
      'sqlite, postgres',
      '`sqlite`: a file in the data folder. `postgres`: a database that several processes share.',
    ),
    url: setting(
      text(),
      'URL or secret',
      'For `postgres`: `postgres://user@host/database` without a password; or `env://NAME`, or a file, that holds the ' +
        'URL with one.',
    ),
    connections: setting(
      count(2, 200),
      'number',
      'For `postgres`: connections of this process; 10 by default.',
    ),
    pins: setting(
      text(),
      'folder',
      'Remembers the newest public checkpoint of each log, so that a store restored from an old backup is noticed. Best ' +
        'on another disk. By default in the data folder.',
    ),
  }),
  witnesses: list('Witnesses that cosign checkpoints of Rekor v2 and of the CT log (C2SP tlog-witness).', {
    url: needed(url, 'URL', 'Where its `/add-checkpoint` is.'),
    key: needed(text(), 'verifier key', 'Its key: `name+hash+base64`.'),
  }),
  'witness-quorum': preset(
    count(0, 32),
    0,
    'number',
    'So many witnesses must have signed before a checkpoint, and what waits for it, goes out. With 0 a witness that ' +
      'fails is done without.',
  ),
  rekor2: section('Rekor v2.', {
    'allow-dsse': preset(
      flag,
      false,
      'boolean',
      'Take entries of the kind `dsse`, which the npm package `sigstore` sends and no Go client can read.',
    ),
  }),
  tuf: section('How long TUF metadata is valid after it was signed. Clients refuse what has expired.', {
    'root-expires': preset(duration, '365d', 'duration', 'Root.'),
    'targets-expires': preset(duration, '365d', 'duration', 'Targets.'),
    'snapshot-expires': preset(duration, '30d', 'duration', 'Snapshot.'),
    'timestamp-expires': preset(duration, '7d', 'duration', 'Timestamp.'),
    'resign-every': preset(duration, '1d', 'duration', 'How often the timestamp is signed anew.'),
  }),
  limits: section('Bounds on what is taken in.', {
    'certificates-per-minute': preset(
      count(0, 1_000_000),
      300,
      'number',
      'Certificates of one subject of one issuer in a minute; so many may also come at once. 0 is no limit.',
    ),
    'writes-per-minute': preset(
      count(0, 1_000_000),
      0,
      'number',
      'POST requests of one address in a minute; so many may also come at once. 0 is no limit. Of use where clients ' +
        'connect directly: behind a proxy all of them have its address.',
    ),
    'in-flight': preset(
      count(1, 100_000),
      1_024,
      'number',
      'Requests under way at once; more are answered with 503 and Retry-After.',
    ),
    connections: preset(count(1, 100_000), 4_096, 'number', 'Connections open at once; more are closed.'),
    'pending-entries': preset(
      count(1, 100_000),
      4_096,
      'number',
      'Entries that wait to be added to one log; more are answered with 503 and Retry-After.',
    ),
    'request-time': preset(
      duration,
      '20s',
      'duration',
      'How long a request may take to arrive, from its first byte to its last.',
    ),
    'shutdown-time': preset(
      duration,
      '10s',
      'duration',
      'How long requests under way may take when the process is told to end.',
    ),
  }),
  logging: section('Log lines, on standard error.', {
    format: preset(
      oneOf(['json', 'text']),
      'json',
      'json, text',
      'One JSON object a line, or text for people.',
    ),
    level: preset(oneOf(['debug', 'info', 'warn']), 'info', 'debug, info, warn', 'The least level written.'),
    requests: preset(flag, true, 'boolean', 'A line for each request.'),
  }),
};

type Settings = Values<typeof table>;

/** Every setting, in the order of the reference, and the schema of a file of them. */
export const settings: Readonly<Record<string, Kind<unknown>>> = table;

/** The schema of a file. */
export const fileSchema: Kind<unknown> = map(table);

/** The configuration of `values`, which {@link fileSchema} made. `locate` makes a path of the file one of the process. */
export function configOf(values: unknown, locate: (path: string) => string): SigstoreConfig {
  const given = values as Settings;
  const { limits, tuf, keys, storage } = given;
  const path = (value: string | undefined): string | undefined =>
    value === undefined ? undefined : locate(value);
  const { password, ...references } = keys;
  return {
    data: path(given.data),
    organization: given.organization,
    listen: given.listen,
    tls: given.tls && { cert: locate(given.tls.cert), key: locate(given.tls.key) },
    publicUrl: given['public-url'],
    urls: present(given.urls),
    allowHttp: given['allow-http'],
    admin: given.admin,
    issuers: given.issuers.map((one) => issuerOf(one, path)),
    metaIssuers: given['meta-issuers'].map((one) => issuerOf(one, path)),
    ciProviders: Object.fromEntries(
      Object.entries(given['ci-providers']).map(([name, one]) => [
        name,
        {
          defaults: one.defaults,
          extensions: one.extensions,
          subjectAlternativeName: one['subject-alternative-name'],
        },
      ]),
    ),
    fulcioConfig: path(given['fulcio-config']),
    certificateLifetime: given.certificates.lifetime,
    keys: Object.fromEntries(Object.entries(present(references)).map(([role, one]) => [role, locate(one)])),
    keysPassword: path(password),
    storage:
      storage.type === 'postgres'
        ? { type: 'postgres', url: locate(storage.url ?? ''), connections: storage.connections ?? 10 }
        : { type: 'sqlite' },
    pins: path(storage.pins),
    witnesses: given.witnesses,
    witnessQuorum: given['witness-quorum'],
    rekor2AllowDsse: given.rekor2['allow-dsse'],
    tuf: {
      rootExpires: tuf['root-expires'],
      targetsExpires: tuf['targets-expires'],
      snapshotExpires: tuf['snapshot-expires'],
      timestampExpires: tuf['timestamp-expires'],
      resignEvery: tuf['resign-every'],
    },
    limits: {
      certificatesPerMinute: limits['certificates-per-minute'],
      writesPerMinute: limits['writes-per-minute'],
      inFlight: limits['in-flight'],
      connections: limits.connections,
      pendingEntries: limits['pending-entries'],
      requestTime: limits['request-time'],
      shutdownTime: limits['shutdown-time'],
    },
    logging: given.logging,
  };
}

function issuerOf(
  given: Settings['issuers'][number],
  path: (value: string | undefined) => string | undefined,
): IssuerSettings {
  return {
    url: given.url,
    type: given.type,
    audience: given.audience,
    ciProvider: given['ci-provider'],
    issuerClaim: given['issuer-claim'],
    subjectDomain: given['subject-domain'],
    spiffeTrustDomain: given['spiffe-trust-domain'],
    caFile: path(given['ca-file']),
    skipEmailVerification: given['skip-email-verification'],
  };
}

function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
