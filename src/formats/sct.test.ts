import assert from 'node:assert/strict';
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { derOctetString, derSequence } from '../core/der.ts';
import { base64, concatBytes, fromBase64, hex, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate, parsePemCertificates } from './certificate.ts';
import {
  encodeCtEntry,
  encodeExtraData,
  encodeMerkleTreeLeaf,
  encodeTileLeaf,
  encodeTileLeafTail,
  leafIndexExtension,
  merkleTreeLeafOf,
  parseDataTile,
  parseTileLeaf,
  readLeafIndex,
} from './ct-entry.ts';
import { encodeExtension } from './extensions.ts';
import { parsePem } from './pem.ts';
import { parsePublicKey, publicKeyOf } from './public-key.ts';
import {
  ctLogId,
  embeddedScts,
  encodeSct,
  encodeSctExtension,
  parseSct,
  poisonExtension,
  poisonOid,
  precertificateEntry,
  type SignedCertificateTimestamp,
  sctAlgorithmOf,
  sctListOid,
  verifySct,
} from './sct.ts';
import { tlsNumber, tlsReader, tlsVector } from './tls-encoding.ts';

const exchanges = transcripts();
const logKey = parsePublicKey(vector('services/ct.pub'));
const [issuer, root] = parsePemCertificates(vector('services/fulcio-chain.pem'));
assert.ok(issuer && root);

function recordedLeaf(name: string): Certificate {
  const text = exchanges.get(name)?.response ?? '';
  const pem = text.startsWith('{')
    ? JSON.parse(text).signedCertificateEmbeddedSct.chain.certificates[0]
    : text;
  return parseCertificate(parsePem(utf8(pem), 'x')[0]?.der ?? new Uint8Array(0));
}

const refuses = (code: Parameters<typeof isBoltsealError>[1], action: () => unknown): void =>
  assert.throws(action, (error) => isBoltsealError(error, code));

for (const name of ['fulcio v2 ok', 'fulcio v2 ed25519', 'fulcio v1 ok']) {
  test(`the recorded timestamp of "${name}" verifies, and for nothing else`, () => {
    const leaf = recordedLeaf(name);
    const [sct, ...more] = embeddedScts(leaf);
    assert.ok(sct && more.length === 0);
    const entry = precertificateEntry(leaf, issuer.spki);
    verifySct(sct, entry, logKey);

    const extension = leaf.extensions.get(sctListOid);
    assert.deepEqual(encodeSctExtension([encodeSct(sct)]), extension?.bytes);

    const other = parsePublicKey(vector('services/cosign.pub'));
    refuses('ERR_VERIFY_SIGNATURE', () => verifySct(sct, entry, other));
    refuses('ERR_VERIFY_SIGNATURE', () => verifySct({ ...sct, logId: ctLogId(other.spki) }, entry, other));
    refuses('ERR_VERIFY_SIGNATURE', () => verifySct({ ...sct, time: sct.time + 1 }, entry, logKey));
    refuses('ERR_VERIFY_SIGNATURE', () => verifySct({ ...sct, algorithm: 'rsa' }, entry, logKey));
    refuses('ERR_VERIFY_SIGNATURE', () => verifySct(sct, precertificateEntry(leaf, root.spki), logKey));
    refuses('ERR_VERIFY_SIGNATURE', () =>
      verifySct(sct, { kind: 'certificate', certificate: leaf.der }, logKey),
    );
  });
}

test('a recorded entry of the log is taken apart and put together again', () => {
  const recorded = JSON.parse(exchanges.get('ct get-entries')?.response ?? '').entries[0];
  const leafInput = fromBase64(recorded.leaf_input, 'x');
  const extraData = fromBase64(recorded.extra_data, 'x');
  const extra = tlsReader(extraData, 'x', 'ERR_LOG_ENTRY_INVALID');
  const precertificate = extra.vector(3);
  const entry = precertificateEntry(parseCertificate(precertificate), issuer.spki);
  assert.equal(parseCertificate(precertificate).extensions.get(poisonOid)?.critical, true);
  const { time } = parseTileLeaf(encodeTileLeaf(leafInput, encodeTileLeafTail(precertificate, [])));
  assert.equal(hex(encodeMerkleTreeLeaf(encodeCtEntry(entry), time, new Uint8Array(0))), hex(leafInput));
  assert.equal(base64(encodeExtraData(precertificate, [issuer.der, root.der])), recorded.extra_data);
});

