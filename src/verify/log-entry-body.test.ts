import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { ed25519ph } from '@noble/curves/ed25519.js';
import { sha256Hex, statementFor, World } from '../../test/support/sigstore-world.ts';
import { newKey, type TestSigner } from '../../test/support/test-certificates.ts';
import {
  dsseV1,
  hashedRekordV1,
  hashedRekordV2,
  type LogChoices,
  verifierPem,
} from '../../test/support/test-logs.ts';
import {
  accepts,
  artifact,
  flip,
  refuses,
  signatureOf,
  withMaterial,
} from '../../test/support/verification.ts';
import { utf8 } from '../core/encoding.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Bundle } from '../formats/bundle.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import { type EntryV1, encodeEntryV1, type IntotoV2 } from '../formats/log-entry-v1.ts';
import { type DsseV2, type EntryV2, encodeEntryV2 } from '../formats/log-entry-v2.ts';
import { sha256 } from '../formats/merkle.ts';
import { encodePem } from '../formats/pem.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { byKeys } from './requirements.ts';

const world = new World();
const payload = statementFor(sha256Hex(artifact));
const signer = world.issue();
const other = world.issue();
const blob = world.blob(artifact, { signer, log: 'none', timestamp: true });
const envelope = world.envelope(payload, { signer, log: 'none', timestamp: true });
const signature = signatureOf(blob);
const enveloped = signatureOf(envelope);
const message = preAuthEncoding(inTotoPayloadType, payload);

const v1 = (body: EntryV1 | Uint8Array, choices: Partial<LogChoices> = {}) => world.entryV1(body, choices);
const v2 = (body: EntryV2 | Uint8Array, choices: Partial<LogChoices> = {}) => world.entryV2(body, choices);
const logged = (bundle: Bundle, entry: LogEntry): Bundle => withMaterial(bundle, { logEntries: [entry] });

const intoto = (changes: Partial<IntotoV2> = {}, by: TestSigner = signer): IntotoV2 => ({
  kind: 'intoto',
  payloadType: inTotoPayloadType,
  signatures: [{ signature: enveloped, verifier: verifierPem(by) }],
  envelopeHash: sha256(utf8('as the client computed it')),
  payloadHash: sha256(payload),
  ...changes,
});

