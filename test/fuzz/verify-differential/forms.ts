/** The form of bodies of log entries and of statements, written down a second time. */
import { createHash } from 'node:crypto';
import type { Document } from './build.ts';
import type { EntryFacts } from './facts.ts';
import type { Trial } from './trial.ts';

/** A text of a form, what a function takes, a list with something in it, or an object with these members. */
type Form = RegExp | ((value: Document) => boolean) | readonly [Form] | { readonly [name: string]: Form };

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?<!^)$/;
/** Base64 of a key or certificate in PEM: one block, and nothing around it but white space. */
function pem(value: Document): boolean {
  if (typeof value !== 'string' || !base64.test(value)) return false;
  const text = Buffer.from(value, 'base64').toString();
  return /^\s*-----BEGIN (CERTIFICATE|PUBLIC KEY)-----\s[A-Za-z0-9+/=\s]+-----END \1-----\s*$/.test(text);
}

/** Base64 of base64. */
function twice(value: Document): boolean {
  return (
    typeof value === 'string' &&
    base64.test(value) &&
    base64.test(Buffer.from(value, 'base64').toString('latin1'))
  );
}

const sha256: Form = { algorithm: /^sha256$/, value: /^[0-9a-f]{64}$/ };
const text = /^(?!.*\p{Surrogate}).+$/su;

/** Whether a value has a form. Members whose name ends with a question mark may be absent; null is absence. */
function fits(value: Document, form: Form): boolean {
  if (form instanceof RegExp) return typeof value === 'string' && form.test(value);
  if (typeof form === 'function') return form(value);
  if (Array.isArray(form)) {
    return (
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= 10 &&
      value.every((item) => fits(item, form[0]))
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const members = form as { readonly [name: string]: Form };
  const names = Object.keys(value).filter((name) => value[name] !== null);
  return (
    Object.keys(value).every((name) => Object.hasOwn(members, name) || Object.hasOwn(members, `${name}?`)) &&
    Object.entries(members).every(([name, one]) => {
      const plain = name.replace(/\?$/, '');
      return names.includes(plain) ? fits(value[plain], one) : name.endsWith('?');
    })
  );
}

const hashed: readonly Form[] = [64, 96, 128].map((digits) => ({
  apiVersion: /^0\.0\.1$/,
  kind: /^hashedrekord$/,
  spec: {
    data: {
      hash: { algorithm: new RegExp(`^sha${digits * 4}$`), value: new RegExp(`^[0-9a-f]{${digits}}$`) },
    },
    signature: { content: base64, publicKey: { content: pem } },
  },
}));

/** A value of an enumeration, which ProtoJSON writes by its name or its number. */
function enumeration(names: Readonly<Record<string, number>>): Form {
  return (value) =>
    typeof value === 'number'
      ? Object.values(names).includes(value)
      : typeof value === 'string' && Object.hasOwn(names, value);
}

const keyDetails = enumeration({
  PKIX_ECDSA_P256_SHA_256: 5,
  PKIX_ED25519_PH: 8,
  PKIX_RSA_PKCS1V15_2048_SHA256: 9,
  PKIX_RSA_PKCS1V15_3072_SHA256: 10,
  PKIX_RSA_PKCS1V15_4096_SHA256: 11,
  PKIX_ECDSA_P384_SHA_384: 12,
  PKIX_ECDSA_P521_SHA_512: 13,
});

/** Digests that entries of Rekor v2 have, by name and number. */
export const digestNumbers: Readonly<Record<string, number>> = { SHA2_256: 1, SHA2_384: 2, SHA2_512: 3 };

const signatures: readonly Form[] = [
  { content: base64, verifier: { keyDetails, x509Certificate: { rawBytes: base64 } } },
  { content: base64, verifier: { keyDetails, publicKey: { rawBytes: base64 } } },
];

const lengths = { 256: 44, 384: 64, 512: 88 } as const;

const envelope = {
  payloadType: text,
  signatures: [{ publicKey: pem, sig: twice, 'keyid?': /^/ }],
} as const;

const forms: Readonly<Record<string, readonly Form[]>> = {
  'hashedrekord 0.0.1': hashed,
  'dsse 0.0.1': [
    {
      apiVersion: /^0\.0\.1$/,
      kind: /^dsse$/,
      spec: {
        envelopeHash: sha256,
        payloadHash: sha256,
        signatures: [{ signature: base64, verifier: pem }],
      },
    },
  ],
  'intoto 0.0.2': [
    {
      apiVersion: /^0\.0\.2$/,
      kind: /^intoto$/,
      spec: { content: { envelope, hash: sha256, payloadHash: sha256 } },
    },
    // The payload may be there, though Rekor leaves it out; then its hash is nothing new.
    {
      apiVersion: /^0\.0\.2$/,
      kind: /^intoto$/,
      spec: {
        content: { envelope: { ...envelope, payload: twice }, hash: sha256, 'payloadHash?': sha256 },
      },
    },
  ],
  'hashedrekord 0.0.2': signatures.flatMap((signature) =>
    Object.entries(lengths).map(([bits, length]) => ({
      apiVersion: /^0\.0\.2$/,
      kind: /^hashedrekord$/,
      spec: {
        hashedRekordV002: {
          data: {
            algorithm: enumeration({ [`SHA2_${bits}`]: digestNumbers[`SHA2_${bits}`] ?? 0 }),
            digest: new RegExp(`^[A-Za-z0-9+/=]{${length}}$`),
          },
          signature,
        },
      },
    })),
  ),
  'dsse 0.0.2': signatures.map((signature) => ({
    apiVersion: /^0\.0\.2$/,
    kind: /^dsse$/,
    spec: {
      dsseV002: {
        payloadHash: { algorithm: enumeration({ SHA2_256: 1 }), digest: /^[A-Za-z0-9+/]{43}=$/ },
        signatures: [signature],
      },
    },
  })),
};

/** Whether the body of an entry is one of the type that stands beside it, in UTF-8. */
export function entryFits({ kind, version, body, bodyText }: EntryFacts): boolean {
  const list = forms[`${kind} ${version}`] ?? [];
  return !bodyText.includes('\ufffd') && list.some((form) => fits(body, form));
}

/** The payload of an envelope as text; undefined when it is not UTF-8. */
export function payloadOf({ payload }: { readonly payload: Uint8Array }): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    return undefined;
  }
}

