import assert from 'node:assert/strict';
import { createHash, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { identity, sha256Hex, statementFor, World } from '../../test/support/sigstore-world.ts';
import { newKey } from '../../test/support/test-certificates.ts';
import { accepts, artifact, flip, type Judging, judge, refuses } from '../../test/support/verification.ts';
import { utf8 } from '../core/encoding.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Bundle, MessageHash } from '../formats/bundle.ts';
import { preAuthEncoding } from '../formats/dsse.ts';
import { sha256 } from '../formats/merkle.ts';
import type { ArtifactDigests } from './artifact.ts';
import { byKeys } from './requirements.ts';

const world = new World();
const digest = (name: string, bytes: Uint8Array = artifact): Uint8Array =>
  createHash(name).update(bytes).digest();
const digests: ArtifactDigests = { sha256: digest('sha256') };
const all: ArtifactDigests = { ...digests, sha384: digest('sha384'), sha512: digest('sha512') };
const changed = utf8('another artifact');

type Message = Bundle['content'] & { kind: 'message' };

function message(bundle: Bundle, change: Partial<Message> | { digest: undefined }): Bundle {
  const content = { ...(bundle.content as Message), ...change };
  if (content.digest !== undefined) return { ...bundle, content: content as Message };
  const { digest: _, ...rest } = content;
  return { ...bundle, content: rest as Message };
}

describe('a signature of a file', () => {
  it('says who made it, and what proves it', async () => {
    const { signedBy, material, statement } = await accepts(world, world.blob(artifact, { log: 'v2' }));
    assert.ok(signedBy.kind === 'certificate');
    assert.equal(signedBy.identity.subject, identity);
    assert.equal(signedBy.hash, 'sha256');
    assert.equal(material.logEntries.length, 1);
    assert.equal(statement, undefined);
  });

  it('verifies by the digest of the file, as far as it goes', async () => {
    for (const [kind, hash] of [
      ['P-256', 'sha256'],
      ['P-384', 'sha256'],
      ['P-384', 'sha384'],
      ['P-521', 'sha512'],
      ['rsa', 'sha256'],
    ] as const) {
      const bundle = world.blob(artifact, { signer: world.issue({ key: newKey(kind) }), hash });
      await accepts(world, bundle, { artifact: all });
      if (hash === 'sha256') await accepts(world, bundle, { artifact: digests });
      else await refuses(world, bundle, 'ERR_VERIFY_SIGNATURE', { artifact: digests });
      const wrong = { ...all, sha256: digest('sha256', changed) };
      await refuses(world, bundle, 'ERR_VERIFY_DIGEST', { artifact: wrong });
    }
  });

  it('with exactly the hash that is asked for', async () => {
    const bundle = world.blob(artifact, { signer: world.issue({ key: newKey('P-384') }), hash: 'sha384' });
    for (const given of [artifact, all]) {
      await accepts(world, bundle, { artifact: given, hash: 'sha384' });
      await refuses(world, bundle, 'ERR_VERIFY_SIGNATURE', { artifact: given, hash: 'sha256' });
    }
  });

  it('by Ed25519 needs the file itself', async () => {
    const key = newKey('ed25519');
    const bundle = world.blob(artifact, { signer: { key }, log: 'none' });
    const signer = byKeys([key.publicKey]);
    const { signedBy } = await accepts(world, bundle, { signer });
    assert.equal(signedBy.hash, 'pure');
    await refuses(world, bundle, 'ERR_VERIFY_UNSUPPORTED', { signer, artifact: digests });
    await refuses(world, bundle, 'ERR_VERIFY_UNSUPPORTED', { signer, artifact: all });
    const other = { signer: byKeys([newKey('ed25519').publicKey]) };
    await refuses(world, bundle, 'ERR_VERIFY_SIGNATURE', other);
  });

  it('may name its digest by any hash, or not at all', async () => {
    const bundle = world.blob(artifact);
    const names: Readonly<Record<MessageHash, string>> = {
      SHA2_256: 'sha256',
      SHA2_384: 'sha384',
      SHA2_512: 'sha512',
      SHA3_256: 'sha3-256',
      SHA3_384: 'sha3-384',
    };
    for (const [algorithm, name] of Object.entries(names) as [MessageHash, string][]) {
      const named = message(bundle, { digest: { algorithm, digest: digest(name) } });
      await accepts(world, named);
      await accepts(world, named, { artifact: all });
      await accepts(world, named, { artifact: digests });
      const wrong = message(bundle, { digest: { algorithm, digest: flip(digest(name)) } });
      await refuses(world, wrong, 'ERR_VERIFY_DIGEST');
      const short = message(bundle, { digest: { algorithm, digest: digest(name).subarray(1) } });
      await refuses(world, short, 'ERR_VERIFY_DIGEST');
    }
    await accepts(world, message(bundle, { digest: undefined }));
    await refuses(
      world,
      message(bundle, { digest: { algorithm: 'SHA2_256', digest: new Uint8Array(0) } }),
      'ERR_VERIFY_DIGEST',
    );
  });

  const bundle = world.blob(artifact);
  const refusals: Readonly<Record<string, readonly [Bundle, ErrorCode, Judging?]>> = {
    'of another file': [bundle, 'ERR_VERIFY_DIGEST', { artifact: changed }],
    'of another file, without its digest': [
      message(bundle, { digest: undefined }),
      'ERR_VERIFY_SIGNATURE',
      { artifact: changed },
    ],
    'of another file, with its digest put in': [
      message(bundle, { digest: { algorithm: 'SHA2_256', digest: sha256(changed) } }),
      'ERR_VERIFY_SIGNATURE',
      { artifact: changed },
    ],
    'of the empty file': [bundle, 'ERR_VERIFY_DIGEST', { artifact: new Uint8Array(0) }],
    'with a changed signature': [
      message(bundle, { signature: flip((bundle.content as Message).signature) }),
      'ERR_VERIFY_SIGNATURE',
    ],
    'with an empty signature': [message(bundle, { signature: new Uint8Array(0) }), 'ERR_VERIFY_SIGNATURE'],
    'with another signature by the same key': [
      (() => {
        const signer = world.issue();
        const [one, two] = [world.blob(artifact, { signer }), world.blob(artifact, { signer })];
        return message(one, { signature: (two.content as Message).signature });
      })(),
      'ERR_VERIFY_LOG_ENTRY',
    ],
    'by a digest that is none': [bundle, 'ERR_DIGEST_INVALID', { artifact: { sha256: new Uint8Array(31) } }],
    'by a longer digest that is none': [
      bundle,
      'ERR_DIGEST_INVALID',
      { artifact: { ...digests, sha512: new Uint8Array(0) } },
    ],
    'where an attestation is asked for': [
      bundle,
      'ERR_VERIFY_PREDICATE_TYPE',
      { predicateTypes: ['https://example.com/predicate'] },
    ],
    'with the certificate of another signer': [
      { ...bundle, material: { ...bundle.material, certificates: [world.issue().certificate] } },
      'ERR_VERIFY_SIGNATURE',
    ],
    'with the material of another signature by the same key': [
      (() => {
        const signer = world.issue();
        const other = world.blob(changed, { signer });
        return { ...world.blob(artifact, { signer }), material: other.material };
      })(),
      'ERR_VERIFY_LOG_ENTRY',
    ],
  };
  for (const [name, [made, code, judging]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, made, code, judging));
  }

  it('by RSA with another padding_fail', async () => {
    const key = newKey('rsa');
    const made = world.blob(artifact, { signer: { key }, log: 'none' });
    const signature = new Uint8Array(sign('sha256', artifact, { key: key.privateKey, padding: 6 }));
    const pss = message(made, { signature });
    for (const given of [artifact, digests]) {
      await refuses(world, pss, 'ERR_VERIFY_SIGNATURE', { signer: byKeys([key.publicKey]), artifact: given });
    }
  });
});

