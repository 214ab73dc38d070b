import { generateKeyPair } from '../../keys/generate.ts';
import type { CommandContext } from '../command.ts';
import { keyPairPaths, writeKeyPair } from '../key-files.ts';
import { newPassword } from '../keys.ts';

/** Makes a key pair and writes it to two files. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, signal } = context;
  const paths = await keyPairPaths(flags.get('output-key-prefix'), context);
  const password = await newPassword(context);
  const pair = await generateKeyPair(flags.get('key-type'), password);
  signal.throwIfAborted();
  await writeKeyPair(pair, paths, context);
}
