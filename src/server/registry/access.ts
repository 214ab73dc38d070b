import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import { jsonResponse, Refusal } from './refusal.ts';
import type { Route } from './routes.ts';
import { createTokens, type Scope, scopeText, type Tokens } from './tokens.ts';

/** One account that may do everything, with its password in every request. */
export interface BasicAuth {
  readonly kind: 'basic';
  readonly username: string;
  readonly password: string;
}

/**
 * One account and a token service (`/token` of the registry itself) as docker registries have it: GET with Basic
 * credentials, or POST with a password or a refresh token.
 * {@link https://distribution.github.io/distribution/spec/auth/token/}
 */
export interface BearerAuth {
  readonly kind: 'bearer';
  readonly username: string;
  readonly password: string;
  /** The name of the service in challenges; `boltseal-registry` unless told. */
  readonly service?: string;
  /** Another token service to send clients to, with tokens of this registry or without any: for tests of clients. */
  readonly realm?: string;
  /** How long a token lasts, in milliseconds; 5 minutes unless told. */
  readonly tokenLifetime?: number;
  /** Whether anyone gets tokens to pull. */
  readonly anonymousPull?: boolean;
}

/** Who may use a registry. */
export type RegistryAuth = BasicAuth | BearerAuth;

/** What a request may do beside what it asks for. */
export interface Access {
  mayRead(repository: string): boolean;
}

/** The door of a registry. */
export interface Gate {
  /** Throws a {@link Refusal} with a challenge when the request may not do what it asks for. */
  admit(request: HttpRequest, route: Route): Access;
  /** The answer of the token service. */
  answerToken(request: HttpRequest, query: URLSearchParams): Promise<HttpResponse>;
}

const everything: Access = { mayRead: () => true };
const formLimit = 65_536;

/** The gate for `auth`; open to everyone when there is none. */
export function createGate(
  auth: RegistryAuth | undefined,
  now: () => number,
  random: (length: number) => Uint8Array,
): Gate {
  if (auth === undefined) return { admit: () => everything, answerToken: noTokens };
  if (auth.kind === 'basic') {
    const challenge = 'Basic realm="boltseal registry"';
    return {
      admit(request) {
        if (isAccount(auth, basicCredentials(request))) return everything;
        throw unauthorized(challenge, 'a username and password are needed');
      },
      answerToken: noTokens,
    };
  }
  const tokens = createTokens(random(32), now, auth.tokenLifetime ?? 300_000);
  return {
    admit: (request, route) => admitBearer(auth, tokens, request, route),
    answerToken: (request, query) => answerToken(auth, tokens, request, query),
  };
}

async function noTokens(): Promise<HttpResponse> {
  throw new Refusal('UNSUPPORTED', 'no such end point', { status: 404 });
}

function admitBearer(auth: BearerAuth, tokens: Tokens, request: HttpRequest, route: Route): Access {
  const needed = neededScope(request.method, route);
  const token = /^Bearer +([A-Za-z0-9._~+/=-]{1,16384})$/i.exec(
    request.headers.get('authorization') ?? '',
  )?.[1];
  const scopes = token === undefined ? undefined : tokens.verify(token, 'access');
  if (scopes === undefined) {
    const problem = token === undefined ? undefined : 'invalid_token';
    throw unauthorized(bearerChallenge(auth, request, needed, problem), 'a token is needed');
  }
  const allows = (scope: Scope): boolean => scope.actions.every((action) => isGranted(scopes, scope, action));
  if (needed !== undefined && !allows(needed)) {
    throw unauthorized(
      bearerChallenge(auth, request, needed, 'insufficient_scope'),
      'the token does not cover this',
    );
  }
  return { mayRead: (name) => allows({ type: 'repository', name, actions: ['pull'] }) };
}

function isGranted(scopes: readonly Scope[], scope: Scope, action: string): boolean {
  return scopes.some(
    (granted) =>
      granted.type === scope.type &&
      granted.name === scope.name &&
      (granted.actions.includes(action) || granted.actions.includes('*')),
  );
}

function neededScope(method: string, route: Route): Scope | undefined {
  if (route.kind === 'catalog') return { type: 'registry', name: 'catalog', actions: ['*'] };
  if (route.kind === 'ping' || route.kind === 'token') return undefined;
  const isUpload = route.kind === 'uploads' || route.kind === 'upload';
  const isRead = (method === 'GET' || method === 'HEAD') && !isUpload;
  const actions = isRead ? ['pull'] : method === 'DELETE' && !isUpload ? ['delete'] : ['pull', 'push'];
  return { type: 'repository', name: route.name, actions };
}

