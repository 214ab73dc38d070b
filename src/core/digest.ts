import { createHash } from 'node:crypto';
import { BoltsealError } from './errors.ts';

/** A content digest as OCI writes it: `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

/** The algorithms a digest may use. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether `text` is a well-formed digest of a supported algorithm. */
export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/**
 * `text` as a digest. Throws `ERR_DIGEST_INVALID`; so a digest from outside never becomes a path or URL unchecked.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests}
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BoltsealError('ERR_DIGEST_INVALID', `not a digest: ${JSON.stringify(text.slice(0, 160))}`, {
    hint: 'A digest looks like sha256: followed by 64 lower-case hexadecimal digits.',
  });
}

/** The algorithm of `digest`. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The hexadecimal part of `digest`. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
