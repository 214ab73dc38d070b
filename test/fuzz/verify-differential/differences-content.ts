/** What is refused here and accepted by `@sigstore/verify`, in what is signed, in what is asked for and in what is trusted. */
import { hash } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import { limits } from '../../../src/core/limits.ts';
import type { Document } from './build.ts';
import { type Difference, links } from './difference.ts';
import { type Facts, hashesOf, isSecond, ownHash, verifies } from './facts.ts';
import { payloadOf, statementFits } from './forms.ts';
import { decoded, forbidden, refused, sctsOf } from './refusal.ts';

/** Counts that go over a limit of this project. */
function isOverLimit({ document, root, entries, certificates, trial, ...trusted }: Facts): boolean {
  const material = document.verificationMaterial ?? {};
  const lists = [
    material.tlogEntries,
    material.x509CertificateChain?.certificates,
    material.timestampVerificationData?.rfc3161Timestamps,
  ];
  const authorities: Document[] = [
    ...(root.certificateAuthorities ?? []),
    ...(root.timestampAuthorities ?? []),
  ];
  const instances = ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'];
  return (
    lists.some((list) => (list?.length ?? 0) > limits.bundleItems) ||
    instances.some((name) => (root[name]?.length ?? 0) > limits.trustedInstances) ||
    authorities.some(({ certChain }) => (certChain?.certificates?.length ?? 0) > limits.chainCertificates) ||
    [
      ...certificates,
      ...[...trusted.authorities, ...trusted.timestampAuthorities].flatMap(({ chain }) => chain),
    ].some(
      ({ der, extensions }) =>
        der.length > limits.certificateBytes || extensions.length > limits.certificateExtensions,
    ) ||
    certificates.some((one) => (sctsOf(one)?.length ?? 0) > limits.sctCount) ||
    entries.some(
      ({ proof }) =>
        (proof?.hashes ?? 0) > limits.inclusionProofHashes ||
        Buffer.byteLength(proof?.checkpoint ?? '') > limits.checkpointBytes ||
        (proof?.checkpoint.match(/\n— /g)?.length ?? 0) > limits.checkpointSignatures,
    ) ||
    entries.some((entry) => isSecond(entry) && Buffer.byteLength(entry.bodyText) > limits.logEntryBytes) ||
    (trial.signer.kind === 'identity' &&
      trial.signer.subject.kind === 'pattern' &&
      trial.signer.subject.pattern.length > limits.identityPatternLength)
  );
}

/** Differences in what is signed, in what is asked for and in what is trusted. */
export const contentDifferences: readonly Difference[] = [
  forbidden(
    'limits',
    'It has no limits.',
    'Every count and size from outside is bounded before it is parsed; each bound is far above what any real bundle has',
    'https://cwe.mitre.org/data/definitions/770.html',
    isOverLimit,
  ),
  refused(
    'trusted-root-incomplete',
    'It does not miss a hash algorithm, a key identifier, a kind of key or a chain in a trusted root.',
    'A log has a hash algorithm, a key with its kind, and an identifier; an authority has a chain',
    links.rootProto,
    ({ root }) =>
      [...(root.tlogs ?? []), ...(root.ctlogs ?? [])].some(
        ({ hashAlgorithm, publicKey, logId }: Document) =>
          hashAlgorithm === undefined ||
          hashAlgorithm === 0 ||
          String(hashAlgorithm).endsWith('UNSPECIFIED') ||
          hashAlgorithm !== 'SHA2_256' ||
          !publicKey?.rawBytes ||
          !publicKey.keyDetails ||
          !logId?.keyId,
      ) ||
      [...(root.certificateAuthorities ?? []), ...(root.timestampAuthorities ?? [])].some(
        ({ certChain }: Document) =>
          !certChain?.certificates?.length ||
          certChain.certificates.some(({ rawBytes }: Document) => !rawBytes),
      ),
  ),
  forbidden(
    'identity-pattern',
    'A pattern need not match a whole identity, and may be any that JavaScript knows.',
    'A pattern that is not anchored accepts everything that has a matching part; one of RE2 means the same to every client of Sigstore',
    'https://github.com/google/re2/wiki/Syntax',
    ({ trial: { signer } }) =>
      signer.kind === 'identity' &&
      signer.subject.kind === 'pattern' &&
      !/^\^(?:[^|]|\(\?:[^)]*\))*\$$/.test(signer.subject.pattern),
  ),
  forbidden(
    'payload-type',
    'It accepts envelopes with every type of payload.',
    'Verifiers must verify that the payload type is a supported and expected one',
    links.bundleProto,
    ({ envelope }) => envelope !== undefined && envelope.payloadType !== 'application/vnd.in-toto+json',
  ),
  forbidden(
    'statement',
    'It does not look into the statement of an envelope: neither whether it is one, nor whether it is about the artifact.',
    'A statement has its type and subjects; it is matched with the artifact by a digest of a subject',
    links.statement,
    ({ envelope, trial }) => envelope !== undefined && !statementFits(payloadOf(envelope), trial),
  ),
  forbidden(
    'message-digest',
    'It compares the digest of a message signature with the log entry and never with the artifact.',
    'The digest identifies the artifact; that of another artifact does not',
    links.commonProto,
    ({ document, trial }) => {
      const { algorithm, digest } = document.messageSignature?.messageDigest ?? {};
      const names: Readonly<Record<string, string>> = {
        SHA2_256: 'sha256',
        SHA2_384: 'sha384',
        SHA2_512: 'sha512',
        SHA3_256: 'sha3-256',
        SHA3_384: 'sha3-384',
        '1': 'sha256',
        '2': 'sha384',
        '3': 'sha512',
        '4': 'sha3-256',
        '5': 'sha3-384',
      };
      const name = names[String(algorithm)];
      if (document.messageSignature?.messageDigest === undefined) return false;
      if (name === undefined) return true;
      if (trial.artifact.kind === 'digest')
        return name === 'sha256' && !equalBytes(decoded(digest), trial.artifact.sha256);
      return !equalBytes(hash(name, trial.artifact.bytes, 'buffer'), decoded(digest));
    },
  ),
  forbidden(
    'artifact-digest',
    'It does not look at the digest that an attestation is verified with.',
    'A SHA-256 digest has 32 bytes',
    'https://csrc.nist.gov/pubs/fips/180-4/upd1/final',
    ({ trial: { artifact } }) => artifact.kind === 'digest' && artifact.sha256.length !== 32,
  ),
  forbidden(
    'hash-of-key',
    'The digest algorithm beside a message signature, which nobody signed, chooses the hash that it is verified with.',
    'A key signs with one hash: P-256 and RSA with SHA-256, P-384 with SHA-384, P-521 with SHA-512',
    links.algorithms,
    (facts) =>
      facts.message !== undefined &&
      ownHash(facts) === undefined &&
      ['sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-384'].some(
        (name) =>
          !hashesOf(facts.key).includes(name) &&
          verifies(name, facts.message ?? new Uint8Array(0), facts.key, facts.signature),
      ),
  ),
];
