import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, suite, type TestContext, test } from 'node:test';
import { serve } from '../../test/support/serve.ts';
import { type Releases, temporaryDirectory } from '../../test/support/temporary.ts';
import { unverifiedToken } from '../../test/support/unverified-token.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import { createRuntime } from '../node/runtime.ts';
import { browserCommands, hasBrowser } from './browser.ts';
import type { CommandContext, CommandSpec } from './command.ts';
import { type TokenSourceOptions, tokenSource } from './identity.ts';
import { createOutput } from './output.ts';
import { parseInvocation, readWords } from './parse.ts';
import { confirmPublicLog } from './sign-in.ts';

const command: CommandSpec = {
  name: 'sign',
  summary: '',
  description: [],
  flags: [
    'identity-token',
    'oidc-client-id',
    'oidc-client-secret-file',
    'oidc-provider',
    'oidc-redirect-url',
    'oidc-disable-ambient-providers',
    'fulcio-auth-flow',
  ],
  examples: [],
  load: () => Promise.reject(new Error('not run')),
};

interface Setting {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly terminal?: boolean;
  readonly signal?: AbortSignal;
  /** Is told what is printed on standard error. */
  readonly onPrint?: (printed: string) => void;
}

interface World {
  readonly context: CommandContext;
  printed(): { readonly stdout: string; readonly stderr: string };
}

function world(words: readonly string[], setting: Setting = {}): World {
  const { env = {}, stdin = '', terminal = false, signal = new AbortController().signal } = setting;
  let stdout = '';
  let stderr = '';
  const source = Readable.from([Buffer.from(stdin)]);
  const io = {
    stdin: { isTTY: terminal, [Symbol.asyncIterator]: () => source[Symbol.asyncIterator]() },
    stdout: { write: (text: string | Uint8Array) => (stdout += text.toString()) },
    stderr: {
      isTTY: terminal,
      write(text: string | Uint8Array) {
        stderr += text.toString();
        setting.onPrint?.(stderr);
      },
    },
    env,
    platform: 'linux',
    signal,
  };
  const { args, flags } = parseInvocation(command, readWords(words, command), env, [command]);
  const output = createOutput(io, { json: false, quiet: false, verbose: false });
  const runtime = createRuntime({ env });
  const other = (): Promise<Runtime> => Promise.reject(new Error('registries have other settings'));
  const context = {
    command,
    args,
    flags,
    output,
    io,
    signal,
    runtime: other,
    serviceRuntime: async () => runtime,
  };
  return { context, printed: () => ({ stdout, stderr }) };
}

