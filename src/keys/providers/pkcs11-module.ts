/**
 * PKCS#11 modules: tokens, sessions, and what their errors mean.
 * {@link https://docs.oasis-open.org/pkcs11/pkcs11-base/v2.40/pkcs11-base-v2.40.html}
 */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { BoltsealError, type ErrorCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import type { Pkcs11Uri } from '../../formats/pkcs11-uri.ts';
import { importPeer } from '../peer.ts';

/** A handle of a slot, session or object. */
export type Handle = Uint8Array;

/** An attribute of an object, with the value that is wanted or given. */
export interface Attribute {
  readonly type: number;
  readonly value?: number | boolean | string | Uint8Array;
}

/** What is used of `PKCS11` of the package pkcs11js. */
export interface Cryptoki {
  load(path: string): void;
  C_Initialize(options: { readonly flags: number }): void;
  C_GetSlotList(tokenPresent: boolean): readonly Handle[];
  C_GetTokenInfo(slot: Handle): RawTokenInfo;
  C_GetMechanismList(slot: Handle): readonly number[];
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, userType: number, pin?: string): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle, count: number): readonly Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    template: readonly Attribute[],
  ): readonly { readonly value: Uint8Array }[];
  C_SignInit(session: Handle, mechanism: { readonly mechanism: number }, key: Handle): void;
  C_SignAsync(session: Handle, data: Uint8Array, output: Uint8Array): Promise<Uint8Array>;
  C_GenerateKeyPairAsync(
    session: Handle,
    mechanism: { readonly mechanism: number },
    publicTemplate: readonly Attribute[],
    privateTemplate: readonly Attribute[],
  ): Promise<{ readonly publicKey: Handle; readonly privateKey: Handle }>;
}

interface RawTokenInfo {
  readonly label: string;
  readonly manufacturerID: string;
  readonly model: string;
  readonly serialNumber: string;
  readonly flags: number;
}

/** A token in a slot. */
export interface Token {
  readonly slot: Handle;
  readonly slotId: number;
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
  /** Of `CK_TOKEN_INFO`: {@link tokenFlags}. */
  readonly flags: number;
}

/** Flags of a token. */
export const tokenFlags = {
  loginRequired: 0x4,
  userPinInitialized: 0x8,
  protectedAuthenticationPath: 0x100,
  tokenInitialized: 0x400,
  userPinFinalTry: 0x20000,
  userPinLocked: 0x40000,
} as const;

/** A module that is ready to be asked. */
export interface Pkcs11Module {
  readonly cryptoki: Cryptoki;
  readonly path: string;
}

const osLockingOk = 0x2;
/** Return values of functions that are looked at. */
const returned = {
  alreadyInitialized: 0x191,
  cannotLock: 0xa,
} as const;

/**
 * Opens the module at `path`. It stays in the process and initialized: whoever else uses it there must not lose it. Throws
 * `ERR_KEY_PEER`, `ERR_USAGE` for a path that is not absolute, `ERR_KEY_PROVIDER` for what is no module.
 */
export async function openModule(path: string | undefined): Promise<Pkcs11Module> {
  if (path === undefined || path === '') {
    throw new BoltsealError('ERR_USAGE', 'no PKCS#11 module is named', {
      hint: 'Add ?module-path=/usr/lib/….so to the URI, or set COSIGN_PKCS11_MODULE_PATH.',
    });
  }
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isAbsolute(path) || !isFile) {
    throw new BoltsealError(
      'ERR_USAGE',
      `the PKCS#11 module ${printable(path)} is not the absolute path of a file`,
      {
        hint: 'It is the shared library that came with the token, such as /usr/lib/softhsm/libsofthsm2.so.',
      },
    );
  }
  const { default: library } = await importPeer<{ default: { PKCS11: new () => Cryptoki } }>({
    name: 'pkcs11js',
    versions: '^2.1.7',
    user: 'PKCS#11 keys',
  });
  const cryptoki = new library.PKCS11();
  try {
    cryptoki.load(path);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_PROVIDER', `the PKCS#11 module ${printable(path)} cannot be loaded`, {
      cause: textOf(cause),
      hint: 'Is it a shared library for this machine, and are the libraries that it needs installed?',
    });
  }
  initialize({ cryptoki, path });
  return { cryptoki, path };
}

function initialize({ cryptoki, path }: Pkcs11Module): void {
  for (const flags of [osLockingOk, 0]) {
    try {
      cryptoki.C_Initialize({ flags });
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === returned.alreadyInitialized) return;
      if (code !== returned.cannotLock || flags === 0)
        throw moduleError(error, `starting the module ${path}`);
    }
  }
}