const dsseV2 = (changes: Partial<DsseV2> = {}, by: Required<TestSigner> = signer): DsseV2 => ({
  kind: 'dsse',
  payloadHash: sha256(payload),
  signatures: [
    {
      signature: enveloped,
      verifier: { kind: 'certificate', der: by.certificate, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
    },
  ],
  ...changes,
});

/** A body with its text changed. */
function edited(body: Uint8Array, from: string | RegExp, to: string): Uint8Array {
  const text = Buffer.from(body).toString();
  const changed = text.replace(from, to);
  assert.notEqual(changed, text);
  return utf8(changed);
}

describe('an entry about a file', () => {
  it('is hashedrekord, of either Rekor', async () => {
    await accepts(world, logged(blob, v1(hashedRekordV1(artifact, signature, signer))));
    await accepts(world, logged(blob, v2(hashedRekordV2(artifact, signature, signer))));
  });

  it('names the hash that the signature is over_fail', async () => {
    for (const hash of ['sha384', 'sha512'] as const) {
      const entry = v1(hashedRekordV1(artifact, signature, signer, hash));
      await refuses(world, logged(blob, entry), 'ERR_VERIFY_LOG_ENTRY');
    }
    const key = newKey('P-384');
    const judging = { signer: byKeys([key.publicKey]), logEntries: 1 };
    const made = world.blob(artifact, { signer: { key }, hash: 'sha256', log: 'none' });
    // Rekor v2 has no other entry of such a key than one over SHA-384.
    const second = v2(hashedRekordV2(artifact, signatureOf(made), { key }));
    await refuses(world, logged(made, second), 'ERR_VERIFY_LOG_ENTRY', judging);
    await accepts(world, logged(made, v1(hashedRekordV1(artifact, signatureOf(made), { key }))), judging);
  });

  it('is not hashedrekord of a pure Ed25519 signature, which is over no digest_fail', async () => {
    const key = newKey('ed25519');
    const judging = { signer: byKeys([key.publicKey]), logEntries: 1 };
    const made = world.blob(artifact, { signer: { key }, log: 'none' });
    for (const entry of [
      v2(hashedRekordV2(artifact, signatureOf(made), { key })),
      v1(hashedRekordV1(artifact, signatureOf(made), { key }, 'sha512')),
    ]) {
      await refuses(world, logged(made, entry), 'ERR_VERIFY_LOG_ENTRY', judging);
    }
  });

  it('means the same when it is written in another way', async () => {
    const first = encodeEntryV1(hashedRekordV1(artifact, signature, signer));
    await accepts(world, logged(blob, v1(edited(first, '{"apiVersion"', '{ "apiVersion"'))));
    const pem = Buffer.from(verifierPem(signer)).toString();
    const [oneLine, trimmed] = [pem.replace(/([A-Za-z0-9+/=])\n(?!-)/g, '$1'), pem.trimEnd()];
    for (const verifier of [oneLine, trimmed]) {
      assert.notEqual(verifier, pem);
      await accepts(
        world,
        logged(blob, v1({ ...hashedRekordV1(artifact, signature, signer), verifier: utf8(verifier) })),
      );
    }
    const body = encodeEntryV2(hashedRekordV2(artifact, signature, signer));
    await accepts(world, logged(blob, v2(edited(body, 'x509Certificate', 'x509_certificate'))));
  });

  const right = hashedRekordV1(artifact, signature, signer);
  const rightV2 = hashedRekordV2(artifact, signature, signer);
  const changed = utf8('another artifact');
  const key: TestSigner = { key: signer.key };
  const bodies: Readonly<Record<string, readonly [LogEntry, ErrorCode?]>> = {
    'of another signature': [v1({ ...right, signature: signer.key.sign(artifact) })],
    'of a changed signature': [v1({ ...right, signature: flip(signature) })],
    'of another artifact': [v1(hashedRekordV1(changed, signature, signer))],
    'of another artifact, over SHA-512': [v1(hashedRekordV1(changed, signature, signer, 'sha512'))],
    'by another certificate of the same key': [
      v1(hashedRekordV1(artifact, signature, world.issue({ key: signer.key }))),
    ],
    'by another key': [v1(hashedRekordV1(artifact, signature, other))],
    'by the key of the certificate': [v1(hashedRekordV1(artifact, signature, key))],
    'by something that is no PEM': [v1({ ...right, verifier: utf8('x') }), 'ERR_LOG_ENTRY_INVALID'],
    'by two certificates': [
      v1({ ...right, verifier: Buffer.concat([verifierPem(signer), verifierPem(other)]) }),
      'ERR_LOG_ENTRY_INVALID',
    ],
    'of an envelope': [v1(dsseV1(payload, signature, signer))],
    'of Rekor v2, of another signature': [v2({ ...rightV2, signature: signer.key.sign(artifact) })],
    'of Rekor v2, of another artifact': [v2(hashedRekordV2(changed, signature, signer))],
    'of Rekor v2, by another certificate of the same key': [
      v2(hashedRekordV2(artifact, signature, world.issue({ key: signer.key }))),
    ],
    'of Rekor v2, by the key of the certificate': [v2(hashedRekordV2(artifact, signature, key))],
    'of Rekor v2, with another kind of key': [
      v2({
        ...rightV2,
        verifier: { ...rightV2.verifier, keyDetails: 'PKIX_RSA_PKCS1V15_2048_SHA256' },
      }),
    ],
    'of Rekor v2, of an envelope': [v2(dsseV2({ signatures: [{ signature, verifier: rightV2.verifier }] }))],
    'that is no JSON': [v1(utf8('x')), 'ERR_VERIFY_UNSUPPORTED'],
  };
  for (const [name, [entry, code = 'ERR_VERIFY_LOG_ENTRY']] of Object.entries(bodies)) {
    it(`${name}_fail`, () => refuses(world, logged(blob, entry), code));
  }

  it('that is no JSON, or broken, under a kind that is known_fail', async () => {
    const known = { kind: 'hashedrekord', version: '0.0.1' };
    await refuses(world, logged(blob, v1(utf8('x'), known)), 'ERR_JSON_INVALID');
    await refuses(world, logged(blob, v1(utf8('{}'), known)), 'ERR_LOG_ENTRY_INVALID');
    await refuses(
      world,
      logged(blob, v2(utf8('{}'), { ...known, version: '0.0.2' })),
      'ERR_LOG_ENTRY_INVALID',
    );
    const body = encodeEntryV1(right);
    for (const text of ['"more":1,"apiVersion"', '"kind":"hashedrekord","apiVersion"']) {
      const twice = logged(blob, v1(edited(body, '"apiVersion"', text)));
      await refuses(world, twice, text.startsWith('"more') ? 'ERR_LOG_ENTRY_INVALID' : 'ERR_JSON_INVALID');
    }
  });
});

describe('an entry about an envelope', () => {
  it('is dsse or intoto of Rekor v1, and hashedrekord or dsse of Rekor v2', async () => {
    await accepts(world, logged(envelope, v1(dsseV1(payload, enveloped, signer))));
    await accepts(world, logged(envelope, v1(intoto())));
    await accepts(world, logged(envelope, v1(hashedRekordV1(message, enveloped, signer))));
    await accepts(world, logged(envelope, v2(hashedRekordV2(message, enveloped, signer))));
    await accepts(world, logged(envelope, v2(dsseV2())));
  });

  it('of the kind intoto may hold the payload', async () => {
    const encoded = Buffer.from(Buffer.from(payload).toString('base64')).toString('base64');
    const withPayload = (text: string) =>
      logged(
        envelope,
        v1(edited(encodeEntryV1(intoto()), '"payloadType"', `"payload":"${text}","payloadType"`)),
      );
    await accepts(world, withPayload(encoded));
    const wrong = Buffer.from(Buffer.from('{}').toString('base64')).toString('base64');
    await refuses(world, withPayload(wrong), 'ERR_VERIFY_LOG_ENTRY');
  });

  const verifier = verifierPem(signer);
  const one = { signature: enveloped, verifier };
  const resigned = signer.key.sign(message);
  const changed = statementFor(sha256Hex(utf8('another')));
  const dsse = dsseV1(payload, enveloped, signer);
  const bodies: Readonly<Record<string, readonly [LogEntry, ErrorCode?]>> = {
    'dsse of another signature': [v1(dsseV1(payload, resigned, signer))],
    'dsse of another payload': [v1(dsseV1(changed, enveloped, signer))],
    'dsse by another certificate': [v1(dsseV1(payload, enveloped, other))],
    'dsse by the key of the certificate': [v1(dsseV1(payload, enveloped, { key: signer.key }))],
    'dsse with a second signature': [
      v1({ ...dsse, signatures: [one, { signature: resigned, verifier: verifierPem(other) }] }),
    ],
    'dsse with the signature twice': [v1({ ...dsse, signatures: [one, one] })],
    // The one value that is not compared, and still is a digest.
    'dsse with a hash of the envelope that is too short': [
      v1({ ...dsse, envelopeHash: dsse.envelopeHash.subarray(2) }),
      'ERR_LOG_ENTRY_INVALID',
    ],
    'intoto of another signature': [v1(intoto({ signatures: [{ signature: resigned, verifier }] }))],
    'intoto of another payload': [v1(intoto({ payloadHash: sha256(changed) }))],
    'intoto of another payload type': [v1(intoto({ payloadType: 'application/json' }))],
    'intoto by another certificate': [v1(intoto({}, other))],
    'intoto with a second signature': [v1(intoto({ signatures: [one, one] }))],
    'hashedrekord of the payload': [v1(hashedRekordV1(payload, enveloped, signer))],
    'hashedrekord of the artifact': [v1(hashedRekordV1(artifact, enveloped, signer))],
    'hashedrekord of the payload, Rekor v2': [v2(hashedRekordV2(payload, enveloped, signer))],
    'hashedrekord of another payload type, Rekor v2': [
      v2(hashedRekordV2(preAuthEncoding('application/json', payload), enveloped, signer)),
    ],
    'dsse of Rekor v2 of another signature': [
      v2(
        dsseV2({
          signatures: [{ signature: resigned, verifier: dsseV2().signatures[0]?.verifier as never }],
        }),
      ),
    ],
    'dsse of Rekor v2 of another payload': [v2(dsseV2({ payloadHash: sha256(changed) }))],
    'dsse of Rekor v2 by another certificate': [v2(dsseV2({}, other))],
    'dsse of Rekor v2 with a second signature': [
      v2(dsseV2({ signatures: [...dsseV2().signatures, ...dsseV2().signatures] })),
    ],
  };
  for (const [name, [entry, code = 'ERR_VERIFY_LOG_ENTRY']] of Object.entries(bodies)) {
    it(`${name}_fail`, () => refuses(world, logged(envelope, entry), code));
  }

  it('that is a proposal_fail', async () => {
    const text = JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: { proposedContent: { envelope: '{}', verifiers: ['eA=='] } },
    });
    await refuses(world, logged(envelope, v1(utf8(text))), 'ERR_VERIFY_LOG_ENTRY');
  });
});

