import assert from 'node:assert/strict';
import test from 'node:test';
import type { LogEvent } from '../core/runtime.ts';
import { createServeLog, type ServeLogOptions } from './serve-log.ts';

const request: LogEvent = {
  level: 'info',
  event: 'http.request',
  message: 'GET ca trustBundle 200',
  fields: { id: 'a-1', status: 200, reason: undefined, text: 'line\nbreak\u001b[31m"' },
};

function lines(options: ServeLogOptions, ...events: readonly LogEvent[]): readonly string[] {
  const written: string[] = [];
  const log = createServeLog(options, { write: (text) => written.push(String(text)) });
  for (const event of events) log(event);
  return written;
}

test('JSON: one object a line, with level, time, event, fields and message', () => {
  const [line = '', ...more] = lines({ format: 'json', level: 'debug' }, request);
  assert.equal(more.length, 0);
  assert.equal(line.split('\n').length, 2);
  const { time, ...others } = JSON.parse(line);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(others, {
    level: 'info',
    event: 'http.request',
    id: 'a-1',
    status: 200,
    text: 'line\nbreak\u001b[31m"',
    msg: 'GET ca trustBundle 200',
  });
});

test('text: one line, and nothing that steers a terminal', () => {
  const [line = ''] = lines({ format: 'text', level: 'debug' }, request);
  assert.match(
    line,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z info {2}http\.request: GET ca trustBundle 200 \(id=a-1 status=200 /,
  );
  assert.equal(line.split('\n').length, 2);
});

test('what is below the level is not written', () => {
  for (const format of ['json', 'text'] as const) {
    const events = (['debug', 'info', 'warn'] as const).map((level) => ({ ...request, level }));
    assert.deepEqual(
      (['debug', 'info', 'warn'] as const).map((level) => lines({ format, level }, ...events).length),
      [3, 2, 1],
    );
  }
});
