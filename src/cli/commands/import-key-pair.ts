import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { importKeyPair } from '../../keys/import.ts';
import { environmentPassword } from '../../keys/password.ts';
import { readKeyFile } from '../../keys/providers/file.ts';
import type { CommandContext } from '../command.ts';
import { keyPairPaths, writeKeyPair } from '../key-files.ts';
import { isInteractive, newPassword } from '../keys.ts';
import { readAll } from '../stdin.ts';

/** Reads a plain private key and writes it encrypted, with its public key. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, signal } = context;
  const source = flags.get('import-key');
  if (source === undefined) {
    throw new BoltsealError('ERR_USAGE', '`boltseal import-key-pair` needs --key', {
      hint: 'Name the PEM file of the private key: --key openssl.pem',
    });
  }
  const key = await readKey(source, context);
  try {
    const paths = await keyPairPaths(flags.get('import-output-key-prefix'), context);
    const password = await newPassword(context);
    const what = source === '-' ? 'the key on standard input' : `the key ${source}`;
    const pair = await importKeyPair(key, password, what);
    signal.throwIfAborted();
    await writeKeyPair(pair, paths, context);
  } finally {
    key.fill(0);
  }
}

async function readKey(source: string, context: CommandContext): Promise<Uint8Array> {
  if (source !== '-') return readKeyFile(source);
  if (environmentPassword(context.io.env) === undefined && !isInteractive(context)) {
    throw new BoltsealError(
      'ERR_KEY_STDIN_CONFLICT',
      'the key and its new password cannot both be on standard input',
      {
        hint: 'Put the password into COSIGN_PASSWORD.',
      },
    );
  }
  return readAll(context.io.stdin, { maxBytes: limits.keyBytes, what: 'the key', signal: context.signal });
}
