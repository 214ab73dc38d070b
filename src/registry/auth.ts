/**
 * Authorization for one registry: learns from challenges, gets and keeps tokens.
 * {@link https://distribution.github.io/distribution/spec/auth/}
 */
import { untilAborted } from '../core/concurrent.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { discard, readBody } from '../core/response-body.ts';
import type { FetchResponse, Runtime } from '../core/runtime.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credential, CredentialSource } from './credentials/credential.ts';
import { acceptRealm, realmNeedsTrust } from './realm.ts';
import { readProblems } from './response.ts';

/** What a request wants to do: pull from `repository`, push, delete, or also pull from another one (for a mount). */
export interface Scope {
  readonly repository: string;
  readonly push: boolean;
  readonly remove?: boolean;
  readonly alsoPull?: string | undefined;
}

/** Sends one request to a token service: no redirects, no authorization but its own, retries as for the registry. */
export type TokenRequest = (
  request: {
    readonly method: 'GET' | 'POST';
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Uint8Array;
    readonly what: string;
  },
  read: (response: FetchResponse) => Promise<JsonObject>,
) => Promise<JsonObject>;

/** What {@link createAuthenticator} needs. */
export interface AuthenticatorOptions {
  readonly runtime: Runtime;
  /** The registry as in references. */
  readonly registry: string;
  readonly credentials: CredentialSource;
  readonly trustedRealms: readonly string[];
  readonly request: TokenRequest;
}

/** The authorization of one registry. */
export interface Authenticator {
  /** The `Authorization` header for `scope`; undefined while the registry has not asked for any. */
  authorization(scope: Scope, signal?: AbortSignal): Promise<string | undefined>;
  /**
   * Takes in a 401 from `api` that answered a request with the header `rejected`. Afterwards {@link authorization}
   * gives something else than `rejected`. Throws when there is nothing else to try.
   */
  challenged(header: string | null, api: URL, rejected: string | undefined, scope: Scope): Promise<void>;
}

interface Token {
  readonly value: string;
  /** When it stops being used, on the monotonic clock. */
  readonly until: number;
}

interface State {
  /** The challenge learnt, and the URL it came from. */
  challenge: Challenge | undefined;
  api: URL | undefined;
  /** Scopes the registry asked for beside ours: some want one that is not of the repository. */
  readonly extraScopes: Set<string>;
  readonly tokens: Map<string, Promise<Token>>;
  readonly credentials: Map<string, Promise<Credential | undefined>>;
}

const clientId = 'boltseal';
/** Seconds a token lasts when its service does not say. */
const defaultLifetime = 60;

/** An authenticator that knows nothing yet. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const state: State = {
    challenge: undefined,
    api: undefined,
    extraScopes: new Set(),
    tokens: new Map(),
    credentials: new Map(),
  };
  return {
    authorization: (scope, signal) => authorization(options, state, scope, signal),
    challenged: (header, api, rejected, scope) => challenged(options, state, header, api, rejected, scope),
  };
}

async function authorization(
  options: AuthenticatorOptions,
  state: State,
  scope: Scope,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { challenge } = state;
  if (challenge === undefined) return undefined;
  const credential = await credentialFor(options, state, scope.repository, signal);
  if (credential?.kind === 'registry-token') return `Bearer ${credential.token}`;
  if (challenge.scheme === 'bearer') {
    return `Bearer ${(await tokenFor(options, state, challenge, scope, credential, signal)).value}`;
  }
  if (credential?.kind === 'basic') return basicHeader(credential);
  throw new BoltsealError(
    'ERR_REGISTRY_UNAUTHORIZED',
    `the registry ${options.registry} wants a user and password`,
    {
      hint: loginHint(options.registry),
      details: { registry: options.registry },
    },
  );
}

async function challenged(
  options: AuthenticatorOptions,
  state: State,
  header: string | null,
  api: URL,
  rejected: string | undefined,
  scope: Scope,
): Promise<void> {
  const challenge = header === null ? undefined : pickChallenge(parseChallenges(header));
  if (challenge === undefined) {
    throw new BoltsealError(
      'ERR_REGISTRY_UNAUTHORIZED',
      `the registry ${options.registry} refused the request`,
      {
        hint: 'It named no way to log in that is supported (Bearer or Basic).',
        details: { registry: options.registry },
      },
    );
  }
  const learnt = state.challenge;
  if (rejected !== undefined && learnt?.scheme !== 'bearer' && challenge.scheme === learnt?.scheme) {
    throw rejectedCredentials(options, await credentialFor(options, state, scope.repository, undefined));
  }
  state.challenge = challenge;
  state.api = api;
  rememberScopes(state, challenge, scope);
  if (rejected !== undefined) await dropToken(state, rejected);
  const credential = await credentialFor(options, state, scope.repository, undefined);
  if (credential?.kind === 'registry-token' && rejected !== undefined) {
    throw rejectedCredentials(options, credential);
  }
}

/** Of many requests refused at once with one token, the first drops it and the others use its successor. */
async function dropToken(state: State, rejected: string): Promise<void> {
  for (const [key, asked] of [...state.tokens]) {
    const token = await asked.catch(() => undefined);
    if (token !== undefined && rejected === `Bearer ${token.value}` && state.tokens.get(key) === asked) {
      state.tokens.delete(key);
    }
  }
}

