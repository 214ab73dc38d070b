/**
 * Timestamps: the response of an authority, the token in it, and what the token says.
 *
 *     TimeStampResp  ::= SEQUENCE { status PKIStatusInfo, timeStampToken ContentInfo OPTIONAL }
 *     PKIStatusInfo  ::= SEQUENCE { status INTEGER, statusString SEQUENCE OF UTF8String OPTIONAL, failInfo BIT STRING OPTIONAL }
 *     TSTInfo        ::= SEQUENCE { version INTEGER 1, policy, messageImprint, serialNumber, genTime, accuracy OPTIONAL,
 *                                   ordering BOOLEAN DEFAULT FALSE, nonce OPTIONAL, tsa [0] OPTIONAL, extensions [1] }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2 RFC 3161 section 2.4.2}
 */
import {
  checkElements,
  checkInteger,
  children,
  cursor,
  type DerCursor,
  type DerElement,
  derError,
  derExplicit,
  derGeneralizedTime,
  derInteger,
  derOid,
  derSequence,
  derTags,
  parseDer,
  readBoolean,
  readDateTime,
  readOid,
  readSmallInteger,
} from '../core/der.ts';
import { fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { parseSignedData, type SignerInfo } from './cms.ts';
import {
  integerElement,
  type MessageImprint,
  readMessageImprint,
  timestampErrors,
} from './timestamp-request.ts';

/** The type of the content of a timestamp token. */
export const timestampContentType = '1.2.840.113549.1.9.16.1.4';

/** What a timestamp says. Byte strings are slices of the input. */
export interface TimestampInfo {
  /** Dotted. */
  readonly policy: string;
  readonly imprint: MessageImprint;
  /** The content of the INTEGER. */
  readonly serial: Uint8Array;
  /** In whole milliseconds; a rest is dropped. */
  readonly time: Date;
  /** How far the time may be off, in milliseconds; a rest below one is rounded up. */
  readonly accuracy: number | undefined;
  readonly ordering: boolean;
  /** The content of the INTEGER. */
  readonly nonce: Uint8Array | undefined;
  /** The name of the authority: GeneralName DER. A hint. */
  readonly authority: Uint8Array | undefined;
  /** Object identifiers of critical extensions. None is known, so a verifier must refuse the timestamp (RFC 5280 section 4.2). */
  readonly criticalExtensions: readonly string[];
}

/** A timestamp token, decoded and not verified. Byte strings are slices of the input. */
export interface TimestampToken {
  readonly info: TimestampInfo;
  /** TSTInfo DER: what `signer.messageDigest` is the hash of. */
  readonly infoBytes: Uint8Array;
  readonly signer: SignerInfo;
  /** DER each; only there when they were asked for. Untrusted. */
  readonly certificates: readonly Uint8Array[];
}

/** A response: a token, or why there is none. */
export type TimestampResponse =
  | {
      readonly granted: true;
      readonly token: TimestampToken;
      /** The token by itself: ContentInfo DER. */
      readonly tokenBytes: Uint8Array;
    }
  | {
      readonly granted: false;
      /** PKIStatus: 2 is rejection. */
      readonly status: number;
      /** What the authority says about it; empty when it says nothing. */
      readonly text: string;
    };

/**
 * Reads a response. A status other than granted is an answer, and then there must be no token. Throws
 * `ERR_LIMIT_EXCEEDED` and `ERR_TIMESTAMP_INVALID`.
 */
export function parseTimestampResponse(der: Uint8Array, what = 'the timestamp response'): TimestampResponse {
  return timestampErrors(der, what, () => {
    const parts = cursor(parseDer(der, what, derTags.sequence), what);
    const { status, text } = readStatus(parts.next(derTags.sequence), what);
    const token = parts.optional(derTags.sequence);
    parts.end();
    // 0 is granted, 1 granted with modifications; each other value is a refusal (RFC 3161 section 2.4.2).
    const granted = status <= 1;
    if (granted !== (token !== undefined)) throw derError(what, 'its status does not fit its content');
    if (token === undefined) return { granted: false, status, text };
    return { granted: true, token: readToken(token.bytes, what), tokenBytes: token.bytes };
  });
}

/**
 * Reads a token: a ContentInfo of signed data around a TSTInfo, with exactly one signer. Nothing is verified. Throws
 * `ERR_LIMIT_EXCEEDED` and `ERR_TIMESTAMP_INVALID`.
 */
export function parseTimestampToken(der: Uint8Array, what = 'the timestamp'): TimestampToken {
  return timestampErrors(der, what, () => readToken(der, what));
}

function readToken(der: Uint8Array, what: string): TimestampToken {
  checkElements(parseDer(der, what), what);
  const { contentType, content, certificates, signer } = parseSignedData(der, what);
  if (contentType !== timestampContentType || signer.contentType !== timestampContentType) {
    throw derError(what, 'its content is no timestamp');
  }
  return { info: readInfo(content, what), infoBytes: content, signer, certificates };
}

function readStatus(element: DerElement, what: string): { status: number; text: string } {
  const parts = cursor(element, what);
  const status = readSmallInteger(parts.next(derTags.integer).content, what);
  const strings = parts.optional(derTags.sequence);
  parts.optional(derTags.bitString);
  parts.end();
  const texts = strings === undefined ? [] : children(strings, what);
  return {
    status,
    text: texts
      .map((text) => {
        if (text.tag !== derTags.utf8String) throw derError(what, 'a part has another type');
        return fromUtf8(text.content, what);
      })
      .join(' '),
  };
}

function readInfo(der: Uint8Array, what: string): TimestampInfo {
  const whole = parseDer(der, what, derTags.sequence);
  checkElements(whole, what);
  const parts = cursor(whole, what);
  if (readSmallInteger(parts.next(derTags.integer).content, what) !== 1) {
    throw derError(what, 'its version is unknown');
  }
  const policy = readOid(parts.next(derTags.objectIdentifier).content, what);
  const imprint = readMessageImprint(parts.next(derTags.sequence), what);
  const serial = parts.next(derTags.integer).content;
  checkInteger(serial, what);
  const time = readGenTime(parts.next(derTags.generalizedTime).content, what);
  const accuracy = parts.optional(derTags.sequence);
  // A FALSE that is written out is not DER, but authorities write it, and OpenSSL and Go read it.
  const ordering = parts.optional(derTags.boolean);
  const nonce = parts.optional(derTags.integer);
  if (nonce !== undefined) checkInteger(nonce.content, what);
  const authority = readAuthority(parts, what);
  const extensions = parts.optional(0xa1);
  parts.end();
  return {
    policy,
    imprint,
    serial,
    time,
    accuracy: accuracy && readAccuracy(accuracy, what),
    ordering: ordering !== undefined && readBoolean(ordering.content, what),
    nonce: nonce?.content,
    authority,
    criticalExtensions: extensions === undefined ? [] : readCriticalExtensions(extensions, what),
  };
}

/**
 * RFC 3161 section 2.4.2: GeneralizedTime in UTC, with a fraction of any length that does not end with a zero. Up to
 * nine digits are read.
 */
function readGenTime(content: Uint8Array, what: string): Date {
  const time = readDateTime(content, 4, what);
  const rest = Buffer.from(content.buffer, content.byteOffset, content.length).toString('latin1', 14);
  const match = /^(?:\.(\d{0,8}[1-9]))?Z$/.exec(rest);
  if (match === null) throw derError(what, 'its time is malformed');
  const [, fraction = ''] = match;
  time.setUTCMilliseconds(Number(fraction.slice(0, 3).padEnd(3, '0')));
  return time;
}

/** Accuracy ::= SEQUENCE { seconds INTEGER OPTIONAL, millis [0] 1..999 OPTIONAL, micros [1] 1..999 OPTIONAL } */
function readAccuracy(element: DerElement, what: string): number {
  const parts = cursor(element, what);
  const seconds = parts.optional(derTags.integer);
  const millis = parts.optional(0x80);
  const micros = parts.optional(0x81);
  parts.end();
  const small = (part: DerElement | undefined): number => {
    if (part === undefined) return 0;
    const value = readSmallInteger(part.content, what);
    if (value < 1 || value > 999) throw derError(what, 'its accuracy is out of range');
    return value;
  };
  const whole = seconds === undefined ? 0 : readSmallInteger(seconds.content, what);
  if (whole > 2 ** 31) throw derError(what, 'its accuracy is out of range');
  return whole * 1_000 + small(millis) + Math.min(small(micros), 1);
}

function readAuthority(parts: DerCursor, what: string): Uint8Array | undefined {
  const wrapped = parts.optional(0xa0);
  if (wrapped === undefined) return undefined;
  const inner = cursor(wrapped, what);
  const { bytes } = inner.next();
  inner.end();
  return bytes;
}

function readCriticalExtensions(element: DerElement, what: string): string[] {
  const critical: string[] = [];
  for (const extension of children(element, what)) {
    if (extension.tag !== derTags.sequence) throw derError(what, 'a part has another type');
    const parts = cursor(extension, what);
    const oid = readOid(parts.next(derTags.objectIdentifier).content, what);
    const flag = parts.optional(derTags.boolean);
    if (flag !== undefined && readBoolean(flag.content, what)) critical.push(oid);
    parts.next(derTags.octetString);
    parts.end();
  }
  return critical;
}

/** What {@link timestampInfoEncoder} writes of every timestamp. */
export interface TimestampInfoConstants {
  /** Whole seconds. */
  readonly accuracySeconds: number;
  /** The subject of the authority's certificate: Name DER. */
  readonly authority: Uint8Array;
}

/** What is different in each timestamp. */
export interface TimestampInfoFields {
  /** Dotted. */
  readonly policy: string;
  /** MessageImprint DER, as it was asked for. */
  readonly imprint: Uint8Array;
  /** Unsigned big-endian bytes. */
  readonly serial: Uint8Array;
  /** Milliseconds are dropped. */
  readonly time: Date;
  /** The content of the INTEGER. */
  readonly nonce: Uint8Array | undefined;
}

/** A writer of TSTInfo DER; what is the same in every timestamp is encoded once. */
export function timestampInfoEncoder(
  constants: TimestampInfoConstants,
): (fields: TimestampInfoFields) => Uint8Array {
  const version = derInteger(1);
  const accuracy = derSequence(derInteger(constants.accuracySeconds));
  const authority = derExplicit(0, derExplicit(4, constants.authority));
  const nothing = new Uint8Array(0);
  return (fields) =>
    derSequence(
      version,
      derOid(fields.policy),
      fields.imprint,
      derInteger(fields.serial),
      derGeneralizedTime(fields.time),
      accuracy,
      fields.nonce === undefined ? nothing : integerElement(fields.nonce),
      authority,
    );
}

const grantedStatus = derSequence(derInteger(0));

/** The response that grants a token: TimeStampResp DER. */
export function encodeTimestampResponse(token: Uint8Array): Uint8Array {
  return derSequence(grantedStatus, token);
}

/** The token of a response that was granted. Throws `ERR_TIMESTAMP_INVALID` with the reason when it was not. */
export function requireGranted(response: TimestampResponse, what = 'the timestamp response'): TimestampToken {
  if (response.granted) return response.token;
  const reason = response.text === '' ? '' : `: ${JSON.stringify(response.text.slice(0, 200))}`;
  throw new BoltsealError(
    'ERR_TIMESTAMP_INVALID',
    `${what} is a refusal (status ${response.status})${reason}`,
  );
}
