/** Signing in for a program that cannot open a browser (RFC 8628). */
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { jsonAnswer, type Route, type ServiceRequest } from '../http/service.ts';
import { checkVerifier, readChallenge, readForm, readParameters, refuseOtherOrigins } from './form.ts';
import type { Grants } from './grants.ts';
import { OauthError, unstored } from './oauth-error.ts';
import { devicePage, messagePage } from './pages.ts';
import { isEmail } from './tokens.ts';

/** A sign-in that a program waits for. */
export interface DeviceGrant {
  readonly clientId: string;
  readonly userCode: string;
  readonly challenge: string | undefined;
  /** What the person decided: their address, or that they do not want this. */
  decision: { readonly email: string } | 'denied' | undefined;
  /** Milliseconds that must lie between two questions. */
  interval: number;
  /** When was asked last, on the monotonic clock. */
  asked: number | undefined;
}

/** The sign-ins that programs wait for, by either of their two codes. */
export interface DeviceGrants {
  readonly byDevice: Grants<DeviceGrant>;
  readonly byUser: Grants<DeviceGrant>;
}

/** How long a person has, in milliseconds. */
export const deviceTime: number = 300_000;
const interval = 1_000;
/** What {@link https://www.rfc-editor.org/rfc/rfc8628#section-3.5 slow_down} adds. */
const penalty = 5_000;
/** Two questions may arrive a little closer to each other than they were sent. */
const jitter = 200;
/** No vowels, so that no words come out, and nothing that looks like something else (RFC 8628 section 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';

/** The device authorization end point and the page for the person. */
export function deviceRoutes(
  runtime: Pick<Runtime, 'random'>,
  issuer: string,
  grants: DeviceGrants,
): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/oauth2/device/code',
      name: 'device-code',
      bodyBytes: limits.oidcFormBytes,
      answer: (request) => begin(request, runtime, issuer, grants),
    },
    {
      method: 'GET',
      path: '/oauth2/device',
      name: 'device',
      answer: ({ query }) => devicePage('device', readParameters(query).get('user_code') ?? ''),
    },
    {
      method: 'POST',
      path: '/oauth2/device',
      name: 'device',
      bodyBytes: limits.oidcFormBytes,
      answer: (request) => decide(request, grants),
    },
  ];
}

function begin(
  request: ServiceRequest,
  runtime: Pick<Runtime, 'random'>,
  issuer: string,
  grants: DeviceGrants,
): HttpResponse {
  const parameters = readForm(request);
  const grant: DeviceGrant = {
    clientId: parameters.need('client_id'),
    userCode: newUserCode(runtime),
    challenge: readChallenge(parameters, false),
    decision: undefined,
    interval,
    asked: undefined,
  };
  const deviceCode = Buffer.from(runtime.random(32)).toString('base64url');
  grants.byDevice.add(deviceCode, grant);
  grants.byUser.add(grant.userCode, grant);
  const page = `${issuer}/oauth2/device`;
  const body = {
    device_code: deviceCode,
    user_code: grant.userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?user_code=${grant.userCode}`,
    expires_in: deviceTime / 1_000,
    interval: interval / 1_000,
  };
  return jsonAnswer(200, body, unstored);
}

/** Eight letters: 34 bits, of which a person types every one. */
function newUserCode(runtime: Pick<Runtime, 'random'>): string {
  let code = '';
  while (code.length < 8) {
    for (const byte of runtime.random(16)) {
      // Bytes past the last full round would make some letters likelier than others.
      if (byte < 240 && code.length < 8) code += letters[byte % letters.length];
    }
  }
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

function decide(request: ServiceRequest, { byUser }: DeviceGrants): HttpResponse {
  refuseOtherOrigins(request);
  const parameters = readForm(request);
  const typed = parameters.get('user_code') ?? '';
  const compact = typed.toUpperCase().replace(/[^A-Z]/g, '');
  const userCode = `${compact.slice(0, 4)}-${compact.slice(4)}`;
  const found = byUser.find(userCode);
  if (found === undefined) return devicePage('device', typed, 'This code is not known.');
  if (found.expired || found.value.decision !== undefined) {
    return messagePage(400, 'Too late', 'This code was used or has expired. Start again in the program.');
  }
  if (parameters.get('decision') === 'deny') {
    found.value.decision = 'denied';
    byUser.remove(userCode);
    return messagePage(200, 'Denied', 'The program was told that you do not want this.');
  }
  const email = parameters.get('email') ?? '';
  if (!isEmail(email)) return devicePage('device', typed, 'This is not an email address.');
  found.value.decision = { email };
  byUser.remove(userCode);
  return messagePage(200, 'Signed in', 'The program goes on by itself. You can close this page.');
}

/**
 * The address of the person who allowed a sign-in; once. Throws the errors of RFC 8628 section 3.5 while that has not
 * happened.
 */
export function takeDeviceGrant(
  runtime: Pick<Runtime, 'monotonic'>,
  { byDevice, byUser }: DeviceGrants,
  deviceCode: string,
  clientId: string,
  verifier: string | undefined,
): string {
  const found = byDevice.find(deviceCode);
  if (found === undefined || found.value.clientId !== clientId) {
    throw new OauthError('invalid_grant', 'this device code is not known');
  }
  const { value: grant, expired } = found;
  if (expired) {
    byDevice.remove(deviceCode);
    throw new OauthError('expired_token', 'nobody signed in in time');
  }
  checkVerifier(grant.challenge, verifier);
  const now = runtime.monotonic();
  const isEarly = grant.asked !== undefined && now - grant.asked < grant.interval - jitter;
  grant.asked = now;
  if (isEarly) {
    grant.interval += penalty;
    throw new OauthError('slow_down', `ask every ${grant.interval / 1_000} seconds`);
  }
  if (grant.decision === undefined) throw new OauthError('authorization_pending', 'nobody has signed in yet');
  byDevice.remove(deviceCode);
  byUser.remove(grant.userCode);
  if (grant.decision === 'denied') throw new OauthError('access_denied', 'the sign-in was denied');
  return grant.decision.email;
}
