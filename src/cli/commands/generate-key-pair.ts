import { BoltsealError } from '../../core/errors.ts';
import { generateKeyPair } from '../../keys/generate.ts';
import type { SecretPlace } from '../../keys/secrets/place.ts';
import type { CommandContext } from '../command.ts';
import {
  keyPairPaths,
  publicKeyPath,
  writeGeneratedKey,
  writeKeyPair,
  writeStoredKey,
} from '../key-files.ts';
import { keyContext, newPassword } from '../keys.ts';

/**
 * Makes a key pair and writes it to two files; or one that is stored elsewhere, or a key that stays where it is made, and
 * the file of its public half.
 */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, signal } = context;
  const prefix = flags.get('output-key-prefix');
  const reference = placeOf(args[0], flags.get('kms'));
  if (reference !== undefined) return await generateElsewhere(reference, prefix, context);
  const paths = await keyPairPaths(prefix, context);
  const password = await newPassword(context);
  const pair = await generateKeyPair(flags.get('key-type'), password);
  signal.throwIfAborted();
  await writeKeyPair(pair, paths, context);
}

function placeOf(argument: string | undefined, kms: string | undefined): string | undefined {
  if (argument !== undefined && kms !== undefined && argument !== kms) {
    throw new BoltsealError('ERR_USAGE', 'two places for the key are named: one by --kms', {
      hint: 'Name one place: boltseal generate-key-pair PLACE.',
    });
  }
  const place = argument ?? kms;
  if (place === undefined || /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/|pkcs11:)/.test(place)) return place;
  throw new BoltsealError('ERR_USAGE', 'the place of the new key is not one that keys are kept in', {
    hint: 'A place is github://OWNER/REPO, k8s://NAMESPACE/NAME and the like. For files, name them: --output-key-prefix NAME.',
  });
}

async function generateElsewhere(
  reference: string,
  prefix: string,
  context: CommandContext,
): Promise<undefined> {
  const path = await publicKeyPath(prefix, context);
  const keys = await keyContext(context);
  const { generateKey, openStore } = await import('../../keys/reference.ts');
  const place = await openStore(reference, keys);
  if (place === undefined) {
    const generated = await generateKey(reference, context.flags.get('key-type'), keys);
    await writeGeneratedKey(generated, path, context);
    return;
  }
  await storePair(reference, place, path, context);
}

async function storePair(
  reference: string,
  place: SecretPlace,
  path: Awaited<ReturnType<typeof publicKeyPath>>,
  context: CommandContext,
): Promise<void> {
  const { confirmReplacing, storeNewKeyPair } = await import('../stored-key-pair.ts');
  await confirmReplacing(place, context);
  const password = await newPassword(context);
  const pair = await storeNewKeyPair(place, context.flags.get('key-type'), password, context);
  await writeStoredKey(reference, pair, path, context);
}
