/** From `--key` and the password’s place to keys. */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { environmentPassword, passwordCandidates, withoutFinalNewline } from '../keys/password.ts';
import type { KeyContext } from '../keys/provider.ts';
import { tokenPins } from '../keys/token-pins.ts';
import type { CommandContext } from './command.ts';
import { readAll } from './stdin.ts';

/** Whether a person can be asked: what they see and what they type must both be the terminal. */
export function isInteractive({ io }: Pick<CommandContext, 'io'>): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/** The value of `--key`. Throws `ERR_USAGE` when there is none. */
export function keyReference(context: CommandContext): string {
  const reference = context.flags.get('key');
  if (reference !== undefined) return reference;
  throw new BoltsealError('ERR_USAGE', `\`boltseal ${context.command.name}\` needs --key`, {
    hint:
      context.command.name === 'verify'
        ? 'Name the public key: --key cosign.pub'
        : 'Name the private key: --key cosign.key. `boltseal generate-key-pair` makes one.',
  });
}

/** What loading a key needs. Standard input is the key (`--key -`) or else the password. */
export async function keyContext(context: CommandContext, allowRemoteKeys = false): Promise<KeyContext> {
  const { io, signal } = context;
  const fromEnvironment = environmentPassword(io.env);
  return {
    // Where keys are kept is no registry: no flag about registries makes it less strict.
    runtime: await context.serviceRuntime(),
    password: () => existingPassword(context),
    passwordUsesStdin: () => fromEnvironment === undefined && !isInteractive(context),
    readStdin: () => readAll(io.stdin, { maxBytes: limits.keyBytes, what: 'the key', signal }),
    ...pinsOf(context),
    allowRemoteKeys,
    signal,
  };
}

/** How keys in tokens get their PINs, beyond reference and variables: a person at a terminal is asked, once for a token. */
export function pinsOf(context: CommandContext): Pick<KeyContext, 'pins' | 'askPin'> {
  const pins = tokenPins();
  if (!isInteractive(context)) return { pins };
  return { pins, askPin: (token) => askPin(token, context.signal) };
}

async function askPin(token: string, signal: AbortSignal): Promise<string> {
  const { askPassword } = await import('./prompt.ts');
  return await askPassword(`PIN of the token ${token}:`, signal);
}

/** What the password of an existing key may be: variable, else terminal, else standard input. */
export async function existingPassword(context: CommandContext): Promise<readonly Uint8Array[]> {
  const fromEnvironment = environmentPassword(context.io.env);
  if (fromEnvironment !== undefined) return [fromEnvironment];
  if (isInteractive(context)) {
    const { askPassword } = await import('./prompt.ts');
    return [new TextEncoder().encode(await askPassword('Enter password for private key:', context.signal))];
  }
  return passwordCandidates(await pipedPassword(context));
}

/** The password for a new key: variable, else asked for twice, else standard input without its final line break. */
export async function newPassword(context: CommandContext): Promise<Uint8Array> {
  const fromEnvironment = environmentPassword(context.io.env);
  if (fromEnvironment !== undefined) return fromEnvironment;
  if (!isInteractive(context)) return withoutFinalNewline(await pipedPassword(context));
  const { askPassword } = await import('./prompt.ts');
  const first = await askPassword('Enter password for private key:', context.signal);
  const second = await askPassword('Enter password for private key again:', context.signal);
  if (first === second) return new TextEncoder().encode(first);
  throw new BoltsealError('ERR_PASSWORD_MISMATCH', 'the two passwords are not the same', {
    hint: 'Nothing was written. Run the command again.',
  });
}

async function pipedPassword({ io, signal }: CommandContext): Promise<Uint8Array> {
  const hint =
    'Set BOLTSEAL_PASSWORD or COSIGN_PASSWORD (an empty value is an empty password), or pipe it in.';
  if (io.stdin.isTTY === true) {
    throw new BoltsealError('ERR_PASSWORD_MISSING', 'a password is needed, and it cannot be asked for here', {
      hint,
    });
  }
  const bytes = await readAll(io.stdin, { maxBytes: limits.passwordBytes, what: 'the password', signal });
  if (bytes.length > 0) return bytes;
  throw new BoltsealError('ERR_PASSWORD_MISSING', 'a password is needed, and standard input is empty', {
    hint,
  });
}
