/**
 * The extensions by which a Sigstore certificate tells who signed: the issuer of the identity token, and for CI
 * systems what was built from what. Those that are deprecated hold raw text, the others a UTF8String.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md}
 */
import { derOctetString, derOid, derSequence, derTags, derUtf8, encodeDer, parseDer } from '../core/der.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Certificate } from './certificate.ts';

/** Below this arc stand all of them, and the type of a `username`'s otherName. */
const arc = '1.3.6.1.4.1.57264.1';

/** The type of the otherName that holds a user name (`name!domain`). */
export const usernameOid: string = `${arc}.7`;

/** The last number of each object identifier, in the order of a certificate. Raw ones are deprecated. */
const table = [
  [1, 'issuer', 'raw'],
  [2, 'github-workflow-trigger', 'raw'],
  [3, 'github-workflow-sha', 'raw'],
  [4, 'github-workflow-name', 'raw'],
  [5, 'github-workflow-repository', 'raw'],
  [6, 'github-workflow-ref', 'raw'],
  [8, 'issuer', 'utf8'],
  [9, 'build-signer-uri', 'utf8'],
  [10, 'build-signer-digest', 'utf8'],
  [11, 'runner-environment', 'utf8'],
  [12, 'source-repository-uri', 'utf8'],
  [13, 'source-repository-digest', 'utf8'],
  [14, 'source-repository-ref', 'utf8'],
  [15, 'source-repository-identifier', 'utf8'],
  [16, 'source-repository-owner-uri', 'utf8'],
  [17, 'source-repository-owner-identifier', 'utf8'],
  [18, 'build-config-uri', 'utf8'],
  [19, 'build-config-digest', 'utf8'],
  [20, 'build-trigger', 'utf8'],
  [21, 'run-invocation-uri', 'utf8'],
  [22, 'source-repository-visibility-at-signing', 'utf8'],
  [23, 'deployment-environment', 'utf8'],
  [24, 'subject', 'utf8'],
] as const;

/** A name of a {@link FulcioExtensions} member, as Fulcio's configuration spells it. */
export type FulcioExtensionName = (typeof table)[number][1];

/** What the extensions of a certificate say. Empty texts are left out. */
export type FulcioExtensions = Readonly<Partial<Record<FulcioExtensionName, string>>>;

/** Every name once, in the order of a certificate. */
export const fulcioExtensionNames: readonly FulcioExtensionName[] = [
  ...new Set(table.map(([, name]) => name)),
];

/** The content of the arc's object identifier. */
const arcContent = derOid(arc).subarray(2);

const encodings = table.map(([number, name, encoding]) => ({
  number,
  oid: `${arc}.${number}`,
  name,
  isRaw: encoding === 'raw',
}));

/** The object identifier of an extension, dotted; of `issuer`, which has two, the deprecated one. */
export function fulcioExtensionOid(name: FulcioExtensionName): string {
  return `${arc}.${table.find((row) => row[1] === name)?.[0]}`;
}

/** Extension DER each, in order; `issuer` is written twice, in the deprecated and in the present form. */
export function encodeFulcioExtensions(values: FulcioExtensions): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const { number, name, isRaw } of encodings) {
    const text = values[name];
    if (text === undefined || text === '') continue;
    // A number below 128 is one byte more than the arc.
    const oid = encodeDer(derTags.objectIdentifier, arcContent, Uint8Array.of(number));
    found.push(derSequence(oid, derOctetString(isRaw ? utf8(text) : derUtf8(text))));
  }
  return found;
}

/**
 * Reads them from a certificate. Throws `ERR_CERTIFICATE_INVALID` when one is malformed, or the two forms of the issuer
 * differ.
 */
export function parseFulcioExtensions(
  certificate: Pick<Certificate, 'extensions'>,
  what = 'the certificate',
): FulcioExtensions {
  const found: Partial<Record<FulcioExtensionName, string>> = {};
  for (const { oid, name, isRaw } of encodings) {
    const extension = certificate.extensions.get(oid);
    if (extension === undefined) continue;
    let text: string;
    try {
      const bytes = isRaw ? extension.value : parseDer(extension.value, name, derTags.utf8String).content;
      text = fromUtf8(bytes, name);
    } catch (cause) {
      throw new BoltsealError('ERR_CERTIFICATE_INVALID', `the extension ${name} of ${what} is malformed`, {
        cause,
      });
    }
    if (found[name] !== undefined && found[name] !== text) {
      throw new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} names two issuers of its identity`);
    }
    found[name] = text;
  }
  return found;
}

/** One extension below Fulcio's arc, as it stands in a certificate. */
export interface FulcioExtensionText {
  /** Dotted. */
  readonly oid: string;
  /** Undefined when it is not known here. */
  readonly name: FulcioExtensionName | undefined;
  /** Undefined when it is malformed. */
  readonly text: string | undefined;
}

/** Every extension below Fulcio's arc, in the order of the certificate, for people to look at. Throws nothing. */
export function listFulcioExtensions(
  certificate: Pick<Certificate, 'extensions'>,
): readonly FulcioExtensionText[] {
  const found: FulcioExtensionText[] = [];
  for (const { oid, value } of certificate.extensions.values()) {
    if (!oid.startsWith(`${arc}.`)) continue;
    const known = encodings.find((encoding) => encoding.oid === oid);
    let text: string | undefined;
    try {
      const isRaw = known?.isRaw ?? false;
      text = fromUtf8(isRaw ? value : parseDer(value, oid, derTags.utf8String).content, oid);
    } catch {
      text = undefined;
    }
    found.push({ oid, name: known?.name, text });
  }
  return found;
}
