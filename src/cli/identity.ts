/** From flags to identity tokens. */

import { fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { TokenQuery } from '../identity/source.ts';
import { readTokenFile } from '../identity/sources/filesystem.ts';
import { ambientToken, explainMissing, findSource } from '../identity/sources.ts';
import { type IdentityToken, looksLikeToken, parseIdentityToken, timeLeft } from '../identity/token.ts';
import type { CommandContext } from './command.ts';
import { isInteractive } from './keys.ts';
import type { SignInSettings, SignInWay } from './sign-in.ts';
import { readAll } from './stdin.ts';

/** Whom the public Sigstore, and a private one unless told, accepts tokens for. */
const audience = 'sigstore';

/** A token is not used again when it expires that soon, milliseconds. */
const renewBefore = 60_000;

/** What {@link tokenSource} is told beside the flags. */
export interface TokenSourceOptions {
  /** Where a person signs in: the issuer of the signing configuration. */
  readonly issuer?: string | undefined;
  /** Called before a person is asked to sign in; what it throws ends the sign-in. */
  readonly beforeSignIn?: (() => Promise<void>) | undefined;
}

/**
 * How identity tokens are got, as the flags say. Nothing is asked before the first call; later calls give the same token
 * while it lasts. In this order: `--identity-token`; the environment; a person at the terminal, with a browser or on
 * another device. Throws `ERR_USAGE` for flags that contradict each other; the calls throw `ERR_IDENTITY_…`,
 * `ERR_SIGN_IN` and `ERR_SERVICE_…`.
 */
export function tokenSource(
  context: CommandContext,
  options: TokenSourceOptions = {},
): () => Promise<IdentityToken> {
  const settings = readSettings(context);
  const obtain = tokenGetter(context, settings, options);
  let kept: Promise<IdentityToken> | undefined;
  return async function get(): Promise<IdentityToken> {
    const before = kept;
    if (before !== undefined) {
      const token = await before;
      const { now } = await context.serviceRuntime();
      if (timeLeft(token, now()) > renewBefore) return token;
      // Somebody else may have asked for a new one meanwhile.
      if (kept !== before) return get();
    }
    const current = obtain();
    kept = current;
    current.catch(() => {
      if (kept === current) kept = undefined;
    });
    return current;
  };
}

/**
 * Fails at once where no identity token can be had: what else a command does first may take long. Nothing is asked.
 * Throws as the calls of {@link tokenSource}.
 */
export async function requireTokenSource(context: CommandContext): Promise<void> {
  const settings = readSettings(context);
  const { given, flow, provider, usesEnvironment } = settings;
  if (given !== undefined) return;
  const query = { runtime: await context.serviceRuntime(), audience, signal: context.signal };
  if (usesEnvironment && (flow === undefined || flow === 'token')) {
    if ((await findSource(query, { only: provider })) !== undefined) return;
  }
  await chooseWay(context, query, settings);
}

type Flow = 'normal' | 'device' | 'token' | 'client_credentials';

interface Settings {
  /** `--identity-token`. A secret. */
  readonly given: string | undefined;
  readonly flow: Flow | undefined;
  readonly provider: string | undefined;
  readonly usesEnvironment: boolean;
  readonly clientId: string;
  readonly secretFile: string | undefined;
  readonly redirectUrl: string | undefined;
}

function readSettings({ command, flags }: CommandContext): Settings {
  const takes = (id: (typeof command.flags)[number]): boolean => command.flags.includes(id);
  const settings: Settings = {
    given: takes('identity-token') ? flags.get('identity-token') : undefined,
    flow: takes('fulcio-auth-flow') ? flags.get('fulcio-auth-flow') : undefined,
    provider: takes('oidc-provider') ? flags.get('oidc-provider') : undefined,
    usesEnvironment: !(
      takes('oidc-disable-ambient-providers') && flags.get('oidc-disable-ambient-providers')
    ),
    clientId: takes('oidc-client-id') ? flags.get('oidc-client-id') : audience,
    secretFile: takes('oidc-client-secret-file') ? flags.get('oidc-client-secret-file') : undefined,
    redirectUrl: takes('oidc-redirect-url') ? flags.get('oidc-redirect-url') : undefined,
  };
  refuseContradictions(settings);
  return settings;
}

function refuseContradictions({ given, flow, provider, usesEnvironment, secretFile }: Settings): void {
  const asksSomebody = flow !== undefined && flow !== 'token';
  const contradictions: readonly (readonly [boolean, string])[] = [
    [given !== undefined && asksSomebody, `--identity-token and --fulcio-auth-flow ${flow}`],
    [given !== undefined && provider !== undefined, '--identity-token and --oidc-provider'],
    [provider !== undefined && asksSomebody, `--oidc-provider and --fulcio-auth-flow ${flow}`],
    [provider !== undefined && !usesEnvironment, '--oidc-provider and --oidc-disable-ambient-providers'],
  ];
  const found = contradictions.find(([is]) => is);
  if (found !== undefined) throw new BoltsealError('ERR_USAGE', `${found[1]} contradict each other`);
  if (flow === 'client_credentials' && secretFile === undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      '--fulcio-auth-flow client_credentials needs --oidc-client-secret-file',
    );
  }
}

