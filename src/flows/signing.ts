/** Making one signature: who signs, what records it, and what a stranger must find in it. */
import { begin } from '../core/concurrent.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { parseCertificate } from '../formats/certificate.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { VerificationMaterial } from '../formats/verification-material.ts';
import type { Signer } from '../keys/signer.ts';
import type { CallOptions } from '../registry/repository.ts';
import { identityOf } from '../verify/identity.ts';
import {
  byIdentities,
  byKeys,
  type MaterialRequirements,
  type SignerRequirement,
} from '../verify/requirements.ts';
import type { Trust } from '../verify/trust.ts';
import type { KeylessSession } from './keyless.ts';
import type { RecordableSignature, Recorder } from './record.ts';

/** Who signs: a key, or somebody with an identity, whose certificate is asked for when it is needed. */
export type SigningIdentity = Signer | Promise<Signer> | KeylessSession;

/** How signatures are made, the same for images and files. */
export interface SigningOptions {
  /** Signs. May be a promise: deriving a key from a password then runs beside the first requests. */
  readonly signer: SigningIdentity;
  /** Records signatures in logs and has them timestamped. Without it they are recorded nowhere. */
  readonly recorder?: Recorder | undefined;
  /**
   * What a stranger trusts: signatures with a certificate or that were recorded are verified with it before they are
   * published. May be a promise. Needed for those, and not looked at for others.
   */
  readonly trust?: Trust | Promise<Trust> | undefined;
  /**
   * Has signatures timestamped whose log cannot be reached: they are made all the same, and returned unpublished as
   * {@link DeferredSignature}, to be logged later. Without it an outage of the log is an error.
   */
  readonly deferral?: Recorder | undefined;
}

/** What is to be signed. */
export interface MessageToSign {
  readonly signedBytes: Uint8Array;
  /** When it is a DSSE envelope: its parts. */
  readonly envelope?: { readonly payload: Uint8Array; readonly payloadType: string };
  /** What is timestamped, made of the signature; without it the signature itself. */
  readonly stampedBytes?: (signature: Uint8Array) => Uint8Array;
}

/** A signature with everything that comes with it. */
export interface MadeSignature {
  readonly signature: Uint8Array;
  readonly publicKey: PublicKey;
  /** Leaf first, with the authorities above it; none of a key. */
  readonly certificates?: readonly Uint8Array[];
  readonly material: VerificationMaterial;
  /** Why it is not logged yet: nobody would accept it, so that it must not be published. */
  readonly deferredBy?: BoltsealError;
  /** What a stranger who knows who signed asks for. */
  readonly required: { readonly signer: SignerRequirement } & MaterialRequirements;
}

/** Begins what can begin before there is something to sign; its failure is told by {@link makeSignature}. */
export function beginSigning({ signer, trust }: SigningOptions): void {
  if (!isSession(signer)) begin(Promise.resolve(signer));
  if (trust !== undefined) begin(Promise.resolve(trust));
}

function isSession(signer: SigningIdentity): signer is KeylessSession {
  return 'current' in signer;
}

/**
 * Signs, has the signature timestamped and recorded, and tells what it must withstand. Throws what the signer, the
 * certificate authority and the recorder throw.
 */
export async function makeSignature(
  message: MessageToSign,
  options: SigningOptions,
  call: CallOptions,
): Promise<MadeSignature> {
  const { signer, certificates } = isSession(options.signer)
    ? await options.signer.current(call)
    : { signer: await options.signer, certificates: undefined };
  const signature = await signer.sign(message.signedBytes, call);
  const { publicKey } = signer;
  const certificate = certificates?.[0];
  const { stampedBytes, ...what } = message;
  const recorded = await record(
    {
      ...what,
      signature,
      stampedBytes: stampedBytes?.(signature),
      publicKey,
      ...(certificate === undefined ? {} : { certificate }),
    },
    options,
    call,
  );
  return {
    signature,
    publicKey,
    ...(certificates === undefined ? {} : { certificates }),
    material: {
      ...(certificate === undefined ? { publicKeyHint: publicKey.hint } : { certificates: [certificate] }),
      timestamps: recorded.timestamps,
      logEntries: recorded.logEntries,
    },
    ...(recorded.deferredBy === undefined ? {} : { deferredBy: recorded.deferredBy }),
    required: await requirements(publicKey, certificate, {
      ...options,
      recorder: recorded.deferredBy === undefined ? options.recorder : options.deferral,
    }),
  };
}