async function fails(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<string> {
  let shown = '';
  await assert.rejects(work, (error) => {
    shown = isBoltsealError(error)
      ? `${error.message}\n${error.hint ?? ''}\n${error.cause ?? ''}`
      : String(error);
    return isBoltsealError(error, ...codes);
  });
  return shown;
}

let url = '';

/** A token of the development issuer. */
async function mint(request: object): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/oauth2/mint`, {
    method: 'POST',
    headers,
    body: JSON.stringify(request),
  });
  return ((await answer.json()) as { readonly token: string }).token;
}

const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const release of cleanups.reverse()) await release();
});

before(async () => {
  const releases: Releases = { after: (release) => void cleanups.push(release) };
  const folder = await temporaryDirectory(releases);
  const server = await serve(releases, ['--dev', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0']);
  assert.ok(server.url, server.printed().stderr);
  url = server.url;
});

async function file(t: TestContext, content: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryDirectory(t), 'file');
  await writeFile(path, content, { mode });
  return path;
}

suite('--identity-token', () => {
  test('a token, a file, standard input', async (t) => {
    const token = await mint({ email: 'dev@example.com' });
    const path = await file(t, `${token}\n`);
    const cases: readonly (readonly [word: string, stdin: string])[] = [
      [token, ''],
      [path, ''],
      ['-', ` ${token}\r\n`],
    ];
    for (const [word, stdin] of cases) {
      const { context, printed } = world(['--identity-token', word], {
        stdin,
        env: { SIGSTORE_ID_TOKEN: 'unused' },
      });
      const get = tokenSource(context);
      assert.equal((await get()).subject, 'dev@example.com');
      assert.equal((await get()).token, token);
      assert.deepEqual(printed(), { stdout: '', stderr: '' });
    }
  });

  test('by a variable, cosign’s too', async () => {
    const token = await mint({ email: 'dev@example.com' });
    for (const name of ['BOLTSEAL_IDENTITY_TOKEN', 'COSIGN_IDENTITY_TOKEN']) {
      assert.equal(
        (await tokenSource(world([], { env: { [name]: token } }).context)()).subject,
        'dev@example.com',
      );
    }
  });

  test('one that is about to expire is read anew, and any other is not', async (t) => {
    const brief = await file(t, await mint({ email: 'old@example.com', expiresIn: 30_000 }));
    const get = tokenSource(world(['--identity-token', brief]).context);
    assert.equal((await get()).subject, 'old@example.com');
    await writeFile(brief, await mint({ email: 'new@example.com' }));
    const both = await Promise.all([get(), get()]);
    assert.deepEqual(
      both.map(({ subject }) => subject),
      ['new@example.com', 'new@example.com'],
    );
    await writeFile(brief, 'gone');
    assert.equal((await get()).subject, 'new@example.com');
  });

  test('for the client that is named, too', async () => {
    const token = await mint({ email: 'dev@example.com', audience: 'ours' });
    await fails(tokenSource(world(['--identity-token', token]).context)(), 'ERR_IDENTITY_TOKEN');
    const { context } = world(['--identity-token', token, '--oidc-client-id', 'ours']);
    assert.equal((await tokenSource(context)()).subject, 'dev@example.com');
  });

  test('whatever is wrong with it, it is not repeated_fail', async (t) => {
    const token = await mint({ email: 'dev@example.com' });
    const words = [
      `${token.slice(0, -3)}"`,
      `Bearer ${token}`,
      token.split('.').slice(0, 2).join('.'),
      '/nowhere/ghp_opaque_secret_that_is_no_token',
      'opaque secret that is no token',
      await file(t, 'x'.repeat(50_000)),
      await temporaryDirectory(t),
    ];
    for (const word of words) {
      const shown = await fails(
        tokenSource(world(['--identity-token', word]).context)(),
        'ERR_IDENTITY_TOKEN',
      );
      assert.ok(!shown.includes(word) && !shown.includes(token.slice(0, 30)), shown);
    }
    const expired = unverifiedToken({ exp: 1 });
    await fails(tokenSource(world(['--identity-token', expired]).context)(), 'ERR_IDENTITY_TOKEN');
  });

  test('standard input that never ends, or that is cancelled_fail', async () => {
    const endless = world(['--identity-token', '-'], { stdin: 'x'.repeat(50_000) });
    await fails(tokenSource(endless.context)(), 'ERR_LIMIT_EXCEEDED');
  });
});

