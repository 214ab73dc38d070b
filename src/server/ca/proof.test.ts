import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, generatePrimeSync, type KeyObject } from 'node:crypto';
import test from 'node:test';
import { clientKey, proofOf } from '../../../test/support/ca-world.ts';
import { utf8 } from '../../core/encoding.ts';
import { ServiceRefusal } from '../http/service.ts';
import { checkProof, readClientKey } from './proof.ts';
import { weaknessOfRsa } from './weak-rsa.ts';

const bad = 'The public key supplied in the request could not be parsed';
const weak = 'The public key supplied in the request is insecure';
const unproved = 'The signature supplied in the request could not be verified';

const refuses = (message: string, action: () => unknown): void =>
  assert.throws(
    action,
    (error) => error instanceof ServiceRefusal && error.status === 400 && error.message === message,
  );

const pemOf = (key: KeyObject): Uint8Array => utf8(key.export({ type: 'spki', format: 'pem' }).toString());

for (const kind of ['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'] as const) {
  test(`a proof by ${kind} is over the challenge, with the hash of the key`, () => {
    const key = clientKey(kind);
    const read = readClientKey(utf8(key.pem));
    checkProof(read, Buffer.from(proofOf(key, 'a@b.test'), 'base64'), 'a@b.test');
    refuses(unproved, () => checkProof(read, Buffer.from(proofOf(key, 'a@b.test'), 'base64'), 'a@b.tesT'));
    refuses(unproved, () => checkProof(read, Buffer.from(proofOf(clientKey(kind), 'x'), 'base64'), 'x'));
    refuses(unproved, () => checkProof(read, new Uint8Array(0), 'x'));
    refuses(unproved, () => checkProof(read, new Uint8Array(10_000), 'x'));
    if (key.hash === null) return;
    const otherHash = { ...key, hash: key.hash === 'sha256' ? 'sha512' : 'sha256' };
    refuses(unproved, () => checkProof(read, Buffer.from(proofOf(otherHash, 'x'), 'base64'), 'x'));
  });
}

test('keys that are weak, or of another kind, are refused', () => {
  for (const key of [
    generateKeyPairSync('rsa', { modulusLength: 1_024 }),
    generateKeyPairSync('rsa', { modulusLength: 2_056 }),
    generateKeyPairSync('rsa', { modulusLength: 2_048, publicExponent: 3 }),
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
    generateKeyPairSync('ec', { namedCurve: 'P-224' }),
    generateKeyPairSync('ed448'),
    generateKeyPairSync('x25519'),
  ]) {
    refuses(weak, () => readClientKey(pemOf(key.publicKey)));
  }
});

test('what is no public key is refused', () => {
  const pem = clientKey().pem;
  for (const content of [
    '',
    'x',
    'zzz',
    pem.slice(0, 60),
    pem.replace('PUBLIC KEY', 'NOTHING'),
    pem + pem,
    generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey,
    'A'.repeat(100_000),
  ]) {
    refuses(bad, () => readClientKey(utf8(content)));
  }
});

/** An RSA key of these factors. */
function rsaOf(p: bigint, q: bigint): KeyObject {
  const text = (p * q).toString(16);
  const n = Buffer.from(text.padStart(text.length + (text.length % 2), '0'), 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}

const prime = (bits: number): bigint => generatePrimeSync(bits, { bigint: true });

test('RSA keys with weak factors are found out', () => {
  assert.equal(weaknessOfRsa(generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey), undefined);
  assert.match(weaknessOfRsa(rsaOf(3n, prime(2_047))) ?? '', /small factor/);
  assert.match(weaknessOfRsa(rsaOf(5_987n, prime(2_040))) ?? '', /small factor/);
  assert.match(weaknessOfRsa(rsaOf(2n, prime(2_048))) ?? '', /small factor/);
  const p = prime(1_024);
  // Any odd neighbour without small factors will do: Fermat's method does not care for primes.
  let q = p;
  let why: string | undefined;
  do {
    q += 2n;
    why = weaknessOfRsa(rsaOf(p, q));
  } while (why === 'it has a small factor');
  assert.match(why ?? '', /close together/);
});

test('the keys of CVE-2017-15361 are found out', () => {
  // Such a modulus is a power of 65537 modulo the product of the first primes, and has no small factor.
  const primes = [
    3n,
    5n,
    7n,
    11n,
    13n,
    17n,
    19n,
    23n,
    29n,
    31n,
    37n,
    41n,
    43n,
    47n,
    53n,
    59n,
    61n,
    67n,
    71n,
    73n,
  ];
  const more = [
    79n,
    83n,
    89n,
    97n,
    101n,
    103n,
    107n,
    109n,
    113n,
    127n,
    131n,
    137n,
    139n,
    149n,
    151n,
    157n,
    163n,
    167n,
  ];
  const product = [2n, ...primes, ...more].reduce((all, one) => all * one, 1n);
  let power = 1n;
  for (let count = 0; count < 1_234; count++) power = (power * 65_537n) % product;
  const roca = (1n << 2_047n) - ((1n << 2_047n) % product) + product + power;
  const found = Array.from({ length: 40 }, (_, index) =>
    weaknessOfRsa(rsaOf(1n, roca + BigInt(index) * product)),
  );
  // Most of these have a small factor above 167, which is said first.
  assert.ok(found.every((why) => why !== undefined));
  assert.ok(found.some((why) => /known weakness/.test(why ?? '')));
});