/** The tokens of a module; at most `limits.pkcs11Objects`. A slot whose token was taken out meanwhile has none. */
export function listTokens({ cryptoki }: Pkcs11Module): readonly Token[] {
  let slots: readonly Handle[];
  try {
    slots = cryptoki.C_GetSlotList(true);
  } catch (error) {
    throw moduleError(error, 'looking for tokens');
  }
  return slots.slice(0, limits.pkcs11Objects).flatMap((slot) => {
    try {
      const { label, manufacturerID, model, serialNumber, flags } = cryptoki.C_GetTokenInfo(slot);
      const text = (padded: string): string => padded.replace(/[\0 ]+$/, '');
      return [
        {
          slot,
          slotId: numberOf(slot),
          label: text(label),
          manufacturer: text(manufacturerID),
          model: text(model),
          serial: text(serialNumber),
          flags,
        },
      ];
    } catch {
      return [];
    }
  });
}

/** `CK_ULONG` of this machine as a number. */
export function numberOf(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** The one token that `uri` means. Throws `ERR_USAGE` when it names none, `ERR_KEY_NOT_FOUND` when there is none. */
export function findToken(module: Pkcs11Module, uri: Pkcs11Uri): Token {
  const { token, manufacturer, serial, model, slotId } = uri;
  if (token === undefined && serial === undefined && slotId === undefined && model === undefined) {
    throw new BoltsealError('ERR_USAGE', 'the PKCS#11 URI names no token', {
      hint: 'Add token=LABEL or slot-id=NUMBER. `boltseal pkcs11-tool list-tokens` lists them.',
    });
  }
  const wanted = (is: string | number, want: string | number | undefined): boolean =>
    want === undefined || is === want;
  const found = listTokens(module).filter(
    (one) =>
      (one.flags & tokenFlags.tokenInitialized) !== 0 &&
      wanted(one.label, token) &&
      wanted(one.manufacturer, manufacturer) &&
      wanted(one.serial, serial) &&
      wanted(one.model, model) &&
      wanted(one.slotId, slotId),
  );
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  throw new BoltsealError(
    first === undefined ? 'ERR_KEY_NOT_FOUND' : 'ERR_USAGE',
    first === undefined
      ? 'no token is there that is as the PKCS#11 URI says'
      : `${found.length} tokens are as the PKCS#11 URI says`,
    {
      hint: 'Is it plugged in? `boltseal pkcs11-tool list-tokens` lists what there is; add serial=… to tell tokens apart.',
    },
  );
}

/** The code of an error of pkcs11js; undefined for other errors. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** What errors mean that people can do something about. */
const meanings: Readonly<Record<number, readonly [ErrorCode, string, string?]>> = {
  48: ['ERR_KEY_PROVIDER', 'the device failed'],
  49: ['ERR_KEY_PROVIDER', 'the device is out of memory', 'Delete what is not needed on it.'],
  50: ['ERR_KEY_NOT_FOUND', 'the device was taken out'],
  99: ['ERR_KEY_UNSUPPORTED', 'the key is of another type than it says'],
  104: ['ERR_KEY_UNSUPPORTED', 'the key must not be used to sign', 'It needs the attribute CKA_SIGN.'],
  112: ['ERR_KEY_UNSUPPORTED', 'the token cannot do that'],
  160: [
    'ERR_KEY_ACCESS',
    'the PIN is wrong',
    'It was tried once, and is not tried again: after a few wrong ones the token locks itself.',
  ],
  161: ['ERR_KEY_ACCESS', 'the PIN has characters that the token does not take'],
  162: ['ERR_KEY_ACCESS', 'the PIN is too short or too long for the token'],
  163: ['ERR_KEY_ACCESS', 'the PIN has expired', 'Set a new one with the tools of the token.'],
  164: [
    'ERR_KEY_ACCESS',
    'the PIN is locked after too many wrong ones',
    'Its security officer can set a new one.',
  ],
  224: ['ERR_KEY_NOT_FOUND', 'there is no token in the slot'],
  225: ['ERR_KEY_PROVIDER', 'the token is not recognized'],
  226: ['ERR_KEY_ACCESS', 'the token is write-protected'],
  257: ['ERR_KEY_ACCESS', 'the token wants a PIN', 'Set COSIGN_PKCS11_PIN, or run this in a terminal.'],
  258: ['ERR_KEY_ACCESS', 'the token has no PIN yet', 'Set one with the tools of the token.'],
};

/** The error for one of the module: `doing` says what was being done. Never holds a PIN. */
export function moduleError(error: unknown, doing: string): BoltsealError {
  if (error instanceof BoltsealError) return error;
  const [code, why, hint] = meanings[codeOf(error) ?? -1] ?? ['ERR_KEY_PROVIDER', textOf(error).message];
  return new BoltsealError(code, `${doing}: ${why}`, { cause: textOf(error), hint });
}

/** An error of pkcs11js without its stack, which has addresses in it. */
function textOf(error: unknown): Error {
  return new Error(printable(error instanceof Error ? error.message : String(error)));
}
