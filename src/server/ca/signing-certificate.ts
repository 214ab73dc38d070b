/**
 * Issues signing certificates: a precertificate for the log, the log's timestamp, and the certificate with the timestamp
 * in it. What both have in common is the same bytes, which is what makes the timestamp verify.
 *
 * Extensions, in this order: key usage, extended key usage, subject key identifier, authority key identifier, subject
 * alternative name, those of Fulcio; last the poison, or the timestamps.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md},
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-3.1 RFC 6962 section 3.1}
 */
import { concatBytes, equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import {
  type Certificate,
  certificateKey,
  checkIssuedBy,
  encodeCertificate,
  encodeTbsStart,
  joinTbs,
  parseCertificate,
} from '../../formats/certificate.ts';
import { issuerKeyIdentifier } from '../../formats/certificate-profiles.ts';
import {
  encodeAuthorityKeyIdentifier,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  type GeneralName,
  keyIdentifier,
  keyPurposes,
} from '../../formats/extensions.ts';
import { encodeFulcioExtensions, type FulcioExtensions } from '../../formats/fulcio-extensions.ts';
import { emptyName } from '../../formats/name.ts';
import { encodeSctExtension, poisonExtension } from '../../formats/sct.ts';
import { signatureAlgorithmOf } from '../../formats/signature-algorithm.ts';
import type { Signer } from '../../keys/signer.ts';
import type { CtLog } from '../ct/ct-log.ts';

/** What an authority issues with. */
export interface AuthorityOptions {
  /** The key of the first certificate of the chain. */
  readonly signer: Signer;
  /** DER: what issues first, the root last. */
  readonly chain: readonly Uint8Array[];
  readonly ct: CtLog;
}

/** What one certificate is about. */
export interface SigningCertificateFields {
  /** Unsigned big-endian bytes. */
  readonly serial: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly subjectAltName: GeneralName;
  readonly extensions: FulcioExtensions;
}

/** A certificate and the place of its precertificate in the log. */
export interface IssuedCertificate {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly logIndex: number;
}

/** Where a failure came from; both are the server's. */
export type IssuingStep = 'ca' | 'ct';

/** A failure to issue. */
export class IssuingFailure extends Error {
  readonly step: IssuingStep;

  constructor(step: IssuingStep, cause: unknown) {
    super(step === 'ca' ? 'signing a certificate failed' : 'logging a certificate failed', { cause });
    this.step = step;
  }
}

/** A certificate authority. */
export interface SigningAuthority {
  /** Its own certificate. */
  readonly certificate: Certificate;
  /** Throws {@link IssuingFailure}. */
  issue(fields: SigningCertificateFields): Promise<IssuedCertificate>;
}

/** Checks what an authority issues with, once. Throws `ERR_SERVER_CONFIG`. */
export function createSigningAuthority(options: AuthorityOptions): SigningAuthority {
  const { signer, ct } = options;
  const certificate = checkChain(options);
  const chain = ct.chains.find((one) => equalBytes(one.issuer.der, certificate.der));
  if (chain === undefined) throw misfit('the CT log does not accept the certificate of the authority');
  const { identifier: signatureAlgorithm } = signatureAlgorithmOf(signer.publicKey.type);
  const issuer = certificate.subject;
  const keyUse = concatBytes(
    encodeKeyUsage(['digitalSignature']),
    encodeExtendedKeyUsage([keyPurposes.codeSigning]),
  );
  const authorityKeyIdentifier = encodeAuthorityKeyIdentifier(issuerKeyIdentifier({ certificate }));

  return {
    certificate,
    async issue(fields) {
      const { serial, notBefore, notAfter, spki } = fields;
      const subject = emptyName;
      const start = encodeTbsStart({
        serial,
        signatureAlgorithm,
        issuer,
        notBefore,
        notAfter,
        subject,
        spki,
      });
      const common = concatBytes(
        keyUse,
        encodeSubjectKeyIdentifier(keyIdentifier(spki)),
        authorityKeyIdentifier,
        // Critical, because the subject is empty (RFC 5280 section 4.2.1.6).
        encodeSubjectAltName([fields.subjectAltName], true),
        ...encodeFulcioExtensions(fields.extensions),
      );
      const sign = async (tbs: Uint8Array): Promise<Uint8Array> =>
        encodeCertificate(tbs, signatureAlgorithm, await attempt('ca', () => signer.sign(tbs)));

      const precertificate = await sign(joinTbs(start, [common, poisonExtension]));
      const entry = {
        kind: 'precertificate',
        issuerKeyHash: chain.issuerKeyHash,
        tbs: joinTbs(start, [common]),
      } as const;
      const { encoded, index } = await attempt('ct', () => ct.add({ entry, chain, precertificate }));
      const certificate = await sign(joinTbs(start, [common, encodeSctExtension([encoded])]));
      return { certificate, logIndex: index };
    },
  };
}

async function attempt<T>(step: IssuingStep, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new IssuingFailure(step, cause);
  }
}

function misfit(message: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', message, { cause });
}

/** The authority's certificate, when key and chain are what clients accept. */
function checkChain(options: Pick<AuthorityOptions, 'signer' | 'chain'>): Certificate {
  let certificates: Certificate[];
  try {
    certificates = options.chain.map((der, index) =>
      parseCertificate(der, `certificate ${index} of the authority`),
    );
    for (const [index, certificate] of certificates.entries()) {
      const next = certificates[index + 1] ?? certificate;
      checkIssuedBy(certificate, { subject: next.subject, key: certificateKey(next) });
    }
  } catch (cause) {
    throw misfit('the chain of the certificate authority is not one up to a root', cause);
  }
  const [own] = certificates;
  if (own === undefined) throw misfit('the certificate authority has no certificate');
  if (!equalBytes(own.spki, options.signer.publicKey.spki)) {
    throw misfit('the certificate of the authority is of another key');
  }
  for (const [index, certificate] of certificates.entries()) {
    const { basicConstraints, keyUsage, extendedKeyUsage } = certificate;
    const most = basicConstraints?.pathLength ?? index;
    if (basicConstraints?.ca !== true || keyUsage?.has('keyCertSign') !== true || most < index) {
      throw misfit(`certificate ${index} of the authority may not issue`);
    }
    const isRoot = index === certificates.length - 1;
    const purposes = extendedKeyUsage ?? (isRoot ? [keyPurposes.codeSigning] : []);
    if (!purposes.includes(keyPurposes.codeSigning)) {
      throw misfit(`certificate ${index} of the authority is not for code signing`);
    }
  }
  return own;
}
