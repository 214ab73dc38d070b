/** Files that are signed or verified: read whole while they are small, else only their digests. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { readWholeFile } from '../flows/read-file.ts';
import type { Artifact } from '../verify/artifact.ts';
import type { CommandContext } from './command.ts';
import { readAll } from './stdin.ts';

/** The whole of a file, or of standard input for `-`. Throws `ERR_FILE_READ`, `ERR_LIMIT_EXCEEDED`. */
export async function readWhole(
  path: string,
  what: string,
  maxBytes: number,
  context: Pick<CommandContext, 'io' | 'signal'>,
): Promise<Uint8Array> {
  if (path === '-') return readAll(context.io.stdin, { maxBytes, what, signal: context.signal });
  const content = await reading(path, what, () => readWholeFile(path, maxBytes));
  if (content !== undefined && content.length <= maxBytes) return content;
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} ${path} has more than ${maxBytes} bytes`);
}

/**
 * The artifact that a command line names: a file, `-` for standard input, or `sha256:` and 64 hexadecimal digits when
 * there is no file of that name. Of large files only the digests are kept. Throws `ERR_FILE_READ`.
 */
export async function readArtifact(
  name: string,
  context: Pick<CommandContext, 'io' | 'signal'>,
): Promise<Artifact> {
  const digest = /^sha256:([0-9a-f]{64})$/i.exec(name)?.[1];
  if (digest !== undefined && !existsSync(name)) {
    return { sha256: new Uint8Array(Buffer.from(digest, 'hex')) };
  }
  if (name === '-') return readWhole(name, 'the artifact', limits.blobBytes, context);
  return reading(
    name,
    'the artifact',
    async () => (await readWholeFile(name, limits.blobInMemoryBytes)) ?? digestsOf(name, context.signal),
  );
}

async function digestsOf(path: string, signal: AbortSignal): Promise<Artifact> {
  const hashes = [createHash('sha256'), createHash('sha384'), createHash('sha512')] as const;
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) {
    for (const hash of hashes) hash.update(chunk as Uint8Array);
  }
  const [sha256, sha384, sha512] = hashes.map((hash) => new Uint8Array(hash.digest()));
  return { sha256: sha256 as Uint8Array, sha384, sha512 };
}

async function reading<T>(path: string, what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `${what} ${path} cannot be read`, { cause });
  }
}
