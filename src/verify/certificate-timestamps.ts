/**
 * The proof that a signer's certificate is public: timestamps of certificate transparency logs inside of it.
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-3.2 RFC 6962 section 3.2}
 */
import { BoltsealError } from '../core/errors.ts';
import type { Certificate } from '../formats/certificate.ts';
import { embeddedScts, precertificateEntry, verifySct } from '../formats/sct.ts';
import { isWithin } from '../formats/time-range.ts';
import type { Trust } from './trust.ts';

/**
 * Checks that at least `threshold` distinct trusted logs promised to publish `leaf`, whose issuer has the key
 * `issuerSpki`. Timestamps of logs that are unknown, or were not trusted at that time, do not count; one of a trusted
 * log that does not verify is refused. Throws `ERR_VERIFY_SCT`, `ERR_CERTIFICATE_INVALID` and `ERR_LIMIT_EXCEEDED`.
 */
export function checkCertificateTimestamps(
  leaf: Certificate,
  issuerSpki: Uint8Array,
  trust: Trust,
  threshold: number,
): void {
  const scts = embeddedScts(leaf, 'the certificate of the signer');
  const entry = scts.length === 0 ? undefined : precertificateEntry(leaf, issuerSpki);
  const logs = new Set<string>();
  for (const sct of scts) {
    const time = new Date(sct.time);
    for (const { log, key, authority } of trust.certificateLogs(sct.logId)) {
      if (entry === undefined || !isWithin(log.validFor, time)) continue;
      try {
        verifySct(sct, entry, key);
      } catch (cause) {
        throw new BoltsealError(
          'ERR_VERIFY_SCT',
          `a certificate timestamp by the trusted log ${JSON.stringify(log.baseUrl.slice(0, 200))} does not verify`,
          {
            cause,
            hint: 'The certificate was changed, or the log is not the one that the trusted root knows.',
          },
        );
      }
      logs.add(authority);
      break;
    }
  }
  if (logs.size >= threshold) return;
  const broken = trust.broken('ctlogs');
  throw new BoltsealError(
    'ERR_VERIFY_SCT',
    `the certificate of the signer is proven to be in ${logs.size} trusted certificate logs, and ${threshold} are required`,
    {
      hint:
        broken[0]?.message ??
        (scts.length === 0
          ? 'It has no certificate timestamps: its authority publishes nothing.'
          : 'Its timestamps are by logs that the trusted root does not know, or did not trust at that time.'),
      details: { found: scts.length, verified: logs.size, required: threshold },
    },
  );
}