describe('an attestation about a file', () => {
  const payload = statementFor(sha256Hex(artifact));
  const subjects = (...list: readonly object[]) =>
    utf8(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: list,
        predicateType: 'https://example.com/predicate',
      }),
    );
  const hexOf = (name: string, bytes: Uint8Array = artifact): string =>
    Buffer.from(digest(name, bytes)).toString('hex');

  it('verifies by the file or its digest, of either Rekor', async () => {
    for (const log of ['v1', 'v2'] as const) {
      for (const given of [artifact, digests, all]) {
        const { statement } = await accepts(world, world.envelope(payload, { log }), { artifact: given });
        assert.equal(statement?.predicateType, 'https://example.com/predicate');
      }
    }
  });

  it('may have several subjects, of several hashes', async () => {
    const right: readonly (readonly object[])[] = [
      [{ digest: { sha256: hexOf('sha256', changed) } }, { digest: { sha256: hexOf('sha256') } }],
      [{ digest: { sha512: hexOf('sha512') } }],
      [{ digest: { sha256: hexOf('sha256'), sha512: hexOf('sha512'), sha1: 'x', gitCommit: 'y' } }],
    ];
    for (const list of right) {
      await accepts(world, world.envelope(subjects(...list)));
      await accepts(world, world.envelope(subjects(...list)), { artifact: all });
    }
    // What cannot be compared is no match.
    const only = world.envelope(subjects({ digest: { sha512: hexOf('sha512') } }));
    await refuses(world, only, 'ERR_VERIFY_DIGEST', { artifact: digests });
  });

  it('of a type that is asked for', async () => {
    const bundle = world.envelope(payload);
    await accepts(world, bundle, { predicateTypes: ['x', 'https://example.com/predicate'] });
    await refuses(world, bundle, 'ERR_VERIFY_PREDICATE_TYPE', { predicateTypes: ['x'] });
    await refuses(world, bundle, 'ERR_VERIFY_PREDICATE_TYPE', { predicateTypes: [] });
  });

  it('by Ed25519 verifies as it is', async () => {
    const key = newKey('ed25519');
    const bundle = world.envelope(payload, { signer: { key } });
    const judging = { signer: byKeys([key.publicKey]), logEntries: 1 };
    for (const given of [artifact, digests]) await accepts(world, bundle, { ...judging, artifact: given });
  });

  const other = world.envelope(statementFor(sha256Hex(changed)));
  const json = world.envelope(utf8('{}'));
  const typed = (payloadType: string): Bundle => {
    const key = newKey();
    const made = world.envelope(payload, { signer: world.issue({ key }), log: 'none', timestamp: true });
    assert.ok(made.content.kind === 'envelope');
    const signature = key.sign(preAuthEncoding(payloadType, payload));
    return {
      ...made,
      content: { kind: 'envelope', envelope: { payload, payloadType, signatures: [{ signature }] } },
    };
  };
  const refusals: Readonly<Record<string, readonly [Bundle, ErrorCode]>> = {
    'of another file': [other, 'ERR_VERIFY_DIGEST'],
    'with a subject that is half right': [
      world.envelope(subjects({ digest: { sha256: hexOf('sha256'), sha512: hexOf('sha512', changed) } })),
      'ERR_VERIFY_DIGEST',
    ],
    'with a digest of another hash': [
      world.envelope(subjects({ digest: { sha1: 'a'.repeat(40) } })),
      'ERR_VERIFY_DIGEST',
    ],
    'with no subject': [world.envelope(subjects()), 'ERR_STATEMENT_INVALID'],
    'that is no statement': [json, 'ERR_STATEMENT_INVALID'],
    'of another payload type': [typed('application/json'), 'ERR_VERIFY_PAYLOAD_TYPE'],
    'of a payload type in capitals': [typed('application/vnd.in-toto+JSON'), 'ERR_VERIFY_PAYLOAD_TYPE'],
  };
  for (const [name, [bundle, code]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, bundle, code));
  }

  it('with a changed payload, type or signature, or none_fail', async () => {
    const bundle = world.envelope(payload);
    assert.ok(bundle.content.kind === 'envelope');
    const { envelope } = bundle.content;
    const [only] = envelope.signatures;
    assert.ok(only !== undefined);
    const change = (changes: Partial<typeof envelope>): Bundle => ({
      ...bundle,
      content: { kind: 'envelope', envelope: { ...envelope, ...changes } },
    });
    await refuses(world, change({ payload: flip(payload, 60) }), 'ERR_VERIFY_SIGNATURE');
    await refuses(
      world,
      change({ signatures: [{ signature: flip(only.signature) }] }),
      'ERR_VERIFY_SIGNATURE',
    );
    await refuses(world, change({ signatures: [] }), 'ERR_BUNDLE_INVALID');
    await refuses(world, change({ signatures: [only, only] }), 'ERR_BUNDLE_INVALID');
    // An identifier of a key is a hint that means nothing.
    await judge(world, change({ signatures: [{ ...only, keyId: 'x' }] }));
  });
});
