/** The client of a certificate authority with the API of Fulcio. */
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { ServiceOptions, ServiceRuntime } from './service-request.ts';

/** What a certificate is asked for with. */
export interface CertificateRequestFields {
  /** The identity token: a secret. */
  readonly token: string;
  readonly publicKey: PublicKey;
  /** A signature by the key over the subject of the token. */
  readonly proofOfPossession: Uint8Array;
}

/** Asks the authority at `url` for a certificate: DER, leaf first, the root perhaps last. */
export async function requestCertificate(
  _url: string,
  _fields: CertificateRequestFields,
  _runtime: ServiceRuntime,
  _options: ServiceOptions = {},
): Promise<readonly Uint8Array[]> {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
