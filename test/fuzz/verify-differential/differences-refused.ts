/** What is refused here and accepted by `@sigstore/verify`. */
import { createHash, hash, X509Certificate } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import { limits } from '../../../src/core/limits.ts';
import type { Document } from './build.ts';
import type { CertificateFacts, TimestampFacts } from './der-form.ts';
import { type Difference, links } from './difference.ts';
import {
  type AuthorityFacts,
  authoritiesOf,
  type EntryFacts,
  type Facts,
  hashesOf,
  isAuthority,
  isSecond,
  keyOf,
  type LogFacts,
  logsOf,
  ownHash,
  purposesOf,
  unknownCritical,
  usesOf,
  verifies,
} from './facts.ts';
import { entryFits, payloadOf, statementFits } from './forms.ts';
import { hasKeyTwice } from './spelling.ts';

const codeSigning = '1.3.6.1.5.5.7.3.3';
const timeStamping = '1.3.6.1.5.5.7.3.8';
const anyPurpose = '2.5.29.37.0';

function refused(
  id: string,
  reason: string,
  rule: string,
  link: string,
  applies: Difference['applies'],
): Difference {
  return { id, refusedBy: 'ours', reason, rule, link, applies };
}

/** The authorities that may have issued the signer's certificate. */
function issuersOf({ authorities, certificates: [leaf] }: Facts): readonly AuthorityFacts[] {
  if (leaf === undefined) return [];
  return authorities.filter(({ chain }) => chain.some(({ subject }) => equalBytes(subject, leaf.issuer)));
}

/** Every authority that stands behind a trial: what issued the certificate, and what timestamped. */
function chainsOf(facts: Facts): readonly (readonly CertificateFacts[])[] {
  const stamping = facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp));
  return [
    ...issuersOf(facts).map(({ chain }) => chain),
    // Their first certificate issues nothing.
    ...stamping.map(({ chain }) => chain.slice(1)),
  ];
}

/** Whether no authority of those meant is whole, and one of all is not. */
function isWrong(all: readonly AuthorityFacts[], meant: readonly AuthorityFacts[]): boolean {
  const isWhole = ({ chain }: AuthorityFacts): boolean => chain.every(({ faults }) => faults.length === 0);
  return !meant.some(isWhole) && !all.every(isWhole);
}

function isSelfIssued({ issuer, subject }: CertificateFacts): boolean {
  return equalBytes(issuer, subject);
}

function leafIs(test: (leaf: CertificateFacts) => boolean): Difference['applies'] {
  return ({ certificates: [leaf], trial }) =>
    trial.signer.kind === 'identity' && leaf !== undefined && test(leaf);
}

function someEntry(test: (entry: EntryFacts, facts: Facts) => boolean): Difference['applies'] {
  return (facts) => facts.entries.some((entry) => logsOf(facts, entry).length > 0 && test(entry, facts));
}

function someStamp(
  test: (stamp: TimestampFacts, authority: AuthorityFacts, facts: Facts) => boolean,
): Difference['applies'] {
  return (facts) =>
    facts.timestamps.some((stamp) =>
      authoritiesOf(facts, stamp).some((authority) => test(stamp, authority, facts)),
    );
}

/** The text of a checkpoint that is signed, and its signature lines. */
function noteOf({
  proof,
}: EntryFacts):
  | { readonly lines: readonly string[]; readonly text: string; readonly signatures: string }
  | undefined {
  if (proof === undefined) return undefined;
  const gap = proof.checkpoint.indexOf('\n\n');
  const text = proof.checkpoint.slice(0, gap + 1);
  return { lines: text.split('\n'), text, signatures: proof.checkpoint.slice(gap + 2) };
}