suite('the environment', () => {
  test('comes next, and a person is not asked', async () => {
    const token = await mint({ subject: 'workflow' });
    const { context, printed } = world([], { env: { SIGSTORE_ID_TOKEN: token }, terminal: true });
    assert.equal((await tokenSource(context, { issuer: url })()).subject, 'workflow');
    assert.equal(printed().stderr, '');
  });

  test('a failure is not kept_fail', async () => {
    const { context } = world(['--oidc-provider', 'spiffe']);
    const get = tokenSource(context);
    await fails(get(), 'ERR_IDENTITY_MISSING');
    await fails(get(), 'ERR_IDENTITY_MISSING');
  });

  const missing: Readonly<Record<string, readonly [words: readonly string[], Setting, code: ErrorCode]>> = {
    'no terminal': [[], {}, 'ERR_IDENTITY_MISSING'],
    'a CI system with a terminal': [
      [],
      { env: { GITHUB_ACTIONS: 'true', CI: 'true' }, terminal: true },
      'ERR_IDENTITY_MISSING',
    ],
    'a CI system, and the device flow is asked for': [
      ['--fulcio-auth-flow', 'device'],
      { env: { GITLAB_CI: 'true' }, terminal: true },
      'ERR_IDENTITY_MISSING',
    ],
    'a CI system without its providers': [
      ['--oidc-disable-ambient-providers'],
      { env: { GITHUB_ACTIONS: 'true', SIGSTORE_ID_TOKEN: 'x' }, terminal: true },
      'ERR_IDENTITY_MISSING',
    ],
    'only tokens are wanted': [['--fulcio-auth-flow', 'token'], { terminal: true }, 'ERR_IDENTITY_MISSING'],
    'a provider that is not there': [
      ['--oidc-provider', 'github-actions'],
      { terminal: true },
      'ERR_IDENTITY_MISSING',
    ],
    'a provider that does not exist': [['--oidc-provider', 'jenkins'], {}, 'ERR_USAGE'],
  };
  for (const [name, [words, setting, code]] of Object.entries(missing)) {
    test(`${name}: fails at once, and nobody is asked_fail`, async () => {
      const { context, printed } = world(words, setting);
      await fails(tokenSource(context, { issuer: url })(), code);
      assert.deepEqual(printed(), { stdout: '', stderr: '' });
    });
  }

  test('nobody knows where to sign in_fail', async () => {
    const { context } = world([], { terminal: true });
    await fails(tokenSource(context)(), 'ERR_SIGNING_CONFIG');
  });

  const contradictions: readonly (readonly string[])[] = [
    ['--identity-token', 'x', '--fulcio-auth-flow', 'device'],
    ['--identity-token', 'x', '--oidc-provider', 'spiffe'],
    ['--oidc-provider', 'spiffe', '--fulcio-auth-flow', 'normal'],
    ['--oidc-provider', 'spiffe', '--oidc-disable-ambient-providers'],
    ['--fulcio-auth-flow', 'client_credentials'],
  ];
  for (const words of contradictions) {
    test(`${words.join(' ')}_fail`, () => {
      assert.throws(
        () => tokenSource(world(words).context),
        (error) => isBoltsealError(error, 'ERR_USAGE'),
      );
    });
  }
});

