import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { parsePublicKey, publicKeyOf } from '../formats/public-key.ts';
import { importSpki, parseVerificationKey } from './verification-key.ts';

const pairs: Readonly<Record<string, KeyObject>> = {
  p256: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey,
  p384: generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey,
  p521: generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).publicKey,
  ed25519: generateKeyPairSync('ed25519').publicKey,
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
};
const der = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ type: 'spki', format: 'der' }));

describe('a verification key', () => {
  it('is what parsePublicKey makes of it', () => {
    for (const key of Object.values(pairs)) {
      const { type, spki } = publicKeyOf(key, 'a key');
      assert.deepEqual(parseVerificationKey(spki, 'a key'), { type, spki });
      assert.ok(importSpki(spki).equals(key));
    }
  });

  it('is of a supported type and size_fail', () => {
    const others = [
      generateKeyPairSync('ec', { namedCurve: 'secp224r1' }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }),
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
      generateKeyPairSync('rsa', { modulusLength: 2047 }),
      generateKeyPairSync('rsa', { modulusLength: 2056 }),
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
      generateKeyPairSync('ed448'),
      generateKeyPairSync('x25519'),
    ];
    for (const { publicKey } of others) {
      assert.throws(() => parseVerificationKey(der(publicKey), 'a key'), { code: 'ERR_KEY_UNSUPPORTED' });
    }
  });

  it('has one encoding: no compressed points, nothing behind it_fail', () => {
    const full = der(pairs['p256'] as KeyObject);
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.from([2 + ((full[full.length - 1] ?? 0) & 1)]),
      full.subarray(27, 59),
    ]);
    for (const bytes of [
      compressed,
      Buffer.concat([full, Buffer.alloc(1)]),
      full.subarray(1),
      Buffer.alloc(0),
    ]) {
      assert.throws(() => parseVerificationKey(new Uint8Array(bytes), 'a key'), { code: 'ERR_KEY_INVALID' });
    }
  });

  it('is never read where parsePublicKey reads none, and fails with our errors alone', () => {
    const sample = fc.constantFrom(...Object.values(pairs).map(der));
    fc.assert(
      fc.property(sample, fc.nat(), fc.nat(255), fc.nat(4), (bytes, at, value, kind) => {
        const changed = [...bytes];
        if (kind === 0) changed.splice(at % bytes.length, 1);
        else if (kind === 1) changed.splice(at % bytes.length, 0, value);
        else changed[at % bytes.length] = value;
        const input = Uint8Array.from(changed);
        try {
          const { type } = parseVerificationKey(input, 'a key');
          importSpki(input);
          assert.equal(parsePublicKey(input, 'a key').type, type);
        } catch (error) {
          assert.ok(isBoltsealError(error, 'ERR_KEY_INVALID', 'ERR_KEY_UNSUPPORTED'), String(error));
        }
      }),
      { numRuns: 1_000, seed: 5 },
    );
  });
});
