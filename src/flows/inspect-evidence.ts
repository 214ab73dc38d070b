/** Log entries and timestamps in words. Nothing is verified: what they are about is compared, their signatures are not. */
import { hash } from 'node:crypto';
import { children, parseDer } from '../core/der.ts';
import { base64, equalBytes, hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { parseCheckpoint } from '../formats/checkpoint.ts';
import { hashNameOf } from '../formats/cms.ts';
import {
  type EntryRequestV1,
  type EntryV1,
  entryVersionsV1,
  parseEntryRequestV1,
} from '../formats/log-entry-v1.ts';
import { type EntryV2, entryAlgorithms, entryVersionV2, parseEntryV2 } from '../formats/log-entry-v2.ts';
import { type EntryVerifier, parseVerifierPem, verifierOf } from '../formats/log-entry-verifier.ts';
import { sha256 } from '../formats/merkle.ts';
import { nameText } from '../formats/name.ts';
import { parseTimestampResponse, requireGranted, type TimestampToken } from '../formats/timestamp.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { serialText, timeText } from './inspect-certificate.ts';
import {
  type EntryBodyInspection,
  type LogEntryInspection,
  partOf,
  type TimestampInspection,
} from './inspection.ts';

/** The signature that entries and timestamps came with. */
export interface InspectedSignature {
  /** Absent when it cannot be read. */
  readonly signature: Uint8Array | undefined;
  /** The leaf certificate, DER. */
  readonly certificate?: Uint8Array | undefined;
  /** Base64 of SHA-256 over SubjectPublicKeyInfo. */
  readonly keyHint?: string | undefined;
}

/** What a log entry says. Throws `ERR_LIMIT_EXCEEDED` for a time that no calendar has. */
export function inspectLogEntry(
  entry: LogEntry,
  about: InspectedSignature,
  what: string,
): LogEntryInspection {
  const { integratedTime, inclusionProof, kind, version } = entry;
  return {
    logId: hex(entry.logId),
    logIndex: entry.logIndex.toString(),
    kind,
    version,
    ...(integratedTime === undefined
      ? {}
      : { integratedTime: timeText(Number(integratedTime) * 1000, what) }),
    hasSignedEntryTimestamp: entry.signedEntryTimestamp !== undefined,
    ...(inclusionProof === undefined
      ? {}
      : {
          inclusionProof: {
            logIndex: inclusionProof.logIndex.toString(),
            treeSize: inclusionProof.treeSize.toString(),
            rootHash: hex(inclusionProof.rootHash),
            hashes: inclusionProof.hashes.length,
            checkpoint: partOf(() => {
              const { origin, size, root, signatures } = parseCheckpoint(
                inclusionProof.checkpoint,
                `the checkpoint of ${what}`,
              );
              const signers = signatures.map(({ name, keyId }) => ({ name, keyId: hex(keyId) }));
              return { origin, size, root: hex(root), signatures: signers };
            }),
          },
        }),
    body: partOf(() => inspectBody(entry, about, what)),
  };
}

function inspectBody(entry: LogEntry, about: InspectedSignature, what: string): EntryBodyInspection {
  const { kind, version, canonicalizedBody: body } = entry;
  const name = `the body of ${what}`;
  // intoto 0.0.2 is of Rekor v1; every other kind has a version for each of the two.
  const isV1 = Object.hasOwn(entryVersionsV1, kind) && entryVersionsV1[kind as EntryV1['kind']] === version;
  if (isV1) {
    const document = parseJson(body, { what: name, maxBytes: limits.bundleBytes });
    return describeV1(parseEntryRequestV1(document, name), about, name);
  }
  if (version === entryVersionV2) return describeV2(parseEntryV2(body, name), about);
  throw new BoltsealError(
    'ERR_VERIFY_UNSUPPORTED',
    `${name} is of a kind that is not known: ${kind.slice(0, 80)} ${version.slice(0, 80)}`,
  );
}

/** A signature of an entry, and whose it is. */
interface LoggedSignature {
  readonly signature: Uint8Array;
  readonly verifier: EntryVerifier;
}

function compare(
  logged: readonly LoggedSignature[],
  about: InspectedSignature,
): Omit<EntryBodyInspection, 'digest' | 'digestOf'> {
  const { signature, certificate, keyHint } = about;
  const isSigner = ({ verifier }: LoggedSignature): boolean =>
    certificate !== undefined
      ? verifier.kind === 'certificate' && equalBytes(verifier.der, certificate)
      : hash('sha256', verifier.spki, 'base64') === keyHint;
  return {
    namesSignature: logged.some((one) => signature !== undefined && equalBytes(one.signature, signature)),
    ...(certificate === undefined && (keyHint ?? '') === '' ? {} : { namesSigner: logged.some(isSigner) }),
  };
}

function describeV1(entry: EntryRequestV1, about: InspectedSignature, what: string): EntryBodyInspection {
  const verifier = (pem: Uint8Array | undefined): EntryVerifier =>
    parseVerifierPem(pem ?? new Uint8Array(0), `a verifier of ${what}`);
  if (entry.kind === 'hashedrekord') {
    const logged = { signature: entry.signature, verifier: verifier(entry.verifier) };
    return {
      digest: `${entry.hash}:${hex(entry.digest)}`,
      digestOf: 'signed bytes',
      ...compare([logged], about),
    };
  }
  if ('payloadHash' in entry) {
    const logged = entry.signatures.map((one) => ({ ...one, verifier: verifier(one.verifier) }));
    return { digest: `sha256:${hex(entry.payloadHash)}`, digestOf: 'payload', ...compare(logged, about) };
  }
  if (entry.kind === 'dsse') {
    throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is a proposal, not an entry`);
  }
  // Old clients left the payload in, which the log leaves out.
  const { payload, signatures } = entry.envelope;
  const logged = signatures.map(({ signature }, index) => ({
    signature,
    verifier: verifier(entry.verifiers[index]),
  }));
  return { digest: `sha256:${hex(sha256(payload))}`, digestOf: 'payload', ...compare(logged, about) };
}

function describeV2(entry: EntryV2, about: InspectedSignature): EntryBodyInspection {
  const signatures = entry.kind === 'dsse' ? entry.signatures : [entry];
  const logged = signatures.map(({ signature, verifier }) => ({
    signature,
    verifier: verifierOf(verifier.kind, verifier.der, 'a verifier of the log entry'),
  }));
  if (entry.kind === 'dsse') {
    return { digest: `sha256:${hex(entry.payloadHash)}`, digestOf: 'payload', ...compare(logged, about) };
  }
  const { hash: algorithm } = entryAlgorithms[entry.verifier.keyDetails];
  return { digest: `${algorithm}:${hex(entry.digest)}`, digestOf: 'signed bytes', ...compare(logged, about) };
}

/** What a timestamp response says. Throws `ERR_TIMESTAMP_INVALID`, `ERR_DER_INVALID`, `ERR_LIMIT_EXCEEDED`. */
export function inspectTimestamp(
  der: Uint8Array,
  about: InspectedSignature,
  what: string,
): TimestampInspection {
  const token = requireGranted(parseTimestampResponse(der, what), what);
  const { time, serial, policy, accuracy, imprint } = token.info;
  const algorithm = hashNameOf(imprint.hashAlgorithm);
  const { signature } = about;
  return {
    time: time.toISOString(),
    authority: authorityText(token, what),
    serial: serialText(serial),
    policy,
    ...(accuracy === undefined ? {} : { accuracy }),
    certificates: token.certificates.length,
    namesSignature:
      signature !== undefined &&
      algorithm !== undefined &&
      hash(algorithm, signature, 'base64') === base64(imprint.digest),
  };
}

function authorityText({ info, signer }: TimestampToken, what: string): string {
  const name = `the authority of ${what}`;
  const { authority } = info;
  // A GeneralName; a directoryName is [4] around a Name.
  if (authority !== undefined) {
    const named = parseDer(authority, name);
    const [inner] = named.tag === 0xa4 ? children(named, name) : [];
    if (inner !== undefined) return nameText(inner.bytes, name);
  }
  const { identifier } = signer;
  if ('keyIdentifier' in identifier) return `key ${hex(identifier.keyIdentifier)}`;
  return `${nameText(identifier.issuer, name)}, serial ${serialText(identifier.serial)}`;
}
