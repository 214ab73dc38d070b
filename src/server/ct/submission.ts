/**
 * Checks what is submitted to a CT log: only what an authority of the log's chains issued is logged.
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-4.1 RFC 6962 sections 4.1} and 4.2
 */
import { equalBytes, fromBase64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { type Certificate, checkIssuedBy, parseCertificate } from '../../formats/certificate.ts';
import { poisonOid, precertificateEntry } from '../../formats/sct.ts';
import { ServiceRefusal } from '../http/service.ts';
import type { CtChain, CtSubmission } from './ct-log.ts';

/** What kind of certificate is submitted. */
export type SubmissionKind = 'certificate' | 'precertificate';

function refused(reason: string, cause?: unknown): ServiceRefusal {
  return new ServiceRefusal(400, reason, { reason, cause });
}

/**
 * Reads `{"chain":["<base64 DER>", …]}`, the certificate first. The issuers may be left out from any place on, the root
 * for one. Throws {@link ServiceRefusal}.
 */
export function readSubmission(
  body: Uint8Array,
  kind: SubmissionKind,
  chains: readonly CtChain[],
): CtSubmission {
  const [der, ...issuers] = readChain(body);
  const certificate = parsed(der ?? new Uint8Array(0));
  const isPoisoned = checkPoison(certificate);
  if (isPoisoned !== (kind === 'precertificate')) {
    throw refused(
      isPoisoned ? 'a precertificate is not a certificate' : 'the certificate is no precertificate',
    );
  }
  const chain = chains.find((one) => isIssuedBy(certificate, one) && isStartOf(issuers, one));
  if (chain === undefined) throw refused('the chain does not lead to an accepted root');
  return kind === 'certificate'
    ? { entry: { kind, certificate: certificate.der }, chain }
    : { entry: precertificateEntry(certificate, chain.issuer.spki), chain, precertificate: certificate.der };
}

function readChain(body: Uint8Array): readonly Uint8Array[] {
  try {
    const request = parseJson(body, { what: 'the request', maxBytes: limits.ctRequestBytes });
    const chain = isJsonObject(request) ? request['chain'] : undefined;
    if (!Array.isArray(chain) || chain.length === 0 || chain.length > limits.ctChainCount) {
      throw refused(`the request must have a chain of 1 to ${limits.ctChainCount} certificates`);
    }
    return chain.map((item: unknown) => {
      if (typeof item !== 'string') throw refused('a certificate of the chain is not a text');
      return fromBase64(item, 'a certificate of the chain');
    });
  } catch (cause) {
    if (!(cause instanceof BoltsealError)) throw cause;
    throw refused(cause.message, cause);
  }
}

function parsed(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : 'the certificate is not valid', cause);
  }
}

/** Whether the certificate has the poison, which must be critical and hold NULL (RFC 6962 section 3.1). */
function checkPoison(certificate: Certificate): boolean {
  const poison = certificate.extensions.get(poisonOid);
  if (poison === undefined) return false;
  if (!poison.critical || !equalBytes(poison.value, Uint8Array.of(5, 0))) {
    throw refused('the poison of the precertificate is malformed');
  }
  return true;
}

function isIssuedBy(certificate: Certificate, chain: CtChain): boolean {
  try {
    checkIssuedBy(certificate, { subject: chain.issuer.subject, key: chain.issuerKey });
    return true;
  } catch {
    return false;
  }
}

function isStartOf(issuers: readonly Uint8Array[], chain: CtChain): boolean {
  return (
    issuers.length <= chain.certificates.length &&
    issuers.every((der, index) => equalBytes(der, chain.certificates[index] ?? new Uint8Array(0)))
  );
}
