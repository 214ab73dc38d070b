/**
 * The embedded registry as a process of its own, for tests and benchmarks: run this file, or import it and start one.
 *
 *     node test/support/embedded-registry-process.ts [--no-referrers] [--folder DIR] [--auth USER:PASSWORD] [--port N]
 *
 * Prints one line, `{"url":"http://127.0.0.1:PORT"}`, when it listens; ends on SIGTERM, on SIGINT, or, when its stdin
 * is a pipe, with that.
 */
import { fstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { listen } from '../../src/node/http-server.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { createRegistry, folderStorage, memoryStorage, type RegistryAuth } from '../../src/server/index.ts';
import { type ServerProcess, startServer } from './server-process.ts';

const thisFile = fileURLToPath(import.meta.url);

/** What an embedded registry is started with. */
export interface EmbeddedRegistryProcessOptions {
  /** Whether it has the referrers API; yes unless told. */
  readonly referrers?: boolean;
  /** Keeps its content here instead of in memory. */
  readonly folder?: string;
  /** The one account (Basic authentication); everyone may do everything unless told. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** Starts the embedded registry in a process of its own, empty unless `folder` says otherwise. */
export function startEmbeddedRegistryProcess(
  options: EmbeddedRegistryProcessOptions = {},
): Promise<ServerProcess> {
  const { referrers = true, folder, auth } = options;
  return startServer({
    path: process.execPath,
    announces: /"url":"http:\/\/127\.0\.0\.1:(\d+)"/,
    readyPath: '/v2/',
    arguments: () => [
      thisFile,
      ...(referrers ? [] : ['--no-referrers']),
      ...(folder === undefined ? [] : ['--folder', folder]),
      ...(auth === undefined ? [] : ['--auth', `${auth.username}:${auth.password}`]),
    ],
  });
}

async function serve(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'no-referrers': { type: 'boolean', default: false },
      folder: { type: 'string' },
      auth: { type: 'string' },
      port: { type: 'string', default: '0' },
    },
  });
  const log = ({ message }: { readonly message: string }): void => {
    process.stderr.write(`${message}\n`);
  };
  const registry = createRegistry(createRuntime({ log }), {
    storage: values.folder === undefined ? memoryStorage() : folderStorage(values.folder),
    referrers: !values['no-referrers'],
    auth: account(values.auth),
  });
  const listener = await listen(registry, { port: Number(values.port), closeTime: 300 });
  let isEnding = false;
  const end = async (): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    await listener.close();
    await registry.close();
    process.stdin.destroy();
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  const input = fstatSync(0);
  if (input.isFIFO() || input.isSocket()) process.stdin.once('end', end).once('error', end).resume();
  process.stdout.write(`${JSON.stringify({ url: listener.url })}\n`);
}

function account(text: string | undefined): RegistryAuth | undefined {
  if (text === undefined) return undefined;
  const colon = text.indexOf(':');
  return { kind: 'basic', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

if (process.argv[1] === thisFile) await serve();