describe('the kind beside an entry', () => {
  const hashed = hashedRekordV1(artifact, signature, signer);
  const kinds: readonly (readonly [Partial<LogChoices>, ErrorCode])[] = [
    [{ kind: 'dsse' }, 'ERR_VERIFY_LOG_ENTRY'],
    [{ kind: 'intoto', version: '0.0.2' }, 'ERR_VERIFY_LOG_ENTRY'],
    [{ kind: 'intoto' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ kind: 'rekord' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ kind: 'toString' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ kind: '' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ version: '' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ version: '0.0.3' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ version: '0.0.1 ' }, 'ERR_VERIFY_UNSUPPORTED'],
    [{ kind: 'Hashedrekord' }, 'ERR_VERIFY_UNSUPPORTED'],
  ];
  for (const [choices, code] of kinds) {
    it(`${JSON.stringify(choices)}_fail`, () => refuses(world, logged(blob, v1(hashed, choices)), code));
  }

  it('of Rekor v2 is that of its body too_fail', async () => {
    const body = encodeEntryV2(hashedRekordV2(artifact, signature, signer));
    await refuses(world, logged(blob, v2(body, { kind: 'dsse' })), 'ERR_VERIFY_LOG_ENTRY');
    await refuses(world, logged(blob, v2(body, { version: '0.0.1' })), 'ERR_LOG_ENTRY_INVALID');
    // A body of the first version, said to be of the second.
    const first = encodeEntryV1(hashed);
    await refuses(world, logged(blob, v2(first, { version: '0.0.2' })), 'ERR_LOG_ENTRY_INVALID');
  });
});

