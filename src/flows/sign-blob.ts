import { hash } from 'node:crypto';
import { digestHex } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { type BundleContent, encodeBundle, parseBundle } from '../formats/bundle.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import { parseStatement } from '../formats/statement.ts';
import type { CallOptions } from '../registry/repository.ts';
import type { Artifact } from '../verify/artifact.ts';
import { type BlobEvidence, verifyBlob } from '../verify/verify-blob.ts';
import {
  beginSigning,
  brokenSignature,
  type MadeSignature,
  type MessageToSign,
  makeSignature,
  type SigningOptions,
} from './signing.ts';

/** Options of {@link signBlob} and {@link signStatement}. */
export interface SignBlobOptions extends SigningOptions, CallOptions {}

/** A file or statement that was signed. */
export interface SignedBlob {
  /** The Sigstore bundle, v0.3. */
  readonly bundle: Uint8Array;
  readonly signature: Uint8Array;
  /** The certificate of a keyless signature, DER. */
  readonly certificate?: Uint8Array;
  readonly made: MadeSignature;
  /** Proof that the bundle verifies. */
  readonly evidence: BlobEvidence;
}

/**
 * Signs a file: the bundle holds the signature and not the file. It is verified as a stranger would before it is
 * returned. Throws `ERR_SIGNING_FAILED` and what the signer, the certificate authority and the services throw.
 */
export async function signBlob(artifact: Uint8Array, options: SignBlobOptions): Promise<SignedBlob> {
  const digest = new Uint8Array(hash('sha256', artifact, 'buffer'));
  return sign({ signedBytes: artifact }, artifact, options, (signature) => ({
    kind: 'message',
    signature,
    digest: { algorithm: 'SHA2_256', digest },
  }));
}

/**
 * Signs an in-toto statement as it is, byte for byte, in a DSSE envelope. Throws `ERR_STATEMENT_INVALID` when it is none,
 * and what {@link signBlob} throws.
 */
export async function signStatement(statement: Uint8Array, options: SignBlobOptions): Promise<SignedBlob> {
  const { subjects } = parseStatement(statement, 'the statement');
  const subject = subjects.flatMap(({ digests }) => digests).find((one) => one.startsWith('sha256:'));
  if (subject === undefined) {
    throw new BoltsealError('ERR_STATEMENT_INVALID', 'no subject of the statement has a SHA-256 digest');
  }
  const sha256 = new Uint8Array(Buffer.from(digestHex(subject), 'hex'));
  const envelope = { payload: statement, payloadType: inTotoPayloadType };
  const message = { signedBytes: preAuthEncoding(inTotoPayloadType, statement), envelope };
  return sign(message, { sha256 }, options, (signature) => ({
    kind: 'envelope',
    envelope: { ...envelope, signatures: [{ signature }] },
  }));
}

async function sign(
  message: MessageToSign,
  artifact: Artifact,
  options: SignBlobOptions,
  contentOf: (signature: Uint8Array) => BundleContent,
): Promise<SignedBlob> {
  beginSigning(options);
  const made = await makeSignature(message, options, { signal: options.signal });
  const bundle = encodeBundle({ material: made.material, content: contentOf(made.signature) });
  const evidence = await verifyBlob(parseBundle(bundle, 'the new bundle'), artifact, made.required).catch(
    (cause: unknown) => {
      throw brokenSignature(cause);
    },
  );
  const [certificate] = made.certificates ?? [];
  return {
    bundle,
    signature: made.signature,
    ...(certificate === undefined ? {} : { certificate }),
    made,
    evidence,
  };
}
