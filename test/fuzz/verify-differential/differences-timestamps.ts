/** What is refused here and accepted by `@sigstore/verify`, in timestamps. */
import { createHash } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import type { CertificateFacts, TimestampFacts } from './der-form.ts';
import { type Difference, links } from './difference.ts';
import {
  type AuthorityFacts,
  authoritiesOf,
  type Facts,
  isAuthority,
  keyOf,
  purposesOf,
  unknownCritical,
  usesOf,
} from './facts.ts';
import { forbidden, refused, timeStamping } from './refusal.ts';

function someStamp(
  test: (stamp: TimestampFacts, authority: AuthorityFacts, facts: Facts) => boolean,
): Difference['applies'] {
  return (facts) =>
    facts.timestamps.some((stamp) =>
      authoritiesOf(facts, stamp).some((authority) => test(stamp, authority, facts)),
    );
}

function hashNamed(algorithm: string): string {
  return (
    {
      '2.16.840.1.101.3.4.2.1': 'sha256',
      '2.16.840.1.101.3.4.2.2': 'sha384',
      '2.16.840.1.101.3.4.2.3': 'sha512',
      '1.3.14.3.2.26': 'sha1',
    }[algorithm] ?? ''
  );
}

/** Whether a timestamp names the certificate of the authority as the one it is signed with. */
function namesCertificate({ named }: TimestampFacts, { chain: [first] }: AuthorityFacts): boolean {
  const name = hashNamed(named?.algorithm ?? '');
  return (
    name !== '' &&
    named !== undefined &&
    first !== undefined &&
    equalBytes(createHash(name).update(first.der).digest(), named.hash)
  );
}

/** Whether a certificate is one of a timestamp authority: RFC 3161 section 2.3. */
function isForTimestamps(certificate: CertificateFacts): boolean {
  const purposes = purposesOf(certificate);
  const extension = certificate.extensions.find(({ oid }) => oid === '2.5.29.37');
  return purposes?.length === 1 && purposes[0] === timeStamping && extension?.critical === true;
}

/** AlgorithmIdentifiers of signatures by kind of key: ECDSA and RSA with SHA-2, Ed25519, and RSA without its hash. */
const knownSignatures: Readonly<Record<string, readonly string[]>> = {
  ec: ['300a06082a8648ce3d040302', '300a06082a8648ce3d040303', '300a06082a8648ce3d040304'],
  rsa: [
    '300d06092a864886f70d01010b0500',
    '300d06092a864886f70d01010c0500',
    '300d06092a864886f70d01010d0500',
    '300d06092a864886f70d0101010500',
  ],
  ed25519: ['300506032b6570'],
};

/** Differences in timestamps. */
export const timestampDifferences: readonly Difference[] = [
  forbidden(
    'timestamp-form',
    'It reads what it needs of a timestamp at its place, and nothing else of it.',
    'A timestamp is DER in the form of RFC 3161 and of signed data with one signer, each known attribute once and with one value',
    `${links.timestamp}#section-2.4.2`,
    ({ timestamps }) => timestamps.some(({ isForm }) => !isForm),
  ),
  forbidden(
    'timestamp-status',
    'It does not look at the status of a response.',
    'Only granted and granted with modifications come with a timestamp',
    `${links.timestamp}#section-2.4.2`,
    ({ timestamps }) => timestamps.some(({ status }) => status !== 0 && status !== 1),
  ),
  refused(
    'timestamp-certificate',
    'It does not look at the attribute that names the certificate of the signer.',
    'The hash of that certificate must be a signed attribute, and the certificate must match it',
    'https://www.rfc-editor.org/rfc/rfc5816#section-2.2.1',
    someStamp((stamp, authority) => !namesCertificate(stamp, authority)),
  ),
  refused(
    'timestamp-critical-extension',
    'It does not look at extensions of a timestamp.',
    'Extensions are those of RFC 5280: one that is critical and not known makes it unusable',
    `${links.timestamp}#section-2.4.2`,
    ({ timestamps }) => timestamps.some(({ hasCriticalExtension }) => hasCriticalExtension),
  ),
  refused(
    'timestamp-algorithm',
    'It takes the hash of a timestamp’s signature from its name, and where it does not know the name, SHA-256.',
    'The algorithm is one that is known, with the parameters that it has, and fits the key',
    'https://www.rfc-editor.org/rfc/rfc5754#section-3',
    someStamp(({ signatureAlgorithm }, { chain: [first] }) => {
      const type = keyOf(first?.publicKey ?? new Uint8Array(0))?.asymmetricKeyType ?? '';
      return !knownSignatures[type]?.includes(Buffer.from(signatureAlgorithm).toString('hex'));
    }),
  ),
  refused(
    'timestamp-authority-purpose',
    'It does not look at the extended key usage of a timestamp authority.',
    'It is timestamping alone, and critical',
    `${links.timestamp}#section-2.3`,
    someStamp((_, { chain: [first] }) => first !== undefined && !isForTimestamps(first)),
  ),
  refused(
    'timestamp-authority-use',
    'It does not look at the key usage and the critical extensions of a timestamp authority, nor whether it issues certificates.',
    'It signs timestamps with a key for signatures, and nothing else',
    `${links.timestamp}#section-2.3`,
    someStamp((_, { chain: [first] }) => {
      if (first === undefined) return false;
      const uses = usesOf(first);
      return (
        isAuthority(first) ||
        (uses !== undefined && (uses & 0xc000) === 0) ||
        unknownCritical(first).length > 0
      );
    }),
  ),
  refused(
    'timestamp-authority-key',
    'It takes every key that OpenSSL reads.',
    'A timestamp authority has a key of a kind and size that is in use, in its one spelling',
    links.algorithms,
    someStamp((_, { chain }) =>
      chain.some(({ publicKey }) => {
        const key = keyOf(publicKey);
        return key === undefined || !equalBytes(key.export({ type: 'spki', format: 'der' }), publicKey);
      }),
    ),
  ),
];