function tokenGetter(
  context: CommandContext,
  settings: Settings,
  options: TokenSourceOptions,
): () => Promise<IdentityToken> {
  const { given, flow, provider, usesEnvironment } = settings;
  const readGiven = given === undefined ? undefined : givenToken(context, given);
  return async () => {
    const runtime = await context.serviceRuntime();
    const query: TokenQuery = { runtime, audience, signal: context.signal };
    if (readGiven !== undefined) {
      return parseIdentityToken(await readGiven(), {
        now: runtime.now(),
        audience: [audience, settings.clientId],
      });
    }
    if (usesEnvironment && (flow === undefined || flow === 'token')) {
      const found = await ambientToken(query, { only: provider, acceptAudience: [settings.clientId] });
      if (found !== undefined) return found;
    }
    const way = await chooseWay(context, query, settings);
    const { signIn } = await import('./sign-in.ts');
    return signIn(context, way, await signInSettings(settings, options));
  };
}

async function signInSettings(
  { clientId, secretFile, redirectUrl }: Settings,
  { issuer, beforeSignIn }: TokenSourceOptions,
): Promise<SignInSettings> {
  if (issuer === undefined) {
    throw new BoltsealError('ERR_SIGNING_CONFIG', 'the signing configuration names no issuer to sign in at', {
      hint: 'Name one with --oidc-issuer URL, or give a token with --identity-token.',
    });
  }
  const clientSecret = secretFile === undefined ? undefined : await readSecret(secretFile);
  return { issuer, clientId, clientSecret, redirectUrl, beforeSignIn };
}

async function readSecret(path: string): Promise<string> {
  let secret: string;
  try {
    secret = (await readTokenFile(path, limits.clientSecretBytes)).trim();
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the client secret in ${path} cannot be read`, { cause });
  }
  if (secret !== '') return secret;
  throw new BoltsealError('ERR_USAGE', `the file ${path} of --oidc-client-secret-file is empty`);
}

/**
 * Reads the token that `--identity-token` stands for; a file again at each call, because what keeps it fresh may have
 * written it anew. Whatever was given may be a secret in the wrong place: no error repeats it, nor holds what does.
 */
function givenToken({ io, signal }: CommandContext, given: string): () => Promise<string> {
  if (given === '-') {
    let piped: Promise<string> | undefined;
    return () => {
      // White space may surround it.
      const maxBytes = limits.identityTokenBytes + 1_024;
      piped ??= readAll(io.stdin, { maxBytes, what: 'the identity token', signal }).then((bytes) =>
        fromUtf8(bytes, 'the identity token'),
      );
      return piped;
    };
  }
  if (looksLikeToken(given)) return async () => given;
  return async () => {
    try {
      return await readTokenFile(given);
    } catch (error) {
      if (error instanceof BoltsealError) {
        throw new BoltsealError('ERR_IDENTITY_TOKEN', `--identity-token: ${error.message}`);
      }
      const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
      throw new BoltsealError(
        'ERR_IDENTITY_TOKEN',
        `--identity-token is neither a JSON Web Token nor a file that can be read${code}`,
        { hint: 'A token is three parts of base64url joined by points, and starts with eyJ.' },
      );
    }
  };
}

/** How to sign in where no token was found. Throws `ERR_IDENTITY_MISSING` where nobody can be asked. */
async function chooseWay(
  context: CommandContext,
  query: TokenQuery,
  { flow, usesEnvironment }: Settings,
): Promise<SignInWay> {
  if (flow === 'client_credentials') return 'client';
  const missing = await explainMissing(query);
  const mayAsk = missing === undefined && flow !== 'token';
  if (mayAsk && flow === 'device') return 'device';
  if (mayAsk && flow === 'normal') return 'browser';
  if (mayAsk && isInteractive(context)) {
    const { hasBrowser } = await import('./browser.ts');
    return hasBrowser(context.io) ? 'browser' : 'device';
  }
  if (missing !== undefined) {
    const also = usesEnvironment
      ? ''
      : ', and --oidc-disable-ambient-providers leaves nothing but to ask a person';
    throw new BoltsealError('ERR_IDENTITY_MISSING', `${missing.problem}${also}`, { hint: missing.hint });
  }
  throw new BoltsealError(
    'ERR_IDENTITY_MISSING',
    'there is no identity token, and nobody can be asked for one',
    {
      hint: 'This is no terminal. Give --identity-token FILE, set SIGSTORE_ID_TOKEN, or sign with a key: --key FILE.',
    },
  );
}
