/** Services as flags of the `create` commands write them: `url=https://…,start-time=2026-01-01T00:00:00Z`. */
import { BoltsealError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { protoReader } from '../formats/proto-json.ts';
import { readTimeRange, type TimeRange } from '../formats/time-range.ts';
import { quoted } from './values.ts';

/** What a flag may say of a service. */
export interface SpecKeys<Required extends string, Optional extends string> {
  readonly required: readonly Required[];
  readonly optional: readonly Optional[];
}

/** What a flag says of a service, by key. */
export type Spec<Required extends string, Optional extends string> = {
  readonly [key in Required]: string;
} & { readonly [key in Optional]?: string };

/**
 * The parts of `text`, a value of the flag `source`. As with cosign, values have no comma, spaces around a part do not
 * matter, and an optional part may be empty. Throws `ERR_USAGE` for what is missing, not known or given twice.
 */
export function parseSpec<Required extends string, Optional extends string>(
  text: string,
  source: string,
  { required, optional }: SpecKeys<Required, Optional>,
): Spec<Required, Optional> {
  const parts = new Map<string, string>();
  const keys: readonly string[] = [...required, ...optional];
  for (const pair of text.split(',')) {
    const split = pair.indexOf('=');
    const key = pair.slice(0, split).trim();
    if (split === -1)
      throw wrong(source, `${quoted(pair)} is not KEY=VALUE`, `Such as: ${source} ${example(keys)}`);
    if (!keys.includes(key)) {
      const near = nearest(key, keys);
      const hint = near === undefined ? `It has ${keys.join(', ')}.` : `Did you mean ${near}?`;
      throw wrong(source, `${quoted(key)} is not known`, hint);
    }
    if (parts.has(key)) throw wrong(source, `${key} is given twice`);
    parts.set(key, pair.slice(split + 1).trim());
  }
  for (const [key, value] of parts) if (value === '') parts.delete(key);
  const missing = required.find((key) => !parts.has(key));
  if (missing !== undefined)
    throw wrong(source, `${missing} is missing`, `Such as: ${source} ${example(required)}`);
  return Object.fromEntries(parts) as Spec<Required, Optional>;
}

const examples: Readonly<Record<string, string>> = {
  url: 'https://example.com',
  'certificate-chain': 'chain.pem',
  'public-key': 'log.pub',
  'start-time': '2026-01-01T00:00:00Z',
  'end-time': '2027-01-01T00:00:00Z',
  'api-version': '1',
  operator: 'example.com',
  origin: 'log.example.com',
};

function example(keys: readonly string[]): string {
  return keys.map((key) => `${key}=${examples[key] ?? 'VALUE'}`).join(',');
}

function wrong(source: string, why: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `${source}: ${why}`, { hint });
}

/** `text` when it is an http or https URL. Throws `ERR_USAGE`. */
export function specUrl(text: string, source: string): string {
  if (/^https?:\/\/[^/]/.test(text) && URL.canParse(text)) return text;
  throw wrong(source, `${quoted(text)} is no http or https URL`);
}

/** A period of validity of two times of RFC 3339, to the millisecond. Throws `ERR_USAGE`. */
export function specPeriod(start: string | undefined, end: string | undefined, source: string): TimeRange {
  for (const time of [start, end]) {
    if (time !== undefined && /\.\d{3}\d*[1-9]/.test(time)) {
      throw wrong(source, `${quoted(time)} is finer than a millisecond`);
    }
  }
  const range = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
  const period = readTimeRange(range, protoReader('ERR_USAGE', source), 'the period');
  if (period.start !== undefined && period.end !== undefined && period.end < period.start) {
    throw wrong(source, 'it ends before it begins');
  }
  return period;
}
