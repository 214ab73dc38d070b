/** Signatures as flows record them. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { inTotoPayloadType, preAuthEncoding } from '../../src/formats/dsse.ts';
import type { KeyType } from '../../src/formats/public-key.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import type { RecordableContent, RecordableSignature } from '../../src/services/recordable-signature.ts';

const curves: Readonly<Partial<Record<KeyType, string>>> = {
  'ecdsa-p256': 'prime256v1',
  'ecdsa-p384': 'secp384r1',
  'ecdsa-p521': 'secp521r1',
};

/** A new signer of a type. */
export function signerOfType(type: KeyType): Signer {
  const namedCurve = curves[type];
  const { privateKey } =
    namedCurve !== undefined
      ? generateKeyPairSync('ec', { namedCurve })
      : type === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) });
  return localSigner(privateKey, 'a key of a test');
}

/** A signature over something new, perhaps with a certificate beside it. */
export async function newRecordable(
  signer: Signer,
  content: RecordableContent = 'message',
  certificate?: Uint8Array,
): Promise<RecordableSignature & { readonly signedBytes: Uint8Array }> {
  const payload = new Uint8Array(Buffer.from(JSON.stringify({ nonce: randomBytes(16).toString('hex') })));
  const envelope = { payload, payloadType: inTotoPayloadType };
  const signedBytes = content === 'envelope' ? preAuthEncoding(inTotoPayloadType, payload) : payload;
  return {
    signedBytes,
    signature: await signer.sign(signedBytes),
    publicKey: signer.publicKey,
    ...(content === 'envelope' ? { envelope } : {}),
    ...(certificate === undefined ? {} : { certificate }),
  };
}