const digests: Readonly<Record<string, RegExp>> = { sha256: /^[0-9a-f]{64}$/, sha512: /^[0-9a-f]{128}$/ };

/** Whether a text is a statement about the artifact of a trial. */
export function statementFits(payload: string | undefined, { artifact }: Trial): boolean {
  let statement: Document;
  try {
    statement = JSON.parse(payload ?? '');
  } catch {
    return false;
  }
  const { _type: type, subject, predicateType } = statement ?? {};
  if (!/^https:\/\/in-toto\.io\/Statement\/v(?:0\.1|1)$/.test(type)) return false;
  if (typeof predicateType !== 'string' || predicateType === '' || !Array.isArray(subject)) return false;
  const known = (name: string): string | undefined =>
    artifact.kind === 'bytes'
      ? createHash(name).update(artifact.bytes).digest('hex')
      : name === 'sha256'
        ? Buffer.from(artifact.sha256).toString('hex')
        : undefined;
  const isWellFormed = subject.every(({ digest }: Document) =>
    Object.entries(digest ?? {}).every(([name, value]) => digests[name]?.test(String(value)) ?? true),
  );
  const isAbout = ({ digest }: Document): boolean => {
    const judged = Object.keys(digests)
      .filter((name) => digest?.[name] !== undefined && known(name) !== undefined)
      .map((name) => digest[name] === known(name));
    return judged.includes(true) && !judged.includes(false);
  };
  return isWellFormed && subject.some(isAbout);
}