describe('an entry about a signature by a key', () => {
  const kinds = [
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
    ['rsa', 'sha256'],
  ] as const;
  for (const [kind, hash] of kinds) {
    it(`of the kind ${kind}, of either Rekor`, async () => {
      const key = newKey(kind);
      const judging = { signer: byKeys([key.publicKey]), logEntries: 1 };
      const by: TestSigner = { key };
      for (const log of ['v1', 'v2'] as const) {
        await accepts(world, world.blob(artifact, { signer: by, hash, log }), judging);
        await accepts(world, world.envelope(payload, { signer: by, hash, log }), judging);
      }
      const made = world.blob(artifact, { signer: by, hash, log: 'none' });
      const wrong = hashedRekordV1(artifact, signatureOf(made), { key: newKey() }, hash);
      await refuses(world, logged(made, v1(wrong)), 'ERR_VERIFY_LOG_ENTRY', judging);
    });
  }

  it('may name a certificate of that key', async () => {
    const judging = { signer: byKeys([signer.key.publicKey]), logEntries: 1 };
    const made = world.blob(artifact, { signer: { key: signer.key }, log: 'none' });
    const [made1, made2] = [signatureOf(made), signatureOf(made)];
    await accepts(world, logged(made, v1(hashedRekordV1(artifact, made1, signer))), judging);
    await accepts(world, logged(made, v2(hashedRekordV2(artifact, made2, signer))), judging);
    await refuses(
      world,
      logged(made, v1(hashedRekordV1(artifact, made1, other))),
      'ERR_VERIFY_LOG_ENTRY',
      judging,
    );
    const none = {
      ...hashedRekordV1(artifact, made1, signer),
      verifier: utf8(encodePem('CERTIFICATE', Uint8Array.of(1))),
    };
    await refuses(world, logged(made, v1(none)), 'ERR_CERTIFICATE_INVALID', judging);
  });

  it('of the kind Ed25519 is over SHA-512: Ed25519ph', async () => {
    const key = newKey('ed25519');
    const secret = key.privateKey.export({ format: 'jwk' }).d as string;
    const raw = ed25519ph.sign(artifact, Uint8Array.from(Buffer.from(secret, 'base64url')));
    const made = world.blob(artifact, { signer: { key }, log: 'none' });
    assert.ok(made.content.kind === 'message');
    const prehashed: Bundle = { ...made, content: { ...made.content, signature: raw } };
    const judging = { signer: byKeys([key.publicKey]), logEntries: 1 };
    for (const entry of [
      v2(hashedRekordV2(artifact, raw, { key })),
      v1(hashedRekordV1(artifact, raw, { key }, 'sha512')),
    ]) {
      const { signedBy } = await accepts(world, logged(prehashed, entry), judging);
      assert.equal(signedBy.hash, 'sha512');
      const sha512 = createHash('sha512').update(artifact).digest();
      await accepts(world, logged(prehashed, entry), {
        ...judging,
        artifact: { sha256: sha256(artifact), sha512 },
      });
    }
  });
});

it('with the digest alone is judged in the same way', async () => {
  const digest = { artifact: { sha256: sha256(artifact) } };
  await accepts(world, logged(blob, v1(hashedRekordV1(artifact, signature, signer))), digest);
  const other = logged(blob, v1(hashedRekordV1(utf8('another artifact'), signature, signer)));
  await refuses(world, other, 'ERR_VERIFY_LOG_ENTRY', digest);
  const wrongHash = logged(blob, v1(hashedRekordV1(artifact, signature, signer, 'sha512')));
  await refuses(world, wrongHash, 'ERR_VERIFY_LOG_ENTRY', digest);
});
