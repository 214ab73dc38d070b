/**
 * The one error type of Boltseal and the table of its codes.
 *
 * A code is part of the public contract: tests, scripts and programs compare codes, never texts. The table maps
 * each code to the exit code of the command line, and from there reference pages are made.
 */

/** Exit codes of the command line; frozen, because scripts branch on them. */
export const exitCodes = {
  ok: 0,
  internal: 1,
  usage: 2,
  noSignatureFound: 10,
  noSuchImage: 11,
  noMatchingSignature: 12,
  noCertificate: 13,
  policyRefused: 14,
  malformedInput: 15,
  credentials: 20,
  network: 21,
} as const;

/** The name of an exit code. */
export type ExitName = keyof typeof exitCodes;

/** What the table says of one error code. */
export interface ErrorKind {
  /** The exit code a command ends with when this error reaches its top. */
  readonly exit: ExitName;
  /** When this error is raised, in one sentence; shown in the reference. */
  readonly meaning: string;
}

const table = {
  ERR_INTERNAL: {
    exit: 'internal',
    meaning: 'Something happened that Boltseal did not foresee; please report it.',
  },
  ERR_INTERRUPTED: { exit: 'internal', meaning: 'The work was cancelled by a signal or by the caller.' },
  ERR_TIMEOUT: { exit: 'network', meaning: 'The total time allowed for the command ran out.' },
  ERR_USAGE: {
    exit: 'usage',
    meaning: 'A command, flag, argument or option is unknown, missing or contradictory.',
  },
  ERR_FILE_READ: { exit: 'internal', meaning: 'A file could not be read.' },
  ERR_FILE_WRITE: {
    exit: 'internal',
    meaning: 'A file could not be written; nothing half-written is left behind.',
  },
  ERR_FILE_EXISTS: {
    exit: 'internal',
    meaning: 'A file already exists and overwriting it was not confirmed.',
  },

  ERR_REFERENCE_INVALID: {
    exit: 'usage',
    meaning: 'An image reference does not follow the grammar of references.',
  },
  ERR_DIGEST_INVALID: {
    exit: 'malformedInput',
    meaning: 'A digest is not `sha256:` or `sha512:` with lower-case hexadecimal of the right length.',
  },
  ERR_DIGEST_MISMATCH: {
    exit: 'malformedInput',
    meaning: 'Content does not have the digest it was asked for by.',
  },
  ERR_SIZE_MISMATCH: {
    exit: 'malformedInput',
    meaning: 'Content is shorter or longer than its descriptor says.',
  },
  ERR_LIMIT_EXCEEDED: {
    exit: 'malformedInput',
    meaning: 'Input from outside is larger, deeper or more numerous than the limit for it.',
  },
  ERR_JSON_INVALID: {
    exit: 'malformedInput',
    meaning: 'Text that must be JSON is not, or has a duplicate key.',
  },
  ERR_ENCODING_INVALID: {
    exit: 'malformedInput',
    meaning: 'Text is not valid base64, hexadecimal, PEM or UTF-8.',
  },
  ERR_MANIFEST_INVALID: {
    exit: 'malformedInput',
    meaning: 'A manifest or index does not have the shape its media type promises.',
  },
  ERR_BUNDLE_INVALID: {
    exit: 'malformedInput',
    meaning: 'A Sigstore bundle does not have the shape its media type promises.',
  },
  ERR_ENVELOPE_INVALID: {
    exit: 'malformedInput',
    meaning: 'A DSSE envelope does not have the required shape.',
  },
  ERR_STATEMENT_INVALID: {
    exit: 'malformedInput',
    meaning: 'A signed in-toto statement does not have the required shape.',
  },
  ERR_PAYLOAD_INVALID: {
    exit: 'malformedInput',
    meaning: 'A simple-signing payload does not have the required shape.',
  },
  ERR_SIGNATURE_LAYER_INVALID: {
    exit: 'malformedInput',
    meaning: 'A signature layer of the cosign format has malformed annotations.',
  },
  ERR_DER_INVALID: {
    exit: 'malformedInput',
    meaning: 'Bytes that must be DER are not, or are of another type.',
  },
  ERR_CERTIFICATE_INVALID: {
    exit: 'malformedInput',
    meaning: 'A certificate or certificate request does not have the required shape.',
  },
  ERR_TIMESTAMP_INVALID: {
    exit: 'malformedInput',
    meaning: 'A timestamp or a request for one does not have the required shape.',
  },
  ERR_CHECKPOINT_INVALID: {
    exit: 'malformedInput',
    meaning: 'A checkpoint is not a signed note with origin, size and root.',
  },
  ERR_TILE_INVALID: { exit: 'malformedInput', meaning: 'A tile or entry bundle of a log is malformed.' },
  ERR_LOG_ENTRY_INVALID: {
    exit: 'malformedInput',
    meaning:
      'An entry for a transparency log does not have the required shape, or its signature does not verify.',
  },
  ERR_TRUSTED_ROOT_INVALID: {
    exit: 'malformedInput',
    meaning: 'A trusted root or signing configuration does not have the required shape.',
  },
  ERR_TUF_METADATA_INVALID: {
    exit: 'malformedInput',
    meaning: 'TUF metadata does not have the required shape, or lacks signatures of the right keys.',
  },
  ERR_LAYOUT_INVALID: { exit: 'malformedInput', meaning: 'A folder is not an OCI image layout.' },

  ERR_KEY_REFERENCE_UNKNOWN: { exit: 'usage', meaning: 'The scheme of a key reference is not known.' },
  ERR_KEY_NOT_FOUND: {
    exit: 'credentials',
    meaning: 'The file, variable or object that should hold a key does not exist.',
  },
  ERR_KEY_EMPTY: {
    exit: 'credentials',
    meaning: 'The file, variable or stream that should hold a key is empty.',
  },
  ERR_KEY_INVALID: { exit: 'malformedInput', meaning: 'A key cannot be parsed.' },
  ERR_KEY_UNSUPPORTED: {
    exit: 'malformedInput',
    meaning: 'A key is well-formed, but of a type or size that is not supported.',
  },
  ERR_KEY_PUBLIC_GIVEN: { exit: 'usage', meaning: 'A public key was given where a private key is needed.' },
  ERR_KEY_PRIVATE_GIVEN: { exit: 'usage', meaning: 'A private key was given where a public key is needed.' },
  ERR_KEY_REMOTE_REFUSED: {
    exit: 'usage',
    meaning: 'A public key would be fetched over the network without permission.',
  },
  ERR_KEY_FETCH: { exit: 'network', meaning: 'A public key could not be fetched over the network.' },
  ERR_KEY_STDIN_CONFLICT: {
    exit: 'usage',
    meaning: 'Standard input cannot hold both the key and its password.',
  },
  ERR_KEY_DISABLED: {
    exit: 'credentials',
    meaning: 'A key is there and may not be used: disabled, expired, destroyed, or waiting to be deleted.',
  },
  ERR_KEY_NOT_ENCRYPTED: {
    exit: 'usage',
    meaning: 'A plain private key was given where an encrypted one is needed.',
  },
  ERR_KEY_PARAMETERS: {
    exit: 'malformedInput',
    meaning: 'The key derivation parameters of an encrypted key are not among the accepted ones.',
  },
  ERR_KEY_ACCESS: {
    exit: 'credentials',
    meaning: 'The place where a key is kept wants a token, PIN or permission, or refuses the one it got.',
  },
  ERR_KEY_PEER: {
    exit: 'usage',
    meaning: 'A library that this kind of key needs is not installed, or cannot be loaded.',
  },
  ERR_KEY_PROVIDER: {
    exit: 'network',
    meaning:
      'A program, module or service that keeps keys failed, took too long, or answered what it must not.',
  },
  ERR_KEY_EXISTS: {
    exit: 'internal',
    meaning: 'A key is kept there already, and replacing it was not confirmed, or is impossible.',
  },
  ERR_PASSWORD_WRONG: {
    exit: 'credentials',
    meaning: 'A private key cannot be decrypted with the password given.',
  },
  ERR_PASSWORD_MISSING: {
    exit: 'credentials',
    meaning: 'A password is needed and there is no variable, terminal or piped input to take it from.',
  },
  ERR_PASSWORD_MISMATCH: { exit: 'usage', meaning: 'The two passwords typed are not the same.' },
  ERR_SIGNING_FAILED: {
    exit: 'internal',
    meaning: 'A signer failed, or returned a signature that its own public key does not verify.',
  },

  ERR_REGISTRY_UNAUTHORIZED: {
    exit: 'credentials',
    meaning: 'A registry or its token service refused the credentials, or wants some.',
  },
  ERR_REGISTRY_DENIED: {
    exit: 'credentials',
    meaning: 'A registry knows who asks and refuses the access (403).',
  },
  ERR_REGISTRY_CREDENTIALS: {
    exit: 'credentials',
    meaning: 'Stored credentials cannot be read: a broken file or a failing credential helper.',
  },
  ERR_REGISTRY_REALM: {
    exit: 'credentials',
    meaning: 'A registry sends clients to a token service that must not be trusted with credentials.',
  },
  ERR_REGISTRY_REDIRECT: {
    exit: 'network',
    meaning: 'A registry redirects to where a client must not follow.',
  },
  ERR_REGISTRY_INSECURE: {
    exit: 'usage',
    meaning: 'A registry would be spoken to over plain HTTP without permission.',
  },
  ERR_REGISTRY_NETWORK: {
    exit: 'network',
    meaning: 'A registry cannot be reached, or the connection broke and retrying did not help.',
  },
  ERR_REGISTRY_TLS: { exit: 'network', meaning: 'The certificate of a registry is not trusted.' },
  ERR_REGISTRY_RESPONSE: {
    exit: 'network',
    meaning: 'A registry answered with a status or body that the protocol does not allow here.',
  },
  ERR_REGISTRY_RATE_LIMITED: {
    exit: 'network',
    meaning: 'A registry kept answering 429 until the time budget was used up.',
  },
  ERR_REGISTRY_UNSUPPORTED: { exit: 'network', meaning: 'A registry does not support the operation.' },
  ERR_IMAGE_NOT_FOUND: { exit: 'noSuchImage', meaning: 'The registry has no such image, tag or repository.' },
  ERR_BLOB_NOT_FOUND: { exit: 'network', meaning: 'The registry has no such blob.' },
  ERR_ATTACH_CONFLICT: {
    exit: 'network',
    meaning: 'A signature could not be made to stay beside its image: other writers kept replacing the list.',
  },

  ERR_SERVER_CONFIG: {
    exit: 'usage',
    meaning: 'The configuration of a private Sigstore is not valid, or does not fit its data folder.',
  },
  ERR_SERVER_DATA: {
    exit: 'internal',
    meaning:
      'The data folder or database of a private Sigstore is in use, damaged, or belongs to other keys.',
  },
  ERR_SERVER_BUSY: { exit: 'network', meaning: 'A server has too much to do; it may be tried again.' },
  ERR_LOG_STOPPED: {
    exit: 'network',
    meaning: 'A transparency log cannot be written safely any more; its store must be looked at.',
  },
  ERR_LOG_ROLLBACK: {
    exit: 'internal',
    meaning:
      'The store of a transparency log is older than, or differs from, a checkpoint that was made public.',
  },
  ERR_LOG_RANGE: { exit: 'usage', meaning: 'An index or size is not within a transparency log.' },
  ERR_LOG_INCONSISTENT: {
    exit: 'noMatchingSignature',
    meaning: 'What a transparency log serves does not agree with its checkpoint.',
  },
  ERR_TOKEN_REFUSED: { exit: 'credentials', meaning: 'An identity token is not accepted.' },
  ERR_SERVICE_NETWORK: { exit: 'network', meaning: 'A service cannot be reached.' },
  ERR_SERVICE_RESPONSE: {
    exit: 'network',
    meaning: 'A service answered with a status or body that its protocol does not allow here.',
  },
  ERR_SERVICE_REFUSED: {
    exit: 'network',
    meaning: 'A service understood the request and refused it; trying again does not help.',
  },
  ERR_SERVICE_UNAVAILABLE: {
    exit: 'network',
    meaning: 'A service kept failing, or asking to wait, until the time budget was used up.',
  },
  ERR_SERVICE_INSECURE: {
    exit: 'usage',
    meaning: 'A service would be spoken to over plain HTTP without permission.',
  },
  ERR_OFFLINE: {
    exit: 'usage',
    meaning: 'Something must be asked over the network, and --offline forbids it.',
  },
  ERR_SIGNING_CONFIG: {
    exit: 'usage',
    meaning: 'The signing configuration names no service that can be used now for what is asked.',
  },

  ERR_IDENTITY_MISSING: {
    exit: 'credentials',
    meaning: 'No identity token can be had here: no provider is present and nobody can be asked.',
  },
  ERR_IDENTITY_TOKEN: {
    exit: 'credentials',
    meaning:
      'An identity token cannot be used: malformed, expired, for another audience, or without an identity.',
  },
  ERR_IDENTITY_PROVIDER: {
    exit: 'credentials',
    meaning: 'A provider of identity tokens is present and gave none.',
  },
  ERR_SIGN_IN: {
    exit: 'credentials',
    meaning: 'Signing in failed, was refused, or was not finished in time.',
  },
  ERR_LOG_PRIVACY: {
    exit: 'policyRefused',
    meaning: 'Names of a private repository would be published in a public log without consent.',
  },
  ERR_LOG_DEFERRED: {
    exit: 'noMatchingSignature',
    meaning: 'A signature whose log entry was deferred cannot be completed any more, or is damaged.',
  },
  ERR_TRUST: {
    exit: 'credentials',
    meaning: 'There is no trusted root to verify with, or the one there is cannot be used.',
  },
  ERR_TUF_EXPIRED: {
    exit: 'network',
    meaning: 'TUF metadata is expired, and newer metadata cannot be had.',
  },
  ERR_TUF_ROLLBACK: {
    exit: 'network',
    meaning: 'A TUF repository serves metadata that is older than what it served before.',
  },

  ERR_NO_SIGNATURES: {
    exit: 'noSignatureFound',
    meaning:
      'No signature, or no attestation of the type, was found for the image in any of the places looked at.',
  },
  ERR_NO_MATCHING_SIGNATURES: {
    exit: 'noMatchingSignature',
    meaning: 'Signatures or attestations were found and every one was refused.',
  },
  ERR_VERIFY_SIGNATURE: { exit: 'noMatchingSignature', meaning: 'A signature does not verify with the key.' },
  ERR_VERIFY_DIGEST: {
    exit: 'noMatchingSignature',
    meaning: 'What was signed does not name the digest of this image.',
  },
  ERR_VERIFY_ANNOTATIONS: {
    exit: 'noMatchingSignature',
    meaning: 'What was signed lacks a required annotation or has another value for it.',
  },
  ERR_VERIFY_PREDICATE_TYPE: {
    exit: 'noMatchingSignature',
    meaning:
      'What was signed is a statement of another type than the one asked for: an attestation and no signature, say.',
  },
  ERR_VERIFY_PAYLOAD_TYPE: {
    exit: 'noMatchingSignature',
    meaning: 'The payload type of an envelope is not the one required.',
  },
  ERR_VERIFY_KEY_MISMATCH: {
    exit: 'noMatchingSignature',
    meaning: 'A signature was made by a certificate, and a key was given to verify with.',
  },
  ERR_VERIFY_NO_CERTIFICATE: {
    exit: 'noCertificate',
    meaning: 'A signature was made by a bare key, and an identity was asked for.',
  },
  ERR_VERIFY_CERTIFICATE: {
    exit: 'noMatchingSignature',
    meaning: 'A certificate does not lead to a trusted authority, or must not be used for signatures.',
  },
  ERR_VERIFY_CERTIFICATE_TIME: {
    exit: 'noMatchingSignature',
    meaning: 'A certificate, or one above it, was not valid when the signature was made.',
  },
  ERR_VERIFY_SCT: {
    exit: 'noMatchingSignature',
    meaning: 'A certificate is not proven to be in enough trusted certificate transparency logs.',
  },
  ERR_VERIFY_IDENTITY: {
    exit: 'noMatchingSignature',
    meaning: 'A certificate was issued to somebody else than the one required.',
  },
  ERR_VERIFY_LOG_MISSING: {
    exit: 'noMatchingSignature',
    meaning: 'A signature is not in as many trusted transparency logs as required.',
  },
  ERR_VERIFY_LOG_UNKNOWN: {
    exit: 'noMatchingSignature',
    meaning: 'A log entry is of a log that is not trusted, or was not at that time.',
  },
  ERR_VERIFY_LOG_ENTRY: {
    exit: 'noMatchingSignature',
    meaning: 'A log entry is about another signature, key or artifact.',
  },
  ERR_VERIFY_INCLUSION_PROOF: {
    exit: 'noMatchingSignature',
    meaning: 'The proof that an entry is in a log is missing or wrong.',
  },
  ERR_VERIFY_CHECKPOINT: {
    exit: 'noMatchingSignature',
    meaning: 'The checkpoint of an inclusion proof is not signed by the log, or is about another tree.',
  },
  ERR_VERIFY_INCLUSION_PROMISE: {
    exit: 'noMatchingSignature',
    meaning: 'The signed entry timestamp of a log entry does not verify.',
  },
  ERR_VERIFY_TIMESTAMP: {
    exit: 'noMatchingSignature',
    meaning: 'A timestamp is of another signature, or not by a trusted timestamp authority.',
  },
  ERR_VERIFY_TIMESTAMP_MISSING: {
    exit: 'noMatchingSignature',
    meaning: 'A signature has not as many timestamps of trusted authorities as required.',
  },
  ERR_VERIFY_DUPLICATE: {
    exit: 'noMatchingSignature',
    meaning: 'The same log entry or timestamp is there twice.',
  },
  ERR_VERIFY_TIME: {
    exit: 'noMatchingSignature',
    meaning: 'Nothing proves when the signature was made, which a certificate needs.',
  },
  ERR_VERIFY_UNSUPPORTED: {
    exit: 'noMatchingSignature',
    meaning: 'A signature uses a format or algorithm that is not supported.',
  },
} as const;

