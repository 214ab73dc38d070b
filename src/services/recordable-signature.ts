/** Signatures as logs and timestamp authorities take them. */
import type { PublicKey } from '../formats/public-key.ts';

/** A signature that can be recorded, with who made it and over what. ECDSA and RSA are over SHA-256, Ed25519 is pure. */
export type RecordableSignature = RecordableFields &
  (
    | {
        /** Exactly what the signature covers; of an envelope its pre-authentication encoding. */
        readonly signedBytes: Uint8Array;
      }
    | {
        /** The SHA-256 of what the signature covers, where that is too large to keep. */
        readonly digest: Uint8Array;
      }
  );

interface RecordableFields {
  readonly signature: Uint8Array;
  /** The envelope's parts, when what was signed is one. */
  readonly envelope?: { readonly payload: Uint8Array; readonly payloadType: string } | undefined;
  readonly publicKey: PublicKey;
  /** The leaf certificate of the key, DER. */
  readonly certificate?: Uint8Array | undefined;
}
