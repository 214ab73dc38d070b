/** in-toto statements. {@link https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md} */
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { annotationsJson } from './annotations.ts';
import type { Annotations } from './oci.ts';

/** The type of statements v1, which `sign` writes. */
export const statementType = 'https://in-toto.io/Statement/v1';

/** The type of statements v0.1, which cosign still writes for attestations. */
export const statementTypeV01 = 'https://in-toto.io/Statement/v0.1';

/** The predicate type of an image signature. */
export const signPredicateType = 'https://sigstore.dev/cosign/sign/v1';

/** A statement, decoded. */
export interface Statement {
  readonly type: typeof statementType | typeof statementTypeV01;
  readonly subjects: readonly StatementSubject[];
  readonly predicateType: string;
  /** As written; undefined when there is none. */
  readonly predicate: Json | undefined;
}

/** What a statement is about. */
export interface StatementSubject {
  readonly name?: string;
  /** Its SHA-256 and SHA-512 digests; other algorithms are left out. */
  readonly digests: readonly Digest[];
  /** Empty when there are none. */
  readonly annotations: Annotations;
}

/** The bytes cosign 3 signs for an image: no subject name, annotations always there, nothing escaped for HTML. */
export function encodeSignStatement(digest: Digest, annotations: Annotations): Uint8Array {
  return utf8(
    `{"_type":"${statementType}","subject":[{"digest":{"${digestAlgorithm(digest)}":"${digestHex(digest)}"},` +
      `"annotations":${annotationsJson(annotations, false)}}],` +
      `"predicateType":"${signPredicateType}","predicate":{}}`,
  );
}

/** What {@link encodeAttestation} puts together. */
export interface AttestationParts {
  /** The image, by its repository. */
  readonly name: string;
  readonly digest: Digest;
  readonly predicateType: string;
  /** JSON, which is written as it is. */
  readonly predicate: Uint8Array;
}

/**
 * The statement that `cosign attest` 3 signs for an image: of type v0.1, with the repository as the name of the subject.
 * {@link https://github.com/in-toto/attestation/tree/v1.1.0/spec/v0.1.0#statement}
 */
export function encodeAttestation({ name, digest, predicateType, predicate }: AttestationParts): Uint8Array {
  const subject = `{"name":${JSON.stringify(name)},"digest":{"${digestAlgorithm(digest)}":"${digestHex(digest)}"}}`;
  return utf8(
    `{"_type":"${statementTypeV01}","subject":[${subject}],"predicateType":${JSON.stringify(predicateType)},` +
      `"predicate":${fromUtf8(predicate, 'the predicate').trim()}}`,
  );
}

/**
 * The statement that `bytes` are, of type v1 or v0.1. Strict where it decides something: subjects must be there, each
 * with a digest; known digests are well-formed; annotations are text. Fields it does not know are ignored, as the
 * specification requires. Throws `ERR_STATEMENT_INVALID` and what `parseJson` throws.
 * {@link https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/README.md#parsing-rules}
 */
export function parseStatement(bytes: Uint8Array, what: string): Statement {
  const document = parseJson(bytes, { what, maxBytes: limits.bundleBytes });
  if (!isJsonObject(document)) throw invalid(what, 'it is not an object');
  const { _type: type, subject, predicateType, predicate } = document;
  if (type !== statementType && type !== statementTypeV01) throw invalid(what, 'its _type is not known');
  if (typeof predicateType !== 'string' || predicateType === '')
    throw invalid(what, 'it has no predicateType');
  if (!Array.isArray(subject) || subject.length === 0) throw invalid(what, 'it has no subject');
  if (subject.length > limits.statementSubjects) {
    const counts = `${subject.length} subjects; the limit is ${limits.statementSubjects}`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${counts}`);
  }
  const subjects = (subject as readonly Json[]).map((item, index) =>
    parseSubject(item, what, `subject[${index}]`),
  );
  return { type, subjects, predicateType, predicate };
}

function parseSubject(value: Json, what: string, where: string): StatementSubject {
  if (!isJsonObject(value)) throw invalid(what, `${where} is not an object`);
  const { name, digest, annotations } = value;
  if (name !== undefined && name !== null && typeof name !== 'string') {
    throw invalid(what, `${where}.name is not text`);
  }
  if (!isJsonObject(digest) || Object.keys(digest).length === 0)
    throw invalid(what, `${where} has no digest`);
  return {
    ...(typeof name === 'string' ? { name } : {}),
    digests: parseDigests(digest, what, where),
    annotations: parseAnnotations(annotations, what, where),
  };
}

function parseDigests(digest: JsonObject, what: string, where: string): Digest[] {
  const digests: Digest[] = [];
  for (const [algorithm, value] of Object.entries(digest)) {
    if (typeof value !== 'string') throw invalid(what, `${where}.digest has a value that is not text`);
    if (algorithm !== 'sha256' && algorithm !== 'sha512') continue;
    const text = `${algorithm}:${value}`;
    if (!isDigest(text)) throw invalid(what, `${where}.digest.${algorithm} is not a digest`);
    digests.push(text);
  }
  return digests;
}

function parseAnnotations(value: Json | undefined, what: string, where: string): Annotations {
  if (value === undefined || value === null) return {};
  if (!isJsonObject(value)) throw invalid(what, `${where}.annotations is not an object`);
  const entries = Object.entries(value);
  if (entries.length > limits.annotations) {
    const counts = `${entries.length} annotations; the limit is ${limits.annotations}`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${counts}`);
  }
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (texts.length !== entries.length) throw invalid(what, `${where} has an annotation that is not text`);
  return Object.fromEntries(texts);
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_STATEMENT_INVALID', `${what} is not a statement: ${why}`);
}
