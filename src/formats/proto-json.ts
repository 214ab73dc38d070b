/**
 * A strict reader of proto3 JSON, the encoding of bundles, trusted roots and signing configurations. It is narrower
 * than protojson, so that one message has one reading: unknown fields are refused; a field is read under its
 * lowerCamelCase or its original name but not under both; `null` means absent; bytes are standard base64 with padding
 * (protojson also takes the URL-safe alphabet and no padding); a 64-bit number is a decimal string or a safe integer.
 * {@link https://protobuf.dev/programming-guides/json/}
 */
import { fromBase64 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import { isJsonObject, type Json } from '../core/json.ts';

/** The fields of one message, by lowerCamelCase name. */
export type ProtoFields<Name extends string> = { readonly [name in Name]?: Json };

/** Reads values and throws one error code with the path of what is wrong. Absent scalars read as their zero value. */
export interface ProtoReader {
  /** The error for `why`, to be thrown. */
  invalid(why: string): BoltsealError;
  /** The fields of the message at `where`; only `names` may be there. */
  message<Name extends string>(
    value: Json | undefined,
    where: string,
    names: readonly Name[],
  ): ProtoFields<Name>;
  /** A list of at most `most` items; more is `ERR_LIMIT_EXCEEDED`. */
  list(value: Json | undefined, where: string, most: number): readonly Json[];
  text(value: Json | undefined, where: string): string;
  bytes(value: Json | undefined, where: string): Uint8Array;
  int64(value: Json | undefined, where: string): bigint;
  /** The name of an enum value, given by name or by number; `table` maps names to numbers. */
  enumName<Name extends string>(
    value: Json | undefined,
    where: string,
    table: Readonly<Record<Name, number>>,
  ): Name | undefined;
}

/** A reader for the document called `what`, whose errors have `code`. */
export function protoReader(code: ErrorCode, what: string): ProtoReader {
  const invalid = (why: string): BoltsealError => new BoltsealError(code, `${what} is not valid: ${why}`);
  return {
    invalid,
    message: (value, where, names) => readMessage(value, where, names, invalid),
    list(value, where, most) {
      if (value === undefined) return [];
      if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
      if (value.length > most) {
        const counts = `${value.length} items; the limit is ${most}`;
        throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what}: ${where} has ${counts}`);
      }
      return value as readonly Json[];
    },
    text(value, where) {
      if (value === undefined) return '';
      if (typeof value !== 'string') throw invalid(`${where} is not text`);
      return value;
    },
    bytes(value, where) {
      if (value === undefined) return new Uint8Array(0);
      if (typeof value !== 'string') throw invalid(`${where} is not base64 text`);
      try {
        return fromBase64(value, where);
      } catch (cause) {
        throw new BoltsealError(code, `${what} is not valid: ${where} is not standard base64`, { cause });
      }
    },
    int64: (value, where) => readInt64(value, where, invalid),
    enumName(value, where, table) {
      if (value === undefined) return undefined;
      const names = Object.keys(table) as (keyof typeof table)[];
      const name = names.find((candidate) => candidate === value || table[candidate] === value);
      if (name === undefined) throw invalid(`${where} is not one of ${names.join(', ')}`);
      return name;
    },
  };
}

function readMessage<Name extends string>(
  value: Json | undefined,
  where: string,
  names: readonly Name[],
  invalid: (why: string) => BoltsealError,
): ProtoFields<Name> {
  if (!isJsonObject(value)) throw invalid(`${where} is not an object`);
  const fields: { [name in Name]?: Json } = {};
  for (const key of Object.keys(value)) {
    const content = value[key];
    const name = names.includes(key as Name)
      ? (key as Name)
      : names.find((candidate) => snakeCase(candidate) === key);
    if (name === undefined) {
      throw invalid(`${where} has the unknown field ${JSON.stringify(key.slice(0, 80))}`);
    }
    if (key !== name && value[name] !== undefined) throw invalid(`${where} has ${name} twice`);
    if (content !== null && content !== undefined) fields[name] = content;
  }
  return fields;
}

/** `x509CertificateChain` as the protocol's own source spells it: `x509_certificate_chain`. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function readInt64(value: Json | undefined, where: string, invalid: (why: string) => BoltsealError): bigint {
  if (value === undefined) return 0n;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value !== 'string' || !/^(?:0|-?[1-9][0-9]{0,18})$/.test(value)) {
    throw invalid(`${where} is not a 64-bit integer`);
  }
  const number = BigInt(value);
  if (BigInt.asIntN(64, number) !== number) throw invalid(`${where} is not a 64-bit integer`);
  return number;
}
