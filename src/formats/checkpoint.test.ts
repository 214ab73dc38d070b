import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { base64, equalBytes, fromBase64, hex, utf8 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { parseBundle } from './bundle.ts';
import {
  addSignatures,
  type Checkpoint,
  encodeCheckpointBody,
  encodeNote,
  isKeyName,
  type NoteSigner,
  type NoteVerifier,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from './checkpoint.ts';
import { emptyRoot, hashLeaf, verifyInclusion } from './merkle.ts';
import {
  cosignatureSigner,
  cosignatureVerifier,
  ed25519PublicKey,
  encodeTreeHead,
  encodeVerifierKey,
  logIdOf,
  type NoteKey,
  noteSigner,
  noteVerifier,
  parseTreeHeadSignature,
  parseVerifierKey,
  treeHeadSigner,
  treeHeadVerifier,
} from './note-keys.ts';
import { type KeyType, type PublicKey, parsePublicKey, publicKeyOf } from './public-key.ts';

function refuses(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isBoltsealError(error, code) || assert.fail(error as Error);
}

function newKey(type: KeyType): NoteKey {
  const { privateKey } =
    type === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : type.startsWith('rsa')
        ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) })
        : generateKeyPairSync('ec', { namedCurve: type.replace('ecdsa-p', 'P-') });
  const algorithm = type === 'ed25519' ? null : 'sha256';
  return {
    publicKey: publicKeyOf(privateKey, 'the key'),
    sign: async (message) => new Uint8Array(sign(algorithm, message, privateKey)),
  };
}

interface TrustedLog {
  readonly keyId: string;
  readonly publicKey: PublicKey;
  readonly verifiers: readonly NoteVerifier[];
}

/** The logs of a trusted root, with verifiers for the names that checkpoints of the vectors use. */
function logsOf(name: string): TrustedLog[] {
  const root = JSON.parse(new TextDecoder().decode(vector(name))) as {
    tlogs: { publicKey: { rawBytes: string }; logId: { keyId: string } }[];
  };
  const names = ['127.0.0.1', 'rekor1.mock.dev', 'rekor1.lab.test', 'rekor2.lab.test'];
  return root.tlogs.map(({ publicKey: { rawBytes }, logId: { keyId } }) => {
    const publicKey = parsePublicKey(fromBase64(rawBytes, 'a key'));
    return { keyId, publicKey, verifiers: names.map((one) => noteVerifier(one, publicKey)) };
  });
}

const trustedRoots = ['services/trusted-root.json', 'trust/trusted-root-private-full.json'];

describe('checkpoints of real logs', () => {
  const bundles = ['', 'services'].flatMap((folder) =>
    vectorNames(folder).filter(
      (name) => /bundle|sg-v1/.test(name) && name.endsWith('.json') && !/manifest/.test(name),
    ),
  );
  const logs = trustedRoots.flatMap(logsOf);
  let seen = 0;

  for (const name of bundles) {
    const found = checkpointsOf(name);
    if (found.length === 0) continue;
    it(`${name} verifies`, () => {
      for (const { note, proof, body, keyId } of found) {
        const checkpoint = parseCheckpoint(note);
        const log = logs.find((one) => one.keyId === keyId);
        if (log === undefined) continue;
        assert.equal(verifyCheckpoint(checkpoint, log.verifiers).length, 1);
        assert.equal(encodeNote(encodeCheckpointBody(checkpoint), checkpoint.signatures), note);
        verifyInclusion(hashLeaf(body), proof.index, proof.size, proof.hashes, checkpoint.root);
        const changed = parseCheckpoint(note.replace(`\n${checkpoint.size}\n`, `\n${checkpoint.size + 1}\n`));
        assert.throws(() => verifyCheckpoint(changed, log.verifiers), refuses('ERR_VERIFY_SIGNATURE'));
        seen++;
      }
    });
  }

  it('were looked at', () => assert.ok(seen >= 8, `${seen} checkpoints`));
});

interface FoundCheckpoint {
  readonly note: string;
  readonly keyId: string;
  readonly body: Uint8Array;
  readonly proof: { readonly index: number; readonly size: number; readonly hashes: readonly Uint8Array[] };
}

