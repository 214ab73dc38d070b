/**
 * A Certificate Transparency log: entries in, signed certificate timestamps out. A timestamp is signed only after its
 * entry is durable and public, and names the entry's index.
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-3 RFC 6962 section 3},
 * {@link https://c2sp.org/static-ct-api C2SP static-ct-api}
 */
import { hash } from 'node:crypto';
import { equalBytes, hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import {
  type Certificate,
  certificateKey,
  checkIssuedBy,
  parseCertificate,
} from '../../formats/certificate.ts';
import {
  type CtEntry,
  encodeCtEntry,
  encodeMerkleTreeLeaf,
  encodeTileLeaf,
  encodeTileLeafTail,
  leafIndexExtension,
  parseTileLeaf,
} from '../../formats/ct-entry.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import {
  ctLogId,
  encodeDigitallySigned,
  encodeSct,
  type SignedCertificateTimestamp,
  sctAlgorithmOf,
} from '../../formats/sct.ts';
import type { Signer } from '../../keys/signer.ts';
import type { LogPlace, TransparencyLog } from '../log/log.ts';

/** What {@link createCtLog} needs. */
export interface CtLogOptions {
  readonly log: TransparencyLog;
  /** A P-256 or RSA key: clients accept no other. */
  readonly signer: Signer;
  /**
   * Who issues what is logged: chains of DER certificates, the one that issues first, a self-signed one last. Those of
   * authorities that are retired belong here too, as long as their entries are served.
   */
  readonly chains: readonly (readonly Uint8Array[])[];
}

/** A chain whose certificates are logged. */
export interface CtChain {
  readonly issuer: Certificate;
  readonly issuerKey: PublicKey;
  /** SHA-256 of the issuer's SubjectPublicKeyInfo. */
  readonly issuerKeyHash: Uint8Array;
  /** The issuer's certificate first, the root last. */
  readonly certificates: readonly Uint8Array[];
  /** SHA-256 of each of them. */
  readonly fingerprints: readonly Uint8Array[];
}

/** What is to be logged. */
export interface CtSubmission {
  readonly entry: CtEntry;
  readonly chain: CtChain;
  /** The whole precertificate, DER, when the entry is one. */
  readonly precertificate?: Uint8Array;
}

/** A timestamp, and the place it is for. */
export interface CtTimestamp extends LogPlace {
  readonly sct: SignedCertificateTimestamp;
  /** As it is embedded in a certificate. */
  readonly encoded: Uint8Array;
  /** `digitally-signed`, as `add-chain` answers it. */
  readonly digitallySigned: Uint8Array;
}

/** A Certificate Transparency log. */
export interface CtLog {
  readonly log: TransparencyLog;
  readonly publicKey: PublicKey;
  /** SHA-256 of its key. */
  readonly logId: Uint8Array;
  readonly chains: readonly CtChain[];
  /** Certificates of all chains by SHA-256, lower-case hexadecimal. */
  readonly issuers: ReadonlyMap<string, Uint8Array>;
  /** Adds an entry that is not there yet. Throws what {@link TransparencyLog.add} and the signer throw. */
  add(submission: CtSubmission): Promise<CtTimestamp>;
  /** As `add`, but an equal entry that is there already is answered again. */
  addOnce(submission: CtSubmission): Promise<CtTimestamp>;
}

const noPlace = new Uint8Array(0);

/** A log on `options.log`. Throws `ERR_SERVER_CONFIG` for a key or chain that is not what it must be. */
export function createCtLog(options: CtLogOptions): CtLog {
  const { log, signer } = options;
  const { publicKey } = signer;
  const algorithm = sctAlgorithmOf(publicKey.type);
  if (algorithm === undefined) {
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `a CT log cannot sign with a key of the type ${publicKey.type}: clients accept ECDSA P-256 and RSA`,
    );
  }
  const chains = options.chains.map(readChain);
  const issuers = new Map<string, Uint8Array>();
  for (const { certificates, fingerprints } of chains) {
    for (const [index, der] of certificates.entries()) issuers.set(hex(fingerprints[index] ?? noPlace), der);
  }
  const logId = ctLogId(publicKey.spki);

  const stamp = async (encodedEntry: Uint8Array, place: LogPlace): Promise<CtTimestamp> => {
    const extensions = leafIndexExtension(place.index);
    const signature = await signer.sign(encodeMerkleTreeLeaf(encodedEntry, place.time, extensions));
    const sct = { logId, time: place.time, extensions, signature, algorithm };
    return {
      index: place.index,
      time: place.time,
      sct,
      encoded: encodeSct(sct),
      digitallySigned: encodeDigitallySigned(algorithm, signature),
    };
  };
  const append = async (encodedEntry: Uint8Array, key: string, from: CtSubmission): Promise<CtTimestamp> => {
    const tail = encodeTileLeafTail(from.precertificate, from.chain.fingerprints);
    const place = await log.add({
      placeless: false,
      keys: [key],
      build: ({ index, time }) => {
        const leaf = encodeMerkleTreeLeaf(encodedEntry, time, leafIndexExtension(index));
        return { leaf, body: encodeTileLeaf(leaf, tail) };
      },
    });
    return stamp(encodedEntry, place);
  };
  return {
    log,
    publicKey,
    logId,
    chains,
    issuers,
    add(submission) {
      const encodedEntry = encodeCtEntry(submission.entry);
      return append(encodedEntry, submissionKey(encodedEntry), submission);
    },
    async addOnce(submission) {
      const encodedEntry = encodeCtEntry(submission.entry);
      const key = submissionKey(encodedEntry);
      const place = await findPlace(log, key, encodedEntry);
      return place === undefined ? append(encodedEntry, key, submission) : stamp(encodedEntry, place);
    },
  };
}

/** By what an entry is found when it is submitted again: a digest of what it is without its place. */
function submissionKey(encodedEntry: Uint8Array): string {
  return hash('sha256', encodedEntry, 'hex');
}

/** More entries than ever have the same key by chance. */
const mostEqualKeys = 4;

async function findPlace(
  log: TransparencyLog,
  key: string,
  encodedEntry: Uint8Array,
): Promise<LogPlace | undefined> {
  for (const index of await log.search(key, mostEqualKeys)) {
    const stored = await log.entry(index);
    if (stored === undefined) continue;
    const leaf = parseTileLeaf(stored.body, 'a stored entry');
    if (equalBytes(encodeCtEntry(leaf.entry), encodedEntry)) return { index, time: leaf.time };
  }
  return undefined;
}

function readChain(certificates: readonly Uint8Array[]): CtChain {
  const parsed = certificates.map((der, index) =>
    parseCertificate(der, `certificate ${index} of a CT chain`),
  );
  const [issuer] = parsed;
  if (issuer === undefined) throw new BoltsealError('ERR_SERVER_CONFIG', 'a chain of the CT log is empty');
  for (const [index, certificate] of parsed.entries()) {
    const next = parsed[index + 1] ?? certificate;
    try {
      if (certificate.basicConstraints?.ca !== true) {
        throw new BoltsealError('ERR_CERTIFICATE_INVALID', `certificate ${index} is not of a CA`);
      }
      checkIssuedBy(certificate, { subject: next.subject, key: certificateKey(next) });
    } catch (cause) {
      throw new BoltsealError('ERR_SERVER_CONFIG', 'a chain of the CT log is not one up to a root', {
        cause,
      });
    }
  }
  return {
    issuer,
    issuerKey: certificateKey(issuer),
    issuerKeyHash: ctLogId(issuer.spki),
    certificates,
    fingerprints: certificates.map((der) => new Uint8Array(hash('sha256', der, 'buffer'))),
  };
}
