/** Boltseal signs in in each of its ways, and cosign 3 verifies who signed. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listen } from '../../src/node/http-server.ts';
import { cleanEnvironment } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
const entry = fileURLToPath(new URL('../../src/cli/entry.ts', import.meta.url));

/** What a way to sign in adds to the command. */
interface Way {
  readonly identity: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called once, with the page and the code that were printed. */
  readonly onCode?: (page: string, code: string) => Promise<void>;
}

type MakeWay = (t: TestContext, session: SigstoreSession) => Promise<Way>;

const ways: Readonly<Record<string, MakeWay>> = {
  'another device': async () => ({
    identity: 'device@example.com',
    args: ['--fulcio-auth-flow', 'device'],
    async onCode(page, code) {
      const body = new URLSearchParams({ user_code: code, email: 'device@example.com', decision: 'allow' });
      assert.equal((await fetch(page, { method: 'POST', body })).status, 200);
    },
  }),
  'a browser': async (t) => {
    const path = join(await temporaryDirectory(t), 'browser');
    const script =
      "fetch(process.argv[1] + '&login_hint=browser@example.com').then((answer) => answer.text())";
    await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' -e "${script}" "$1"\n`);
    await chmod(path, 0o755);
    return {
      identity: 'browser@example.com',
      args: ['--fulcio-auth-flow', 'normal'],
      env: { BROWSER: path },
    };
  },
  'a client with a secret': async (t) => {
    const path = join(await temporaryDirectory(t), 'secret');
    await writeFile(path, 'anything\n');
    return {
      identity: 'sigstore@example.com',
      args: ['--fulcio-auth-flow', 'client_credentials', '--oidc-client-secret-file', path],
    };
  },
  'a job of GitHub Actions': async (t, { server }) => {
    const token = await server.token('job@example.com');
    const answer = async (request: Request): Promise<Response> => {
      const isAsked =
        request.headers.get('authorization') === 'bearer of-the-job' &&
        request.url.endsWith('?v=1&audience=sigstore');
      return isAsked ? Response.json({ count: 1, value: token }) : new Response(null, { status: 401 });
    };
    const github = await listen(answer);
    t.after(() => github.close());
    return {
      identity: 'job@example.com',
      env: {
        GITHUB_ACTIONS: 'true',
        ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?v=1`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
      },
    };
  },
  'a job of GitLab CI': async (_t, { server }) => ({
    identity: 'pipeline@example.com',
    env: { GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: await server.token('pipeline@example.com') },
  }),
};

for (const [name, make] of Object.entries(ways)) {
  test(`Boltseal signs in by ${name}, and cosign 3 verifies`, async (t) => {
    const sigstore = await session(t);
    if (sigstore === undefined) return;
    const trust = ['--trusted-root', await sigstore.target('trusted_root.json')];
    const folder = await temporaryDirectory(t);
    const blob = join(folder, 'blob');
    const bundle = join(folder, 'bundle.json');
    await writeFile(blob, name);
    const way = await make(t, sigstore);
    const config = await sigstore.target('signing_config.v0.2.json');
    await signBlob(t, way, folder, [...trust, '--signing-config', config, '--bundle', bundle, blob]);
    await sigstore.clients.cosign3.must([
      ...['verify-blob', '--bundle', bundle, ...trust, '--certificate-identity', way.identity],
      ...['--certificate-oidc-issuer', sigstore.server.url, blob],
    ]);
  });
}

async function signBlob(t: TestContext, way: Way, home: string, words: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [entry, 'sign-blob', ...(way.args ?? []), ...words], {
    env: { ...(await cleanEnvironment(home)), ...way.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  const shown: Promise<void>[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    printed += chunk;
    const [, page, code] = /(http:\S+)\?user_code=([A-Z]{4}-[A-Z]{4})/.exec(printed) ?? [];
    if (page !== undefined && code !== undefined && way.onCode !== undefined && shown.length === 0) {
      shown.push(way.onCode(page, code));
    }
  });
  const [code] = await once(child, 'close');
  await Promise.all(shown);
  assert.equal(code, 0, printed);
}