/** signed-note and tlog-checkpoint: three lines or more, none empty, then lines of signatures and nothing else. */
const checkpointForm =
  /^[^\n]+\n(?:0|[1-9][0-9]*)\n(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n(?:[^\n]+\n)*\n(?:— [^\s+]+ (?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n)+$/u;

function isCheckpoint(checkpoint: string): boolean {
  return checkpointForm.test(checkpoint) && !/[^\P{Cc}\n]/u.test(checkpoint);
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}

/** Lines of signatures: name, key id, signature. */
function signatureLines(
  signatures: string,
): { readonly name: string; readonly id: Buffer; readonly signature: Buffer }[] {
  return [...signatures.matchAll(/— (\S+) (\S+)\n/g)].map(([, name = '', text = '']) => {
    const content = Buffer.from(text, 'base64');
    return { name, id: content.subarray(0, 4), signature: content.subarray(4) };
  });
}

/** The certificate or key that an entry names, DER; empty when it names none that can be read. */
function verifierOf({ body, kind, version }: EntryFacts): Uint8Array {
  const spec = body.spec ?? {};
  const first = (list: Document): Document => (Array.isArray(list) ? (list[0] ?? {}) : {});
  if (version === '0.0.2' && kind !== 'intoto') {
    const signature =
      kind === 'dsse' ? first(spec.dsseV002?.signatures) : (spec.hashedRekordV002?.signature ?? {});
    const { x509Certificate, publicKey } = signature.verifier ?? {};
    return decoded(x509Certificate?.rawBytes ?? publicKey?.rawBytes);
  }
  const text =
    kind === 'hashedrekord'
      ? spec.signature?.publicKey?.content
      : kind === 'dsse'
        ? first(spec.signatures).verifier
        : first(spec.content?.envelope?.signatures).publicKey;
  const pem = Buffer.from(decoded(text)).toString();
  return decoded(/-----BEGIN [A-Z ]+-----([^-]*)-----END/.exec(pem)?.[1]);
}

function decoded(text: unknown): Uint8Array {
  return typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : new Uint8Array(0);
}

/** Whether an entry is about the one who signed: the certificate as a whole, or the key. */
function namesSigner(entry: EntryFacts, { trial, certificates: [leaf], key }: Facts): boolean {
  const named = verifierOf(entry);
  if (trial.signer.kind === 'identity') return leaf !== undefined && equalBytes(named, leaf.der);
  const known = key?.export({ type: 'spki', format: 'der' }) ?? new Uint8Array(0);
  if (equalBytes(named, known)) return true;
  try {
    const certificate = new X509Certificate(named);
    return equalBytes(certificate.publicKey.export({ type: 'spki', format: 'der' }), known);
  } catch {
    return false;
  }
}

const kindsOfKeys: Readonly<Record<string, RegExp>> = {
  prime256v1: /^(?:PKIX_ECDSA_P256_SHA_256|5)$/,
  secp384r1: /^(?:PKIX_ECDSA_P384_SHA_(?:256|384)|12|19)$/,
  secp521r1: /^(?:PKIX_ECDSA_P521_SHA_(?:256|512)|13|20)$/,
  ed25519: /^(?:PKIX_ED25519|7)$/,
  rsa: /^(?:PKCS1_RSA_PKCS1V5|PKIX_RSA_PKCS1V5|PKIX_RSA_PKCS1V15_\d+_SHA256|1|3|9|10|11)$/,
};

/** Whether the key of a log is what the trusted root says it is, in its one spelling. */
function isSaidKey({ key, keyDetails, keyBytes }: LogFacts): boolean {
  if (key === undefined) return false;
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? '';
  const type = keyDetails.startsWith('PKCS1_') ? 'pkcs1' : 'spki';
  const written = key.export({ type, format: 'der' } as { type: 'spki'; format: 'der' });
  return (kindsOfKeys[kind]?.test(keyDetails) ?? false) && equalBytes(written, keyBytes);
}

/** Times that are proven: of promises and of timestamps, in milliseconds. */
function timesOf({ entries, timestamps }: Facts): readonly number[] {
  const stamped = timestamps.map(({ genTime }) => {
    const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?Z$/.exec(genTime);
    const [, year, month, day, hour, minute, second, fraction = ''] = match ?? [];
    return Date.parse(
      `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`,
    );
  });
  const promised = entries
    .filter(({ promise }) => promise !== undefined)
    .map(({ integratedTime }) => Number(integratedTime) * 1_000);
  return [...stamped, ...promised].filter((time) => !Number.isNaN(time));
}

/** The timestamps of certificate logs in a certificate: log, hash and signature algorithm; undefined when malformed. */
function sctsOf({
  extensions,
}: CertificateFacts): readonly { readonly log: Uint8Array; readonly algorithm: string }[] | undefined {
  const value = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.11129.2.4.2')?.value;
  if (value === undefined) return [];
  const head = (value[1] ?? 0) < 0x80 ? 2 : 2 + ((value[1] ?? 0) & 0x7f);
  const view = Buffer.from(value.subarray(head));
  const found: { log: Uint8Array; algorithm: string }[] = [];
  try {
    if (view.readUInt16BE(0) !== view.length - 2 || view.length === 2) return undefined;
    for (let at = 2; at < view.length; ) {
      const sct = view.subarray(at + 2, at + 2 + view.readUInt16BE(at));
      at += 2 + view.readUInt16BE(at);
      const extensionsEnd = 43 + sct.readUInt16BE(41);
      const length = sct.readUInt16BE(extensionsEnd + 2);
      if (sct[0] !== 0 || sct.length !== extensionsEnd + 4 + length || at > view.length) return undefined;
      found.push({
        log: sct.subarray(1, 33),
        algorithm: sct.subarray(extensionsEnd, extensionsEnd + 2).toString('hex'),
      });
    }
    return found;
  } catch {
    return undefined;
  }
}

/** Whether a certificate log has a key that RFC 6962 lets it have. */
function isCtKey({ key }: LogFacts): boolean {
  return key?.asymmetricKeyDetails?.namedCurve === 'prime256v1' || key?.asymmetricKeyType === 'rsa';
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

/** What is refused, by the part of a bundle that it is in. */
export const refusedDifferences: readonly Difference[] = [
  refused(
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
  refused(
    'identity-pattern',
    'A pattern need not match a whole identity, and may be any that JavaScript knows.',
    'A pattern that is not anchored accepts everything that has a matching part; one of RE2 means the same to every client of Sigstore',
    'https://github.com/google/re2/wiki/Syntax',
    ({ trial: { signer } }) =>
      signer.kind === 'identity' &&
      signer.subject.kind === 'pattern' &&
      !/^\^(?:[^|]|\(\?:[^)]*\))*\$$/.test(signer.subject.pattern),
  ),
  refused(
    'payload-type',
    'It accepts envelopes with every type of payload.',
    'Verifiers must verify that the payload type is a supported and expected one',
    links.bundleProto,
    ({ envelope }) => envelope !== undefined && envelope.payloadType !== 'application/vnd.in-toto+json',
  ),
  refused(
    'statement',
    'It does not look into the statement of an envelope: neither whether it is one, nor whether it is about the artifact.',
    'A statement has its type and subjects; it is matched with the artifact by a digest of a subject',
    links.statement,
    ({ envelope, trial }) => envelope !== undefined && !statementFits(payloadOf(envelope), trial),
  ),
  refused(
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
  refused(
    'artifact-digest',
    'It does not look at the digest that an attestation is verified with.',
    'A SHA-256 digest has 32 bytes',
    'https://csrc.nist.gov/pubs/fips/180-4/upd1/final',
    ({ trial: { artifact } }) => artifact.kind === 'digest' && artifact.sha256.length !== 32,
  ),
  refused(
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
  refused(
    'anchor-in-bundle',
    'It does not look at certificates beside that of the signer.',
    'Signers must not include root certificates in bundles',
    links.bundleProto,
    ({ certificates: [_, ...others] }) => others.some(isSelfIssued),
  ),
  refused(
    'chain-in-bundle',
    'It does not look at certificates beside that of the signer.',
    'What is listed as a certificate is one, in the form of RFC 5280',
    `${links.x509}#section-4.1`,
    ({ certificates: [_, ...others] }) => others.some(({ faults }) => faults.length > 0),
  ),
  refused(
    'certificate-form',
    'It reads what it needs of a certificate at its place, and nothing else of it.',
    'A certificate is DER in the form of RFC 5280: each part of its type, each extension once and with a value of its form, one signature algorithm inside and outside',
    `${links.x509}#section-4.1`,
    leafIs(({ faults }) => faults.length > 0),
  ),
  refused(
    'certificate-version',
    'It does not look at the version of a certificate.',
    'With extensions a certificate is of version 3',
    `${links.x509}#section-4.1.2.1`,
    leafIs(({ version }) => version !== 3),
  ),
  refused(
    'certificate-purpose',
    'It does not look at the extended key usage.',
    'A certificate of a signer is for code signing',
    links.fulcio,
    leafIs((leaf) => purposesOf(leaf)?.includes(codeSigning) !== true),
  ),
  refused(
    'certificate-use',
    'It does not look at the key usage of a signer.',
    'A certificate of a signer is for digital signatures',
    links.fulcio,
    leafIs((leaf) => ((usesOf(leaf) ?? 0) & 0x8000) === 0),
  ),
  refused(
    'certificate-authority',
    'It accepts the signature of an authority itself.',
    'A certificate of a signer is for digital signatures alone, and no authority',
    links.fulcio,
    leafIs((leaf) => isAuthority(leaf) || ((usesOf(leaf) ?? 0) & 0x0400) !== 0),
  ),
  refused(
    'critical-extension',
    'It does not look at critical extensions.',
    'A certificate with a critical extension that is not known must be rejected',
    `${links.x509}#section-4.2`,
    leafIs((leaf) => unknownCritical(leaf).length > 0),
  ),
  refused(
    'precertificate',
    'It accepts a certificate with the extension that marks a precertificate.',
    'With this extension it is none: it is there so that a precertificate cannot be used',
    `${links.ct}#section-3.1`,
    leafIs(({ extensions }) => extensions.some(({ oid }) => oid === '1.3.6.1.4.1.11129.2.4.3')),
  ),
  refused(
    'certificate-names',
    'It takes the first URI or, failing that, the first address of a certificate as its identity.',
    'A certificate of a signer has exactly one subject alternative name',
    links.fulcio,
    leafIs(({ extensions }) => {
      const value = extensions.find(({ oid }) => oid === '2.5.29.17')?.value;
      return value === undefined || countParts(value) !== 1;
    }),
  ),
  refused(
    'issuer-twice',
    'It takes the newer of the two extensions that name the issuer, and does not compare them.',
    'Both name the one issuer of the token',
    links.oids,
    leafIs(({ extensions }) => {
      const first = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.57264.1.1')?.value;
      const second = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.57264.1.8')?.value;
      return first !== undefined && second !== undefined && !equalBytes(first, second.subarray(2));
    }),
  ),
  refused(
    'certificate-key',
    'It takes every key that OpenSSL reads.',
    'A signer has a P-256, P-384, P-521, Ed25519 or RSA key of a size that is in use, in its one spelling',
    links.algorithms,
    ({ key, certificates: [leaf], trial }) => {
      const kind = key?.asymmetricKeyDetails?.namedCurve ?? key?.asymmetricKeyType ?? '';
      if (!['prime256v1', 'secp384r1', 'secp521r1', 'ed25519', 'rsa'].includes(kind)) return true;
      const written = key?.export({ type: 'spki', format: 'der' }) ?? new Uint8Array(0);
      return trial.signer.kind === 'identity' && leaf !== undefined && !equalBytes(written, leaf.publicKey);
    },
  ),
  refused(
    'authority-form',
    'It reads what it needs of the certificates of a trusted root, and nothing else of them.',
    'A certificate is DER in the form of RFC 5280',
    `${links.x509}#section-4.1`,
    // Where its parts are not at their places, whose it is cannot be told.
    (facts) =>
      isWrong(facts.authorities, issuersOf(facts)) ||
      facts.timestamps.some((stamp) => isWrong(facts.timestampAuthorities, authoritiesOf(facts, stamp))),
  ),
  refused(
    'authority-purpose',
    'It does not look at the extended key usage of authorities.',
    'An authority with extended key usages issues certificates for these alone',
    `${links.x509}#section-4.2.1.12`,
    (facts) => {
      const isFor = (chain: readonly CertificateFacts[], purpose: string): boolean =>
        chain.every((one) => {
          const purposes = purposesOf(one);
          return purposes === undefined || purposes.includes(purpose) || purposes.includes(anyPurpose);
        });
      return (
        issuersOf(facts).some(({ chain }) => !isFor(chain, codeSigning)) ||
        facts.timestamps.some((stamp) =>
          authoritiesOf(facts, stamp).some(({ chain }) => !isFor(chain.slice(1), timeStamping)),
        )
      );
    },
  ),
  refused(
    'authority-use',
    'It judges only the authorities of the chain that it builds, not all that a trusted root lists together.',
    'Each certificate that issues is an authority, and may sign certificates when it has a key usage',
    `${links.x509}#section-6.1.4`,
    (facts) =>
      chainsOf(facts).some((chain) =>
        chain.some((one) => !isAuthority(one) || ((usesOf(one) ?? 0x0400) & 0x0400) === 0),
      ),
  ),
  refused(
    'authority-constraints',
    'It does not look at name constraints, nor at critical extensions of authorities.',
    'A certificate with a critical extension that is not known must be rejected; name constraints must be applied, and none are here',
    `${links.x509}#section-4.2.1.10`,
    (facts) =>
      chainsOf(facts).some((chain) =>
        chain.some(
          (one) => unknownCritical(one).length > 0 || one.extensions.some(({ oid }) => oid === '2.5.29.30'),
        ),
      ),
  ),
  refused(
    'authority-anchor-last',
    'It makes a chain of all certificates of an authority that ends with any that is self-signed.',
    'The last certificate of an authority must be the trust anchor',
    links.rootProto,
    (facts) =>
      [...issuersOf(facts), ...facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp))].some(
        ({ chain }) => !chain.every((one) => leadsToLast(one, chain)),
      ),
  ),
  refused(
    'authority-period',
    'It judges the times of the certificates in the chain that it builds, and of no other of the authority.',
    'Clients must check timestamps against the entire chain of the authority',
    links.rootProto,
    (facts) =>
      [...issuersOf(facts), ...facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp))].some(
        ({ chain }) => chain.some((one) => timesOf(facts).some((time) => !isValidAt(one, time))),
      ),
  ),
  refused(
    'certificate-timestamps',
    'It reads the list of certificate timestamps as far as it needs it, and takes every hash.',
    'The list is as long as it says, not empty, and each timestamp is over SHA-256',
    `${links.ct}#section-3.3`,
    leafIs((leaf) => {
      const scts = sctsOf(leaf);
      return scts === undefined || scts.some(({ algorithm }) => algorithm !== '0403' && algorithm !== '0401');
    }),
  ),
  refused(
    'certificate-log-key',
    'It does not look at what a trusted root says of the key of a certificate log, and takes every kind.',
    'A certificate log signs with ECDSA over P-256 or with RSA, and is of the kind that the trusted root names',
    `${links.ct}#section-2.1.4`,
    ({ certificates: [leaf], certificateLogs }) =>
      leaf !== undefined &&
      (sctsOf(leaf) ?? []).some(({ log }) =>
        certificateLogs.some((one) => equalBytes(one.logId, log) && !(isSaidKey(one) && isCtKey(one))),
      ),
  ),
  refused(
    'certificate-log-identifier',
    'It takes the identifier of a certificate log as the trusted root says it.',
    'It is the SHA-256 of the key of the log',
    `${links.ct}#section-3.2`,
    ({ certificateLogs }) =>
      certificateLogs.some(
        ({ keyBytes, logId }) => !equalBytes(createHash('sha256').update(keyBytes).digest(), logId),
      ),
  ),
  refused(
    'entry-signer',
    'It does not compare the certificate or key in a log entry with that of the bundle.',
    'The key or certificate of the entry is the same as the one that signed',
    links.clientEntry,
    someEntry((entry, facts) => !namesSigner(entry, facts)),
  ),
  refused(
    'entry-form',
    'It reads of the body of an entry what it compares, and nothing else of it.',
    'The body is parsed as the type that it names: with the fields of that type, each of its form and once',
    links.clientEntry,
    someEntry((entry) => !entryFits(entry) || hasKeyTwice(entry.bodyText)),
  ),
  refused(
    'entry-payload-type',
    'It does not compare the type of a payload that an entry names.',
    'What an entry is about matches the artifact: the payload and its type',
    links.clientEntry,
    someEntry(
      ({ kind, body }, { envelope }) =>
        kind === 'intoto' && body.spec?.content?.envelope?.payloadType !== envelope?.payloadType,
    ),
  ),
  refused(
    'entry-hash',
    'It compares the digest of an entry, and not what it is the digest of.',
    'What an entry says is over one hash: the one that the signature is over',
    links.clientEntry,
    someEntry(({ kind, body, ...entry }, facts) => {
      if (kind !== 'hashedrekord') return false;
      const named = isSecond({ kind, body, ...entry })
        ? String(body.spec?.hashedRekordV002?.data?.algorithm).replace('SHA2_', 'sha')
        : String(body.spec?.data?.hash?.algorithm);
      return named !== (ownHash(facts) ?? 'sha256');
    }),
  ),
  refused(
    'entry-key-kind',
    'It does not look at the kind of key that an entry names.',
    'The kind is that of the key that signed',
    links.algorithms,
    someEntry(({ body, kind, version }, { key }) => {
      if (version !== '0.0.2' || kind === 'intoto') return false;
      const spec = body.spec ?? {};
      const verifier = (spec.dsseV002?.signatures?.[0] ?? spec.hashedRekordV002?.signature)?.verifier;
      const curve = key?.asymmetricKeyDetails?.namedCurve ?? key?.asymmetricKeyType ?? '';
      const named = String(verifier?.keyDetails);
      return !{
        prime256v1: /^(?:PKIX_ECDSA_P256_SHA_256|5)$/,
        secp384r1: /^(?:PKIX_ECDSA_P384_SHA_384|12)$/,
        secp521r1: /^(?:PKIX_ECDSA_P521_SHA_512|13)$/,
        ed25519: /^(?:PKIX_ED25519_PH|8)$/,
        rsa: /^(?:PKIX_RSA_PKCS1V15_(?:2048|3072|4096)_SHA256|9|10|11)$/,
      }[curve]?.test(named);
    }),
  ),
  refused(
    'entry-promise-of-second',
    'It takes a signed entry timestamp of Rekor v2 for a time.',
    'Rekor v2 signs no time: it comes from a timestamp authority',
    'https://github.com/sigstore/rekor-tiles/blob/main/CLIENTS.md',
    someEntry((entry) => isSecond(entry) && entry.promise !== undefined),
  ),
  refused(
    'entry-promise-without-time',
    'It takes a signed entry timestamp without a time for one of 1970.',
    'The signed entry timestamp is over the time of the entry, which then is there',
    links.rekorProto,
    someEntry(({ promise, integratedTime }) => promise !== undefined && Number(integratedTime) === 0),
  ),
  refused(
    'proof-root',
    'It does not look at the root hash of an inclusion proof.',
    'It is the root of the tree of the proof, as the checkpoint has it',
    links.rekorProto,
    someEntry((entry) => {
      const root = noteOf(entry)?.lines[2];
      return entry.proof !== undefined && !equalBytes(decoded(root), entry.proof.rootHash);
    }),
  ),
  refused(
    'proof-size',
    'It does not look at the tree size of an inclusion proof.',
    'It is the size of the tree of the proof, as the checkpoint has it',
    links.rekorProto,
    someEntry((entry) => entry.proof !== undefined && noteOf(entry)?.lines[1] !== entry.proof.treeSize),
  ),
  refused(
    'proof-index',
    'It does not compare the index of an entry with that of its proof.',
    'Of Rekor v2 both are the same; the index of Rekor v1 counts the trees before this one too, so that it is not smaller',
    links.rekorProto,
    someEntry((entry) => {
      if (entry.proof === undefined) return false;
      const [own, proven] = [wholeNumber(entry.logIndex), wholeNumber(entry.proof.logIndex)];
      return isSecond(entry) ? own !== proven : proven > own;
    }),
  ),
  refused(
    'checkpoint-form',
    'It finds lines of signatures wherever they are in a checkpoint, and takes every text before them.',
    'A checkpoint is a note: origin, size and root, no line empty, then an empty line and lines of signatures and nothing else',
    links.checkpoint,
    someEntry(({ proof }) => proof !== undefined && !isCheckpoint(proof.checkpoint)),
  ),
  refused(
    'checkpoint-origin',
    'It does not look at the origin of a checkpoint.',
    'The origin names the log: of Rekor v2 its host, of Rekor v1 a host and the number of the tree',
    links.checkpoint,
    someEntry((entry, facts) => {
      const [origin = ''] = noteOf(entry)?.lines ?? [];
      if (entry.proof === undefined) return false;
      const isTree = !isSecond(entry) && /^.+ - [0-9]+$/.test(origin);
      return !isTree && !logsOf(facts, entry).some(({ baseUrl }) => hostOf(baseUrl) === origin);
    }),
  ),
  refused(
    'checkpoint-signer',
    'It takes every name of a key that is a part of the URL of the log.',
    'A key has a name, which for a log is its origin',
    links.note,
    someEntry((entry) => {
      const note = noteOf(entry);
      const name = (note?.lines[0] ?? '').replace(/ - [0-9]+$/, '');
      return note !== undefined && !signatureLines(note.signatures).some((line) => line.name === name);
    }),
  ),
  refused(
    'checkpoint-signatures',
    'One signature that verifies is enough, whatever others there are by the same key.',
    'If the signature by a known key does not verify, the note is malformed',
    links.note,
    someEntry((entry, facts) => {
      const note = noteOf(entry);
      if (note === undefined) return false;
      return logsOf(facts, entry).some(({ key, logId }) =>
        signatureLines(note.signatures).some(
          ({ id, signature }) =>
            equalBytes(id, logId.subarray(0, 4)) &&
            !hashesOf(key).some((name) => verifies(name, Buffer.from(note.text), key, signature)),
        ),
      );
    }),
  ),
  refused(
    'log-period',
    'It does not look at the period of a log whose entry has no signed time.',
    'A key is used only in the period in which it is valid',
    links.rootProto,
    someEntry((entry, facts) => {
      const times = timesOf(facts);
      const isGood = ({ start, end }: LogFacts): boolean =>
        times.length === 0
          ? end === Number.POSITIVE_INFINITY
          : times.every((time) => time >= start && time <= end);
      return entry.promise === undefined && !logsOf(facts, entry).every(isGood);
    }),
  ),
  refused(
    'log-key',
    'It does not look at what a trusted root says of the key of a log.',
    'The trusted root names the kind of key and signature, and the key is of that kind, in its one spelling',
    links.rootProto,
    someEntry((entry, facts) => !logsOf(facts, entry).every(isSaidKey)),
  ),
  refused(
    'entry-twice',
    'Two entries are the same to it only when their bodies are.',
    'Multiple entries of one log must not count twice; an index of a log has one entry',
    links.clientEntry,
    ({ entries }) =>
      new Set(entries.map(({ logId, logIndex }) => `${Buffer.from(logId).toString('hex')} ${logIndex}`))
        .size < entries.length,
  ),
  refused(
    'timestamp-form',
    'It reads what it needs of a timestamp at its place, and nothing else of it.',
    'A timestamp is DER in the form of RFC 3161 and of signed data with one signer, each known attribute once and with one value',
    `${links.timestamp}#section-2.4.2`,
    ({ timestamps }) => timestamps.some(({ isForm }) => !isForm),
  ),
  refused(
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

/** A number, or -1 for what is none. */
function wholeNumber(text: string): bigint {
  return /^-?[0-9]+$/.test(text) ? BigInt(text) : -1n;
}

/** Parts of a SEQUENCE with short lengths. */
function countParts(value: Uint8Array): number {
  let count = 0;
  for (let at = (value[1] ?? 0) < 0x80 ? 2 : 2 + ((value[1] ?? 0) & 0x7f); at < value.length; count++) {
    at += 2 + (value[at + 1] ?? 0);
  }
  return count;
}

/** Whether a certificate was issued by others of a chain that the last one issued, by OpenSSL's word. */
function leadsToLast(from: CertificateFacts, chain: readonly CertificateFacts[]): boolean {
  try {
    const anchor = chain.at(-1);
    const all = chain.map(({ der }) => new X509Certificate(der));
    const seen: string[] = [];
    for (let one = new X509Certificate(from.der); anchor !== undefined; ) {
      if (equalBytes(one.raw, anchor.der)) return true;
      seen.push(one.fingerprint256);
      const above = all.find(
        (issuer) =>
          !seen.includes(issuer.fingerprint256) &&
          one.issuer === issuer.subject &&
          one.verify(issuer.publicKey),
      );
      if (above === undefined) return false;
      one = above;
    }
    return false;
  } catch {
    return false;
  }
}

function isValidAt({ der }: CertificateFacts, time: number): boolean {
  try {
    const { validFrom, validTo } = new X509Certificate(der);
    return time >= Date.parse(validFrom) && time <= Date.parse(validTo);
  } catch {
    return false;
  }
}
