/** Keys and certificates made at once, of every shape that a test wants. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { encodeCertificate, encodeTbsStart, joinTbs } from '../../src/formats/certificate.ts';
import {
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  type GeneralName,
  type KeyUsage,
  keyIdentifier,
} from '../../src/formats/extensions.ts';
import type { FulcioExtensions } from '../../src/formats/fulcio-extensions.ts';
import type { EntryHash } from '../../src/formats/log-entry-v1.ts';
import { sha256 } from '../../src/formats/merkle.ts';
import { encodeName } from '../../src/formats/name.ts';
import { type PublicKey, publicKeyOf } from '../../src/formats/public-key.ts';
import { type SignatureAlgorithm, signatureAlgorithms } from '../../src/formats/signature-algorithm.ts';

/** When everything is signed, unless told otherwise. */
export const signingTime: Date = new Date('2026-11-22T09:00:00Z');

/** `signingTime` and some seconds. */
export function after(seconds: number): Date {
  return new Date(signingTime.getTime() + seconds * 1_000);
}

/** Seconds. */
export const year: number = 366 * 86_400;

/** A key pair that signs at once. */
export interface TestKey {
  readonly publicKey: PublicKey;
  readonly privateKey: KeyObject;
  /** Over SHA-256, or what is given; Ed25519 over the message itself. */
  sign(message: Uint8Array, hash?: EntryHash): Uint8Array;
}

/** A new key pair. */
export function newKey(kind: 'P-256' | 'P-384' | 'P-521' | 'ed25519' | 'rsa' = 'P-256'): TestKey {
  const { privateKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
  return {
    privateKey,
    publicKey: publicKeyOf(privateKey, 'a test key'),
    sign: (message, hash = 'sha256') =>
      new Uint8Array(sign(kind === 'ed25519' ? null : hash, message, privateKey)),
  };
}

/** A certificate and its key. */
export interface TestAuthority {
  readonly der: Uint8Array;
  readonly subject: Uint8Array;
  readonly key: TestKey;
}

/** What a certificate is made of. */
export interface CertificateChoices {
  readonly subject: Uint8Array;
  readonly key: TestKey;
  /** Itself when it is left out. */
  readonly issuer?: TestAuthority | undefined;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly extensions: readonly Uint8Array[];
  readonly algorithm?: SignatureAlgorithm;
  readonly serial?: Uint8Array;
}

/** Certificate DER; with `finish` the extensions are completed by what it makes of the TBSCertificate without them. */
export function makeCertificate(
  choices: CertificateChoices,
  finish: (tbs: Uint8Array) => readonly Uint8Array[] = () => [],
): Uint8Array {
  const { subject, key, issuer, extensions } = choices;
  const signer = issuer?.key ?? key;
  const algorithm = choices.algorithm ?? algorithmOf(signer);
  const start = encodeTbsStart({
    serial: choices.serial ?? sha256(key.publicKey.spki).subarray(0, 16),
    signatureAlgorithm: algorithm.identifier,
    issuer: issuer?.subject ?? subject,
    notBefore: choices.notBefore ?? after(-year),
    notAfter: choices.notAfter ?? after(10 * year),
    subject,
    spki: key.publicKey.spki,
  });
  const tbs = joinTbs(start, [...extensions, ...finish(joinTbs(start, extensions))]);
  const hash = algorithm.hash ?? undefined;
  return encodeCertificate(tbs, algorithm.identifier, signer.sign(tbs, hash));
}

/** What a key signs certificates and timestamps with. */
export function algorithmOf({ publicKey }: TestKey): SignatureAlgorithm {
  if (publicKey.type === 'ed25519') return signatureAlgorithms.ed25519;
  if (publicKey.type.startsWith('rsa')) return signatureAlgorithms.rsaSha256;
  return publicKey.type === 'ecdsa-p384' ? signatureAlgorithms.ecdsaSha384 : signatureAlgorithms.ecdsaSha256;
}

/** The extensions of an authority. */
export function authorityExtensions(
  key: TestKey,
  choices: {
    readonly pathLength?: number;
    readonly purposes?: readonly string[];
    readonly uses?: readonly KeyUsage[];
    readonly extra?: readonly Uint8Array[];
  } = {},
): Uint8Array[] {
  const { purposes, uses = ['keyCertSign', 'cRLSign'], extra = [], pathLength } = choices;
  return [
    encodeKeyUsage(uses),
    encodeBasicConstraints({ ca: true, pathLength }),
    ...(purposes === undefined ? [] : [encodeExtendedKeyUsage(purposes)]),
    encodeSubjectKeyIdentifier(keyIdentifier(key.publicKey.spki)),
    ...extra,
  ];
}

/** An authority: by itself, or by another. */
export function makeAuthority(
  name: string,
  key: TestKey,
  choices: Omit<CertificateChoices, 'subject' | 'key' | 'extensions'> &
    Parameters<typeof authorityExtensions>[1] = {},
): TestAuthority {
  const subject = encodeName({ organization: 'world', commonName: name });
  const extensions = authorityExtensions(key, choices);
  return { subject, key, der: makeCertificate({ ...choices, subject, key, extensions }) };
}

/** What is chosen for a signer's certificate. */
export interface LeafChoices {
  readonly key?: TestKey;
  readonly names?: readonly GeneralName[];
  readonly fulcio?: FulcioExtensions;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly uses?: readonly KeyUsage[];
  readonly purposes?: readonly string[];
  readonly extra?: readonly Uint8Array[];
  readonly issuer?: TestAuthority;
  readonly subject?: Uint8Array;
  /** SCTs in place of the usual one; `tbs` is the TBSCertificate without them. */
  readonly scts?: (tbs: Uint8Array, issuer: TestAuthority) => readonly Uint8Array[];
}

/** A signer: its key, its certificate, and what a log entry names it by. */
export interface TestSigner {
  readonly key: TestKey;
  readonly certificate?: Uint8Array;
}
