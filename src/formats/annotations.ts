/** Signed annotations: the `-a key=value` pairs of a signature, as they stand inside signed JSON. */
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Annotations } from './oci.ts';

/**
 * `annotations` as Go writes a map: compact, keys sorted by their UTF-8 bytes. `html` says whether `<`, `>` and `&` are
 * escaped, as `encoding/json` does and protojson does not. Written by hand, because a JavaScript object moves keys that
 * look like integers to the front. Throws `ERR_USAGE` for text that is not Unicode, which no verifier could read back,
 * and `ERR_LIMIT_EXCEEDED`.
 * {@link https://pkg.go.dev/encoding/json#Marshal}
 */
export function annotationsJson(annotations: Annotations, html: boolean): string {
  const entries = Object.entries(annotations);
  if (entries.length > limits.annotations) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${entries.length} annotations are to be signed; the limit is ${limits.annotations}`,
    );
  }
  const members = entries
    .map(([key, value]) => ({ sortKey: utf8(key), text: `${quote(key, html)}:${quote(value, html)}` }))
    .sort((a, b) => Buffer.compare(a.sortKey, b.sortKey))
    .map(({ text }) => text);
  return `{${members.join(',')}}`;
}

function quote(text: string, html: boolean): string {
  if (/\p{Surrogate}/u.test(text)) {
    throw new BoltsealError('ERR_USAGE', 'an annotation to be signed is not Unicode text');
  }
  return html ? goJson(text) : JSON.stringify(text);
}

/**
 * `KEY=VALUE` words as annotations. A value may hold further equal signs. Throws `ERR_USAGE` for a word without one, an
 * empty key, or one key with two values: cosign lets the last win, and nobody sees which. `hint` says how one is written.
 */
export function parseAnnotations(words: readonly string[], hint: string): Annotations {
  const annotations = new Map<string, string>();
  for (const word of words) {
    const split = word.indexOf('=');
    const key = word.slice(0, Math.max(split, 0));
    if (key === '') throw new BoltsealError('ERR_USAGE', `${shown(word)} is no annotation`, { hint });
    const value = word.slice(split + 1);
    const earlier = annotations.get(key);
    if (earlier !== undefined && earlier !== value) {
      throw new BoltsealError(
        'ERR_USAGE',
        `the annotation ${shown(key)} is given twice, with different values`,
      );
    }
    annotations.set(key, value);
  }
  return Object.fromEntries(annotations);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