function checkpointsOf(name: string): FoundCheckpoint[] {
  let entries: ReturnType<typeof parseBundle>['material']['logEntries'];
  try {
    entries = parseBundle(vector(name), name).material.logEntries;
  } catch {
    // A bundle of the old cosign format has no checkpoint.
    return [];
  }
  return entries.flatMap(({ inclusionProof: proof, canonicalizedBody: body, logId }) =>
    proof === undefined
      ? []
      : [
          {
            note: proof.checkpoint,
            keyId: base64(logId),
            body,
            proof: { index: Number(proof.logIndex), size: Number(proof.treeSize), hashes: proof.hashes },
          },
        ],
  );
}

describe('a checkpoint', () => {
  const good = `example.com/log\n3\n${base64(emptyRoot)}\n\n— example.com/log AAAAAAAA\n`;

  it('is read', () => {
    const parsed = parseCheckpoint(good);
    assert.deepEqual([parsed.origin, parsed.size, parsed.root], ['example.com/log', 3, emptyRoot]);
    assert.equal(parsed.body, good.slice(0, good.indexOf('\n\n') + 1));
    assert.deepEqual(parsed.signatures, [
      { name: 'example.com/log', keyId: new Uint8Array(4), signature: new Uint8Array(2) },
    ]);
    assert.deepEqual(parseCheckpoint(utf8(good)), parsed);
    const extended = good.replace('\n\n', '\nTimestamp: 1\nmore\n\n');
    assert.deepEqual(parseCheckpoint(extended).extensions, ['Timestamp: 1', 'more']);
  });

  const root = base64(emptyRoot);
  for (const [what, text] of [
    ['nothing', ''],
    ['no signature', `a\n3\n${root}\n`],
    ['an empty list of signatures', `a\n3\n${root}\n\n`],
    ['no final newline', good.slice(0, -1)],
    ['no origin', good.replace('example.com/log\n3', '\n3')],
    ['a huge origin', good.replace('example.com/log\n', `${'x'.repeat(600)}\n`)],
    ['no size', good.replace('\n3\n', '\n\n')],
    ['a leading zero', good.replace('\n3\n', '\n03\n')],
    ['a sign', good.replace('\n3\n', '\n-3\n')],
    ['a size that is no whole number', good.replace('\n3\n', '\n3.5\n')],
    ['a size that is too large', good.replace('\n3\n', '\n9007199254740992\n')],
    ['a root that is too short', good.replace(root, base64(emptyRoot.subarray(1)))],
    ['a root that is no base64', good.replace(root, `${root.slice(0, -2)}!=`)],
    ['an empty line in the text', good.replace('\n\n', '\n\nmore\n\n')],
    ['a carriage return', good.replaceAll('\n', '\r\n')],
    ['a tab', good.replace('log\n3', 'log\t\n3')],
    ['a hyphen for the dash', good.replace('—', '-')],
    ['a signature without a name', good.replace('— example.com/log ', '—  ')],
    ['a name with a plus', good.replace('— example.com/log', '— a+b')],
    ['a signature that is no base64', good.replace('AAAAAAAA', 'AAAA*AAA')],
    ['a signature of four bytes', good.replace('AAAAAAAA', 'AAAAAA==')],
    ['something after the signature', good.replace('AAAAAAAA', 'AAAAAAAA x')],
  ] as const) {
    it(`with ${what} is refused`, () => {
      assert.throws(() => parseCheckpoint(text), refuses('ERR_CHECKPOINT_INVALID'));
    });
  }

  it('that is no text is refused', () => {
    assert.throws(() => parseCheckpoint(Uint8Array.of(0xff, 0x0a)), refuses('ERR_CHECKPOINT_INVALID'));
  });

  it('that is too large, or has too many signatures, is refused', () => {
    const line = '— example.com/log AAAAAAAA\n';
    assert.throws(() => parseCheckpoint(good + line.repeat(64)), refuses('ERR_LIMIT_EXCEEDED'));
    assert.equal(parseCheckpoint(good + line.repeat(63)).signatures.length, 64);
    assert.throws(() => parseCheckpoint(good + line.repeat(10_000)), refuses('ERR_LIMIT_EXCEEDED'));
  });

  it('survives every text without a foreign error, and is written as it was read', () => {
    const plain = { noNullPrototype: true };
    const checkpoint = fc.record(
      {
        origin: fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/\p{Cc}/u.test(text)),
        size: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        extensions: fc.array(fc.stringMatching(/^[ -~]+$/), { maxLength: 3 }),
      },
      plain,
    );
    const signature = fc.record(
      {
        name: fc.stringMatching(/^[a-z.]+$/),
        keyId: fc.uint8Array({ minLength: 4, maxLength: 4 }),
        signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      },
      plain,
    );
    fc.assert(
      fc.property(checkpoint, fc.array(signature, { minLength: 1, maxLength: 4 }), (value, signatures) => {
        const parsed = parseCheckpoint(encodeNote(encodeCheckpointBody(value), signatures));
        const { origin, size, root, extensions } = parsed;
        assert.deepEqual({ origin, size, root: Uint8Array.from(root), extensions }, value);
        assert.deepEqual(
          parsed.signatures.map(({ keyId, signature, ...rest }) => ({
            ...rest,
            keyId: Uint8Array.from(keyId),
            signature: Uint8Array.from(signature),
          })),
          signatures,
        );
      }),
    );
    const mutated = fc
      .tuple(fc.nat(), fc.string({ maxLength: 3 }), fc.nat({ max: 5 }))
      .map(([at, text, drop]) => {
        const place = at % good.length;
        return good.slice(0, place) + text + good.slice(place + drop);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (text) => {
        try {
          parseCheckpoint(text);
        } catch (error) {
          assert.ok(error instanceof BoltsealError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has no line breaks in its origin', () => {
    const value: Checkpoint = { origin: 'a\nb', size: 0, root: emptyRoot, extensions: [] };
    assert.throws(() => encodeCheckpointBody(value), refuses('ERR_CHECKPOINT_INVALID'));
    for (const name of ['', 'a b', 'a+b', 'a\n', '\u00a0', 'x'.repeat(600)])
      assert.ok(!isKeyName(name), name);
  });

  it('has the characters that Unicode says, in names and in the text', () => {
    const note = (origin: string): string => `${origin}\n0\n${base64(emptyRoot)}\n\n`;
    const read = (origin: string): string => {
      try {
        parseCheckpoint(note(origin));
        return 'read';
      } catch (error) {
        return String(error);
      }
    };
    for (let unit = 0; unit < 0x10000; unit++) {
      const character = String.fromCharCode(unit);
      assert.equal(isKeyName(`a${character}b`), !/[\s+\p{Cc}\p{Cs}]/u.test(character), unit.toString(16));
      if (unit > 0xff) continue;
      const isRefused = read(`a${character}b`).includes('control characters');
      assert.equal(isRefused, /[^\P{Cc}\n]/u.test(character), unit.toString(16));
    }
    assert.ok(isKeyName('a😀'));
    assert.ok(!isKeyName('a\ude00\ud83d'));
  });
});

describe('keys of checkpoints', () => {
  const name = 'example.com/log';
  const head = { origin: name, size: 5, root: hashLeaf(utf8('root')) };
  const time = 1_700_000_000_123;
  const kinds: readonly (readonly [string, NoteSigner, ((publicKey: PublicKey) => NoteVerifier)?])[] = [
    ['ECDSA', noteSigner(name, newKey('ecdsa-p256'))],
    ['ECDSA P-384', noteSigner(name, newKey('ecdsa-p384'))],
    ['Ed25519', noteSigner(name, newKey('ed25519'))],
    ['RSA', noteSigner(name, newKey('rsa-2048'))],
    ['tree head', treeHeadSigner(name, newKey('ecdsa-p256'))],
    ['tree head by RSA', treeHeadSigner(name, newKey('rsa-2048'))],
    ['cosignature', cosignatureSigner(name, newKey('ed25519'))],
  ];

  for (const [kind, signer] of kinds) {
    it(`sign and verify: ${kind}`, async () => {
      const note = await signCheckpoint(head, time, signer);
      const parsed = parseCheckpoint(note);
      assert.deepEqual([parsed.size, parsed.root, parsed.signatures.length], [5, head.root, 1]);
      const [verified] = verifyCheckpoint(parsed, [signer.verifier], name);
      assert.equal(verified?.name, name);
      if (kind.startsWith('tree head')) assert.equal(verified?.time, time);
      if (kind === 'cosignature') assert.equal(verified?.time, 1_700_000_000_000);
      for (const changed of [
        note.replace('\n5\n', '\n6\n'),
        note.replace(base64(head.root), base64(emptyRoot)),
        note.replace('\n\n', '\nmore\n\n'),
      ]) {
        assert.throws(
          () => verifyCheckpoint(parseCheckpoint(changed), [signer.verifier]),
          refuses('ERR_VERIFY_SIGNATURE'),
        );
      }
      const [line] = parsed.signatures as [(typeof parsed.signatures)[0]];
      for (let bit = 0; bit < 8 * Math.min(line.signature.length, 14); bit += 5) {
        const signature = Uint8Array.from(line.signature);
        signature[bit >> 3] = (signature[bit >> 3] as number) ^ (1 << (bit & 7));
        const forged = { ...parsed, signatures: [{ ...line, signature }] };
        assert.throws(
          () => verifyCheckpoint(forged, [signer.verifier]),
          (error) => isBoltsealError(error, 'ERR_VERIFY_SIGNATURE', 'ERR_CHECKPOINT_INVALID'),
        );
      }
      for (const signature of [new Uint8Array(1), line.signature.subarray(0, -1)]) {
        const forged = { ...parsed, signatures: [{ ...line, signature }] };
        assert.throws(
          () => verifyCheckpoint(forged, [signer.verifier]),
          (error) => isBoltsealError(error, 'ERR_VERIFY_SIGNATURE', 'ERR_CHECKPOINT_INVALID'),
        );
      }
    });
  }

  it('count only under their own name and id', async () => {
    const [, one] = kinds[0] as (typeof kinds)[0];
    const [, two] = kinds[2] as (typeof kinds)[0];
    const note = parseCheckpoint(await signCheckpoint(head, time, one));
    assert.throws(() => verifyCheckpoint(note, [two.verifier]), refuses('ERR_VERIFY_SIGNATURE'));
    assert.throws(() => verifyCheckpoint(note, []), refuses('ERR_VERIFY_SIGNATURE'));
    assert.throws(() => verifyCheckpoint(note, [one.verifier], 'other'), refuses('ERR_VERIFY_SIGNATURE'));
    // A bad signature by a known key spoils the note, whoever else signed it.
    const { keyId } = two.verifier;
    const spoiled = {
      ...note,
      signatures: [...note.signatures, { name, keyId, signature: new Uint8Array(64) }],
    };
    assert.throws(
      () => verifyCheckpoint(spoiled, [one.verifier, two.verifier]),
      refuses('ERR_VERIFY_SIGNATURE'),
    );
    assert.equal(verifyCheckpoint(spoiled, [one.verifier]).length, 1);
  });

  it('add up on one note', async () => {
    const note = await signCheckpoint(head, time, (kinds[2] as (typeof kinds)[0])[1]);
    const witness = cosignatureSigner('w.example', newKey('ed25519'));
    const parsed = parseCheckpoint(note);
    const signature = await witness.sign(parsed, parsed.body, time);
    const line = { name: 'w.example', keyId: witness.verifier.keyId, signature };
    const both = addSignatures(note, [line, line]);
    assert.equal(parseCheckpoint(both).signatures.length, 2);
    assert.equal(addSignatures(both, [line]), both);
    assert.equal(verifyCheckpoint(parseCheckpoint(both), [witness.verifier]).length, 1);
  });

  it('have the ids that public logs have', () => {
    // https://github.com/sigstore/root-signing: log2025-1.rekor.sigstore.dev, Ed25519.
    const key = parsePublicKey(
      fromBase64('MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=', 'the key'),
    );
    const id = logIdOf('log2025-1.rekor.sigstore.dev', key);
    assert.equal(hex(id).slice(0, 16), 'cf1199155bddd051');
    for (const [kind, { verifier }] of kinds.slice(0, 2)) assert.equal(verifier.keyId.length, 4, kind);
  });

  it('are written as text and read again', () => {
    for (const [type, kind] of [
      ['ecdsa-p256', 'note'],
      ['ed25519', 'note'],
      ['ed25519', 'cosignature'],
      ['ecdsa-p256', 'tree head'],
    ] as const) {
      const { publicKey } = newKey(type);
      const text = encodeVerifierKey(name, publicKey, kind);
      const verifier = parseVerifierKey(text);
      const same =
        kind === 'note'
          ? noteVerifier(name, publicKey)
          : kind === 'cosignature'
            ? cosignatureVerifier(name, publicKey)
            : treeHeadVerifier(name, publicKey);
      assert.equal(verifier.name, name);
      assert.ok(equalBytes(verifier.keyId, same.keyId));
      const wrong = text.replace(hex(verifier.keyId), '00000000');
      assert.throws(() => parseVerifierKey(wrong), refuses('ERR_KEY_INVALID'));
    }
    assert.throws(
      () => encodeVerifierKey(name, newKey('rsa-2048').publicKey, 'note'),
      refuses('ERR_KEY_UNSUPPORTED'),
    );
    // https://pkg.go.dev/golang.org/x/mod/sumdb/note#example-Open
    const peter = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const note = parseCheckpointLike(
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=',
    );
    assert.deepEqual(peter.verify(note.note, note.signature), { name: 'PeterNeumann', kind: 'note' });
  });

  it('refuse what is no key, name or kind', () => {
    for (const text of ['', 'a+b', 'a+00000000+AAAA', 'a+0000000g+AQ==', `a+00000000+${'A'.repeat(3_000)}`]) {
      assert.throws(
        () => parseVerifierKey(text),
        (error) => isBoltsealError(error, 'ERR_KEY_INVALID', 'ERR_KEY_UNSUPPORTED'),
        text.slice(0, 40),
      );
    }
    assert.throws(() => noteVerifier('a b', newKey('ed25519').publicKey), refuses('ERR_CHECKPOINT_INVALID'));
    assert.throws(() => treeHeadVerifier(name, newKey('ed25519').publicKey), refuses('ERR_KEY_UNSUPPORTED'));
    assert.throws(
      () => cosignatureVerifier(name, newKey('ecdsa-p256').publicKey),
      refuses('ERR_KEY_UNSUPPORTED'),
    );
    assert.throws(() => ed25519PublicKey(new Uint8Array(31)), refuses('ERR_KEY_INVALID'));
  });

  it('carry the time of a tree head', async () => {
    const signer = treeHeadSigner(name, newKey('ecdsa-p256'));
    const [line] = parseCheckpoint(await signCheckpoint(head, time, signer)).signatures;
    const { time: carried, digitallySigned } = parseTreeHeadSignature(line?.signature ?? new Uint8Array());
    assert.equal(carried, time);
    assert.deepEqual([...digitallySigned.subarray(0, 2)], [4, 3]);
    assert.equal(
      hex(encodeTreeHead(5, emptyRoot, 1)),
      `0001${'0'.repeat(15)}1${'0'.repeat(15)}5${hex(emptyRoot)}`,
    );
    for (const bytes of [new Uint8Array(11), new Uint8Array(13), new Uint8Array(12).fill(0xff, 0, 8)]) {
      assert.throws(() => parseTreeHeadSignature(bytes), refuses('ERR_CHECKPOINT_INVALID'));
    }
  });
});

/** A note that is no checkpoint, as the verifier of its text sees it. */
function parseCheckpointLike(body: string, line: string) {
  const bytes = fromBase64(line.split(' ')[2] ?? '', 'the signature');
  const note = { ...parseCheckpoint(`x\n0\n${base64(emptyRoot)}\n\n— x AAAAAAAA\n`), body };
  return { note, signature: bytes.subarray(4) };
}
