/** Evidence as it stands in the documents of `--output json`. */
import type { SignedBy, VerifiedMaterial } from '../../verify/verdict.ts';
import type { BlobEvidence } from '../../verify/verify-blob.ts';

/** Who signed: `keyHint` of a key; identity and certificate otherwise. */
export function signerDocument(signedBy: SignedBy): object {
  if (signedBy.kind === 'key') return { keyHint: signedBy.hint };
  return { identity: identityDocument(signedBy) };
}

/** The whole of what was found about a file. */
export function evidenceDocument({ signedBy, material, statement }: BlobEvidence): object {
  return {
    signedBy: signedByDocument(signedBy),
    ...materialDocument(material),
    ...(statement === undefined ? {} : { predicateType: statement.predicateType }),
  };
}

/** Who signed, as reports of verifications have it. */
export function signedByDocument(signedBy: SignedBy): object {
  if (signedBy.kind === 'key') return signedBy;
  return { kind: signedBy.kind, ...identityDocument(signedBy), hash: signedBy.hash };
}

/** The identity in a certificate, with what Fulcio wrote about it, and how long the certificate was valid. */
function identityDocument({ identity, certificate }: Extract<SignedBy, { kind: 'certificate' }>): object {
  const { subject, subjectType, issuer, extensions } = identity;
  return {
    subject,
    subjectType,
    issuer,
    extensions,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
  };
}

/** What proves when it was made and that it is public. */
export function materialDocument({ times, logEntries }: VerifiedMaterial): object {
  return {
    times: times.map(({ source, time, authority }) => ({ source, time: time.toISOString(), authority })),
    logEntries: logEntries.map(({ log, logIndex, integratedTime }) => ({
      log,
      logIndex: logIndex.toString(),
      ...(integratedTime === undefined ? {} : { integratedTime: integratedTime.toISOString() }),
    })),
  };
}