function pickChallenge(challenges: readonly Challenge[]): Challenge | undefined {
  return (
    challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm')) ??
    challenges.find(({ scheme }) => scheme === 'basic')
  );
}

function rememberScopes(state: State, challenge: Challenge, scope: Scope): void {
  for (const wanted of (challenge.parameters.get('scope') ?? '').split(' ')) {
    const isOfRepository = wanted === '' || wanted.startsWith('repository:');
    if (isOfRepository || wanted.length > 512 || state.extraScopes.size >= 8) continue;
    if (!state.extraScopes.has(wanted)) state.tokens.delete(scopeKey(scope));
    state.extraScopes.add(wanted);
  }
}

function credentialFor(
  options: AuthenticatorOptions,
  state: State,
  repository: string,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  const known = state.credentials.get(repository);
  if (known !== undefined) return untilAborted(known, signal, cancelled);
  const found = options.credentials(options.registry, repository);
  state.credentials.set(repository, found);
  found.catch(() => state.credentials.delete(repository));
  return untilAborted(found, signal, cancelled);
}

function cancelled(reason: unknown): BoltsealError {
  return wrapError(reason, 'ERR_INTERRUPTED', 'waiting for an authorization was cancelled');
}

async function tokenFor(
  options: AuthenticatorOptions,
  state: State,
  challenge: Challenge,
  scope: Scope,
  credential: Credential | undefined,
  signal: AbortSignal | undefined,
): Promise<Token> {
  // A token to push may also pull, so that a flow that pushes later needs one token only.
  const keys = scope.push ? [scopeKey(scope)] : [scopeKey(scope), scopeKey({ ...scope, push: true })];
  for (const key of keys) {
    const cached = state.tokens.get(key);
    if (cached === undefined) continue;
    const token = await untilAborted(cached, signal, cancelled);
    if (token.until > options.runtime.monotonic()) return token;
    if (state.tokens.get(key) === cached) state.tokens.delete(key);
  }
  const key = scopeKey(scope);
  const underway = state.tokens.get(key);
  if (underway !== undefined) return untilAborted(underway, signal, cancelled);
  const asked = requestToken(options, state, challenge, scope, credential);
  state.tokens.set(key, asked);
  asked.catch(() => {
    if (state.tokens.get(key) === asked) state.tokens.delete(key);
  });
  return untilAborted(asked, signal, cancelled);
}

function scopeKey(scope: Scope): string {
  return scopeTexts(scope).join(' ');
}

function scopeTexts(scope: Scope): string[] {
  const actions = `pull${scope.push ? ',push' : ''}${scope.remove === true ? ',delete' : ''}`;
  return [
    // A login is about no repository.
    ...(scope.repository === '' ? [] : [`repository:${scope.repository}:${actions}`]),
    ...(scope.alsoPull === undefined ? [] : [`repository:${scope.alsoPull}:pull`]),
  ];
}

async function requestToken(
  options: AuthenticatorOptions,
  state: State,
  challenge: Challenge,
  scope: Scope,
  credential: Credential | undefined,
): Promise<Token> {
  const { registry, runtime } = options;
  const api = state.api ?? new URL(`https://${registry}`);
  const realm = challenge.parameters.get('realm') ?? '';
  const accepted = acceptRealm(realm, { registry, api, trustedRealms: options.trustedRealms });
  if (credential !== undefined && !accepted.mayHaveCredentials) throw realmNeedsTrust(registry, accepted.url);
  const service = challenge.parameters.get('service');
  const scopes = [...scopeTexts(scope), ...state.extraScopes];
  const what = `getting a token for ${registry}/${scope.repository} from ${accepted.url.host}`;
  const parts = tokenRequestParts(accepted.url, service, scopes, credential);
  const started = runtime.monotonic();
  let age = 0;
  const json = await options.request({ ...parts, what }, async (response) => {
    age = tokenAgeBase(response, runtime);
    return readToken(response, options, credential, what);
  });
  return toToken(json, started, age, what);
}

