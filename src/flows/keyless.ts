/** Signing without a key to keep: a key in memory, and a certificate for it that lives for minutes. */
import { begin } from '../core/concurrent.ts';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { type Certificate, parseCertificate } from '../formats/certificate.ts';
import { newPrivateKey } from '../keys/generate.ts';
import { localSigner } from '../keys/local-signer.ts';
import type { Signer } from '../keys/signer.ts';
import { requestCertificate } from '../services/fulcio.ts';
import type { ServiceOptions, ServiceRuntime } from '../services/service-request.ts';
import { type CertificateIdentity, identityOf } from '../verify/identity.ts';

/** The part of an identity token that is needed for a certificate. */
export interface CertificateToken {
  /** The token itself: a secret. */
  readonly token: string;
  /** What the proof of possession signs: the address when the issuer says that it is verified, else the subject. */
  readonly subject: string;
  readonly issuer: string;
  readonly expires: Date;
  readonly claims: JsonObject;
}

/** What a keyless session is made of. */
export interface KeylessOptions extends Omit<ServiceOptions, 'signal'> {
  /** The base URL of the certificate authority. */
  readonly caUrl: string;
  /** Gets an identity token; called once for each certificate, when it is needed. */
  readonly getToken: (options: { readonly signal?: AbortSignal | undefined }) => Promise<CertificateToken>;
  /** Milliseconds before its end at which a certificate is no longer used; 30 s at least. */
  readonly slack?: number | undefined;
}

/** A key with its certificate. */
export interface KeylessCredential {
  /** Signs with a key that is nowhere but in memory. */
  readonly signer: Signer;
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** When the certificate ends. */
  readonly expires: Date;
  /** Whom it was issued to. */
  readonly identity: CertificateIdentity;
}

/** One key and certificate for many signatures, replaced when the certificate is about to end. */
export interface KeylessSession {
  /**
   * The credential to sign with now. Callers at the same time share one request, which ends when all of them have given up.
   * Rejects with what `getToken` and the authority reject with, `ERR_IDENTITY_TOKEN` when the token has expired,
   * `ERR_SERVICE_RESPONSE` for a certificate that is not valid now or of somebody else, `ERR_INTERRUPTED`. A failure is not
   * kept: the next caller asks again.
   */
  current(options?: { readonly signal?: AbortSignal | undefined }): Promise<KeylessCredential>;
}

/** A signature is recorded after it is made: its certificate must last until the last log and authority have answered. */
const leastSlack = 30_000;

/** How far the clock of this machine may be off the authority's. */
const toleratedSkew = 60_000;

/** A session. Nothing is asked before {@link KeylessSession.current} is called. */
export function createKeylessSession(options: KeylessOptions, runtime: ServiceRuntime): KeylessSession {
  const state: { held?: Held; flight?: Flight } = {};
  const takeOff = (): Flight => {
    const ending = new AbortController();
    const over = (): void => {
      if (state.flight === flight) delete state.flight;
    };
    const work = obtain(options, runtime, ending.signal).then((held) => {
      state.held = held;
      return held.credential;
    });
    const flight: Flight = { result: begin(work.finally(() => over())), ending, over, waiting: 0 };
    state.flight = flight;
    return flight;
  };
  return {
    async current({ signal } = {}) {
      if (signal?.aborted) throw interrupted(signal);
      const { held, flight } = state;
      if (held !== undefined && runtime.monotonic() < held.usableUntil) return held.credential;
      return board(flight ?? takeOff(), signal);
    },
  };
}

/** A credential and until when on the steady clock it is used. */
interface Held {
  readonly credential: KeylessCredential;
  readonly usableUntil: number;
}

/** One request that several callers wait for. */
interface Flight {
  readonly result: Promise<KeylessCredential>;
  readonly ending: AbortController;
  /** From now on nobody boards it. */
  readonly over: () => void;
  waiting: number;
}

/** Waits for a flight, or until `signal`; the last that gives up ends it. */
async function board(flight: Flight, signal: AbortSignal | undefined): Promise<KeylessCredential> {
  flight.waiting++;
  const leave = (): void => {
    flight.waiting--;
    if (flight.waiting > 0) return;
    flight.over();
    flight.ending.abort(signal?.reason);
  };
  if (signal === undefined) return flight.result.finally(leave);
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      leave();
      reject(interrupted(signal));
    };
    signal.addEventListener('abort', stop, { once: true });
    const land = (settle: () => void): void => {
      // Whoever gave up has left already.
      if (signal.aborted) return;
      signal.removeEventListener('abort', stop);
      leave();
      settle();
    };
    flight.result.then(
      (credential) => land(() => resolve(credential)),
      (error: unknown) => land(() => reject(error)),
    );
  });
}

function interrupted(signal: AbortSignal): BoltsealError {
  const { reason } = signal;
  return reason instanceof BoltsealError
    ? reason
    : new BoltsealError('ERR_INTERRUPTED', 'asking for a certificate was cancelled', { cause: reason });
}