suite('a person', () => {
  const byDevice = async (
    words: readonly string[],
    setting: Setting,
    options: TokenSourceOptions,
  ): Promise<World> => {
    let isDone = false;
    const at = world(words, {
      ...setting,
      onPrint(printed) {
        const [, page = '', code = ''] = /(http:\S+)\?user_code=([A-Z]{4}-[A-Z]{4})/.exec(printed) ?? [];
        if (code === '' || isDone) return;
        isDone = true;
        const body = new URLSearchParams({ user_code: code, email: 'device@example.com', decision: 'allow' });
        void fetch(page, { method: 'POST', body });
      },
    });
    assert.equal((await tokenSource(at.context, options)()).subject, 'device@example.com');
    return at;
  };

  test('signs in on another device when there is a terminal and no browser', async () => {
    const { printed } = await byDevice([], { terminal: true }, { issuer: url });
    assert.equal(printed().stdout, '');
    assert.match(printed().stderr, /Signed in as device@example\.com/);
  });

  test('and without a terminal when that is asked for', async () => {
    await byDevice(['--fulcio-auth-flow', 'device'], {}, { issuer: url });
  });

  /** A browser in which somebody is known already. */
  const browser = async (t: TestContext): Promise<string> => {
    const script = `const url = process.argv[1] + '&login_hint=browser@example.com'; fetch(url).then((answer) => answer.text());`;
    const path = await file(t, `#!/bin/sh\nexec '${process.execPath}' -e "${script}" "$1"\n`, 0o755);
    await chmod(path, 0o755);
    return path;
  };

  test('signs in with a browser when there is one, once it is agreed to', async (t) => {
    const asked: string[] = [];
    const at = world([], { terminal: true, env: { BROWSER: `/nowhere/browser:${await browser(t)}` } });
    const get = tokenSource(at.context, {
      issuer: url,
      beforeSignIn: async () => void asked.push(at.printed().stderr),
    });
    assert.equal((await get()).subject, 'browser@example.com');
    assert.equal((await get()).subject, 'browser@example.com');
    assert.deepEqual(asked, ['']);
    assert.equal(at.printed().stdout, '');
    const refused = tokenSource(at.context, {
      issuer: url,
      beforeSignIn: () => Promise.reject(new Error('no')),
    });
    await assert.rejects(refused(), /^Error: no$/);
  });

  test('no browser, no terminal_fail', async () => {
    const { context } = world(['--fulcio-auth-flow', 'normal'], {
      env: { BROWSER: '/nowhere/browser', PATH: '/nowhere' },
    });
    await fails(tokenSource(context, { issuer: url })(), 'ERR_SIGN_IN');
  });

  test('a program with a secret signs in by itself', async (t) => {
    const words = [
      '--fulcio-auth-flow',
      'client_credentials',
      '--oidc-client-id',
      'bot',
      '--oidc-client-secret-file',
    ];
    const { context, printed } = world([...words, await file(t, 'secret\n')]);
    assert.equal((await tokenSource(context, { issuer: url })()).subject, 'bot@example.com');
    assert.deepEqual(printed(), { stdout: '', stderr: '' });
    await fails(tokenSource(world([...words, await file(t, ' \n')]).context, { issuer: url })(), 'ERR_USAGE');
    await fails(
      tokenSource(world([...words, '/nowhere/secret']).context, { issuer: url })(),
      'ERR_FILE_READ',
    );
  });

  test('is told what a public log keeps; where nobody can be asked nothing is', async () => {
    for (const consent of [true, false]) {
      const { context, printed } = world([]);
      await confirmPublicLog(context, { log: 'https://rekor.example', consent });
      assert.match(printed().stderr, /https:\/\/rekor\.example is a public log/);
      assert.equal(printed().stdout, '');
    }
  });
});

suite('browsers', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, string, boolean])[] = [
    ['a desktop', { DISPLAY: ':0' }, 'linux', true],
    ['Wayland', { WAYLAND_DISPLAY: 'wayland-0' }, 'linux', true],
    ['Windows’ Linux', { WSL_DISTRO_NAME: 'Debian' }, 'linux', true],
    ['a console', {}, 'linux', false],
    ['another machine’s display', { DISPLAY: ':10', SSH_CONNECTION: '::1 1 ::1 22' }, 'linux', false],
    [
      'an editor’s remote terminal',
      { BROWSER: '/editor/browser.sh', SSH_CONNECTION: '::1 1 ::1 22' },
      'linux',
      true,
    ],
    ['a Mac', {}, 'darwin', true],
    ['a Mac over SSH', { SSH_TTY: '/dev/ttys000' }, 'darwin', false],
    ['Windows', {}, 'win32', true],
  ];
  for (const [name, env, platform, expected] of cases) {
    test(`${name}: ${expected ? 'one' : 'none'}`, () => {
      assert.equal(hasBrowser({ env, platform }), expected);
    });
  }

  test('no shell reads the address', () => {
    const page = 'https://issuer.example/auth?a=1&b=$(x)';
    assert.deepEqual(browserCommands({ env: {}, platform: 'win32' }, page), [
      ['rundll32', 'url.dll,FileProtocolHandler', page],
    ]);
    assert.deepEqual(browserCommands({ env: {}, platform: 'darwin' }, page), [['open', page]]);
    const env = { BROWSER: 'firefox --private-window:w3m -o x=%s', WSL_DISTRO_NAME: 'Debian' };
    assert.deepEqual(browserCommands({ env, platform: 'linux' }, page), [
      ['firefox', '--private-window', page],
      ['w3m', '-o', `x=${page}`],
      ['wslview', page],
      ['xdg-open', page],
    ]);
  });
});