type TokenRequestParts = Pick<Parameters<TokenRequest>[0], 'method' | 'url' | 'headers' | 'body'>;

/**
 * A GET with Basic credentials or none, or the OAuth2 POST for a refresh token.
 * {@link https://distribution.github.io/distribution/spec/auth/oauth/}
 */
function tokenRequestParts(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credential: Credential | undefined,
): TokenRequestParts {
  const accept = { accept: 'application/json' };
  if (credential?.kind === 'identity-token') {
    const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: clientId });
    if (service !== undefined) form.set('service', service);
    form.set('scope', scopes.join(' '));
    form.set('refresh_token', credential.token);
    const headers = { ...accept, 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: new TextEncoder().encode(form.toString()) };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credential?.kind !== 'basic') return { method: 'GET', url, headers: accept };
  return { method: 'GET', url, headers: { ...accept, authorization: basicHeader(credential) } };
}

function basicHeader(credential: Extract<Credential, { kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}

async function readToken(
  response: FetchResponse,
  options: AuthenticatorOptions,
  credential: Credential | undefined,
  what: string,
): Promise<JsonObject> {
  const { status } = response;
  if (status === 200) {
    const bytes = await readBody(response, limits.tokenResponseBytes, 'the answer of the token service');
    const json = parseJson(bytes, {
      what: 'the answer of the token service',
      maxBytes: limits.tokenResponseBytes,
    });
    if (isJsonObject(json)) return json;
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the answer is not a JSON object`);
  }
  if (status >= 300 && status < 400) {
    await discard(response);
    throw new BoltsealError(
      'ERR_REGISTRY_REDIRECT',
      `${what}: the token service redirects, which is not followed`,
    );
  }
  const problems = await readProblems(response);
  if (status === 400 || status === 401 || status === 403)
    throw rejectedCredentials(options, credential, status);
  throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the token service answered ${status}`, {
    details: { status, problems: problems.map(({ code }) => code) },
  });
}

/** The server's own clock, when it tells, so that a wrong clock here does not shorten or lengthen a token's life. */
function tokenAgeBase(response: FetchResponse, runtime: Runtime): number {
  const date = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(date) ? runtime.now().getTime() : date;
}

function toToken(json: JsonObject, started: number, serverNow: number, what: string): Token {
  const value = json['token'] || json['access_token'];
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the answer holds no token`);
  }
  const seconds = json['expires_in'];
  const lifetime =
    (typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : defaultLifetime) *
    1000;
  const issuedText = json['issued_at'];
  const issued = typeof issuedText === 'string' ? Date.parse(issuedText) : Number.NaN;
  const age = Number.isNaN(issued) ? 0 : Math.min(lifetime, Math.max(0, serverNow - issued));
  // Stop using it a little early: it must still be valid when a request that carries it arrives.
  const margin = Math.min(10_000, lifetime / 5);
  return { value, until: started + lifetime - age - margin };
}

function rejectedCredentials(
  options: AuthenticatorOptions,
  credential: Credential | undefined,
  status?: number,
): BoltsealError {
  const { registry } = options;
  const details = { registry, ...(status === undefined ? {} : { status }) };
  return credential === undefined
    ? new BoltsealError(
        'ERR_REGISTRY_UNAUTHORIZED',
        `the registry ${registry} does not allow this without a login`,
        {
          hint: loginHint(registry),
          details,
        },
      )
    : new BoltsealError(
        'ERR_REGISTRY_UNAUTHORIZED',
        `the registry ${registry} refused the credentials from ${credential.origin}`,
        { hint: loginHint(registry), details: { ...details, credentials: credential.origin } },
      );
}

/** The error for a registry that keeps answering 401 to a fresh token. */
export function stillUnauthorized(registry: string, what: string): BoltsealError {
  return new BoltsealError(
    'ERR_REGISTRY_UNAUTHORIZED',
    `${what}: the registry refused a fresh authorization`,
    {
      hint: `The account may lack the right, or the repository may not exist. ${loginHint(registry)}`,
      details: { registry },
    },
  );
}

function loginHint(registry: string): string {
  return `Log in with boltseal login ${registry}, or check the credentials stored for exactly this host.`;
}
