/**
 * Periods of validity as trusted roots and signing configurations write them: RFC 3339 times in proto JSON.
 * {@link https://protobuf.dev/programming-guides/json/ proto JSON},
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_common.proto TimeRange}
 */
import type { Json, JsonObject } from '../core/json.ts';
import type { ProtoReader } from './proto-json.ts';

/** A period; both ends belong to it. Without a start it has always been, without an end it still is. */
export interface TimeRange {
  readonly start?: Date;
  readonly end?: Date;
}

const pattern =
  /^(?<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?<fraction>\d{1,9}))?(?<offset>Z|[+-]\d\d:\d\d)$/;

/** The period at `where`; an absent one has no ends. Times are read to the millisecond. Throws the reader's error. */
export function readTimeRange(value: Json | undefined, reader: ProtoReader, where: string): TimeRange {
  if (value === undefined) return {};
  const { start, end } = reader.message(value, where, ['start', 'end']);
  return {
    ...(start === undefined ? {} : { start: readTime(start, reader, `${where}.start`) }),
    ...(end === undefined ? {} : { end: readTime(end, reader, `${where}.end`) }),
  };
}

function readTime(value: Json, reader: ProtoReader, where: string): Date {
  const malformed = (): Error => reader.invalid(`${where} is not a time of RFC 3339`);
  const groups = pattern.exec(reader.text(value, where))?.groups;
  if (groups === undefined) throw malformed();
  const { second = '', fraction = '', offset = 'Z' } = groups;
  const local = `${second}.${fraction.padEnd(3, '0').slice(0, 3)}Z`;
  const time = new Date(local);
  // An impossible day rolls over into the next month; then the text is not what it began with.
  if (Number.isNaN(time.getTime()) || time.toISOString() !== local) throw malformed();
  if (offset === 'Z') return checked(time, malformed);
  const [hours = 0, minutes = 0] = offset.slice(1).split(':').map(Number);
  if (hours > 23 || minutes > 59) throw malformed();
  const shift = (hours * 60 + minutes) * 60_000;
  return checked(new Date(time.getTime() + (offset.startsWith('-') ? shift : -shift)), malformed);
}

/** Proto times lie in the years 1 to 9999. */
function checked(time: Date, malformed: () => Error): Date {
  const year = time.getUTCFullYear();
  if (year < 1 || year > 9999) throw malformed();
  return time;
}

/** A period as Go writes it: a fraction only when there is one, and then of three digits. */
export function timeRangeJson(range: TimeRange): JsonObject {
  return {
    ...(range.start === undefined ? {} : { start: timeText(range.start) }),
    ...(range.end === undefined ? {} : { end: timeText(range.end) }),
  };
}

function timeText(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z');
}

/** Whether `time` lies in `range`. */
export function isWithin(range: TimeRange, time: Date): boolean {
  return (
    (range.start === undefined || time.getTime() >= range.start.getTime()) &&
    (range.end === undefined || time.getTime() <= range.end.getTime())
  );
}