test('an entry is the same before and after the timestamp is embedded', () => {
  const leaf = recordedLeaf('fulcio v2 ok');
  const extensions = new Map(leaf.extensions);
  extensions.delete(sctListOid);
  const poison = { oid: poisonOid, critical: true, value: Uint8Array.of(5, 0), bytes: poisonExtension };
  extensions.set(poisonOid, poison);
  assert.deepEqual(
    precertificateEntry({ ...leaf, extensions }, issuer.spki),
    precertificateEntry(leaf, issuer.spki),
  );
});

test('a log may sign with P-256 and RSA keys only', () => {
  assert.deepEqual((['ecdsa-p256', 'rsa-2048', 'ecdsa-p384', 'ed25519'] as const).map(sctAlgorithmOf), [
    'ecdsa',
    'rsa',
    undefined,
    undefined,
  ]);
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = publicKeyOf(pair.publicKey, 'x');
  const entry = { kind: 'certificate', certificate: utf8('x') } as const;
  const extensions = leafIndexExtension(7);
  const signature = signWith(
    'sha256',
    encodeMerkleTreeLeaf(encodeCtEntry(entry), 5, extensions),
    pair.privateKey,
  );
  verifySct({ logId: ctLogId(key.spki), time: 5, extensions, signature, algorithm: 'rsa' }, entry, key);
});

/** A record with the prototype that a literal has. */
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const bytes = (length: { min: number; max: number }) =>
  fc.uint8Array({ minLength: length.min, maxLength: length.max });
const anySct: fc.Arbitrary<SignedCertificateTimestamp> = record({
  logId: bytes({ min: 32, max: 32 }),
  time: fc.maxSafeNat(),
  extensions: bytes({ min: 0, max: 40 }),
  signature: bytes({ min: 0, max: 80 }),
  algorithm: fc.constantFrom('ecdsa' as const, 'rsa' as const),
});

test('timestamps survive', () => {
  fc.assert(fc.property(anySct, (sct) => assert.deepEqual(parseSct(encodeSct(sct)), sct)));
  fc.assert(
    fc.property(fc.array(anySct, { minLength: 1, maxLength: 4 }), (scts) =>
      assert.deepEqual(embeddedScts(withScts(list(...scts.map(encodeSct)))), scts),
    ),
  );
});

const withScts = (value: Uint8Array) => ({
  extensions: new Map([
    [sctListOid, { oid: sctListOid, critical: false, value, bytes: encodeExtension(sctListOid, value) }],
  ]),
});
const aSct = encodeSct({
  logId: new Uint8Array(32),
  time: 1,
  extensions: new Uint8Array(0),
  signature: Uint8Array.of(1),
  algorithm: 'ecdsa',
});
const list = (...scts: readonly Uint8Array[]) =>
  derOctetString(tlsVector(2, ...scts.map((sct) => tlsVector(2, sct))));

test('lists of timestamps are read whole', () => {
  assert.equal(embeddedScts(withScts(list(aSct, aSct))).length, 2);
  assert.deepEqual(embeddedScts({ extensions: new Map() }), []);
});

const brokenLists: Readonly<Record<string, Uint8Array>> = {
  not_octets_fail: derSequence(),
  empty_fail: list(),
  trailing_fail: derOctetString(concatBytes(tlsVector(2, tlsVector(2, aSct)), Uint8Array.of(0))),
  cut_fail: derOctetString(tlsVector(2, Uint8Array.of(0, 9, 1))),
  version_fail: list(concatBytes(Uint8Array.of(1), aSct.subarray(1))),
  sha1_fail: list(concatBytes(aSct.subarray(0, 43), Uint8Array.of(2, 3), aSct.subarray(45))),
  late_time_fail: list(concatBytes(aSct.subarray(0, 33), new Uint8Array(8).fill(255), aSct.subarray(41))),
  trailing_in_sct_fail: list(concatBytes(aSct, Uint8Array.of(0))),
};

for (const [name, value] of Object.entries(brokenLists)) {
  test(`a list of timestamps is refused: ${name}`, () => {
    refuses('ERR_CERTIFICATE_INVALID', () => embeddedScts(withScts(value)));
  });
}

