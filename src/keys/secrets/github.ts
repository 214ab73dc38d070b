/**
 * Secrets of GitHub Actions: of a repository or of an organization. GitHub takes them sealed and never gives them back.
 * {@link https://docs.github.com/en/rest/actions/secrets?apiVersion=2022-11-28}
 */
import { base64, fromBase64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import { printable } from '../../core/printable.ts';
import type { Runtime } from '../../core/runtime.ts';
import { sealBox } from '../../formats/sealed-box.ts';
import type { KmsFailure } from '../providers/kms-failure.ts';
import { ciNames, notKept, type Part, partsOf, type SecretPlace } from './place.ts';
import { type Asker, askRest, type RestAnswer, type RestService, saidOf } from './rest.ts';
import { serverOf } from './server.ts';

/** Who has the secrets. */
export interface GitHubOwner {
  readonly owner: string;
  /** Undefined for the secrets of an organization. */
  readonly repository: string | undefined;
}

const tokenHint =
  'Make a token under Settings, Developer settings: a classic one with the scope repo (admin:org for an organization), or a ' +
  'fine-grained one with the permission Secrets: read and write. Or use that of gh: export GITHUB_TOKEN=$(gh auth token)';

/** `OWNER/REPO` or `ORG`. Throws `ERR_USAGE`. */
export function parseGitHubOwner(text: string, source: string): GitHubOwner {
  const [owner = '', repository, ...more] = text.split('/');
  const isOwner = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})$/.test(owner);
  const isRepository =
    repository === undefined || (/^[A-Za-z0-9._-]{1,100}$/.test(repository) && !/^\.\.?$/.test(repository));
  if (isOwner && isRepository && more.length === 0) return { owner, repository };
  throw new BoltsealError(
    'ERR_USAGE',
    `${source} is not the name of a repository or organization on GitHub`,
    {
      hint: 'It is OWNER/REPO, or ORG alone for the secrets of an organization.',
    },
  );
}

/** The API of GitHub, or of the server in `GITHUB_HOST`. Throws `ERR_KEY_ACCESS` without a token, `ERR_USAGE`. */
export function githubService({ runtime }: Pick<Asker, 'runtime'>): RestService & { readonly host: string } {
  const token = runtime.env['GITHUB_TOKEN'] || runtime.env['GH_TOKEN'];
  if (token === undefined || token === '') {
    throw new BoltsealError(
      'ERR_KEY_ACCESS',
      'the variable GITHUB_TOKEN is not set, and GitHub wants a token',
      {
        hint: tokenHint,
      },
    );
  }
  const { host, api } = githubServer(runtime);
  return {
    name: 'GitHub',
    host,
    base: api,
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'x-github-api-version': '2022-11-28',
    },
    explain,
  };
}

/**
 * The server that `GITHUB_HOST` names, github.com by default, and the URL of its API: enterprise servers have that below a
 * path, enterprises in the cloud at a host of their own. Throws `ERR_USAGE`.
 */
export function githubServer({ env }: Pick<Runtime, 'env'>): { readonly host: string; readonly api: string } {
  const { host, hostname, origin, pathname } = serverOf(
    env['GITHUB_HOST'] || 'https://github.com',
    'GITHUB_HOST',
  );
  if (hostname === 'github.com' || hostname === 'api.github.com') {
    return { host: 'github.com', api: 'https://api.github.com' };
  }
  const path = pathname.replace(/\/+$/, '');
  const own = host.replace(/^api\./, '');
  if (path.endsWith('/api/v3') || hostname.startsWith('api.') || hostname.includes('.api.')) {
    return { host: own, api: `${origin}${path}` };
  }
  return { host, api: hostname.endsWith('.ghe.com') ? `https://api.${host}` : `${origin}${path}/api/v3` };
}

