/**
 * What is accepted here and refused by `@sigstore/verify`. Nothing is excused as a whole: what it cannot do is taken out
 * of the trial, or done for it, and it must accept the rest.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toTrustMaterial } from '@sigstore/verify';
import { equalBytes } from '../../../src/core/encoding.ts';
import { parseTrustedRoot } from '../../../src/formats/trusted-root.ts';
import { openCertificateAuthority, openTimestampAuthority } from '../../../src/verify/authority.ts';
import { openLogKey } from '../../../src/verify/log-key.ts';
import { bytesOf, type Document } from './build.ts';
import type { CertificateFacts } from './der-form.ts';
import { derAt, derTree } from './der-tree.ts';
import { type Difference, links } from './difference.ts';
import { authoritiesOf, type Facts, factsOf, hashesOf, keyOf, ownHash, verifies } from './facts.ts';
import { genTimeOf, usableLogsOf } from './refusal.ts';
import {
  eachCertificate,
  saying,
  type TheirCertificate,
  verifiesDigest,
  withKnownScts,
} from './their-parts.ts';
import type { Trial } from './trial.ts';

/** The trial with its bundle changed. */
function withBundle({ trial, document }: Facts, change: (document: Document) => void): Trial {
  const copy = structuredClone(document);
  change(copy);
  return { ...trial, bundle: bytesOf(copy) };
}

/** Entries of logs that a trusted root does not have with a key that can be used, by their place. */
function unknownEntries(facts: Facts): readonly number[] {
  return facts.entries.flatMap((entry, index) => (usableLogsOf(facts, entry).length === 0 ? [index] : []));
}

/** Timestamps that name the certificate of no authority that can be used, by their place. */
function unknownTimestamps(facts: Facts): readonly number[] {
  const usable = usableAuthorities(facts);
  return facts.timestamps.flatMap((stamp, index) =>
    authoritiesOf({ ...facts, timestampAuthorities: usable }, stamp).length === 0 ? [index] : [],
  );
}

function usableAuthorities({ timestampAuthorities, trial }: Facts): Facts['timestampAuthorities'] {
  const root = parseTrustedRoot(trial.root);
  return timestampAuthorities.filter((_, index) => {
    const instance = root.timestampAuthorities[index];
    return instance !== undefined && !(openTimestampAuthority(instance) instanceof Error);
  });
}

