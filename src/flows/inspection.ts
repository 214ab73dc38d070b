/**
 * What is in a signature, told and not judged: values that JSON can hold, so that what `boltseal bundle inspect
 * --output json` prints is what a program gets. Hashes, ids and serial numbers are lower-case hexadecimal, times RFC 3339
 * in UTC; keys and signatures are base64, as in the files they come from.
 */
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import type { BundleVersion } from '../formats/bundle.ts';

/** A part that cannot be read, and why. */
export interface BrokenPart {
  readonly broken: { readonly code: ErrorCode; readonly message: string };
}

/** A part as it is, or the reason why it cannot be read. */
export type Part<T> = T | BrokenPart;

/** Whether a part could not be read. */
export function isBroken<T extends object>(part: Part<T>): part is BrokenPart {
  return 'broken' in part;
}

/** What `read` returns, or why it cannot. Only errors of ours: anything else is a mistake here. */
export function partOf<T>(read: () => T): Part<T> {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BoltsealError)) throw error;
    return { broken: { code: error.code, message: error.message } };
  }
}

/** The kinds of files that signatures are kept in. */
export type InspectedKind =
  /** A Sigstore bundle. */
  | 'bundle'
  /** cosign's older bundle of a blob. */
  | 'blob-bundle'
  /** A DSSE envelope by itself. */
  | 'envelope'
  /** The manifest of a `.sig` tag. */
  | 'signature-manifest'
  /** A line of `download signature`, of a signature of a `.sig` tag. */
  | 'downloaded-signature';

/** A file with signatures. Nothing in it was verified. */
export interface BundleInspection {
  readonly kind: InspectedKind;
  readonly verified: false;
  /** As written; only of a bundle. */
  readonly mediaType?: string;
  /** Absent when the media type is not that of a known version. */
  readonly version?: BundleVersion;
  /** Why no verifier may take it as a whole, whatever its parts say. */
  readonly problem?: BrokenPart['broken'];
  /** One, but for a `.sig` manifest, which may have any number. */
  readonly signatures: readonly Part<SignatureInspection>[];
}

/** One signature with what comes with it. */
export interface SignatureInspection {
  readonly content: Part<ContentInspection>;
  readonly signer: Part<SignerInspection>;
  readonly logEntries: readonly Part<LogEntryInspection>[];
  readonly timestamps: readonly Part<TimestampInspection>[];
}

/** What was signed. */
export type ContentInspection =
  | {
      readonly kind: 'file';
      /** What the bundle says the digest of the file is: `sha256:…`. Nobody signed that. */
      readonly digest?: string;
      /** Base64. */
      readonly signature: string;
    }
  | {
      readonly kind: 'envelope';
      readonly payloadType: string;
      readonly payloadBytes: number;
      readonly payloadDigest: string;
      /** When the payload type says that it is one. */
      readonly statement?: Part<StatementInspection>;
      readonly signatures: readonly { readonly signature: string; readonly keyId?: string }[];
    }
  | {
      readonly kind: 'image';
      readonly payloadType: string;
      readonly payloadBytes: number;
      readonly payloadDigest: string;
      /** When the payload is at hand: a manifest has only its digest. */
      readonly claim?: Part<ImageClaimInspection>;
      readonly signature: string;
    };

/** An in-toto statement. */
export interface StatementInspection {
  readonly type: string;
  readonly predicateType: string;
  readonly subjects: readonly {
    readonly name?: string;
    readonly digests: readonly string[];
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** A simple-signing payload. */
export interface ImageClaimInspection {
  readonly type: string;
  readonly dockerReference: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Who says to have signed. */
export type SignerInspection =
  /** Leaf first. */
  | { readonly kind: 'certificate'; readonly certificates: readonly Part<CertificateInspection>[] }
  /** A key by its hint, which for cosign and Boltseal is the base64 of SHA-256 over its DER. */
  | { readonly kind: 'key'; readonly hint?: string; readonly type?: string }
  /** It does not say. */
  | { readonly kind: 'unnamed' };

/** A certificate. */
export interface CertificateInspection {
  /** The subject alternative names: who signed. */
  readonly subjects: readonly { readonly type: string; readonly value: string }[];
  /** The distinguished names; that of a Sigstore subject is empty. */
  readonly subjectName: string;
  readonly issuerName: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly publicKey: Part<{ readonly type: string; readonly hint: string }>;
  /** `ecdsa sha384`, or the object identifier of one that is not known. */
  readonly signatureAlgorithm: string;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly isAuthority: boolean;
  readonly keyUsage: readonly string[];
  readonly extendedKeyUsage: readonly string[];
  /** What the certificate authority says of the identity, every extension by name; `text` is absent when it is malformed. */
  readonly identity: readonly { readonly oid: string; readonly name?: string; readonly text?: string }[];
  readonly certificateTimestamps: Part<readonly CertificateTimestampInspection[]>;
  /** Every other extension. */
  readonly otherExtensions: readonly {
    readonly oid: string;
    readonly critical: boolean;
    readonly bytes: number;
  }[];
}

/** A promise of a certificate transparency log (SCT). */
export interface CertificateTimestampInspection {
  readonly logId: string;
  readonly time: string;
  /** Its place in the log, when the log says it. */
  readonly leafIndex?: number;
}

/** A log entry. */
export interface LogEntryInspection {
  readonly logId: string;
  readonly logIndex: string;
  readonly kind: string;
  readonly version: string;
  /** When the log says it was added; only a signed entry timestamp would prove it. */
  readonly integratedTime?: string;
  readonly hasSignedEntryTimestamp: boolean;
  readonly inclusionProof?: {
    readonly logIndex: string;
    readonly treeSize: string;
    readonly rootHash: string;
    readonly hashes: number;
    readonly checkpoint: Part<CheckpointInspection>;
  };
  readonly body: Part<EntryBodyInspection>;
}

/** A checkpoint of a log. */
export interface CheckpointInspection {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly signatures: readonly { readonly name: string; readonly keyId: string }[];
}

/** What a log entry is about, compared with the signature it came with. */
export interface EntryBodyInspection {
  /** Of what the signature covers, or of an envelope's payload. */
  readonly digest: string;
  readonly digestOf: 'signed bytes' | 'payload';
  /** Whether it names this signature. */
  readonly namesSignature: boolean;
  /** Whether it names this certificate or key; absent when it is not said who signed. */
  readonly namesSigner?: boolean;
}

/** An RFC 3161 timestamp. */
export interface TimestampInspection {
  readonly time: string;
  /** What the timestamp calls its authority, or the issuer of the authority's certificate when it does not. */
  readonly authority: string;
  readonly serial: string;
  readonly policy: string;
  /** In milliseconds. */
  readonly accuracy?: number;
  /** How many certificates it brings; none of them is trusted. */
  readonly certificates: number;
  /** Whether it is over this signature. */
  readonly namesSignature: boolean;
}