/** Failures of services that may be over later. */
const outages: readonly ErrorCode[] = [
  'ERR_SERVICE_NETWORK',
  'ERR_SERVICE_UNAVAILABLE',
  'ERR_SERVICE_RESPONSE',
];

/** An outage of a log need not stop a release. */
function withWayOn(error: BoltsealError, { required }: Recorder): BoltsealError {
  if (required.logEntries === 0) return error;
  const way = 'To go on now and log later, sign with --defer-log FILE.';
  const hint = error.hint === undefined ? way : `${error.hint} ${way}`;
  return new BoltsealError(error.code, error.message, { cause: error.cause, hint, details: error.details });
}

async function record(
  signature: RecordableSignature,
  { recorder, deferral }: SigningOptions,
  call: CallOptions,
): Promise<
  Pick<VerificationMaterial, 'timestamps' | 'logEntries'> & { readonly deferredBy?: BoltsealError }
> {
  if (recorder === undefined) return { timestamps: [], logEntries: [] };
  try {
    return await recorder.record(signature, call);
  } catch (error) {
    if (!isBoltsealError(error, ...outages)) throw error;
    if (deferral === undefined) throw withWayOn(error, recorder);
    return { ...(await deferral.record(signature, call)), deferredBy: error };
  }
}

async function requirements(
  publicKey: PublicKey,
  certificate: Uint8Array | undefined,
  { recorder, trust }: SigningOptions,
): Promise<MadeSignature['required']> {
  if (certificate === undefined && recorder === undefined) return { signer: byKeys([publicKey]) };
  if (trust === undefined) {
    throw new BoltsealError('ERR_TRUST', 'there is no trusted root to verify the new signature with');
  }
  const { logEntries, timestamps } = recorder?.required ?? { logEntries: 0, timestamps: 0 };
  return requirementsFor(publicKey, certificate, { trust: await trust, logEntries, timestamps });
}

/** What a stranger asks for who knows who signed: the key, or exactly the identity in the certificate. */
export function requirementsFor(
  publicKey: PublicKey,
  certificate: Uint8Array | undefined,
  thresholds: Pick<MaterialRequirements, 'trust' | 'logEntries' | 'timestamps'>,
): MadeSignature['required'] {
  if (certificate === undefined) return { signer: byKeys([publicKey]), ...thresholds };
  const leaf = parseCertificate(certificate, 'the new certificate');
  const { subject, issuer } = identityOf(leaf);
  const identity = { subject: exactly(subject), issuer: exactly(issuer) };
  // Without a log and a timestamp nothing proves a time: then the certificate says when it was made.
  return { signer: byIdentities([identity]), ...thresholds, fallbackTime: leaf.notBefore };
}

function exactly(value: string): { readonly kind: 'exact'; readonly value: string } {
  return { kind: 'exact', value };
}

/** Runs the check of a new signature; what it throws means that the signer or a service is broken. */
export function verifyBeforePublishing<T>(verify: () => T): T {
  try {
    return verify();
  } catch (cause) {
    throw brokenSignature(cause);
  }
}

/** The error for a new signature that does not withstand what a stranger checks. */
export function brokenSignature(cause: unknown): BoltsealError {
  const isTrust = cause instanceof BoltsealError && cause.code !== 'ERR_VERIFY_SIGNATURE';
  return new BoltsealError(
    'ERR_SIGNING_FAILED',
    isTrust
      ? `the new signature would not be accepted: ${cause.message}`
      : 'the signer made a signature that its own public key does not verify',
    {
      cause,
      hint: isTrust
        ? 'Nothing was published. Do the trusted root and the services belong to the same Sigstore?'
        : 'Nothing was published. Check that the key and its public key belong together.',
    },
  );
}