/** The place where the secrets of `of` are kept, with those of an older key pair. Throws as {@link askRest}. */
export async function openGitHubSecrets(of: GitHubOwner, asker: Asker): Promise<SecretPlace> {
  const service = githubService(asker);
  const { owner, repository } = of;
  const name = repository === undefined ? owner : `${owner}/${repository}`;
  const kind = repository === undefined ? `/orgs/${owner}` : `/repos/${owner}/${repository}`;
  const secrets: Secrets = {
    service,
    asker,
    path: `${kind}/actions/secrets`,
    what: `the Actions secrets of ${name} on ${service.host}`,
    isOrganization: repository === undefined,
  };
  const key = await recipientOf(secrets);
  const before = await Promise.all(Object.values(ciNames).map((part) => describe(secrets, part)));
  return {
    what: secrets.what,
    existing: before.flatMap((secret) => (secret === undefined ? [] : [secret.name])),
    async store(pair, password, stored = () => undefined) {
      const parts = partsOf(pair, password, ciNames);
      for (const [index, part] of parts.entries()) {
        const earlier = before.find((secret) => secret?.name === part.name);
        const written = await put(secrets, key, part, earlier);
        await checkKept(secrets, part.name, written, before[index]);
        stored(part.name);
      }
    },
  };
}

interface Secrets {
  readonly service: RestService;
  readonly asker: Asker;
  readonly path: string;
  readonly what: string;
  readonly isOrganization: boolean;
}

interface Recipient {
  readonly id: string;
  readonly key: Uint8Array;
}

/** What GitHub tells of a secret. */
interface Secret {
  readonly name: string;
  /** Milliseconds. */
  readonly updated: number;
  readonly visibility: string | undefined;
}

async function recipientOf({ service, asker, path, what }: Secrets): Promise<Recipient> {
  const request = {
    method: 'GET',
    path: `${path}/public-key`,
    what: `asking for the key of ${what}`,
  } as const;
  const { json } = await askRest(service, { ...request, accept: [200] }, asker);
  const { key_id: id, key } = isJsonObject(json) ? json : {};
  if (typeof id !== 'string' || id === '' || typeof key !== 'string') throw misshapen(request.what);
  return { id, key: fromBase64(key, `the key of ${what}`) };
}

/** What is known of the secret `name`; undefined when there is none. */
async function describe({ service, asker, path, what }: Secrets, name: string): Promise<Secret | undefined> {
  const doing = `asking for ${name} of ${what}`;
  const request = { method: 'GET', path: `${path}/${name}`, what: doing, accept: [200, 404] } as const;
  const { status, json } = await askRest(service, request, asker);
  if (status === 404) return undefined;
  const { updated_at: updated, visibility } = isJsonObject(json) ? json : {};
  const time = typeof updated === 'string' ? Date.parse(updated) : Number.NaN;
  if (Number.isNaN(time)) throw misshapen(doing);
  return { name, updated: time, visibility: typeof visibility === 'string' ? visibility : undefined };
}

/** Seals and stores one secret. Returns the server's time at which it did, to the second. */
async function put(
  secrets: Secrets,
  recipient: Recipient,
  part: Part,
  earlier: Secret | undefined,
): Promise<number | undefined> {
  const { service, asker, path, what, isOrganization } = secrets;
  const sealed = await sealBox(part.value, recipient.key, asker.runtime.random(32), `the key of ${what}`);
  const body: JsonObject = {
    key_id: recipient.id,
    encrypted_value: base64(sealed),
    ...(isOrganization ? { visibility: visibilityOf(earlier, what) } : {}),
  };
  const { headers } = await askRest(
    service,
    {
      method: 'PUT',
      path: `${path}/${part.name}`,
      what: `storing ${part.name} in ${what}`,
      body,
      accept: [201, 204],
    },
    asker,
  );
  const date = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(date) ? undefined : date;
}

