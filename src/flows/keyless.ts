/** Signing without a key to keep: a key in memory, and a certificate for it that lives for minutes. */
import { BoltsealError } from '../core/errors.ts';
import type { IdentityToken } from '../identity/token.ts';
import type { Signer } from '../keys/signer.ts';
import type { ServiceOptions, ServiceRuntime } from '../services/service-request.ts';

/** What a keyless session is made of. */
export interface KeylessOptions extends Omit<ServiceOptions, 'signal'> {
  /** The base URL of the certificate authority. */
  readonly caUrl: string;
  /** Gets an identity token; called once for each certificate, when it is needed. */
  readonly getToken: (options: {
    readonly signal?: AbortSignal | undefined;
  }) => Promise<Pick<IdentityToken, 'token' | 'subject' | 'issuer' | 'expires' | 'claims'>>;
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
  readonly identity: { readonly subject: string; readonly issuer: string };
}

/** One key and certificate for many signatures, replaced when the certificate is about to end. */
export interface KeylessSession {
  /** The credential to sign with now. Callers at the same time share one request. */
  current(options?: { readonly signal?: AbortSignal | undefined }): Promise<KeylessCredential>;
}

/** A session. Nothing is asked before {@link KeylessSession.current} is called. */
export function createKeylessSession(_options: KeylessOptions, _runtime: ServiceRuntime): KeylessSession {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
