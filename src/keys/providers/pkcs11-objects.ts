/** Key objects of tokens: finding them, and what public key they are. */
import { X509Certificate } from 'node:crypto';
import { derBitString, derInteger, derNull, derOid, derSequence, derTags, parseDer } from '../../core/der.ts';
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Pkcs11Uri } from '../../formats/pkcs11-uri.ts';
import { type KeyType, type PublicKey, parsePublicKey, publicKeyOf } from '../../formats/public-key.ts';
import { type Attribute, codeOf, type Handle, moduleError, numberOf } from './pkcs11-module.ts';
import type { Session } from './pkcs11-session.ts';

/** Attributes of objects. */
export const attributes = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  value: 0x11,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
  alwaysAuthenticate: 0x202,
} as const;

/** Values of `CKA_CLASS`. */
export const objectClasses = { certificate: 0x1, publicKey: 0x2, privateKey: 0x3 } as const;

/** Values of `CKA_KEY_TYPE`. */
export const keyTypeNumbers = { rsa: 0x0, ec: 0x3, ecEdwards: 0x40 } as const;

/** How a key object is named. */
export interface KeyObjectName {
  readonly label: string;
  /** Empty when it has none. */
  readonly id: Uint8Array;
}

/** The objects of `objectClass` that are named as `uri` says. At most `limits.pkcs11Objects`. */
export function findObjects(
  session: Session,
  objectClass: number,
  uri: Pick<Pkcs11Uri, 'id' | 'object'>,
): readonly Handle[] {
  const { cryptoki } = session.module;
  const template: Attribute[] = [
    { type: attributes.class, value: objectClass },
    ...(uri.object === undefined ? [] : [{ type: attributes.label, value: Buffer.from(uri.object) }]),
    ...(uri.id === undefined ? [] : [{ type: attributes.id, value: Buffer.from(uri.id) }]),
  ];
  const handles: Handle[] = [];
  try {
    cryptoki.C_FindObjectsInit(session.handle, template);
    try {
      for (let found: readonly Handle[]; handles.length < limits.pkcs11Objects; handles.push(...found)) {
        found = cryptoki.C_FindObjects(session.handle, 20);
        if (found.length === 0) break;
      }
    } finally {
      cryptoki.C_FindObjectsFinal(session.handle);
    }
  } catch (error) {
    throw moduleError(error, `looking for keys in the token ${JSON.stringify(session.token.label)}`);
  }
  return handles;
}

/** How an object is named. */
export function nameOf(session: Session, handle: Handle): KeyObjectName {
  return {
    label: Buffer.from(readAttribute(session, handle, attributes.label) ?? []).toString('utf8'),
    id: readAttribute(session, handle, attributes.id) ?? new Uint8Array(0),
  };
}

/** Codes for an attribute that an object does not have, or does not tell. */
const absent: ReadonlySet<number | undefined> = new Set([0x11, 0x12]);

/** The bytes of an attribute; undefined when there are none. */
export function readAttribute(session: Session, object: Handle, type: number): Uint8Array | undefined {
  try {
    const [found] = session.module.cryptoki.C_GetAttributeValue(session.handle, object, [{ type }]);
    return found === undefined || found.value.length === 0 ? undefined : new Uint8Array(found.value);
  } catch (error) {
    if (absent.has(codeOf(error))) return undefined;
    throw moduleError(error, `reading a key of the token ${JSON.stringify(session.token.label)}`);
  }
}

/**
 * The public key named as `uri` says: that of a public key object, of a certificate, or (RSA) of the private key object,
 * whichever is there. Undefined when there is none; `ERR_USAGE` when there are several.
 */
export function readPublicKey(
  session: Session,
  uri: Pick<Pkcs11Uri, 'id' | 'object'>,
): PublicKey | undefined {
  const what = `the key in the token ${JSON.stringify(session.token.label)}`;
  const sources = [
    [objectClasses.publicKey, (one: Handle) => keyOf(session, one, what)],
    [objectClasses.certificate, (one: Handle) => certificateKey(session, one, what)],
    [objectClasses.privateKey, (one: Handle) => keyOf(session, one, what)],
  ] as const;
  for (const [objectClass, read] of sources) {
    const keys = findObjects(session, objectClass, uri).flatMap((handle) => read(handle) ?? []);
    const [first, ...others] = keys;
    if (first === undefined) continue;
    if (others.every(({ spki }) => equalBytes(spki, first.spki))) return first;
    throw several(session, keys.length);
  }
  return undefined;
}

/** The error for a name that several keys have. */
export function several({ token }: Session, count: number): BoltsealError {
  return new BoltsealError(
    'ERR_USAGE',
    `${count} keys of the token ${JSON.stringify(token.label)} are named as the PKCS#11 URI says`,
    { hint: 'Add id=… to the URI. `boltseal pkcs11-tool list-keys-uris` lists them.' },
  );
}

function certificateKey(session: Session, object: Handle, what: string): PublicKey | undefined {
  const der = readAttribute(session, object, attributes.value);
  if (der === undefined) return undefined;
  try {
    return publicKeyOf(new X509Certificate(der).publicKey, what);
  } catch (error) {
    if (isBoltsealError(error)) throw error;
    // A certificate that is none is not the one that is looked for.
    return undefined;
  }
}

const oids = { rsa: '1.2.840.113549.1.1.1', ec: '1.2.840.10045.2.1', ed25519: '1.3.101.112' } as const;

/** The public key that the attributes of a key object say; undefined when they say none. */
function keyOf(session: Session, object: Handle, what: string): PublicKey | undefined {
  const read = (type: number): Uint8Array | undefined => readAttribute(session, object, type);
  const type = read(attributes.keyType);
  if (type === undefined) return undefined;
  if (numberOf(type) === keyTypeNumbers.rsa) {
    const [modulus, exponent] = [read(attributes.modulus), read(attributes.publicExponent)];
    if (modulus === undefined || exponent === undefined) return undefined;
    const key = derSequence(derInteger(modulus), derInteger(exponent));
    return parsePublicKey(spki(derSequence(derOid(oids.rsa), derNull()), key), what);
  }
  const point = read(attributes.ecPoint);
  const params = read(attributes.ecParams);
  if (point === undefined || params === undefined) return undefined;
  const isEdwards = numberOf(type) === keyTypeNumbers.ecEdwards;
  const algorithm = isEdwards ? derSequence(derOid(oids.ed25519)) : derSequence(derOid(oids.ec), params);
  return parsePublicKey(spki(algorithm, pointBytes(point)), what);
}

function spki(algorithm: Uint8Array, key: Uint8Array): Uint8Array {
  return derSequence(algorithm, derBitString(key));
}

/** Bytes of points that are not wrapped: one and two coordinates of P-256, P-384 and P-521, and Ed25519. */
const pointLengths: ReadonlySet<number> = new Set([65, 97, 133, 32]);

/** The standard wraps points into an OCTET STRING; some tokens do not. No wrapped point is as long as a plain one. */
function pointBytes(point: Uint8Array): Uint8Array {
  if (pointLengths.has(point.length)) return point;
  return parseDer(point, 'the point of a key', derTags.octetString).content;
}

/** `CKA_EC_PARAMS` of the curves. */
export const curveParams: Readonly<Partial<Record<KeyType, Uint8Array>>> = {
  'ecdsa-p256': derOid('1.2.840.10045.3.1.7'),
  'ecdsa-p384': derOid('1.3.132.0.34'),
  'ecdsa-p521': derOid('1.3.132.0.35'),
  ed25519: derOid(oids.ed25519),
};
