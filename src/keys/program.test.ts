import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBoltsealError } from '../core/errors.ts';
import { runProgram } from './program.ts';

const run = (code: string, more: Partial<Parameters<typeof runProgram>[0]> = {}) =>
  runProgram({ path: process.execPath, args: ['-e', code], env: {}, what: 'the program', ...more });

const failed = (text: RegExp) => (error: unknown) =>
  isBoltsealError(error, 'ERR_KEY_PROVIDER') && text.test(error.message);

describe('programs of others', () => {
  it('get their input, arguments and environment, and nothing else', async () => {
    const code = `
      const input = require('node:fs').readFileSync(0).toString();
      process.stdout.write(JSON.stringify([input, process.argv.slice(1), Object.keys(process.env).sort()]));
      process.exitCode = 3;`;
    const args = ['-e', code, '--', '$(id)', 'a b', '"'];
    const { code: exit, output } = await run('', { args, env: { A: 'b' }, input: Buffer.from('given') });
    assert.equal(exit, 3);
    const [input, seen, names] = JSON.parse(Buffer.from(output).toString());
    assert.deepEqual([input, seen], ['given', ['$(id)', 'a b', '"']]);
    if (process.platform === 'linux') assert.deepEqual(names, ['A']);
  });

  it('that take too long are ended_fail', async () => {
    await assert.rejects(run('setInterval(() => {}, 1000)', { time: 50 }), failed(/within 50 ms/));
  });

  it('that are cancelled are ended_fail', async () => {
    await assert.rejects(run('', { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    const controller = new AbortController();
    const running = run("process.stderr.write('ready'); setInterval(() => {}, 1000)", {
      signal: controller.signal,
      onText: () => controller.abort(new Error('enough')),
    });
    await assert.rejects(running, /enough/);
  });

  it('that cannot be started are said so_fail', async () => {
    await assert.rejects(run('', { path: '/nonexistent/program' }), failed(/could not be started/));
  });

  it('that do not read their input are judged by what they answer', async () => {
    const { code, output } = await run("process.stdout.write('done')", { input: new Uint8Array(5_000_000) });
    assert.deepEqual([code, Buffer.from(output).toString()], [0, 'done']);
  });
});
