/** What is in tokens: tokens of a module, keys of a token. */
import { BoltsealError } from '../../core/errors.ts';
import { formatPkcs11Uri } from '../../formats/pkcs11-uri.ts';
import type { KeyContext } from '../provider.ts';
import { listTokens, openModule, type Token, tokenFlags } from './pkcs11-module.ts';
import { findObjects, nameOf, objectClasses, readPublicKey } from './pkcs11-objects.ts';
import { createSessions, pinSource } from './pkcs11-session.ts';

/** The tokens of the module at `path`. Throws as {@link openModule}. */
export async function tokensOf(path: string | undefined): Promise<readonly Omit<Token, 'slot' | 'flags'>[]> {
  const tokens = listTokens(await openModule(path));
  return tokens.map(({ slotId, label, manufacturer, model, serial }) => ({
    slotId,
    label,
    manufacturer,
    model,
    serial,
  }));
}

/** A key of a token. */
export interface ListedKey {
  readonly label: string;
  /** Hexadecimal; empty when it has none. */
  readonly id: string;
  /** Undefined when its public half is not in the token, or of a kind that is not supported. */
  readonly keyType: string | undefined;
  /** What `--key` takes. There is no PIN in it. */
  readonly uri: string;
}

/**
 * The private keys of the token in `slotId`, or of the only token there is. Throws as {@link openModule}; `ERR_USAGE` when
 * there are several tokens, `ERR_KEY_NOT_FOUND` when there is none, `ERR_KEY_ACCESS`.
 */
export async function keysOf(
  path: string | undefined,
  slotId: number | undefined,
  context: KeyContext,
): Promise<readonly ListedKey[]> {
  const module = await openModule(path);
  const token = chosen(listTokens(module), slotId);
  const needsLogin = (token.flags & tokenFlags.loginRequired) !== 0;
  const pin = needsLogin ? pinSource({}, token, context) : undefined;
  return await createSessions({ module, token, pin }).run(async (session) =>
    findObjects(session, objectClasses.privateKey, {}).flatMap((handle) => {
      const { label, id } = nameOf(session, handle);
      if (label === '' && id.length === 0) return [];
      const name = { id: id.length === 0 ? undefined : id, object: label === '' ? undefined : label };
      let keyType: string | undefined;
      try {
        keyType = readPublicKey(session, name)?.type;
      } catch {
        // Listed all the same: somebody may look for it.
      }
      const uri = formatPkcs11Uri({
        token: token.label,
        slotId: token.slotId,
        ...name,
        modulePath: module.path,
      });
      return [{ label, id: Buffer.from(id).toString('hex'), keyType, uri }];
    }),
  );
}

function chosen(tokens: readonly Token[], slotId: number | undefined): Token {
  const ready = tokens.filter(({ flags }) => (flags & tokenFlags.tokenInitialized) !== 0);
  const found = slotId === undefined ? ready : ready.filter((token) => token.slotId === slotId);
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  throw new BoltsealError(
    first === undefined ? 'ERR_KEY_NOT_FOUND' : 'ERR_USAGE',
    first === undefined ? 'the module has no such token' : `the module has ${found.length} tokens`,
    { hint: 'Name one with --slot-id. `boltseal pkcs11-tool list-tokens` lists them.' },
  );
}