/** Which repositories of an organization may use a secret: those that may use it already, else its private ones, as `gh` does. */
function visibilityOf(earlier: Secret | undefined, what: string): string {
  const visibility = earlier?.visibility ?? 'private';
  if (visibility !== 'selected') return visibility;
  throw new BoltsealError(
    'ERR_KEY_EXISTS',
    `${earlier?.name ?? ''} of ${what} is for selected repositories, and would no longer be`,
    { hint: 'Delete it first, or store the pair in each repository: github://OWNER/REPO' },
  );
}

/** How far the time in a `Date` header may be from that in `updated_at`. */
const clockDifference = 60_000;
/** Milliseconds between looks; what is read may come from a copy that is behind. */
const looks = [0, 250, 500, 1_000, 2_000] as const;

/** Reads back that the secret is there, and that it is the new one. */
async function checkKept(
  secrets: Secrets,
  name: string,
  written: number | undefined,
  before: Secret | undefined,
): Promise<void> {
  const { runtime, signal } = secrets.asker;
  for (const wait of looks) {
    if (wait > 0) await runtime.sleep(wait, signal);
    const now = await describe(secrets, name);
    if (now === undefined) continue;
    const isNewer = before === undefined || now.updated > before.updated;
    // Two pairs within one second have one time.
    const isSame = before !== undefined && now.updated === before.updated;
    const isFresh = written === undefined || now.updated >= written - clockDifference;
    if (isFresh && (isNewer || (isSame && written !== undefined))) return;
  }
  throw notKept(name, secrets.what);
}

function misshapen(what: string): BoltsealError {
  return new BoltsealError('ERR_KEY_PROVIDER', `${what}: GitHub answered what its API does not describe`, {
    hint: 'For an own server set GITHUB_HOST to its address, such as https://github.example.com.',
  });
}

/** What GitHub says in headers about a refusal. */
function explain(answer: RestAnswer): Partial<KmsFailure> | undefined {
  const { status, headers } = answer;
  if (status === 401) {
    return {
      problem: 'does not accept the token in GITHUB_TOKEN: it is wrong, expired or revoked',
      hint: tokenHint,
    };
  }
  if (status === 404) {
    return {
      problem: 'has no such repository or organization, or this token may not see it',
      hint: `Is the name right? ${tokenHint}`,
    };
  }
  if (
    headers.get('x-ratelimit-remaining') === '0' ||
    (status === 403 && headers.get('retry-after') !== null)
  ) {
    return { code: 'ERR_KEY_PROVIDER', problem: 'allows no more requests for now', ...limitOf(answer) };
  }
  if (status !== 403) return undefined;
  const sso = /url=(https:\/\/[^\s;,]+)/.exec(headers.get('x-github-sso') ?? '')?.[1];
  if (sso !== undefined) {
    return {
      problem: 'wants this token to be authorized for the single sign-on of the organization',
      hint: `Open ${printable(sso.split('?', 1)[0] ?? '')} in a browser, or authorize the token under Settings, Developer settings: Configure SSO.`,
    };
  }
  return { problem: `does not permit it: ${saidOf(answer)}${scopesOf(answer)}`, hint: tokenHint };
}

function limitOf({ headers }: RestAnswer): Partial<KmsFailure> {
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  const hint = Number.isFinite(reset)
    ? `It does again from ${new Date(reset * 1000).toISOString()} on.`
    : undefined;
  return {
    hint,
    again: headers.get('retry-after') === null ? undefined : 'nothing-done',
    retryAfter: headers.get('retry-after'),
  };
}

/** Which scopes or permissions are wanted, and which the token has. */
function scopesOf({ headers }: RestAnswer): string {
  const wanted = headers.get('x-accepted-github-permissions') || headers.get('x-accepted-oauth-scopes');
  const given = headers.get('x-oauth-scopes');
  if (!wanted) return '';
  return ` (it wants ${printable(wanted)}${given === null ? '' : `; the token has ${printable(given) || 'no scope'}`})`;
}
