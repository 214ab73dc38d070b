import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { derOctetString } from '../../core/der.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { publicKeyOf } from '../../formats/public-key.ts';
import { newPrivateKey } from '../generate.ts';
import type { Attribute, Cryptoki } from './pkcs11-module.ts';
import { attributes, curveParams, keyTypeNumbers, objectClasses, readPublicKey } from './pkcs11-objects.ts';
import type { Session } from './pkcs11-session.ts';

type Values = Readonly<Record<number, Uint8Array | undefined>>;

/** A session of a token with one object of `objectClass`. */
function sessionOf(objectClass: number, values: Values): Session {
  let found = false;
  const cryptoki: Partial<Cryptoki> = {
    C_FindObjectsInit: (_session, template: readonly Attribute[]) => {
      found = template.some(({ type, value }) => type === attributes.class && value === objectClass);
    },
    C_FindObjects: () => {
      const result = found ? [new Uint8Array(8)] : [];
      found = false;
      return result;
    },
    C_FindObjectsFinal: () => undefined,
    C_GetAttributeValue: (_session, _object, [attribute]) => {
      const value = values[attribute?.type ?? -1];
      if (value === undefined) throw Object.assign(new Error('CKR_ATTRIBUTE_TYPE_INVALID'), { code: 0x12 });
      return [{ value }];
    },
  };
  const token = {
    slot: new Uint8Array(8),
    slotId: 0,
    label: 'lab',
    manufacturer: '',
    model: '',
    serial: '',
    flags: 0,
  };
  return {
    module: { cryptoki: cryptoki as Cryptoki, path: '/m' },
    token,
    handle: new Uint8Array(8),
    confirm: async () => undefined,
  };
}

const number = (value: number) => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);

describe('key objects of tokens', () => {
  it('are read with their points wrapped, as the standard says, or plain', async () => {
    for (const [type, length] of [
      ['ecdsa-p256', 65],
      ['ecdsa-p384', 97],
      ['ecdsa-p521', 133],
      ['ed25519', 32],
    ] as const) {
      const publicKey = publicKeyOf(await newPrivateKey(type), 'a key');
      const point = publicKey.spki.subarray(-length);
      for (const written of [point, derOctetString(point)]) {
        const session = sessionOf(objectClasses.publicKey, {
          [attributes.keyType]: number(type === 'ed25519' ? keyTypeNumbers.ecEdwards : keyTypeNumbers.ec),
          [attributes.ecParams]: curveParams[type],
          [attributes.ecPoint]: written,
        });
        assert.equal(readPublicKey(session, {})?.hint, publicKey.hint, type);
      }
    }
  });

  it('of every content are a key, none, or an error of ours', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 140 }), { nil: undefined });
    const kinds = fc.constantFrom(...Object.values(keyTypeNumbers), 7).map(number);
    const curves = fc.constantFrom(...Object.values(curveParams));
    const values = fc.record({
      [attributes.keyType]: fc.oneof(kinds, bytes),
      [attributes.ecParams]: fc.oneof(curves, bytes),
      [attributes.ecPoint]: fc.oneof(bytes, fc.uint8Array({ minLength: 65, maxLength: 65 })),
      [attributes.modulus]: bytes,
      [attributes.publicExponent]: bytes,
      [attributes.value]: bytes,
    });
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(objectClasses)), values, (objectClass, content) => {
        try {
          readPublicKey(sessionOf(objectClass, content), {});
        } catch (error) {
          assert.ok(isBoltsealError(error), String(error));
        }
      }),
      { numRuns: 400 },
    );
  });
});
