/** What one setting asks of another, beyond the type of each. */
import {
  type IssuerSettings,
  type IssuerType,
  keyRoles,
  type SigstoreConfig,
  serviceNames,
} from './config.ts';
import { isOpenHttp } from './values.ts';

/** Something wrong in a configuration. */
export interface Problem {
  /** Names and indexes that lead to the setting. */
  readonly path: readonly (string | number)[];
  /** Continues the name of the setting. */
  readonly message: string;
}

const hour = 3_600_000;

/** Everything that does not fit together in `config`. */
export function problemsOf(config: SigstoreConfig): readonly Problem[] {
  return [
    ...urlProblems(config),
    ...config.issuers.flatMap((one, index) => issuerProblems(one, ['issuers', index], config)),
    ...config.metaIssuers.flatMap((one, index) => [
      ...issuerProblems(one, ['meta-issuers', index], config),
      ...patternProblems(one, ['meta-issuers', index, 'url']),
    ]),
    ...keyProblems(config),
    ...storageProblems(config),
    ...tufProblems(config),
    ...otherProblems(config),
  ];
}

function urlProblems(config: SigstoreConfig): readonly Problem[] {
  const { publicUrl, urls, allowHttp } = config;
  const given: (readonly [path: readonly string[], url: string])[] = [];
  if (publicUrl !== undefined) given.push([['public-url'], publicUrl]);
  for (const name of serviceNames) if (urls[name] !== undefined) given.push([['urls', name], urls[name]]);
  const found: Problem[] = [];
  for (const [path, url] of given) if (!allowHttp && isOpenHttp(url)) found.push({ path, message: openHttp });
  // CA and timestamp authority share a URL, as their paths differ; logs are told apart by theirs.
  const own = serviceNames.filter((name) => name !== 'ca' && name !== 'tsa' && urls[name] !== undefined);
  for (const name of own) {
    const before = serviceNames.slice(0, serviceNames.indexOf(name));
    const twin = before.find((other) => urls[other] === urls[name]);
    if (twin !== undefined) found.push({ path: ['urls', name], message: `is also the URL of ${twin}` });
  }
  return found;
}

/** What is stored of a reference, and shown, has no PIN. */
function keyProblems({ keys }: SigstoreConfig): readonly Problem[] {
  return keyRoles
    .filter((role) => /^pkcs11:[^?]*[?](?:.*[&;])?pin-value=/s.test(keys[role] ?? ''))
    .map((role) => ({
      path: ['keys', role],
      message: 'holds a PIN: name a file with it instead (pin-source=/path), or set BOLTSEAL_PKCS11_PIN',
    }));
}

const openHttp =
  'is plain http to another machine: use https, or set allow-http when the network in between is trusted';

/** For which types a setting has a meaning. */
const meaningful: readonly (readonly [
  name: keyof IssuerSettings,
  written: string,
  types: readonly IssuerType[],
  isNeeded: boolean,
])[] = [
  ['ciProvider', 'ci-provider', ['ci-provider'], true],
  ['issuerClaim', 'issuer-claim', ['email'], false],
  ['subjectDomain', 'subject-domain', ['uri', 'username'], true],
  ['spiffeTrustDomain', 'spiffe-trust-domain', ['spiffe'], true],
  ['skipEmailVerification', 'skip-email-verification', ['email'], false],
];

function issuerProblems(
  issuer: IssuerSettings,
  path: readonly (string | number)[],
  config: SigstoreConfig,
): readonly Problem[] {
  const found: Problem[] = [];
  for (const [name, written, types, isNeeded] of meaningful) {
    const isGiven = issuer[name] !== undefined && issuer[name] !== false;
    const applies = types.includes(issuer.type);
    if (isGiven && !applies)
      found.push({
        path: [...path, written],
        message: `means nothing for the type ${issuer.type}, only for ${types.join(' and ')}`,
      });
    if (isNeeded && applies && !isGiven)
      found.push({ path, message: `needs ${written}, as its type is ${issuer.type}` });
  }
  if (path[0] === 'issuers' && !config.allowHttp && isOpenHttp(issuer.url)) {
    found.push({ path: [...path, 'url'], message: openHttp });
  }
  const list = path[0] === 'issuers' ? config.issuers : config.metaIssuers;
  if (list.findIndex(({ url }) => url === issuer.url) !== path[1]) {
    found.push({ path: [...path, 'url'], message: 'is given twice' });
  }
  return found;
}

function patternProblems(issuer: IssuerSettings, path: readonly (string | number)[]): readonly Problem[] {
  if (issuer.type === 'spiffe') return [{ path, message: 'cannot be of the type spiffe' }];
  if (!/^https:\/\/[^\s?#*]*\*[^\s?#]*$/.test(issuer.url)) {
    return [{ path, message: 'must start with https:// and have a * in it' }];
  }
  return [];
}

function storageProblems({ storage }: SigstoreConfig): readonly Problem[] {
  if (storage.type !== 'postgres') return [];
  const path = ['storage', 'url'];
  if (storage.url === '') return [{ path: ['storage'], message: 'needs url, as its type is postgres' }];
  if (!/^postgres(?:ql)?:\/\//.test(storage.url)) return [];
  let url: URL;
  try {
    url = new URL(storage.url);
  } catch {
    return [{ path, message: 'is not a URL' }];
  }
  return url.password === '' && !url.searchParams.has('password')
    ? []
    : [{ path, message: 'holds a password: put the URL into a variable or a file, and name that' }];
}

function tufProblems({ tuf }: SigstoreConfig): readonly Problem[] {
  const found: Problem[] = [];
  for (const [name, value] of [
    ['root-expires', tuf.rootExpires],
    ['targets-expires', tuf.targetsExpires],
    ['snapshot-expires', tuf.snapshotExpires],
    ['timestamp-expires', tuf.timestampExpires],
  ] as const) {
    if (value < hour || value > 10 * 365 * 24 * hour)
      found.push({ path: ['tuf', name], message: 'must be from 1h to 3650d' });
  }
  const path = ['tuf', 'resign-every'];
  if (tuf.resignEvery < 60_000) found.push({ path, message: 'must be at least 1m' });
  // A weekend without the process must not stop every client.
  if (tuf.resignEvery * 2 > tuf.timestampExpires || tuf.resignEvery * 2 > tuf.snapshotExpires) {
    found.push({ path, message: 'must be at most half of timestamp-expires and of snapshot-expires' });
  }
  return found;
}

function otherProblems(config: SigstoreConfig): readonly Problem[] {
  const found: Problem[] = [];
  const { certificateLifetime, witnessQuorum, witnesses, limits, admin, listen } = config;
  if (certificateLifetime < 60_000 || certificateLifetime > hour) {
    found.push({ path: ['certificates', 'lifetime'], message: 'must be from 1m to 1h' });
  }
  if (witnessQuorum > witnesses.length) {
    found.push({ path: ['witness-quorum'], message: `is more than the ${witnesses.length} witnesses given` });
  }
  for (const [index, { key }] of witnesses.entries()) {
    if (!/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}$/.test(key))
      found.push({ path: ['witnesses', index, 'key'], message: 'must be name+hash+base64' });
  }
  for (const [name, value] of [
    ['request-time', limits.requestTime],
    ['shutdown-time', limits.shutdownTime],
  ] as const) {
    if (value < 1_000 || value > hour)
      found.push({ path: ['limits', name], message: 'must be from 1s to 1h' });
  }
  if (admin !== undefined && admin.port !== 0 && admin.port === listen.port && admin.host === listen.host) {
    found.push({ path: ['admin'], message: 'must be another address than listen' });
  }
  return found;
}