/** Instances of a trusted root that `@sigstore/verify` cannot read, each alone; ours cannot use these either. */
function withoutBroken(root: Document, trial: Trial): Document {
  const ours = parseTrustedRoot(trial.root);
  const kinds = ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'] as const;
  const copy = { ...root };
  for (const kind of kinds) {
    const list: Document[] = root[kind] ?? [];
    copy[kind] = list.filter((instance, index) => {
      const empty = { tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
      try {
        toTrustMaterial(TrustedRoot.fromJSON({ ...empty, [kind]: [instance] }));
        return true;
      } catch {
        return isUsable(ours, kind, index);
      }
    });
  }
  return copy;
}

function isUsable(
  root: ReturnType<typeof parseTrustedRoot>,
  kind: 'tlogs' | 'ctlogs' | 'certificateAuthorities' | 'timestampAuthorities',
  index: number,
): boolean {
  const opened =
    kind === 'tlogs' || kind === 'ctlogs'
      ? root[kind][index] && openLogKey(root[kind][index])
      : kind === 'certificateAuthorities'
        ? root[kind][index] && openCertificateAuthority(root[kind][index])
        : root[kind][index] && openTimestampAuthority(root[kind][index]);
  return opened !== undefined && !(opened instanceof Error);
}

/** Names that the checkpoints of entries are signed with. */
function noteNames({ entries }: Facts): readonly string[] {
  return entries.flatMap(({ proof }) =>
    [...(proof?.checkpoint ?? '').matchAll(/— (\S+) \S+\n/g)].map(([, name = '']) => name),
  );
}

function accepted(
  id: string,
  reason: string,
  rule: string,
  link: string,
  rest: Pick<Difference, 'applies' | 'repair' | 'adjust'>,
): Difference {
  return { id, refusedBy: 'theirs', reason, rule, link, ...rest };
}

/** The names of a certificate: tag and bytes. */
function namesOf({
  certificates: [leaf],
}: Facts): readonly { readonly tag: number; readonly text: string }[] {
  const value = leaf?.extensions.find(({ oid }) => oid === '2.5.29.17')?.value;
  const parts = value === undefined ? [] : (derTree(value)?.parts ?? []);
  return parts.map((one) => ({
    tag: one.tag,
    text: Buffer.from(one.tag === 0xa0 ? (derAt(one, 1, 0)?.content ?? []) : one.content).toString(),
  }));
}

/** What is accepted, by the part of a bundle that it is in. */
export const acceptedDifferences: readonly Difference[] = [
  accepted(
    'log-key-rsa',
    'It reads every RSA key of a log as PKCS#1.',
    'Kinds of keys that begin with PKIX are SubjectPublicKeyInfo',
    links.commonProto,
    {
      applies: ({ root }) => rsaLogs(root).length > 0,
      repair: ({ root, trial }) => {
        const copy = structuredClone(root);
        for (const { publicKey } of rsaLogs(copy)) {
          const key = keyOf(new Uint8Array(Buffer.from(publicKey.rawBytes, 'base64')));
          publicKey.rawBytes = key?.export({ type: 'pkcs1', format: 'der' }).toString('base64');
          publicKey.keyDetails = 'PKCS1_RSA_PKCS1V5';
        }
        return { ...trial, root: bytesOf(copy) };
      },
    },
  ),
  accepted(
    'trusted-root-broken-instance',
    'A key or certificate of a trusted root that it cannot read makes it refuse everything.',
    'A trusted root is a set of instances, of which those that fit are taken; one that cannot be used is as good as not there',
    links.rootProto,
    {
      applies: ({ root, trial }) => JSON.stringify(withoutBroken(root, trial)) !== JSON.stringify(full(root)),
      repair: ({ root, trial }) => ({ ...trial, root: bytesOf(withoutBroken(root, trial)) }),
    },
  ),
  accepted(
    'trusted-root-checkpoint-key',
    'It compares what the trusted root calls the key of checkpoints with what entries and certificate timestamps name a log by.',
    'Entries and certificate timestamps name a log by its log id; a checkpoint names its key by the first four bytes of another hash',
    links.rootProto,
    {
      applies: ({ root }) => logsWithCheckpointKey(root).length > 0,
      repair: ({ root, trial }) => {
        const copy = structuredClone(root);
        for (const log of logsWithCheckpointKey(copy)) delete log.checkpointKeyId;
        return { ...trial, root: bytesOf(copy) };
      },
    },
  ),
  accepted(
    'message-digest-absent',
    'It refuses a message signature without a digest.',
    'The digest is there to identify the artifact, and must not be used to verify the signature',
    links.commonProto,
    {
      applies: ({ document }) =>
        document.messageSignature !== undefined &&
        (document.messageSignature.messageDigest?.digest ?? '') === '',
      repair: (facts) =>
        withBundle(facts, ({ messageSignature }) => {
          const name = ownHash(facts) ?? 'sha256';
          const digest = createHash(name)
            .update(facts.message ?? new Uint8Array(0))
            .digest('base64');
          messageSignature.messageDigest = { algorithm: name.replace('sha', 'SHA2_'), digest };
        }),
    },
  ),
  accepted(
    'promise-empty',
    'It takes an inclusion promise without a signature for one that does not verify.',
    'A message with no field set says nothing: there is no promise, and the proof decides',
    links.protoJson,
    {
      applies: ({ entries }) =>
        entries.some(({ promise, proof }) => promise?.length === 0 && proof !== undefined),
      repair: (facts) =>
        withBundle(facts, ({ verificationMaterial }) => {
          for (const entry of verificationMaterial.tlogEntries) {
            if ((entry.inclusionPromise?.signedEntryTimestamp ?? '') === '') delete entry.inclusionPromise;
          }
        }),
    },
  ),
  accepted(
    'entry-unknown-log',
    'An entry of a log that it does not know makes it refuse the others.',
    'A bundle may have entries of several logs; those of logs that are not trusted prove nothing, and do no harm',
    links.clientEntry,
    {
      applies: (facts) => unknownEntries(facts).length > 0,
      repair: (facts) =>
        withBundle(facts, ({ verificationMaterial: material }) => {
          const unknown = unknownEntries(facts);
          material.tlogEntries = material.tlogEntries.filter(
            (_: unknown, index: number) => !unknown.includes(index),
          );
        }),
    },
  ),
  accepted(
    'timestamp-unknown-authority',
    'A timestamp of an authority that it does not know makes it refuse the others.',
    'A bundle may have timestamps of several authorities; those of authorities that are not trusted prove nothing, and do no harm',
    links.clientTime,
    {
      applies: (facts) => unknownTimestamps(facts).length > 0,
      repair: (facts) =>
        withBundle(facts, ({ verificationMaterial: { timestampVerificationData: data } }) => {
          const unknown = unknownTimestamps(facts);
          data.rfc3161Timestamps = data.rfc3161Timestamps.filter(
            (_: unknown, index: number) => !unknown.includes(index),
          );
        }),
    },
  ),
  accepted(
    'timestamp-same-second',
    'Two timestamps of one authority in the same second are the same to it.',
    'Timestamps have serial numbers, which tell them apart',
    `${links.timestamp}#section-2.4.2`,
    {
      applies: ({ timestamps }, { message }) => message === 'duplicate timestamp' && timestamps.length > 1,
      repair: (facts) =>
        withBundle(facts, ({ verificationMaterial: { timestampVerificationData: data } }) => {
          const seen = new Set<string>();
          data.rfc3161Timestamps = data.rfc3161Timestamps.filter((_: unknown, index: number) => {
            const time = facts.timestamps[index]?.genTime ?? '';
            return !seen.has(time) && seen.add(time);
          });
        }),
    },
  ),
  accepted(
    'timestamp-fraction',
    'It reads fractions of a second only when they have three digits.',
    'A fraction has as many digits as it needs, and none that is a zero at its end',
    `${links.timestamp}#section-2.4.2`,
    {
      applies: ({ timestamps }) => timestamps.some(({ genTime }) => genTime.includes('.')),
      adjust: ({ entity }, trial) => {
        const { timestamps } = factsOf(trial);
        let index = 0;
        for (const one of entity.timestamps) {
          if (one.$case !== 'timestamp-authority') continue;
          Object.defineProperty(one.timestamp, 'signingTime', {
            value: genTimeOf(timestamps[index++]?.genTime ?? ''),
          });
        }
      },
    },
  ),
  accepted(
    'timestamp-key-identifier',
    'It finds the authority of a timestamp by issuer and serial number alone.',
    'A signer is named by issuer and serial number, or by its subject key identifier',
    `${links.cms}#section-5.3`,
    {
      applies: ({ timestamps }) => timestamps.some(({ signer }) => signer?.tag === 0x80),
      adjust: ({ entity, trust }) => {
        for (const one of entity.timestamps) {
          const [first] = trust.timestampAuthorities[0]?.certChain ?? [];
          if (one.$case !== 'timestamp-authority' || first === undefined) continue;
          Object.defineProperty(one.timestamp, 'signerIssuer', { value: first.issuer });
          Object.defineProperty(one.timestamp, 'signerSerialNumber', { value: first.serialNumber });
          // It takes the first part with the tag [0] for the attributes, which the identifier has too.
          const { signerInfoObj } = one.timestamp as unknown as { signerInfoObj: { subs: unknown[] } };
          Object.defineProperty(one.timestamp, 'signedAttrsObj', { value: signerInfoObj.subs[3] });
        }
      },
    },
  ),
  accepted(
    'authority-anchor',
    'It wants every chain to end with a certificate that is signed by itself.',
    'The anchor, which is the last certificate, may be an intermediate; who signed it is not looked at, because it is trusted as it is',
    links.rootProto,
    {
      applies: ({ authorities, timestampAuthorities }) =>
        [...authorities, ...timestampAuthorities].some(({ chain }) => !isSelfSigned(chain.at(-1))),
      adjust: (parts) => {
        const { trust } = parts;
        const anchored = (list: typeof trust.certificateAuthorities) =>
          list.map(({ certChain, ...rest }) => ({
            ...rest,
            certChain: certChain.map((one) =>
              // It may be there more than once.
              certChain.at(-1)?.equals(one) !== true
                ? one
                : saying(one, {
                    issuer: one.subject,
                    verify: (issuer?: TheirCertificate) => issuer === undefined || one.verify(issuer),
                  }),
            ),
          }));
        parts.trust = {
          ...trust,
          certificateAuthorities: anchored(trust.certificateAuthorities),
          timestampAuthorities: anchored(trust.timestampAuthorities),
        };
      },
    },
  ),
  accepted(
    'key-identifiers',
    'It finds the issuer of a certificate by key identifiers when there are any, whatever the names say.',
    'Key identifiers help to find an issuer; a path is made of names and signatures',
    `${links.x509}#section-6.1.3`,
    {
      applies: ({ certificates, authorities, timestampAuthorities }, { error }) =>
        isPathError(error) &&
        [...certificates, ...[...authorities, ...timestampAuthorities].flatMap(({ chain }) => chain)].some(
          ({ extensions }) => extensions.some(({ oid }) => oid === '2.5.29.35'),
        ),
      adjust: (parts) => eachCertificate(parts, (one) => saying(one, { extAuthorityKeyID: undefined })),
    },
  ),
  accepted(
    'certificate-timestamps-of-others',
    'A certificate timestamp of a log that it does not know, or a second one of a log, makes it refuse the others.',
    'A certificate may have timestamps of several logs; one of a trusted log is proof',
    links.fulcio,
    {
      applies: (_, { message }) => message === 'SCT verification failed' || message === 'duplicate SCT',
      adjust: (parts, trial) => {
        const { key } = parts.entity;
        if (key.$case !== 'certificate') return;
        const logs = factsOf(trial).certificateLogs.map(({ logId }) => logId);
        const certificate = withKnownScts(key.certificate, logs);
        parts.entity = { ...parts.entity, key: { $case: 'certificate', certificate } };
      },
    },
  ),
  accepted(
    'identity-username',
    'It knows addresses and URIs as identities, and no user names and hosts.',
    'A user name is an identity of its own kind',
    links.oids,
    {
      applies: (facts) => namesOf(facts).some(({ tag }) => tag === 0xa0 || tag === 0x82),
      adjust: (parts, trial) => {
        const [name] = namesOf(factsOf(trial));
        const { subject } = trial.signer.kind === 'identity' ? trial.signer : { subject: undefined };
        if (subject?.kind !== 'exact' || name?.text !== subject.value) return;
        const { subjectAlternativeName: _, ...policy } = parts.policy;
        parts.policy = policy;
      },
    },
  ),
  accepted(
    'artifact-digest-alone',
    'It verifies message signatures with the whole artifact alone.',
    'ECDSA and RSA sign a digest, which is enough to verify with',
    'https://csrc.nist.gov/pubs/fips/186-5/final',
    {
      applies: ({ trial, envelope }, { message }) =>
        trial.artifact.kind === 'digest' &&
        envelope === undefined &&
        message === 'signature verification failed',
      adjust: ({ entity }, trial) => {
        entity.signature.verifySignature = () => verifiesDigest(factsOf(trial));
      },
    },
  ),
  accepted(
    'hash-of-curve',
    'It verifies envelopes with SHA-256 alone, and no Ed25519 signature of a message.',
    'P-384 and P-521 keys sign with the hash of their size, Ed25519 keys without one',
    links.algorithms,
    {
      applies: (facts, { message }) =>
        message === 'signature verification failed' &&
        ownHash(facts) !== undefined &&
        ownHash(facts) !== 'sha256',
      adjust: ({ entity }, trial) => {
        const facts = factsOf(trial);
        const { key, message = new Uint8Array(0), signature } = facts;
        entity.signature.verifySignature = () =>
          hashesOf(key).some((name) => verifies(name, message, key, signature));
      },
    },
  ),
  accepted(
    'digest-hash',
    'It verifies a message signature, and compares a log entry, with the hash of the digest beside it.',
    'The digest identifies the artifact, and must not be used to verify the signature: the key says what it signs with',
    links.commonProto,
    {
      applies: (facts, { message }) =>
        (message === 'signature verification failed' || message === 'digest mismatch') &&
        facts.envelope === undefined &&
        ownHash(facts) === 'sha256' &&
        facts.document.messageSignature?.messageDigest?.algorithm !== 'SHA2_256',
      adjust: ({ entity }, trial) => {
        const facts = factsOf(trial);
        const digest = createHash('sha256')
          .update(facts.message ?? new Uint8Array(0))
          .digest();
        entity.signature.verifySignature = () => ownHash(facts) === 'sha256';
        entity.signature.compareSignedDigest = (other) => equalBytes(other, digest);
      },
    },
  ),
  accepted(
    'entry-digest-of-envelope',
    'It knows the SHA-256 of an envelope alone, and not the hash that a P-384 or P-521 key is logged with.',
    'The entry has the digest that was signed',
    links.algorithms,
    {
      applies: (facts, { message }) => message === 'digest mismatch' && facts.envelope !== undefined,
      adjust: ({ entity }, trial) => {
        const facts = factsOf(trial);
        const name = ownHash(facts);
        const digest = createHash(name ?? 'sha256')
          .update(facts.message ?? new Uint8Array(0))
          .digest();
        entity.signature.compareSignedDigest = (other) => equalBytes(other, digest);
      },
    },
  ),
  accepted(
    'checkpoint-name',
    'It wants the name of a checkpoint’s key to be a part of the URL that the trusted root has.',
    'The base URL should match the origin; what identifies the key are its bytes, and Rekor v1 names itself as it is configured',
    links.rootProto,
    {
      applies: (facts, { message }) =>
        message === 'invalid checkpoint signature' && noteNames(facts).length > 0,
      adjust: (parts, trial) => {
        const names = noteNames(factsOf(trial)).join(' ');
        const { trust } = parts;
        parts.trust = {
          ...trust,
          tlogs: trust.tlogs.map((log) => ({ ...log, baseURL: `${log.baseURL} ${names}` })),
        };
      },
    },
  ),
];

/** The signature by OpenSSL's word; names are the same only in their bytes. */
function isSelfSigned(last: CertificateFacts | undefined): boolean {
  try {
    if (last === undefined || !equalBytes(last.issuer, last.subject)) return false;
    const certificate = new X509Certificate(last.der);
    return certificate.verify(certificate.publicKey);
  } catch {
    return false;
  }
}

function full(root: Document): Document {
  const kinds = ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'];
  return { ...root, ...Object.fromEntries(kinds.map((kind) => [kind, root[kind] ?? []])) };
}

/** Logs of which the trusted root tells how checkpoints name their key. */
function logsWithCheckpointKey(root: Document): Document[] {
  return [...(root.tlogs ?? []), ...(root.ctlogs ?? [])].filter(
    ({ checkpointKeyId }) => checkpointKeyId !== undefined,
  );
}

/** Logs with RSA keys in SubjectPublicKeyInfo. */
function rsaLogs(root: Document): Document[] {
  return [...(root.tlogs ?? []), ...(root.ctlogs ?? [])].filter(
    ({ publicKey }) =>
      String(publicKey?.keyDetails).startsWith('PKIX_RSA_PKCS1') &&
      keyOf(new Uint8Array(Buffer.from(publicKey.rawBytes ?? '', 'base64')))?.asymmetricKeyType === 'rsa',
  );
}

function isPathError(error: unknown): boolean {
  const messages = [error, (error as Error).cause].map((one) => (one instanceof Error ? one.message : ''));
  return (
    messages.includes('no valid certificate path found') ||
    messages.includes('timestamp could not be verified') ||
    messages.includes('incorrect certificate name chaining')
  );
}
