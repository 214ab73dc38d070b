import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import type { KeyContext } from '../../keys/provider.ts';
import { loadSigner, loadVerificationKeys } from '../../keys/reference.ts';
import type { PublicKey } from '../../keys/signer.ts';
import type { CommandContext } from '../command.ts';
import { writeFiles } from '../files.ts';
import { keyContext, keyReference } from '../keys.ts';

/** Prints the public half of a key. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output } = context;
  const reference = keyReference(context);
  const key = await publicKey(reference, await keyContext(context, flags.get('allow-http-key')));
  const file = flags.get('outfile');
  if (file !== undefined) {
    await writeFiles([{ path: file, content: Buffer.from(key.pem), mode: 0o644 }]);
    output.say(`Public key written to ${file}`);
  }
  if (output.json) {
    const { type, hint, pem } = key;
    output.document('boltseal.public-key/1', { keyType: type, keyHint: hint, publicKey: pem });
  } else if (file === undefined) output.data(key.pem);
}

/** Of a private key its public half; a public key is its own. */
async function publicKey(reference: string, keys: KeyContext): Promise<PublicKey> {
  const once = { ...keys, readStdin: memoized(keys.readStdin) };
  try {
    return (await loadSigner(reference, once)).publicKey;
  } catch (error) {
    if (!isBoltsealError(error, 'ERR_KEY_PUBLIC_GIVEN', 'ERR_USAGE')) throw error;
  }
  const [first, ...others] = await loadVerificationKeys(reference, once);
  if (first !== undefined && others.length === 0) return first;
  throw new BoltsealError('ERR_USAGE', `${reference} stands for ${others.length + 1} public keys`);
}

/** Standard input can be read once. */
function memoized<T>(read: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= read();
    return result;
  };
}