function bearerChallenge(
  auth: BearerAuth,
  request: HttpRequest,
  needed: Scope | undefined,
  problem: string | undefined,
): string {
  const realm = auth.realm ?? `${originOf(request.url)}/token`;
  const parameters = [`realm="${realm}"`, `service="${serviceOf(auth)}"`];
  if (needed !== undefined) parameters.push(`scope="${scopeText(needed)}"`);
  if (problem !== undefined) parameters.push(`error="${problem}"`);
  return `Bearer ${parameters.join(',')}`;
}

/** As the client wrote it, in the one spelling that can stand between quotes. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : '';
}

function serviceOf(auth: BearerAuth): string {
  return auth.service ?? 'boltseal-registry';
}

async function answerToken(
  auth: BearerAuth,
  tokens: Tokens,
  request: HttpRequest,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const isForm = request.method === 'POST';
  const asked = isForm ? await readForm(request) : query;
  const identity = isForm ? formIdentity(auth, tokens, asked) : basicIdentity(auth, request);
  if (identity === 'refused' || (identity === 'anonymous' && auth.anonymousPull !== true)) {
    throw unauthorized('Basic realm="boltseal registry"', 'the credentials are not valid');
  }
  const scopes = askedScopes(asked).map((scope) => grant(scope, identity));
  const token = tokens.issue('access', scopes);
  const wantsRefresh = asked.get('offline_token') === 'true' || asked.get('access_type') === 'offline';
  return jsonResponse(
    200,
    {
      token,
      access_token: token,
      expires_in: Math.floor(tokens.lifetime / 1_000),
      ...(wantsRefresh && identity === 'account' ? { refresh_token: tokens.issue('refresh', []) } : {}),
    },
    { 'cache-control': 'no-store' },
  );
}

type Identity = 'account' | 'anonymous' | 'refused';

function basicIdentity(auth: BearerAuth, request: HttpRequest): Identity {
  if (request.headers.get('authorization') === null) return 'anonymous';
  return isAccount(auth, basicCredentials(request)) ? 'account' : 'refused';
}

function formIdentity(auth: BearerAuth, tokens: Tokens, form: URLSearchParams): Identity {
  const kind = form.get('grant_type');
  if (kind === 'refresh_token') {
    return tokens.verify(form.get('refresh_token') ?? '', 'refresh') === undefined ? 'refused' : 'account';
  }
  if (kind !== 'password') return 'refused';
  const given = { username: form.get('username') ?? '', password: form.get('password') ?? '' };
  return isAccount(auth, given) ? 'account' : 'refused';
}

function grant(scope: Scope, identity: Identity): Scope {
  if (identity === 'account') return scope;
  const isPull = scope.type === 'repository' && scope.actions.includes('pull');
  return { ...scope, actions: isPull ? ['pull'] : [] };
}

/** `type:name:action,action`; a name may hold colons, and several scopes stand in one parameter or in many. */
function askedScopes(asked: URLSearchParams): Scope[] {
  const texts = asked.getAll('scope').flatMap((text) => text.split(' '));
  return texts.slice(0, 64).flatMap((text) => {
    const match = /^([a-z]+)(?:\([a-z]+\))?:(.{1,400}):([a-z*,]{1,100})$/.exec(text);
    if (match === null) return [];
    const [, type = '', name = '', actions = ''] = match;
    return [{ type, name, actions: actions.split(',') }];
  });
}

async function readForm(request: HttpRequest): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > formLimit) throw new Refusal('SIZE_INVALID', 'the form is too large', { status: 413 });
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

function basicCredentials(request: HttpRequest): Credentials | undefined {
  const match = /^Basic +([A-Za-z0-9+/=]{1,16384})$/i.exec(request.headers.get('authorization') ?? '');
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? '', 'base64').toString();
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function isAccount(account: Credentials, given: Credentials | undefined): boolean {
  if (given === undefined) return false;
  const isUser = isSame(account.username, given.username);
  return isSame(account.password, given.password) && isUser;
}

/** Takes the same time wherever the texts differ. */
function isSame(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function unauthorized(challenge: string, message: string): Refusal {
  return new Refusal('UNAUTHORIZED', message, { headers: { 'www-authenticate': challenge } });
}