/** A new key and a certificate for it. */
async function obtain(options: KeylessOptions, runtime: ServiceRuntime, signal: AbortSignal): Promise<Held> {
  const key = begin(newPrivateKey('ecdsa-p256'));
  const token = await options.getToken({ signal });
  const signer = localSigner(await key, 'the key of this session');
  const proofOfPossession = await signer.sign(utf8(token.subject), { signal });
  // Before the request: the certificate is younger than that.
  const asked = runtime.monotonic();
  const fields = { token: token.token, publicKey: signer.publicKey, proofOfPossession };
  const certificates = await requestCertificate(options.caUrl, fields, runtime, { ...options, signal }).catch(
    (error: unknown) => {
      throw explained(error, token, runtime.now());
    },
  );
  const { leaf, identity } = readLeaf(certificates, token, options.caUrl);
  const left = timeLeft(leaf, runtime.now());
  runtime.log({
    level: 'info',
    event: 'keyless.certificate',
    message: `got a certificate for ${identity.subject} (${identity.issuer}), valid until ${leaf.notAfter.toISOString()}`,
    fields: { subject: identity.subject, issuer: identity.issuer, expires: leaf.notAfter.toISOString() },
  });
  const slack = Math.min(Math.max(options.slack ?? leastSlack, leastSlack), left / 2);
  return {
    credential: { signer, certificates, expires: leaf.notAfter, identity },
    usableUntil: asked + left - slack,
  };
}

/** An authority does not say that a token has expired: it says that there was an error. */
function explained(error: unknown, { expires }: CertificateToken, now: Date): unknown {
  if (!isBoltsealError(error, 'ERR_SERVICE_REFUSED') || now < expires) return error;
  if (![400, 401, 403].includes(Number(error.details['status']))) return error;
  return new BoltsealError(
    'ERR_IDENTITY_TOKEN',
    `the identity token expired at ${expires.toISOString()}, and this machine's clock says ${now.toISOString()}`,
    {
      cause: error,
      hint: 'Get a new token. A token is needed again whenever a certificate has ended, after about ten minutes.',
    },
  );
}

interface Leaf {
  readonly leaf: Certificate;
  readonly identity: CertificateIdentity;
}

/** The certificate, which must be about whom the token is about. */
function readLeaf(certificates: readonly Uint8Array[], token: CertificateToken, caUrl: string): Leaf {
  const refused = (problem: string, cause?: unknown): BoltsealError =>
    new BoltsealError(
      'ERR_SERVICE_RESPONSE',
      `the certificate authority ${new URL(caUrl).origin} ${problem}`,
      {
        cause,
        hint: 'Nothing was signed. Check the address of the certificate authority, and tell its operator.',
      },
    );
  let found: Leaf;
  try {
    const leaf = parseCertificate(certificates[0] ?? new Uint8Array(0), 'the new certificate');
    found = { leaf, identity: identityOf(leaf) };
  } catch (cause) {
    throw refused('issued a certificate that names nobody', cause);
  }
  const { subject, issuer } = found.identity;
  if (!isAbout(found.identity, token))
    throw refused(`issued a certificate for somebody else: ${subject} (${issuer})`);
  return found;
}

/**
 * Whether an identity is that of the token. The name in a certificate is the subject that was proven, or for CI systems
 * made of claims in a way that only the authority knows; then it says in another place whose token it was. The issuer may
 * be the one behind the issuer (`federated_claims.connector_id` of Dex), which is a claim too.
 */
function isAbout(identity: CertificateIdentity, { subject, issuer, claims }: CertificateToken): boolean {
  const { sub = null } = claims;
  const { subject: tokenSubject = sub } = identity.extensions;
  const isMade = identity.subjectType !== 'email' && tokenSubject === sub;
  if (identity.subject !== subject && !isMade) return false;
  return identity.issuer === issuer || (identity.issuer !== '' && hasText(claims, identity.issuer));
}

/** Whether `text` is one of the texts in `value`, at whatever depth. */
function hasText(value: Json | undefined, text: string): boolean {
  if (Array.isArray(value)) return value.some((item: Json) => hasText(item, text));
  if (isJsonObject(value)) return Object.values(value).some((item) => hasText(item, text));
  return value === text;
}

/**
 * Milliseconds that a certificate is valid from now on, not more than it is valid in all: a clock that is behind must not
 * make it seem longer. Throws `ERR_SERVICE_RESPONSE` when it is not valid now by the clock of this machine.
 */
function timeLeft({ notBefore, notAfter }: Certificate, now: Date): number {
  const left = Math.min(notAfter.getTime() - now.getTime(), notAfter.getTime() - notBefore.getTime());
  const early = notBefore.getTime() - now.getTime();
  if (left > 0 && early <= toleratedSkew) return left;
  throw new BoltsealError(
    'ERR_SERVICE_RESPONSE',
    `the new certificate is not valid now: it is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}, ` +
      `and this machine's clock says ${now.toISOString()}`,
    {
      hint: `Set the clock of this machine; it seems to be ${left > 0 ? 'behind' : 'ahead'} by ${Math.round(Math.abs(early) / 1000)} s.`,
    },
  );
}
