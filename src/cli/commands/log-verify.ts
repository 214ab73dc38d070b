import { readFile, stat } from 'node:fs/promises';
import { base64, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { openLogSource } from '../../flows/log-source.ts';
import { type LogAudit, verifyLog } from '../../flows/verify-log.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import type { CommandContext } from '../command.ts';
import { writeFiles } from '../files.ts';
import { keyContext } from '../keys.ts';
import { startProgress } from '../progress.ts';

/** Audits a transparency log from outside. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, output, signal } = context;
  const runtime = await context.runtime();
  const [place = ''] = args;
  const state = flags.get('state');
  const key = await loadKey(context);
  const earlier = await readEarlier(flags.get('checkpoint'), state);
  const source = await openLogSource(place, runtime, signal);
  let progress: ReturnType<typeof startProgress> | undefined;
  let audit: LogAudit;
  try {
    audit = await verifyLog(source, {
      key,
      origin: flags.get('origin'),
      earlier,
      signal,
      onProgress: (verified, total) => {
        progress ??= startProgress(context, 'verified', total, 'entries');
        progress.to(verified);
      },
    });
  } finally {
    progress?.end();
  }
  if (state !== undefined) {
    await writeFiles([{ path: state, content: utf8(audit.checkpoint), mode: 0o644, overwrite: true }]);
  }
  const { origin, size, tiles, format, earlierSize, checkpoint } = audit;
  const root = base64(audit.root);
  if (output.json) {
    const { name: signer, time } = audit.signature;
    const signedAt = time === undefined ? undefined : new Date(time).toISOString();
    const document = {
      log: source.place,
      origin,
      size,
      root,
      format,
      tiles,
      signer,
      signedAt,
      earlierSize,
      checkpoint,
    };
    return void output.document('boltseal.log-verify/1', document);
  }
  output.data(checkpoint);
  output.say(
    `${source.place}: all ${size} entries and ${tiles} tiles of ${origin} agree with its checkpoint`,
  );
  if (earlierSize !== undefined) output.say(`its first ${earlierSize} entries are those it had before`);
}

/** The key of the log: a verifier key as text, or a key reference. */
async function loadKey(context: CommandContext): Promise<string | PublicKey> {
  const reference = context.flags.get('log-key');
  if (reference === undefined) {
    throw new BoltsealError('ERR_USAGE', '`boltseal log verify` needs --key', {
      hint: 'Name the public key of the log: --key log.pub, or its verifier key: --key example.com/log+1a2b3c4d+AZ…',
    });
  }
  if (/^[^+]+\+[0-9a-f]{8}\+/.test(reference)) return reference;
  const { loadVerificationKeys } = await import('../../keys/reference.ts');
  const [key] = await loadVerificationKeys(reference, await keyContext(context));
  if (key === undefined) throw new BoltsealError('ERR_KEY_EMPTY', `there is no key in ${reference}`);
  return key;
}

/** The checkpoint to compare with: a file that must be there, or that of the last time when there was one. */
async function readEarlier(
  given: string | undefined,
  state: string | undefined,
): Promise<Uint8Array | undefined> {
  if (given !== undefined && state !== undefined) {
    throw new BoltsealError('ERR_USAGE', '--checkpoint and --state cannot be used together', {
      hint: '--state FILE compares with the checkpoint in FILE and then replaces it.',
    });
  }
  const path = given ?? state;
  if (path === undefined) return undefined;
  try {
    const { size } = await stat(path);
    if (size > limits.checkpointBytes) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${path} is larger than ${limits.checkpointBytes} bytes`);
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof BoltsealError) throw cause;
    const isAbsent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (given === undefined && isAbsent) return undefined;
    throw new BoltsealError('ERR_FILE_READ', `cannot read the checkpoint ${path}`, { cause });
  }
}
