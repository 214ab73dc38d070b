/** Work in sessions of a token: logged in when that is needed, one thing after the other, closed when all is done. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Pkcs11Uri } from '../../formats/pkcs11-uri.ts';
import type { KeyContext } from '../provider.ts';
import { tokenPins } from '../token-pins.ts';
import {
  codeOf,
  type Handle,
  moduleError,
  type Pkcs11Module,
  type Token,
  tokenFlags,
} from './pkcs11-module.ts';

const serialSession = 0x4;
const readWriteSession = 0x2;
const userType = { user: 1, contextSpecific: 2 } as const;
const alreadyLoggedIn = 0x100;

/** Where the PIN of a token comes from. Asked once: the answer is kept for as long as the key is used. */
export interface PinSource {
  /**
   * The PIN; undefined when the token asks for it on a keypad of its own. Throws `ERR_KEY_ACCESS` when there is none, and
   * what the token said when it has refused this one.
   */
  pin(): Promise<string | undefined>;
  /** Notes that the token has refused the PIN: it is not tried again. */
  refuse(pin: string, why: BoltsealError): void;
}

/** The PIN as `uri` says, else from the environment, else from a person. */
export function pinSource(uri: Pkcs11Uri, token: Token, context: KeyContext): PinSource {
  const { pins = tokenPins() } = context;
  const name = `${token.serial} ${token.label}`;
  let found: Promise<string | undefined> | undefined;
  return {
    async pin() {
      found ??= findPin(uri, token, context, (ask) => pins.askOnce(name, ask));
      const pin = await found;
      const why = pin === undefined ? undefined : pins.refused(name, pin);
      if (why === undefined) return pin;
      throw new BoltsealError(why.code, why.message, { cause: why, hint: why.hint });
    },
    refuse: (pin, why) => pins.refuse(name, pin, why),
  };
}

async function findPin(
  uri: Pkcs11Uri,
  token: Token,
  { runtime, askPin }: KeyContext,
  once: (ask: () => Promise<string>) => Promise<string>,
): Promise<string | undefined> {
  const { env } = runtime;
  const given =
    uri.pinValue ??
    (uri.pinSource === undefined ? undefined : await pinOfFile(uri.pinSource)) ??
    (env['BOLTSEAL_PKCS11_PIN'] || env['COSIGN_PKCS11_PIN']);
  if (given !== undefined && given !== '') return given;
  if ((token.flags & tokenFlags.protectedAuthenticationPath) !== 0) return undefined;
  if (askPin !== undefined) return await once(() => askPin(token.label));
  throw new BoltsealError(
    'ERR_KEY_ACCESS',
    `the token ${JSON.stringify(token.label)} wants a PIN, and none is given`,
    {
      hint: 'Set COSIGN_PKCS11_PIN, name a file with pin-source=/path in the URI, or run this in a terminal.',
    },
  );
}

/** {@link https://www.rfc-editor.org/rfc/rfc7512#section-2.4}: a program (`|…`) is never run. */
async function pinOfFile(source: string): Promise<string> {
  if (source.startsWith('|')) {
    throw new BoltsealError('ERR_USAGE', 'pin-source names a program, and only a file is read', {
      hint: 'Put its output into COSIGN_PKCS11_PIN.',
    });
  }
  let content: Buffer;
  try {
    content = await readFile(source.startsWith('file:') ? fileURLToPath(source) : source);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', 'the file that pin-source names cannot be read', { cause });
  }
  if (content.length <= limits.passwordBytes) return content.toString('utf8').replace(/\r?\n$/, '');
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', 'the file that pin-source names is too large for a PIN');
}

/** A session that is open. */
export interface Session {
  readonly module: Pkcs11Module;
  readonly token: Token;
  readonly handle: Handle;
  /** Shows the PIN once more, for a key that wants it for each signature. */
  confirm(): Promise<void>;
}

/** How sessions are opened. */
export interface SessionOptions {
  readonly module: Pkcs11Module;
  readonly token: Token;
  /** Logs in; without it only public objects are seen. */
  readonly pin?: PinSource | undefined;
  readonly write?: boolean;
}

/**
 * Work with a token, in one session as long as there is any, and never two things at once. A session ends the login with
 * it when it is the last one of the process: no other key loses its own.
 */
export interface Sessions {
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
}

/** Sessions as `options` say. `run` throws what the work throws, and errors of the module as `ERR_KEY_…`. */
export function createSessions(options: SessionOptions): Sessions {
  let waiting = 0;
  let open: Session | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const step = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    try {
      open ??= await openSession(options);
      return await work(open);
    } finally {
      waiting--;
      if (waiting === 0 && open !== undefined) {
        close(open);
        open = undefined;
      }
    }
  };
  return {
    run(work) {
      waiting++;
      const done = last.then(() => step(work));
      last = done.catch(() => undefined);
      return done;
    },
  };
}

async function openSession({ module, token, pin, write = false }: SessionOptions): Promise<Session> {
  const { cryptoki } = module;
  const doing = `using the token ${JSON.stringify(token.label)}`;
  // Asked before a session is open: a person may take long.
  const secret = await pin?.pin();
  let handle: Handle;
  try {
    handle = cryptoki.C_OpenSession(token.slot, serialSession | (write ? readWriteSession : 0));
  } catch (error) {
    throw moduleError(error, doing);
  }
  const login = (type: number): void => {
    try {
      cryptoki.C_Login(handle, type, secret);
    } catch (error) {
      if (type === userType.user && codeOf(error) === alreadyLoggedIn) return;
      const failure = moduleError(error, doing);
      // What is typed on a keypad is another one each time.
      if (secret !== undefined && failure.code === 'ERR_KEY_ACCESS') pin?.refuse(secret, failure);
      throw failure;
    }
  };
  const session: Session = {
    module,
    token,
    handle,
    confirm: async () => login(userType.contextSpecific),
  };
  try {
    if (pin !== undefined) login(userType.user);
    return session;
  } catch (error) {
    close(session);
    throw error;
  }
}

function close({ module, handle }: Session): void {
  try {
    module.cryptoki.C_CloseSession(handle);
  } catch {
    // The token is gone, and the session with it.
  }
}
