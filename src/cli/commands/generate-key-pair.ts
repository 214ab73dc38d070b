import { generateKeyPair } from '../../keys/generate.ts';
import type { CommandContext } from '../command.ts';
import { keyPairPaths, publicKeyPath, writeGeneratedKey, writeKeyPair } from '../key-files.ts';
import { keyContext, newPassword } from '../keys.ts';

/** Makes a key pair and writes it to two files; or a key that stays where it is made, and the file of its public half. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, signal } = context;
  const prefix = flags.get('output-key-prefix');
  const kms = flags.get('kms');
  if (kms !== undefined) {
    const path = await publicKeyPath(prefix, context);
    const { generateKey } = await import('../../keys/reference.ts');
    const generated = await generateKey(kms, flags.get('key-type'), await keyContext(context));
    await writeGeneratedKey(generated, path, context);
    return;
  }
  const paths = await keyPairPaths(prefix, context);
  const password = await newPassword(context);
  const pair = await generateKeyPair(flags.get('key-type'), password);
  signal.throwIfAborted();
  await writeKeyPair(pair, paths, context);
}
