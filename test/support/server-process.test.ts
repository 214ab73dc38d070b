import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from './server-process.ts';

const script = (code: string) => ({
  path: process.execPath,
  announces: /port (\d+)/,
  readyPath: '/',
  arguments: () => ['-e', code],
});

test('a server that ends at its start is an error with what it printed', async () => {
  const start = startServer(script('console.error("no room"); process.exit(4)'));
  await assert.rejects(start, /ended with 4; it printed: no room/);
});

test('a program that does not exist is an error', async () => {
  await assert.rejects(startServer({ ...script(''), path: '/no/such/server' }), /did not start/);
});

test('a server is ready when it answers, not when it listens, and is killed if it must be', async () => {
  const server = await startServer(
    script(`
      process.on('SIGTERM', () => {});
      let requests = 0;
      const server = require('node:http').createServer((_, response) => {
        response.writeHead(++requests < 3 ? 503 : 200).end(String(requests));
      });
      server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
    `),
  );
  assert.equal(await (await fetch(server.url)).text(), '4');
  await Promise.all([server.stop(), server.stop()]);
  await assert.rejects(fetch(server.url));
});
