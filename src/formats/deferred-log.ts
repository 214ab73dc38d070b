/**
 * Signatures whose log entry is still to be made, as `--defer-log` keeps them and `boltseal log submit` finishes them.
 *
 *     {"schema":"boltseal.deferred-log/1","signatures":[{
 *       "format":"bundle|cosign|envelope|blob|statement","reference":"ghcr.io/acme/app@sha256:…","signatureRepository":"…",
 *       "bundleFile":"…","payload":"base64","digest":"base64 of the SHA-256 of a blob",
 *       "signature":"base64","publicKey":"base64 of SPKI","certificates":["base64"],"timestamps":["base64"]}]}
 *
 * Nothing in it is secret, and nothing in it is trusted: whoever completes a signature verifies it.
 */
import { base64, fromBase64, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

const schema = 'boltseal.deferred-log/1';

/**
 * What a deferred signature is of: an image, in either format, `envelope` being the cosign format of attestations; a file;
 * or a statement.
 */
export const deferredFormats = ['bundle', 'cosign', 'envelope', 'blob', 'statement'] as const;

/** One signature that was made and is not logged yet. */
export interface DeferredSignature {
  readonly format: (typeof deferredFormats)[number];
  /** Of an image: `name@digest`. */
  readonly reference?: string;
  /** Of an image whose signatures are kept elsewhere. */
  readonly signatureRepository?: string;
  /** Of a file or statement: where its bundle goes. */
  readonly bundleFile?: string;
  /** What was signed: a statement, or a simple-signing payload. Absent of a file. */
  readonly payload?: Uint8Array;
  /** Of a file: its SHA-256. */
  readonly digest?: Uint8Array;
  readonly signature: Uint8Array;
  /** SubjectPublicKeyInfo DER. */
  readonly publicKey: Uint8Array;
  /** DER, leaf first; none of a key pair. */
  readonly certificates: readonly Uint8Array[];
  /** DER. */
  readonly timestamps: readonly Uint8Array[];
}

/** The document of `signatures`, with a final newline. */
export function encodeDeferredLog(signatures: readonly DeferredSignature[]): Uint8Array {
  const document = { schema, signatures: signatures.map(signatureJson) };
  return utf8(`${JSON.stringify(document, null, 2)}\n`);
}

function signatureJson(one: DeferredSignature): JsonObject {
  const { format, reference, signatureRepository, bundleFile, payload, digest } = one;
  return {
    format,
    ...(reference === undefined ? {} : { reference }),
    ...(signatureRepository === undefined ? {} : { signatureRepository }),
    ...(bundleFile === undefined ? {} : { bundleFile }),
    ...(payload === undefined ? {} : { payload: base64(payload) }),
    ...(digest === undefined ? {} : { digest: base64(digest) }),
    signature: base64(one.signature),
    publicKey: base64(one.publicKey),
    certificates: one.certificates.map(base64),
    timestamps: one.timestamps.map(base64),
  };
}

/**
 * The signatures in a document. Strict: no unknown member, standard base64, every member that the format of a signature
 * needs. Throws `ERR_LOG_DEFERRED` and what `parseJson` throws.
 */
export function parseDeferredLog(bytes: Uint8Array, what: string): readonly DeferredSignature[] {
  const document = parseJson(bytes, { what, maxBytes: limits.deferredLogBytes });
  const fields = membersOf(document, what, ['schema', 'signatures']);
  if (fields['schema'] !== schema) throw invalid(what, `it is not of the schema ${schema}`);
  return list(fields['signatures'], what, limits.deferredSignatures).map((item, index) =>
    readSignature(item, `${what}, signature ${index + 1}`),
  );
}

function readSignature(value: Json, what: string): DeferredSignature {
  const fields = membersOf(value, what, [
    'format',
    'reference',
    'signatureRepository',
    'bundleFile',
    'payload',
    'digest',
    'signature',
    'publicKey',
    'certificates',
    'timestamps',
  ]);
  const format = deferredFormats.find((one) => one === fields['format']);
  if (format === undefined) throw invalid(what, 'its format is not known');
  const isImage = format !== 'blob' && format !== 'statement';
  const needs = isImage ? ['reference', 'payload'] : ['bundleFile', format === 'blob' ? 'digest' : 'payload'];
  const missing = needs.find((name) => fields[name] === undefined);
  if (missing !== undefined) throw invalid(what, `it has no ${missing}`);
  const { reference, signatureRepository, bundleFile, payload, digest } = fields;
  return {
    format,
    ...(reference === undefined ? {} : { reference: text(reference, what) }),
    ...(signatureRepository === undefined ? {} : { signatureRepository: text(signatureRepository, what) }),
    ...(bundleFile === undefined ? {} : { bundleFile: text(bundleFile, what) }),
    ...(payload === undefined ? {} : { payload: decode(payload, what) }),
    ...(digest === undefined ? {} : { digest: decode(digest, what) }),
    signature: decode(fields['signature'], what),
    publicKey: decode(fields['publicKey'], what),
    certificates: list(fields['certificates'], what, limits.bundleItems).map((item) => decode(item, what)),
    timestamps: list(fields['timestamps'], what, limits.bundleItems).map((item) => decode(item, what)),
  };
}

function membersOf(value: Json | undefined, what: string, names: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw invalid(what, 'it is not an object');
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(what, `${JSON.stringify(unknown.slice(0, 80))} is not known`);
  return value;
}

function list(value: Json | undefined, what: string, limit: number): readonly Json[] {
  if (!Array.isArray(value)) throw invalid(what, 'a list is missing');
  if (value.length <= limit) return value as readonly Json[];
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has a list of ${value.length} items`);
}

function text(value: Json, what: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= limits.pathLength) return value;
  throw invalid(what, 'a text is missing or too long');
}

function decode(value: Json | undefined, what: string): Uint8Array {
  try {
    if (typeof value === 'string' && value !== '') return fromBase64(value, what);
  } catch {
    // Told below.
  }
  throw invalid(what, 'a member is not base64');
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_LOG_DEFERRED', `${what} cannot be read: ${why}`, {
    hint: 'It is a file that --defer-log wrote; sign again when it is damaged.',
  });
}
