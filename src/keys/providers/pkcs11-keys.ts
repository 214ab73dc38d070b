/** Signing, verifying and making keys in tokens that speak PKCS#11. */
import { hash } from 'node:crypto';
import { concatBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { formatPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri } from '../../formats/pkcs11-uri.ts';
import type { KeyType, PublicKey } from '../../formats/public-key.ts';
import { derEcdsaSignature } from '../ecdsa-signature.ts';
import type { GeneratedKey, KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import type { KeyPlace } from './lazy.ts';
import {
  findToken,
  moduleError,
  openModule,
  type Pkcs11Module,
  type Token,
  tokenFlags,
} from './pkcs11-module.ts';
import {
  attributes,
  curveParams,
  findObjects,
  type KeyObjectName,
  keyTypeNumbers,
  nameOf,
  objectClasses,
  readAttribute,
  readPublicKey,
  several,
} from './pkcs11-objects.ts';
import { createSessions, pinSource, type Session, type Sessions } from './pkcs11-session.ts';

/** Everything about keys behind `pkcs11:` URIs. */
export const pkcs11Place: KeyPlace = {
  async loadSigner(reference, context) {
    const key = await openKey(reference, context);
    const sessions = createSessions({ ...key, pin: pinSource(key.uri, key.token, context) });
    const found = await sessions.run(async (session) => privateKeyOf(session, key.uri));
    return remoteSigner({
      publicKey: found.publicKey,
      reference: pinned(key, found.name),
      what: key.what,
      sign: (message) => sign(sessions, key, found, message),
    });
  },

  async loadVerificationKeys(reference, context) {
    const key = await openKey(reference, context);
    // Public keys are mostly public objects, for which nobody needs a PIN.
    const open = createSessions(key);
    const found = await open.run(async (session) => readPublicKey(session, key.uri));
    if (found !== undefined) return [found];
    if ((key.token.flags & tokenFlags.loginRequired) === 0) throw noKey(key.token);
    const sessions = createSessions({ ...key, pin: pinSource(key.uri, key.token, context) });
    const hidden = await sessions.run(async (session) => readPublicKey(session, key.uri));
    if (hidden === undefined) throw noKey(key.token);
    return [hidden];
  },

  async generate(reference, keyType, context) {
    const key = await openKey(reference, context);
    const pin = pinSource(key.uri, key.token, context);
    const sessions = createSessions({ ...key, pin, write: true });
    return await sessions.run((session) => generate(session, key, keyType, context));
  },
};

/** A key by its URI, and the token it is in. */
interface OpenKey {
  readonly uri: Pkcs11Uri;
  readonly module: Pkcs11Module;
  readonly token: Token;
  /** In errors. */
  readonly what: string;
}

async function openKey(reference: string, { runtime }: KeyContext): Promise<OpenKey> {
  const uri = parsePkcs11Uri(reference);
  if (uri.object === undefined && uri.id === undefined) {
    throw new BoltsealError('ERR_USAGE', 'the PKCS#11 URI names no key', {
      hint: 'Add object=LABEL or id=%01. `boltseal pkcs11-tool list-keys-uris` lists them.',
    });
  }
  const { env } = runtime;
  const path = uri.modulePath ?? (env['BOLTSEAL_PKCS11_MODULE_PATH'] || env['COSIGN_PKCS11_MODULE_PATH']);
  const module = await openModule(path);
  const token = findToken(module, uri);
  return { uri, module, token, what: `the token ${JSON.stringify(token.label)}` };
}

/** The reference to exactly this key: the token by its serial number, the key by its identifier. No PIN is in it. */
function pinned({ uri, module, token }: OpenKey, { id, label }: Pick<KeyObjectName, 'id' | 'label'>): string {
  return formatPkcs11Uri({
    token: token.label === '' ? undefined : token.label,
    serial: token.serial === '' ? undefined : token.serial,
    slotId: token.label === '' ? uri.slotId : undefined,
    id: id.length === 0 ? undefined : id,
    object: label === '' ? undefined : label,
    modulePath: module.path,
  });
}

function noKey({ label }: Token): BoltsealError {
  return new BoltsealError(
    'ERR_KEY_NOT_FOUND',
    `the token ${JSON.stringify(label)} has no key as the PKCS#11 URI says`,
    {
      hint: '`boltseal pkcs11-tool list-keys-uris` lists what it has; `boltseal generate-key-pair URI` makes a key.',
    },
  );
}

/** A private key of a token, and its public half. */
interface PrivateKey {
  readonly name: KeyObjectName;
  readonly publicKey: PublicKey;
  /** The token wants the PIN for each signature. */
  readonly asksEachTime: boolean;
}

/** The one private key that `uri` names. */
function privateKeyOf(session: Session, uri: Pkcs11Uri): PrivateKey {
  const [handle, ...others] = findObjects(session, objectClasses.privateKey, uri);
  if (handle === undefined) throw noKey(session.token);
  if (others.length > 0) throw several(session, others.length + 1);
  const name = nameOf(session, handle);
  const publicKey = readPublicKey(session, name.id.length > 0 ? { id: name.id } : { object: name.label });
  const asksEachTime = readAttribute(session, handle, attributes.alwaysAuthenticate)?.[0] === 1;
  if (publicKey !== undefined) return { name, publicKey, asksEachTime };
  throw new BoltsealError(
    'ERR_KEY_NOT_FOUND',
    `the token ${JSON.stringify(session.token.label)} has the private key and not its public half`,
    { hint: 'Put the public key, or a certificate with it, into the token, under the same id.' },
  );
}

const mechanisms = {
  rsaPkcs: 0x1,
  ecdsa: 0x1041,
  eddsa: 0x1057,
  rsaKeyPairGen: 0x0,
  ecKeyPairGen: 0x1040,
  ecEdwardsKeyPairGen: 0x1055,
} as const;

/** `DigestInfo` of SHA-256 up to the digest. {@link https://www.rfc-editor.org/rfc/rfc8017#section-9.2} */
const digestInfo: Uint8Array = new Uint8Array(Buffer.from('3031300d060960864801650304020105000420', 'hex'));

/** Longer than every signature: RSA of 4096 bits has 512 bytes. */
const signatureBytes = 1_024;

/** Hashes here: not every token hashes, and all of them sign a digest. */
async function sign(
  sessions: Sessions,
  { uri, what }: OpenKey,
  { publicKey, asksEachTime }: PrivateKey,
  message: Uint8Array,
): Promise<Uint8Array> {
  const digest = new Uint8Array(hash('sha256', message, 'buffer'));
  const [mechanism, data] =
    publicKey.type === 'ed25519'
      ? [mechanisms.eddsa, message]
      : publicKey.type.startsWith('rsa')
        ? [mechanisms.rsaPkcs, concatBytes(digestInfo, digest)]
        : [mechanisms.ecdsa, digest];
  const signature = await sessions.run(async (session) => {
    const { cryptoki } = session.module;
    // Handles are of a session.
    const [key] = findObjects(session, objectClasses.privateKey, uri);
    if (key === undefined) throw noKey(session.token);
    try {
      cryptoki.C_SignInit(session.handle, { mechanism }, key);
      if (asksEachTime) await session.confirm();
      const output = Buffer.alloc(signatureBytes);
      return new Uint8Array(await cryptoki.C_SignAsync(session.handle, Buffer.from(data), output));
    } catch (error) {
      throw moduleError(error, `signing with ${what}`);
    }
  });
  return mechanism === mechanisms.ecdsa ? derEcdsaSignature(signature, publicKey.type, what) : signature;
}

/** The key of that name that is there already. Throws `ERR_KEY_EXISTS` when it is not one of `keyType`. */
function existingKey(session: Session, key: OpenKey, keyType: KeyType): GeneratedKey | undefined {
  const { uri, what } = key;
  const found = [objectClasses.privateKey, objectClasses.publicKey].flatMap((one) =>
    findObjects(session, one, uri),
  );
  if (found.length === 0) return undefined;
  const isPair = findObjects(session, objectClasses.privateKey, uri).length === 1;
  const { publicKey, name } = isPair ? privateKeyOf(session, uri) : {};
  if (publicKey?.type === keyType && name !== undefined) return { reference: pinned(key, name), publicKey };
  throw new BoltsealError('ERR_KEY_EXISTS', `${what} has something else of that name already`, {
    hint: 'Choose another label or id. `boltseal pkcs11-tool list-keys-uris` lists what there is.',
  });
}

async function generate(
  session: Session,
  key: OpenKey,
  keyType: KeyType,
  { runtime }: KeyContext,
): Promise<GeneratedKey> {
  const { uri, what } = key;
  const existing = existingKey(session, key, keyType);
  if (existing !== undefined) return existing;
  const { cryptoki } = session.module;
  const id = Buffer.from(uri.id ?? runtime.random(16));
  const mechanism = generationMechanism(session, keyType, what);
  const both = [
    { type: attributes.token, value: true },
    { type: attributes.id, value: id },
    { type: attributes.label, value: Buffer.from(uri.object ?? '') },
    { type: attributes.keyType, value: numberOfType(keyType) },
  ];
  const publicTemplate = [
    { type: attributes.class, value: objectClasses.publicKey },
    ...both,
    { type: attributes.private, value: false },
    { type: attributes.verify, value: true },
    ...parametersOf(keyType),
  ];
  const privateTemplate = [
    { type: attributes.class, value: objectClasses.privateKey },
    ...both,
    { type: attributes.private, value: true },
    { type: attributes.sensitive, value: true },
    { type: attributes.extractable, value: false },
    { type: attributes.sign, value: true },
  ];
  try {
    await cryptoki.C_GenerateKeyPairAsync(session.handle, { mechanism }, publicTemplate, privateTemplate);
  } catch (error) {
    throw moduleError(error, `making a key in ${what}`);
  }
  const name = { id: new Uint8Array(id), label: uri.object ?? '' };
  const publicKey = readPublicKey(session, { id: name.id });
  if (publicKey?.type === keyType) return { reference: pinned(key, name), publicKey };
  throw new BoltsealError('ERR_KEY_PROVIDER', `${what} made a key, and does not have it as it should`);
}

/** Throws `ERR_KEY_UNSUPPORTED` when the token cannot make such keys, or cannot sign with them. */
function generationMechanism({ module, token }: Session, keyType: KeyType, what: string): number {
  const [make, use] =
    keyType === 'ed25519'
      ? [mechanisms.ecEdwardsKeyPairGen, mechanisms.eddsa]
      : keyType.startsWith('rsa')
        ? [mechanisms.rsaKeyPairGen, mechanisms.rsaPkcs]
        : [mechanisms.ecKeyPairGen, mechanisms.ecdsa];
  let known: readonly number[];
  try {
    known = module.cryptoki.C_GetMechanismList(token.slot);
  } catch (error) {
    throw moduleError(error, `asking ${what} what it can do`);
  }
  if (known.includes(make) && known.includes(use)) return make;
  throw new BoltsealError(
    'ERR_KEY_UNSUPPORTED',
    `${what} makes no ${keyType} keys, or does not sign with them`,
    {
      hint: 'Choose another --key-type; every token with elliptic curves has ecdsa-p256.',
    },
  );
}

function numberOfType(keyType: KeyType): number {
  if (keyType === 'ed25519') return keyTypeNumbers.ecEdwards;
  return keyType.startsWith('rsa') ? keyTypeNumbers.rsa : keyTypeNumbers.ec;
}

function parametersOf(
  keyType: KeyType,
): readonly { readonly type: number; readonly value: number | Uint8Array }[] {
  const curve = curveParams[keyType];
  if (curve !== undefined) return [{ type: attributes.ecParams, value: Buffer.from(curve) }];
  return [
    { type: attributes.modulusBits, value: Number(keyType.slice('rsa-'.length)) },
    { type: attributes.publicExponent, value: Buffer.from([1, 0, 1]) },
  ];
}
