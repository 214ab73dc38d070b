/** A part of content: from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range a `Range` header asks for out of `size` bytes; `unsatisfiable` when it asks for nothing that is there;
 * undefined when the whole is to be sent: no header, another unit, several ranges, or nonsense.
 * {@link https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2}
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(header ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (start >= size) return 'unsatisfiable';
  if (last === '') return { start, end: size };
  // The specification's own tests take a range that ends before its start for unsatisfiable.
  if (Number(last) < start) return 'unsatisfiable';
  return { start, end: Math.min(Number(last) + 1, size) };
}

/** Where a chunk starts by its `Content-Range` header (`START-END`, as OCI writes it, or as HTTP does). */
export function parseChunkRange(header: string): { first: number; last: number } | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim());
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  return last < first ? undefined : { first, last };
}
