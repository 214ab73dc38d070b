import { fromUtf8 } from './encoding.ts';
import { BoltsealError } from './errors.ts';
import { limits } from './limits.ts';

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** A JSON object. It has no prototype surprises: `__proto__` is an ordinary key. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** How {@link parseJson} judges its input. */
export interface ParseJsonOptions {
  /** What is parsed, for errors: `the manifest of …`. */
  readonly what: string;
  /** Most bytes accepted. */
  readonly maxBytes: number;
  /** Deepest nesting accepted; `limits.jsonDepth` by default. */
  readonly maxDepth?: number;
}

/**
 * Parses UTF-8 JSON from outside: size, nesting and duplicate keys are checked before the text is trusted, because
 * parsers disagree about which duplicate wins (RFC 8259 section 4). Throws `ERR_LIMIT_EXCEEDED`,
 * `ERR_ENCODING_INVALID` or `ERR_JSON_INVALID`.
 */
export function parseJson(bytes: Uint8Array, options: ParseJsonOptions): Json {
  const { what, maxBytes } = options;
  if (bytes.length > maxBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${bytes.length} bytes; the limit is ${maxBytes}`,
    );
  }
  return parseJsonText(fromUtf8(bytes, what), what, options.maxDepth ?? limits.jsonDepth);
}

function parseJsonText(text: string, what: string, maxDepth: number): Json {
  let value: Json;
  const written = countKeys(text, what, maxDepth);
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    // What the parser says may quote the text, and the text may be a secret: only the place is told.
    const place = error instanceof SyntaxError ? (/ at position \d+/.exec(error.message)?.[0] ?? '') : '';
    throw new BoltsealError('ERR_JSON_INVALID', `${what} is not JSON${place}`);
  }
  // Of keys that are equal the parser keeps one.
  if (keysOf(value) !== written) throw duplicateKey(text, what);
  return value;
}

/**
 * How many keys there are: as many as colons outside of strings, when `text` is JSON. Nesting is bounded on the raw text,
 * so that a hostile document never reaches the recursive parser.
 */
function countKeys(text: string, what: string, maxDepth: number): number {
  let depth = 0;
  let keys = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) index = stringEnd(text, index);
    else if (code === 0x3a) keys++;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) {
        throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} is nested deeper than ${maxDepth} levels`);
      }
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return keys;
}

/** How many keys all objects in `value` have. */
function keysOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value as readonly Json[]) count += keysOf(item);
    return count;
  }
  for (const item of Object.values(value as JsonObject)) count += 1 + keysOf(item as Json);
  return count;
}

/**
 * Where the string that starts at `start` ends: its closing quote, or the end of the text. Searching for quotes is many
 * times faster than looking at every character, and what is large in a document are its strings.
 */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    // After an even number the quote itself is not escaped.
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/**
 * The error for the first key that is there twice in one object. `text` is known to be valid JSON here, so a flat scan
 * finds every key of every object.
 */
function duplicateKey(text: string, what: string): BoltsealError {
  const open: Set<string>[] = [];
  let name = '';
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x7b || code === 0x5b) open.push(new Set());
    else if (code === 0x7d || code === 0x5d) open.pop();
    else if (code === 0x22) {
      const start = index;
      index = stringEnd(text, start);
      if (!isKey(text, index + 1)) continue;
      const key = JSON.parse(text.slice(start, index + 1)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) {
        name = JSON.stringify(key.slice(0, 80));
        break;
      }
      keys?.add(key);
    }
  }
  return new BoltsealError('ERR_JSON_INVALID', `${what} has the key ${name} twice`);
}

/** Whether the string that ends before `index` is a key: then a colon follows. */
function isKey(text: string, index: number): boolean {
  let next = index;
  while (' \t\n\r'.includes(text[next] ?? '-')) next++;
  return text[next] === ':';
}

/** Whether `value` is a JSON object (not null, not an array). */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * `value` as Go's `encoding/json` writes it: compact, and with `<`, `>`, `&`, U+2028 and U+2029 escaped. Key order is
 * the caller's. {@link https://pkg.go.dev/encoding/json#Marshal}
 */
export function goJson(value: Json): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