test('too many timestamps are refused', () => {
  const many = Array.from({ length: limits.sctCount + 1 }, () => aSct);
  refuses('ERR_LIMIT_EXCEEDED', () => embeddedScts(withScts(list(...many))));
});

const anyLeaf = record({
  entry: fc.oneof(
    record({ kind: fc.constant('certificate' as const), certificate: bytes({ min: 1, max: 60 }) }),
    record({
      kind: fc.constant('precertificate' as const),
      issuerKeyHash: bytes({ min: 32, max: 32 }),
      tbs: bytes({ min: 1, max: 60 }),
    }),
  ),
  time: fc.maxSafeNat(),
  index: fc.nat(2 ** 31),
  precertificate: bytes({ min: 1, max: 60 }),
  fingerprints: fc.array(bytes({ min: 32, max: 32 }), { maxLength: 3 }),
});

test('leaves of tiles survive, alone and in a tile', () => {
  fc.assert(
    fc.property(fc.array(anyLeaf, { minLength: 1, maxLength: 5 }), (leaves) => {
      const encoded = leaves.map(({ entry, time, index, precertificate, fingerprints }) => {
        const merkle = encodeMerkleTreeLeaf(encodeCtEntry(entry), time, leafIndexExtension(index));
        const pre = entry.kind === 'precertificate' ? precertificate : undefined;
        const tile = encodeTileLeaf(merkle, encodeTileLeafTail(pre, fingerprints));
        const read = parseTileLeaf(tile);
        assert.deepEqual(read.entry, entry);
        assert.deepEqual([read.time, readLeafIndex(read.extensions)], [time, index]);
        assert.deepEqual(read.precertificate, pre);
        assert.deepEqual(read.fingerprints, fingerprints);
        assert.deepEqual(merkleTreeLeafOf(read), merkle);
        return tile;
      });
      assert.equal(parseDataTile(concatBytes(...encoded)).length, leaves.length);
    }),
  );
});

test('the index in extensions is read strictly', () => {
  assert.equal(hex(leafIndexExtension(0x0102030405)), '0000050102030405');
  assert.equal(readLeafIndex(new Uint8Array(0)), undefined);
  assert.equal(readLeafIndex(concatBytes(Uint8Array.of(9, 0, 0), leafIndexExtension(3))), 3);
  refuses('ERR_LOG_ENTRY_INVALID', () =>
    readLeafIndex(concatBytes(leafIndexExtension(3), leafIndexExtension(3))),
  );
  refuses('ERR_LOG_ENTRY_INVALID', () => readLeafIndex(Uint8Array.of(0, 0, 1, 5)));
  refuses('ERR_LOG_ENTRY_INVALID', () => readLeafIndex(Uint8Array.of(0, 0)));
  refuses('ERR_INTERNAL', () => leafIndexExtension(2 ** 40));
  refuses('ERR_INTERNAL', () => tlsNumber(-1, 2));
});

test('leaves that are malformed are refused', () => {
  const good = encodeTileLeaf(
    encodeMerkleTreeLeaf(
      encodeCtEntry({ kind: 'certificate', certificate: utf8('x') }),
      5,
      new Uint8Array(0),
    ),
    encodeTileLeafTail(undefined, []),
  );
  parseTileLeaf(good);
  refuses('ERR_LOG_ENTRY_INVALID', () => parseTileLeaf(concatBytes(good, good)));
  refuses('ERR_LOG_ENTRY_INVALID', () => parseTileLeaf(good.subarray(0, -1)));
  refuses('ERR_LOG_ENTRY_INVALID', () =>
    parseTileLeaf(concatBytes(good.subarray(0, 9), Uint8Array.of(2), good.subarray(10))),
  );
  refuses('ERR_LOG_ENTRY_INVALID', () =>
    parseTileLeaf(concatBytes(good.subarray(0, -2), Uint8Array.of(0, 1, 7))),
  );
});

test('noise breaks no reader', () => {
  fc.assert(
    fc.property(bytes({ min: 0, max: 200 }), (input) => {
      for (const read of [
        () => parseSct(input),
        () => parseTileLeaf(input),
        () => parseDataTile(input),
        () => readLeafIndex(input),
        () => embeddedScts(withScts(input)),
      ]) {
        try {
          read();
        } catch (error) {
          assert.ok(isBoltsealError(error), String(error));
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
