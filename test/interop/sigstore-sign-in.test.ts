/** cosign 3 signs in at the development issuer in every way it knows, without a person. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { cleanEnvironment, needPrograms } from '../support/programs.ts';
import { clientIn, startSigstore } from '../support/sigstore.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** What a way to sign in adds to the command, and what is done when cosign printed enough. */
interface Flow {
  readonly identity: string;
  readonly args: readonly string[];
  /** What `xdg-open URL` does, as a program of Node; there is none unless told. */
  readonly browser?: string;
  /** Called once, as soon as what was printed matches; returns what is typed into cosign. */
  readonly reply?: { readonly to: RegExp; readonly with: (match: RegExpExecArray) => Promise<string> };
}

/** Follows the link as a browser does in which someone is known already, after `xdg-open` has returned. */
const browser = `
const url = process.argv[2] + '&login_hint=browser@example.com';
if (process.argv[3] === 'go') await (await fetch(url)).text();
else (await import('node:child_process')).spawn(process.execPath, [process.argv[1], process.argv[2], 'go'], { detached: true, stdio: 'ignore' }).unref();
`;

async function allowDevice([, url = '', userCode = '']: RegExpExecArray): Promise<string> {
  const page = await (await fetch(url)).text();
  assert.ok(page.includes(`value="${userCode}"`), 'the page has the code filled in');
  const answer = await fetch(url.split('?')[0] ?? '', {
    method: 'POST',
    body: new URLSearchParams({ user_code: userCode, email: 'device@example.com', decision: 'allow' }),
  });
  assert.equal(answer.status, 200);
  return '';
}

async function showCode([url = '']: RegExpExecArray): Promise<string> {
  const page = await (await fetch(`${url}&login_hint=shown@example.com`)).text();
  return `${/<code>([^<]+)</.exec(page)?.[1]}\n`;
}

const flows: Readonly<Record<string, Flow>> = {
  'device flow': {
    identity: 'device@example.com',
    args: ['--fulcio-auth-flow', 'device'],
    reply: { to: /(http:\S+\?user_code=([A-Z]{4}-[A-Z]{4}))/, with: allowDevice },
  },
  'a browser that calls back': {
    identity: 'browser@example.com',
    args: ['--fulcio-auth-flow', 'normal'],
    browser,
  },
  'a code that is typed in': {
    identity: 'shown@example.com',
    args: ['--fulcio-auth-flow', 'normal'],
    browser: 'process.exit(1)',
    reply: { to: /http:\S+oauth2\/auth\S+oob\S+(?=\s)/, with: showCode },
  },
  'client credentials': {
    identity: 'sigstore@example.com',
    args: ['--fulcio-auth-flow', 'client_credentials', '--oidc-client-secret-file', 'secret'],
  },
};

test('cosign 3 signs in at the development issuer', async (t) => {
  const programs = needPrograms(t, 'cosign3');
  if (programs === undefined) return;
  const server = await startSigstore(t);
  const folder = await temporaryDirectory(t);
  const client = await clientIn(folder, 'cosign3', programs.cosign3);
  const home = join(folder, 'home-cosign3');
  await writeFile(join(home, 'blob'), 'hello');
  await writeFile(join(home, 'secret'), 'anything');
  const root = `${server.url}/tuf/1.root.json`;
  await client.must(['initialize', '--mirror', `${server.url}/tuf`, '--root', root]);
  for (const [name, flow] of Object.entries(flows)) {
    await t.test(name, async (t) => {
      await sign(t, programs.cosign3, home, flow);
      await client.must([
        ...['verify-blob', '--bundle', 'bundle.json', '--certificate-identity', flow.identity],
        ...['--certificate-oidc-issuer', server.url, 'blob'],
      ]);
    });
  }
});

async function sign(t: TestContext, program: string, home: string, flow: Flow): Promise<void> {
  const bin = join(await temporaryDirectory(t), 'bin');
  await mkdir(bin);
  const script = join(bin, 'browser.mjs');
  await writeFile(script, flow.browser ?? 'process.exit(1)');
  await writeFile(join(bin, 'xdg-open'), `#!/bin/sh\nexec '${process.execPath}' '${script}' "$1"\n`);
  await chmod(join(bin, 'xdg-open'), 0o755);
  const environment = await cleanEnvironment(home);
  const child = spawn(program, ['sign-blob', '--yes', '--bundle', 'bundle.json', ...flow.args, 'blob'], {
    cwd: home,
    env: {
      ...environment,
      TUF_ROOT: join(home, 'tuf'),
      PATH: `${bin}${delimiter}${environment['PATH']}`,
    },
    stdio: 'pipe',
  });
  t.after(() => child.kill('SIGKILL'));
  let printed = '';
  let hasReplied = flow.reply === undefined;
  const failures: unknown[] = [];
  const read = (chunk: Buffer): void => {
    printed += chunk;
    const match = hasReplied ? null : (flow.reply?.to.exec(printed) ?? null);
    if (match === null) return;
    hasReplied = true;
    flow.reply?.with(match).then(
      (text) => child.stdin.end(text),
      (error: unknown) => {
        failures.push(error);
        child.kill();
      },
    );
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const [code] = await once(child, 'close');
  assert.deepEqual(failures, []);
  assert.equal(code, 0, printed);
}