/** A stable error code. */
export type ErrorCode = keyof typeof table;

/** Every error code, in the order of the reference page. */
export const errorTable: Readonly<Record<ErrorCode, ErrorKind>> = table;

/** Extra facts about an error, all of them safe to print: never a secret, URLs redacted. */
export type ErrorDetails = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

/** What a {@link BoltsealError} is made of beside its code and message. */
export interface ErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** The next command or setting to try, as one sentence. */
  readonly hint?: string | undefined;
  /** Facts for programs; printed by `--output json`. */
  readonly details?: ErrorDetails | undefined;
}

/** The error every public function throws: a stable `code`, what was being done to what, a cause and a hint. */
export class BoltsealError extends Error {
  override readonly name = 'BoltsealError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  /** The exit code the command line ends with for this error. */
  get exitCode(): number {
    return exitCodes[errorTable[this.code].exit];
  }
}

/** Whether `error` is a {@link BoltsealError}, of one of `codes` when any are given. */
export function isBoltsealError(error: unknown, ...codes: readonly ErrorCode[]): error is BoltsealError {
  return error instanceof BoltsealError && (codes.length === 0 || codes.includes(error.code));
}

/** `error` itself when it is ours, else an `ERR_INTERNAL` (or `code`) around it with `message`. */
export function wrapError(
  error: unknown,
  code: ErrorCode,
  message: string,
  options: ErrorOptions = {},
): BoltsealError {
  return error instanceof BoltsealError
    ? error
    : new BoltsealError(code, message, { ...options, cause: error });
}
