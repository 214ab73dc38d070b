/** Signing in on another device (RFC 8628). */
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { askIssuer, objectOf, secureUrl } from './request.ts';
import {
  acceptToken,
  beginSignIn,
  clientFields,
  formBody,
  formHeaders,
  type Redeemed,
  redeem,
  refusedSignIn,
  type SignIn,
  type SignInOptions,
  scope,
  tooLate,
} from './sign-in.ts';
import type { IdentityToken } from './token.ts';

/** What a person is shown. */
export interface DeviceCode {
  /** What they type in, or compare. */
  readonly userCode: string;
  /** Where. */
  readonly url: string;
  /** The same with the code filled in, when the issuer offers it. */
  readonly completeUrl?: string;
  /** How long it can be used, in milliseconds. */
  readonly lifetime: number;
}

/** What signing in on another device needs beside the issuer. */
export interface DeviceSignInOptions extends SignInOptions {
  /** Shows the code. */
  show(code: DeviceCode): void;
}

/** What is asked after when the issuer does not say. */
const usualInterval = 5_000;
const longestInterval = 60_000;
/** What `slow_down` adds, for good. */
const penalty = 5_000;

/**
 * Shows a code and asks the issuer again and again until somebody has signed in with it. Throws `ERR_SIGN_IN` when they
 * refuse, when the code expires, and when the issuer has no such flow; `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`; the
 * signal ends the waiting at once.
 */
export async function signInOnDevice(options: DeviceSignInOptions): Promise<IdentityToken> {
  const signIn = await beginSignIn(options);
  const grant = await askForCode(signIn);
  options.show(grant);
  return acceptToken(signIn, await waitForToken(signIn, grant));
}

interface DeviceGrant extends DeviceCode {
  /** A secret. */
  readonly deviceCode: string;
  readonly interval: number;
}

async function askForCode(signIn: SignIn): Promise<DeviceGrant> {
  const { runtime, signal, metadata, issuer, allowHttp, challenge, redirectUrl } = signIn;
  const url = metadata.deviceAuthorizationEndpoint;
  if (url === undefined) {
    throw new BoltsealError('ERR_SIGN_IN', `nobody can sign in at ${issuer} on another device`, {
      hint: 'It has no device authorization endpoint. --fulcio-auth-flow normal opens a browser, or asks for a code that the issuer shows.',
    });
  }
  const client = clientFields(signIn);
  const answer = await askIssuer({
    runtime,
    signal,
    allowHttp,
    url,
    method: 'POST',
    headers: { ...formHeaders, ...client.headers },
    body: formBody({
      client_id: signIn.clientId,
      ...client.fields,
      scope,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...(redirectUrl === undefined ? {} : { redirect_uri: redirectUrl }),
    }),
    who: 'the device authorization endpoint',
  });
  const body = objectOf(answer);
  if (answer.status === 200 && body !== undefined) return readGrant(body, signIn);
  const code = body?.['error'];
  if (typeof code === 'string')
    throw refusedSignIn(signIn, { code, said: shown(code) ?? 'an error without a name' });
  throw new BoltsealError(
    'ERR_SERVICE_RESPONSE',
    `the device authorization endpoint of ${issuer} answers with status ${answer.status}`,
  );
}

/** {@link https://www.rfc-editor.org/rfc/rfc8628#section-3.2} */
function readGrant(body: JsonObject, { issuer, allowHttp }: SignIn): DeviceGrant {
  const { device_code: deviceCode, verification_uri: page, verification_uri_complete: complete } = body;
  const userCode = shown(body['user_code']);
  if (
    typeof deviceCode !== 'string' ||
    deviceCode === '' ||
    userCode === undefined ||
    typeof page !== 'string'
  ) {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `${issuer} gave no code to sign in with`);
  }
  const who = `the page of ${issuer} to sign in at`;
  const isComplete = typeof complete === 'string' && complete !== '';
  return {
    deviceCode,
    userCode,
    url: secureUrl(page, who, allowHttp).href,
    ...(isComplete ? { completeUrl: secureUrl(complete, who, allowHttp).href } : {}),
    lifetime: Math.min(seconds(body['expires_in']) ?? limits.signInTime, limits.signInTime),
    interval: Math.min(seconds(body['interval']) ?? usualInterval, longestInterval),
  };
}

/** A text that a terminal can show as it is. */
function shown(text: unknown): string | undefined {
  return typeof text === 'string' && /^[\x20-\x7e]{1,64}$/.test(text) ? text : undefined;
}

/** A number of seconds, as milliseconds; undefined when it is none. Never less than one second. */
function seconds(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? Math.max(1_000, value * 1_000) : undefined;
}

/** {@link https://www.rfc-editor.org/rfc/rfc8628#section-3.5} */
async function waitForToken(signIn: SignIn, grant: DeviceGrant): Promise<string> {
  const { runtime, signal } = signIn;
  const deadline = runtime.monotonic() + grant.lifetime;
  let { interval } = grant;
  let failures = 0;
  for (;;) {
    await runtime.sleep(interval, signal);
    if (runtime.monotonic() > deadline) throw tooLate(grant.lifetime);
    const answer = await ask(signIn, grant, failures);
    failures = answer === undefined ? failures + 1 : 0;
    // Whoever cannot be reached is asked less often.
    if (answer === undefined) interval = Math.min(interval * 2, longestInterval);
    else if ('token' in answer) return answer.token;
    else if (answer.refusal.code === 'slow_down') interval = Math.min(interval + penalty, longestInterval);
    else if (answer.refusal.code === 'expired_token') throw tooLate(grant.lifetime);
    else if (answer.refusal.code !== 'authorization_pending') throw refusedSignIn(signIn, answer.refusal);
  }
}

/** One question; undefined when it failed in a way that may pass. */
async function ask(signIn: SignIn, grant: DeviceGrant, failures: number): Promise<Redeemed | undefined> {
  const fields = {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: grant.deviceCode,
    code_verifier: signIn.verifier,
  };
  try {
    return await redeem(signIn, fields, 1);
  } catch (error) {
    const mayPass = isBoltsealError(error, 'ERR_SERVICE_NETWORK', 'ERR_SERVICE_UNAVAILABLE');
    if (!mayPass || failures + 1 >= limits.devicePollFailures) throw error;
    return undefined;
  }
}
