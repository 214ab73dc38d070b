/** Writing a key pair: the private half for its owner alone, both or none, never over an existing file unasked. */
import { access } from 'node:fs/promises';
import { BoltsealError } from '../core/errors.ts';
import type { KeyPairFiles } from '../keys/generate.ts';
import type { GeneratedKey } from '../keys/provider.ts';
import type { CommandContext } from './command.ts';
import { writeFiles } from './files.ts';
import { isInteractive } from './keys.ts';

/** Where a public key goes. */
export interface PublicKeyPath {
  readonly publicKey: string;
  /** Whether existing files may be replaced. */
  readonly overwrite: boolean;
}

/** Where a key pair goes. */
export interface KeyPairPaths extends PublicKeyPath {
  readonly privateKey: string;
}

/**
 * The files of `prefix`, once it is clear that they may be written: before any password is asked for. Throws
 * `ERR_FILE_EXISTS`.
 */
export async function keyPairPaths(prefix: string, context: CommandContext): Promise<KeyPairPaths> {
  const privateKey = `${prefix}.key`;
  const publicKey = `${prefix}.pub`;
  return { privateKey, publicKey, overwrite: await mayOverwrite([privateKey, publicKey], context) };
}

/** The file of the public half of `prefix`, as {@link keyPairPaths}. */
export async function publicKeyPath(prefix: string, context: CommandContext): Promise<PublicKeyPath> {
  const publicKey = `${prefix}.pub`;
  return { publicKey, overwrite: await mayOverwrite([publicKey], context) };
}

/**
 * Whether there is something to overwrite at `paths`, and it may be: by `--yes`, or a yes on the terminal. Throws
 * `ERR_FILE_EXISTS` with `hint` when it may not.
 */
export async function mayOverwrite(
  paths: readonly string[],
  context: CommandContext,
  hint = 'Nothing was written. Choose another name with --output-key-prefix, or overwrite with --yes.',
): Promise<boolean> {
  const existing: string[] = [];
  for (const path of paths) if (await exists(path)) existing.push(path);
  const overwrite = existing.length > 0 && (context.flags.get('yes') || (await confirmed(existing, context)));
  if (existing.length === 0 || overwrite) return overwrite;
  throw new BoltsealError(
    'ERR_FILE_EXISTS',
    `${existing.join(' and ')} already exist${existing.length === 1 ? 's' : ''}`,
    { hint },
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

async function confirmed(existing: readonly string[], context: CommandContext): Promise<boolean> {
  if (!isInteractive(context)) return false;
  const { askYesNo } = await import('./prompt.ts');
  return askYesNo(`${existing.join(' and ')} will be lost for ever. Overwrite?`, context.signal);
}

/** Writes the public half of a key that was made elsewhere, and prints which key it is. */
export async function writeGeneratedKey(
  { reference, publicKey }: GeneratedKey,
  path: PublicKeyPath,
  { command, output }: CommandContext,
): Promise<void> {
  const { type, hint, pem } = publicKey;
  await writeFiles([
    { path: path.publicKey, content: Buffer.from(pem), mode: 0o644, overwrite: path.overwrite },
  ]);
  output.say(`Public key written to ${path.publicKey}`);
  if (!output.json) return void output.data(`${reference}\n`);
  output.document(`boltseal.${command.name}/1`, {
    reference,
    publicKeyFile: path.publicKey,
    keyType: type,
    keyHint: hint,
    publicKey: pem,
  });
}

/**
 * Writes the public half of a pair that is stored behind `reference`. When that is not possible it is printed: the place may
 * not give it back.
 */
export async function writeStoredKey(
  reference: string,
  { publicKey }: KeyPairFiles,
  path: PublicKeyPath,
  { command, output }: CommandContext,
): Promise<void> {
  const { type, hint, pem } = publicKey;
  const file = { path: path.publicKey, content: Buffer.from(pem), mode: 0o644, overwrite: path.overwrite };
  try {
    await writeFiles([file]);
  } catch (error) {
    output.say(pem);
    throw error;
  }
  output.say(`Public key written to ${path.publicKey}`);
  if (!output.json) return;
  output.document(`boltseal.${command.name}/1`, {
    reference,
    publicKeyFile: path.publicKey,
    keyType: type,
    keyHint: hint,
    publicKey: pem,
  });
}

/** Writes the pair and says so. */
export async function writeKeyPair(
  pair: KeyPairFiles,
  { privateKey, publicKey, overwrite }: KeyPairPaths,
  { command, output }: CommandContext,
): Promise<void> {
  await writeFiles([
    { path: privateKey, content: Buffer.from(pair.privateKeyPem), mode: 0o600, overwrite },
    { path: publicKey, content: Buffer.from(pair.publicKeyPem), mode: 0o644, overwrite },
  ]);
  output.say(`Private key written to ${privateKey}`);
  output.say(`Public key written to ${publicKey}`);
  if (!output.json) return;
  const { type, hint, pem } = pair.publicKey;
  output.document(`boltseal.${command.name}/1`, {
    privateKeyFile: privateKey,
    publicKeyFile: publicKey,
    keyType: type,
    keyHint: hint,
    publicKey: pem,
  });
}
