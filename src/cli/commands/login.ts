import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { discard } from '../../core/response-body.ts';
import { withoutFinalNewline } from '../../keys/password.ts';
import { storeCredential } from '../../registry/credentials/stored.ts';
import { createTransport } from '../../registry/transport.ts';
import type { CommandContext } from '../command.ts';
import { registryPermissions } from '../image-options.ts';
import { isInteractive } from '../keys.ts';
import { registryName } from '../registry-name.ts';
import { readAll } from '../stdin.ts';

/** Tries a user name and password, and stores them when the registry takes them. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const registry = registryName(args[0] ?? 'docker.io');
  const username = await usernameOf(context);
  const password = await passwordOf(context);
  await tryLogin(registry, username, password, context);
  const place = await storeCredential(registry, { username, password }, await context.runtime());
  output.say(`Login succeeded. The password is kept in ${place}`);
  if (output.json) output.document('boltseal.login/1', { registry, username, storedIn: place });
}

async function usernameOf(context: CommandContext): Promise<string> {
  const given = context.flags.get('username');
  if (given !== undefined) return given;
  if (isInteractive(context)) {
    const { askText } = await import('../prompt.ts');
    const typed = await askText('User name:', context.signal);
    if (typed !== '') return typed;
  }
  throw new BoltsealError('ERR_USAGE', 'a user name is needed', { hint: 'Give --username NAME.' });
}

async function passwordOf(context: CommandContext): Promise<string> {
  const { flags, io, signal } = context;
  const given = flags.get('password');
  const piped = flags.get('password-stdin');
  if (given !== undefined && piped) {
    throw new BoltsealError('ERR_USAGE', 'give --password or --password-stdin, not both');
  }
  if (given !== undefined) return given;
  if (piped) {
    const bytes = await readAll(io.stdin, { maxBytes: limits.passwordBytes, what: 'the password', signal });
    const password = fromUtf8(withoutFinalNewline(bytes), 'the password');
    if (password !== '') return password;
    throw new BoltsealError('ERR_PASSWORD_MISSING', 'standard input has no password', {
      hint: 'In CI, is the secret available to this job?',
    });
  }
  if (isInteractive(context)) {
    const { askPassword } = await import('../prompt.ts');
    const typed = await askPassword('Password:', context.signal);
    if (typed !== '') return typed;
  }
  throw new BoltsealError('ERR_PASSWORD_MISSING', 'a password is needed', {
    hint: 'Pipe it in with --password-stdin.',
  });
}

/** Asks for the root of the registry’s API, which is there to try credentials on. */
async function tryLogin(
  registry: string,
  username: string,
  password: string,
  context: CommandContext,
): Promise<void> {
  const { flags, output, signal } = context;
  const credential = { kind: 'basic', username, password, origin: 'this login' } as const;
  let asked = false;
  const transport = createTransport(await context.runtime(), registry, {
    ...registryPermissions(flags),
    credentials: async () => {
      asked = true;
      return credential;
    },
    userAgent: 'boltseal',
  });
  const request = {
    method: 'GET',
    target: '/v2/',
    what: `logging in to ${registry}`,
    scope: { repository: '', push: false },
    signal,
  } as const;
  const status = await transport.send(request, async (response) => {
    await discard(response);
    return response.status;
  });
  if (status !== 200) {
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${registry} answered a login with ${status}`, {
      hint: 'Is it the name of a registry, without https:// and without a repository?',
    });
  }
  if (!asked) output.warn(`${registry} asks for no login; whether the password is right cannot be told`);
}
