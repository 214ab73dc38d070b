/**
 * The certificate of a signer: what it must be like, who issued it, and when it was valid. Issuers come from the trusted
 * root alone, never from beside the signature.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md},
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-6.1 RFC 5280 section 6.1}
 */
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, parseCertificate } from '../formats/certificate.ts';
import { keyPurposes } from '../formats/extensions.ts';
import { poisonOid } from '../formats/sct.ts';
import { readSignatureAlgorithm, verifiesWith } from '../formats/signature-algorithm.ts';
import { type Authority, checkCriticalExtensions, isValidAt } from './authority.ts';
import type { Trust } from './trust.ts';

const what = 'the certificate of the signer';

/**
 * The signer's certificate, the first of a chain, DER. With `isStrict` a chain must not hold an anchor: bundles must
 * leave it out. Nothing else is made of certificates after the first. Throws `ERR_CERTIFICATE_INVALID`,
 * `ERR_VERIFY_CERTIFICATE` and `ERR_LIMIT_EXCEEDED`.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */
export function readSigningCertificate(chain: readonly Uint8Array[], isStrict: boolean): Certificate {
  const [first, ...others] = chain;
  if (first === undefined) throw refused('is not there');
  const leaf = parseCertificate(first, what);
  if (isStrict) {
    for (const der of others) {
      const { issuer, subject } = parseCertificate(der, 'a certificate beside that of the signer');
      if (equalBytes(issuer, subject)) {
        throw new BoltsealError(
          'ERR_VERIFY_CERTIFICATE',
          'a root certificate stands beside that of the signer',
          {
            hint: 'A bundle must not bring an anchor of trust along. Make the bundle anew without it.',
          },
        );
      }
    }
  }
  return leaf;
}

function refused(why: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_VERIFY_CERTIFICATE', `${what} ${why}`, { hint });
}

/**
 * Checks what a signer's certificate says about itself: version 3, no precertificate, no authority, for digital
 * signatures, for code signing, no critical extension that is unknown. Throws `ERR_VERIFY_CERTIFICATE`.
 */
export function checkSigningCertificate(leaf: Certificate): void {
  const { version, basicConstraints, keyUsage, extendedKeyUsage, extensions } = leaf;
  if (version !== 3) throw refused('is not of version 3');
  // It should be critical, but whoever made one that is not has no certificate either (RFC 6962 section 3.1).
  if (extensions.has(poisonOid)) throw refused('is a precertificate');
  if (basicConstraints?.ca === true || keyUsage?.has('keyCertSign') === true) {
    throw refused('is that of an authority');
  }
  if (keyUsage?.has('digitalSignature') !== true) throw refused('is not for digital signatures');
  if (extendedKeyUsage?.includes(keyPurposes.codeSigning) !== true) throw refused('is not for code signing');
  checkCriticalExtensions(leaf, refused);
}

/**
 * The trusted authorities that issued `leaf`: the same one may be in a trusted root several times, for several periods.
 * There is at least one, and they all have the same issuing key. No time is judged. Throws `ERR_VERIFY_CERTIFICATE`.
 */
export function findIssuers(leaf: Certificate, trust: Trust): readonly [Authority, ...Authority[]] {
  const algorithm = readSignatureAlgorithm(leaf.signatureAlgorithm);
  if (algorithm === undefined) throw refused('is signed with an unsupported algorithm');
  const named = trust.certificateAuthorities(leaf.issuer);
  for (const candidate of named) {
    const { key } = candidate.chain[0];
    if (!verifiesWith(algorithm, key.key, leaf.tbs, leaf.signature)) continue;
    return [
      candidate,
      ...named.filter((one) => one !== candidate && equalBytes(one.chain[0].key.spki, key.spki)),
    ];
  }
  const broken = trust.broken('certificateAuthorities');
  throw new BoltsealError(
    'ERR_VERIFY_CERTIFICATE',
    named.length === 0
      ? `${what} was not issued by a trusted authority`
      : `${what} names a trusted authority that did not issue it`,
    {
      hint:
        broken[0]?.message ??
        'Another instance of Sigstore may have issued it: verify with the trusted root of that instance (--trusted-root).',
      ...(broken.length === 0 ? {} : { details: { broken: broken.map(({ message }) => message) } }),
    },
  );
}

/**
 * The one of `issuers` that was trusted at every one of `times`, when `leaf` and every certificate above it must have
 * been valid too; both ends of a validity belong to it. Throws `ERR_VERIFY_CERTIFICATE_TIME`.
 */
export function checkValidity(
  leaf: Certificate,
  issuers: readonly [Authority, ...Authority[]],
  times: readonly Date[],
): Authority {
  for (const time of times) {
    if (time >= leaf.notBefore && time <= leaf.notAfter) continue;
    throw new BoltsealError(
      'ERR_VERIFY_CERTIFICATE_TIME',
      `${what} was not valid when it signed, at ${time.toISOString()}`,
      {
        hint: `It was valid from ${leaf.notBefore.toISOString()} to ${leaf.notAfter.toISOString()}. If that is only just missed, the clock of a service was wrong.`,
        details: timeDetails(time, leaf.notBefore, leaf.notAfter),
      },
    );
  }
  const valid = issuers.find((issuer) => times.every((time) => isValidAt(issuer, time)));
  if (valid !== undefined) return valid;
  const [{ trusted, notBefore, notAfter }] = issuers;
  const moments = times.map((time) => time.toISOString()).join(' and ');
  throw new BoltsealError(
    'ERR_VERIFY_CERTIFICATE_TIME',
    `the authority of the signer's certificate was not valid at ${moments}`,
    {
      hint:
        `${JSON.stringify(trusted.uri.slice(0, 200))} is trusted from ${trusted.validFor.start?.toISOString() ?? 'ever'} to ` +
        `${trusted.validFor.end?.toISOString() ?? 'now'}. A newer trusted root may know more.`,
      details: timeDetails(times[0] ?? new Date(0), new Date(notBefore), new Date(notAfter)),
    },
  );
}

function timeDetails(time: Date, notBefore: Date, notAfter: Date): Readonly<Record<string, string>> {
  return {
    time: time.toISOString(),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
  };
}
