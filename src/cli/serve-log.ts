/** Log events of a server as lines: JSON for machines, text for people. */
import { pino, stdTimeFunctions } from 'pino';
import type { LogEvent } from '../core/runtime.ts';
import type { TextSink } from './io.ts';
import { inline } from './style.ts';

/** How a server logs. */
export interface ServeLogOptions {
  readonly format: 'json' | 'text';
  /** The least level that is written. */
  readonly level: LogEvent['level'];
}

const ranks: Readonly<Record<LogEvent['level'], number>> = { debug: 0, info: 1, warn: 2 };

/**
 * What writes events to `sink`, one line each, before it returns, so that the last words of a process are not lost.
 * JSON lines have `level`, `time` (RFC 3339), `event`, the event's fields, and `msg`.
 */
export function createServeLog(options: ServeLogOptions, sink: TextSink): (event: LogEvent) => void {
  const { format, level } = options;
  const write = format === 'json' ? jsonLines(level, sink) : textLines(sink);
  return (event) => {
    if (ranks[event.level] >= ranks[level]) write(event);
  };
}

function jsonLines(level: LogEvent['level'], sink: TextSink): (event: LogEvent) => void {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => void sink.write(line) },
  );
  return ({ level, event, message, fields }) => logger[level]({ event, ...fields }, message);
}

function textLines(sink: TextSink): (event: LogEvent) => void {
  return ({ level, event, message, fields = {} }) => {
    const given = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    const rest = given.length === 0 ? '' : ` (${given.join(' ')})`;
    const time = new Date().toISOString();
    sink.write(`${time} ${level.padEnd(5)} ${inline(`${event}: ${message}${rest}`)}\n`);
  };
}
