/** The text of a flag or variable as its value. Every function throws `ERR_USAGE` naming `source`. */
import { BoltsealError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { AnyFlagValue, FlagSpec } from './flags.ts';

const truths: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
]);

/** A boolean in the words Go knows. {@link https://pkg.go.dev/strconv#ParseBool} */
export function parseBoolean(text: string, source: string): boolean {
  const value = truths.get(text);
  if (value !== undefined) return value;
  throw new BoltsealError('ERR_USAGE', `${source} is ${quoted(text)}; it must be true or false`);
}

const units: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it, in milliseconds. {@link https://pkg.go.dev/time#ParseDuration} */
export function parseDuration(text: string, source: string): number {
  if (text === '0') return 0;
  if (text.length > 64 || !/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw new BoltsealError('ERR_USAGE', `${source} is ${quoted(text)}, which is no duration`, {
      hint: 'A duration looks like 90s, 5m or 1h30m.',
    });
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  }
  if (total > 2_147_483_647) {
    throw new BoltsealError('ERR_USAGE', `${source} is ${quoted(text)}; the longest duration is 596h`);
  }
  return total;
}

function parseInteger(text: string, source: string, range: readonly [number, number]): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range[0] && value <= range[1]) return value;
  throw new BoltsealError(
    'ERR_USAGE',
    `${source} is ${quoted(text)}; it must be a whole number from ${range[0]} to ${range[1]}`,
  );
}

function parseEnum(text: string, source: string, values: readonly string[]): string {
  if (values.includes(text)) return text;
  const near = nearest(text, values);
  throw new BoltsealError('ERR_USAGE', `${source} is ${quoted(text)}; it must be ${oneOf(values)}`, {
    hint: near === undefined ? undefined : `Did you mean ${near}?`,
  });
}

/** The value of one flag. A flag that may be repeated gives a list. */
export function parseValue(spec: FlagSpec, text: string, source: string): AnyFlagValue {
  if (spec.type === 'boolean') return parseBoolean(text, source);
  if (text === '') {
    throw new BoltsealError('ERR_USAGE', `${source} is empty`, {
      hint: 'Is a variable used for it unset, or a secret not available here?',
    });
  }
  switch (spec.type) {
    case 'string':
      return text;
    case 'strings':
      return splitList(text);
    case 'texts':
      return [text];
    case 'integer':
      return parseInteger(text, source, spec.range ?? [0, Number.MAX_SAFE_INTEGER]);
    case 'duration':
      return parseDuration(text, source);
    case 'enum':
      return parseEnum(spec.synonyms?.[text.toLowerCase()] ?? text, source, spec.values ?? []);
  }
}

/**
 * `a=b,c=d` as two, as cosign reads it. What follows a comma and has no `=` belongs to the value before it, which
 * cosign refuses; so whatever cosign accepts means the same here, and a value may hold a comma.
 */
function splitList(text: string): readonly string[] {
  const parts: string[] = [];
  for (const piece of text.split(',')) {
    const last = parts.length - 1;
    if (last >= 0 && !piece.includes('=')) parts[last] += `,${piece}`;
    else parts.push(piece);
  }
  return parts;
}

/** `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** `text` in quotes, shortened, for a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** A signature file holds base64, or the signature itself. */
export function decodeSignature(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content).toString('latin1').trim();
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : content;
}
