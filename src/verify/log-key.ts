/** The key of a log in a trusted root, made ready, and the signatures that Rekor makes with it. */
import { verify } from 'node:crypto';
import { hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { NoteVerifier } from '../formats/checkpoint.ts';
import { noteVerifier } from '../formats/note-keys.ts';
import { encodePem } from '../formats/pem.ts';
import { type KeyType, type PublicKey, parsePublicKey } from '../formats/public-key.ts';
import type { KeyDetails, TrustedLog } from '../formats/trusted-root.ts';
import type { SignatureHash } from './authenticate.ts';

/** A log that is trusted, of signatures or of certificates. */
export interface LogKey {
  readonly log: TrustedLog;
  readonly key: PublicKey;
  /** What two instances of one log, or two logs of one operator, have in common: thresholds count it once. */
  readonly authority: string;
  /** The host name in its URL, without port: what Rekor v2 calls itself. Undefined when the URL is none. */
  readonly host: string | undefined;
  /** Whether the log signed `message`: an entry, or the text of a checkpoint. */
  signed(message: Uint8Array, signature: Uint8Array): boolean;
  /** The verifier of its checkpoints under the name that they have. Throws `ERR_CHECKPOINT_INVALID` for a bad name. */
  checkpointVerifier(name: string): NoteVerifier;
}

/** The types that keys of logs have, and the hashes that they sign over, in the order in which they are tried. */
interface Algorithm {
  /** Undefined for RSA keys of every size. */
  readonly type: KeyType | undefined;
  readonly hashes: readonly (SignatureHash | null)[];
}

const rsa: Algorithm = { type: undefined, hashes: ['sha256'] };

/**
 * What each kind of key signs with. A log with a larger curve that does not use its hash uses SHA-256: that is what
 * every kind of log began with. Kinds that are not here sign no log.
 */
const algorithms: Readonly<Partial<Record<KeyDetails, Algorithm>>> = {
  PKCS1_RSA_PKCS1V5: rsa,
  PKIX_RSA_PKCS1V5: rsa,
  PKIX_RSA_PKCS1V15_2048_SHA256: { type: 'rsa-2048', hashes: ['sha256'] },
  PKIX_RSA_PKCS1V15_3072_SHA256: { type: 'rsa-3072', hashes: ['sha256'] },
  PKIX_RSA_PKCS1V15_4096_SHA256: { type: 'rsa-4096', hashes: ['sha256'] },
  PKIX_ECDSA_P256_SHA_256: { type: 'ecdsa-p256', hashes: ['sha256'] },
  PKIX_ECDSA_P384_SHA_256: { type: 'ecdsa-p384', hashes: ['sha256'] },
  PKIX_ECDSA_P384_SHA_384: { type: 'ecdsa-p384', hashes: ['sha384', 'sha256'] },
  PKIX_ECDSA_P521_SHA_256: { type: 'ecdsa-p521', hashes: ['sha256'] },
  PKIX_ECDSA_P521_SHA_512: { type: 'ecdsa-p521', hashes: ['sha512', 'sha256'] },
  PKIX_ED25519: { type: 'ed25519', hashes: [null] },
};

/** The key of a log, or why it cannot be used. */
export function openLogKey(log: TrustedLog): LogKey | BoltsealError {
  const what = `the key of the log ${JSON.stringify(log.baseUrl.slice(0, 200))}`;
  const algorithm = algorithms[log.keyDetails];
  if (algorithm === undefined) {
    return new BoltsealError('ERR_TRUST', `${what} is of the kind ${log.keyDetails}, which signs no log`);
  }
  let key: PublicKey;
  try {
    const isPkcs1 = log.keyDetails.startsWith('PKCS1');
    key = parsePublicKey(isPkcs1 ? encodePem('RSA PUBLIC KEY', log.key) : log.key, what);
  } catch (cause) {
    return new BoltsealError('ERR_TRUST', `${what} cannot be used`, { cause });
  }
  if (algorithm.type === undefined ? !key.type.startsWith('rsa') : key.type !== algorithm.type) {
    return new BoltsealError(
      'ERR_TRUST',
      `${what} is not of the kind ${log.keyDetails} that it is said to be`,
    );
  }
  return logKey(log, key, algorithm.hashes);
}

function logKey(log: TrustedLog, key: PublicKey, hashes: Algorithm['hashes']): LogKey {
  const signed = (message: Uint8Array, signature: Uint8Array): boolean =>
    hashes.some((hash) => {
      try {
        return verify(hash, message, key.key, signature);
      } catch {
        // OpenSSL reports some malformed signatures as errors and some as false: both mean no.
        return false;
      }
    });
  // A log has one name; who asks for more chooses them, and these are not kept.
  let kept: NoteVerifier | undefined;
  return {
    log,
    key,
    authority: log.operator || log.baseUrl || hex(log.logId),
    // Few are asked, and the first URL of a process takes half a millisecond.
    get host() {
      return URL.canParse(log.baseUrl) ? new URL(log.baseUrl).hostname : undefined;
    },
    signed,
    checkpointVerifier(name) {
      if (kept?.name === name) return kept;
      kept = checkpointVerifier(name, key, signed);
      return kept;
    },
  };
}

/** As `noteVerifier`, with every hash that the log may use. */
function checkpointVerifier(name: string, key: PublicKey, signed: LogKey['signed']): NoteVerifier {
  const usual = noteVerifier(name, key);
  return {
    name,
    keyId: usual.keyId,
    verify({ body }, signature) {
      if (signed(Buffer.from(body, 'utf8'), signature)) return { name, kind: 'note' };
      throw new BoltsealError(
        'ERR_VERIFY_SIGNATURE',
        `the signature of the checkpoint by ${name} does not verify with its key`,
      );
    },
  };
}
