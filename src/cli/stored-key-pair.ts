/** Key pairs that are made here and kept elsewhere: in Kubernetes, in GitLab, in GitHub. */
import { BoltsealError } from '../core/errors.ts';
import { generateKeyPair, type KeyPairFiles } from '../keys/generate.ts';
import type { SecretPlace } from '../keys/secrets/place.ts';
import type { KeyType } from '../keys/signer.ts';
import type { CommandContext } from './command.ts';
import { isInteractive } from './keys.ts';

/**
 * Asks before what is kept in `place` is lost. Throws `ERR_KEY_EXISTS` when nobody says yes, neither on the terminal nor
 * with `--yes`.
 */
export async function confirmReplacing(
  { what, existing }: SecretPlace,
  context: CommandContext,
): Promise<void> {
  if (existing.length === 0 || context.flags.get('yes')) return;
  const names = existing.join(', ');
  if (isInteractive(context)) {
    const { askYesNo } = await import('./prompt.ts');
    const question = `${names} in ${what} will be lost for ever. Replace?`;
    if (await askYesNo(question, context.signal)) return;
  }
  throw new BoltsealError(
    'ERR_KEY_EXISTS',
    `${names} ${existing.length === 1 ? 'is' : 'are'} in ${what} already`,
    {
      hint: 'Nothing was stored. What was signed with the old key still verifies with its public key; to replace it, use --yes.',
    },
  );
}

/** Makes a key pair and stores it in `place`, telling each part. */
export async function storeNewKeyPair(
  place: SecretPlace,
  keyType: KeyType,
  password: Uint8Array,
  { output, signal }: CommandContext,
): Promise<KeyPairFiles> {
  const pair = await generateKeyPair(keyType, password);
  signal.throwIfAborted();
  await place.store(pair, password, (name) => output.say(`${name} stored in ${place.what}`));
  return pair;
}
