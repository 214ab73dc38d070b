/**
 * TransparencyLogEntry: an entry of a log with what proves that it is there, as bundles hold it and Rekor v2 answers it.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_rekor.proto}
 */
import { base64 } from '../core/encoding.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { ProtoReader } from './proto-json.ts';
import type { InclusionProof, LogEntry } from './verification-material.ts';

/**
 * The entry that a JSON value is: strict proto JSON (see `proto-json.ts`), with no negative number and at most
 * `limits.inclusionProofHashes` hashes. Nothing is verified. Throws the reader's error and `ERR_LIMIT_EXCEEDED`.
 */
export function readTransparencyLogEntry(value: Json, reader: ProtoReader, where: string): LogEntry {
  const fields = reader.message(value, where, [
    'logIndex',
    'logId',
    'kindVersion',
    'integratedTime',
    'inclusionPromise',
    'inclusionProof',
    'canonicalizedBody',
  ]);
  const { keyId } = reader.message(fields.logId, `${where}.logId`, ['keyId']);
  const kindVersion = reader.message(fields.kindVersion, `${where}.kindVersion`, ['kind', 'version']);
  const integratedTime = reader.int64(fields.integratedTime, `${where}.integratedTime`);
  const promise =
    fields.inclusionPromise === undefined
      ? undefined
      : reader.bytes(
          reader.message(fields.inclusionPromise, `${where}.inclusionPromise`, ['signedEntryTimestamp'])
            .signedEntryTimestamp,
          `${where}.inclusionPromise.signedEntryTimestamp`,
        );
  const logIndex = reader.int64(fields.logIndex, `${where}.logIndex`);
  if (logIndex < 0n || integratedTime < 0n) throw reader.invalid(`${where} has a negative number`);
  return {
    logIndex,
    logId: reader.bytes(keyId, `${where}.logId.keyId`),
    kind: reader.text(kindVersion.kind, `${where}.kindVersion.kind`),
    version: reader.text(kindVersion.version, `${where}.kindVersion.version`),
    ...(integratedTime === 0n ? {} : { integratedTime }),
    ...(promise === undefined || promise.length === 0 ? {} : { signedEntryTimestamp: promise }),
    ...(fields.inclusionProof === undefined
      ? {}
      : { inclusionProof: readInclusionProof(fields.inclusionProof, reader, `${where}.inclusionProof`) }),
    canonicalizedBody: reader.bytes(fields.canonicalizedBody, `${where}.canonicalizedBody`),
  };
}

function readInclusionProof(value: Json, reader: ProtoReader, where: string): InclusionProof {
  const fields = reader.message(value, where, ['logIndex', 'rootHash', 'treeSize', 'hashes', 'checkpoint']);
  const logIndex = reader.int64(fields.logIndex, `${where}.logIndex`);
  const treeSize = reader.int64(fields.treeSize, `${where}.treeSize`);
  if (logIndex < 0n || treeSize < 0n) throw reader.invalid(`${where} has a negative number`);
  const checkpoint =
    fields.checkpoint === undefined
      ? ''
      : reader.text(
          reader.message(fields.checkpoint, `${where}.checkpoint`, ['envelope']).envelope,
          `${where}.checkpoint.envelope`,
        );
  return {
    logIndex,
    rootHash: reader.bytes(fields.rootHash, `${where}.rootHash`),
    treeSize,
    hashes: reader
      .list(fields.hashes, `${where}.hashes`, limits.inclusionProofHashes)
      .map((hash) => reader.bytes(hash, `${where}.hashes`)),
    checkpoint,
  };
}

/** An entry as cosign 3 writes it in bundles: fields in the order of the protocol, zero values left out. */
export function transparencyLogEntryJson(entry: LogEntry): JsonObject {
  const { integratedTime, signedEntryTimestamp, inclusionProof } = entry;
  return {
    ...(entry.logIndex === 0n ? {} : { logIndex: entry.logIndex.toString() }),
    logId: { keyId: base64(entry.logId) },
    kindVersion: { kind: entry.kind, version: entry.version },
    ...(integratedTime === undefined ? {} : { integratedTime: integratedTime.toString() }),
    ...(signedEntryTimestamp === undefined
      ? {}
      : { inclusionPromise: { signedEntryTimestamp: base64(signedEntryTimestamp) } }),
    ...(inclusionProof === undefined ? {} : { inclusionProof: inclusionProofJson(inclusionProof) }),
    canonicalizedBody: base64(entry.canonicalizedBody),
  };
}

function inclusionProofJson(proof: InclusionProof): JsonObject {
  return {
    ...(proof.logIndex === 0n ? {} : { logIndex: proof.logIndex.toString() }),
    rootHash: base64(proof.rootHash),
    ...(proof.treeSize === 0n ? {} : { treeSize: proof.treeSize.toString() }),
    ...(proof.hashes.length === 0 ? {} : { hashes: proof.hashes.map(base64) }),
    checkpoint: { envelope: proof.checkpoint },
  };
}
