/** Predicate types by cosign’s short names, and what of a file becomes the predicate. */
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

/**
 * The short names and what they stand for.
 * {@link https://github.com/sigstore/cosign/blob/v3.0.2/specs/ATTESTATION_SPEC.md}
 */
export const predicateTypes: Readonly<Record<string, string>> = {
  custom: 'https://cosign.sigstore.dev/attestation/v1',
  slsaprovenance: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance02: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance1: 'https://slsa.dev/provenance/v1',
  link: 'https://in-toto.io/Link/v1',
  spdx: 'https://spdx.dev/Document',
  spdxjson: 'https://spdx.dev/Document',
  cyclonedx: 'https://cyclonedx.org/bom',
  vuln: 'https://cosign.sigstore.dev/attestation/vuln/v1',
  openvex: 'https://openvex.dev/ns',
};

/** The predicate type that `word` names: a short name or a URI. Throws `ERR_USAGE`. */
export function predicateTypeOf(word: string): string {
  const known = Object.hasOwn(predicateTypes, word) ? predicateTypes[word] : undefined;
  if (known !== undefined) return known;
  if (word.length <= limits.issuerUrlLength && /^[a-z][a-z0-9+.-]*:\S+$/i.test(word) && URL.canParse(word))
    return word;
  throw new BoltsealError('ERR_USAGE', `${JSON.stringify(word.slice(0, 80))} is no predicate type`, {
    hint: `Use a URI, or ${Object.keys(predicateTypes).join(', ')}.`,
  });
}

/**
 * The predicate made of a file, as cosign does it: its JSON as it stands there; for `custom` its text with the time; for
 * `spdx` its text alone, which is SPDX's own form and no JSON object. Throws `ERR_USAGE` when it is no JSON object, `ERR_LIMIT_EXCEEDED`, `ERR_JSON_INVALID` and `ERR_ENCODING_INVALID`.
 */
export function predicateOf(word: string, file: Uint8Array, now: Date): Uint8Array {
  if (file.length > limits.predicateBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the predicate has ${file.length} bytes; the limit is ${limits.predicateBytes}`,
    );
  }
  if (predicateTypeOf(word) === predicateTypes['custom']) {
    const Timestamp = `${now.toISOString().slice(0, 19)}Z`;
    return utf8(JSON.stringify({ Data: fromUtf8(file, 'the predicate'), Timestamp }));
  }
  if (word === 'spdx') return utf8(JSON.stringify(fromUtf8(file, 'the predicate')));
  if (isJsonObject(parseJson(file, { what: 'the predicate', maxBytes: limits.predicateBytes }))) return file;
  throw new BoltsealError('ERR_USAGE', 'the predicate is not a JSON object');
}
