/** The file of `--defer-log`: signatures that are not logged yet. */
import { readFile } from 'node:fs/promises';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { MadeSignature } from '../flows/signing.ts';
import { type DeferredSignature, encodeDeferredLog, parseDeferredLog } from '../formats/deferred-log.ts';
import { writeFiles } from './files.ts';

/** The signatures in the file at `path`. Throws `ERR_FILE_READ`, `ERR_LOG_DEFERRED`. */
export async function readDeferred(path: string): Promise<readonly DeferredSignature[]> {
  let content: Uint8Array;
  try {
    content = await readFile(path);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the deferred signatures ${path} cannot be read`, { cause });
  }
  if (content.length > limits.deferredLogBytes) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${path} has more than ${limits.deferredLogBytes} bytes`);
  }
  return parseDeferredLog(content, path);
}

/** Replaces what the file at `path` holds. */
export async function writeDeferred(path: string, signatures: readonly DeferredSignature[]): Promise<void> {
  await writeFiles([{ path, content: encodeDeferredLog(signatures), mode: 0o600 }]);
}

/** Adds to the file at `path`, which need not be there. */
export async function addDeferred(path: string, signatures: readonly DeferredSignature[]): Promise<void> {
  const { access } = await import('node:fs/promises');
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  const earlier = isThere ? await readDeferred(path) : [];
  await writeDeferred(path, [...earlier, ...signatures]);
}

/** What is kept of a signature in the file, beside what says where it belongs. */
export function deferredParts({
  signature,
  publicKey,
  certificates = [],
  material,
}: Pick<MadeSignature, 'signature' | 'publicKey' | 'certificates' | 'material'>): Pick<
  DeferredSignature,
  'signature' | 'publicKey' | 'certificates' | 'timestamps'
> {
  return { signature, publicKey: publicKey.spki, certificates, timestamps: material.timestamps };
}
