/** Signing in at the development issuer, and at issuers that do what they must not. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import {
  fetchInto,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { HttpService } from '../core/http.ts';
import { limits } from '../core/limits.ts';
import type { Fetch, FetchInit, FetchResponse } from '../core/runtime.ts';
import { listen } from '../node/http-server.ts';
import { createRuntime } from '../node/runtime.ts';
import { createApp } from '../server/app/app.ts';
import { createOidc, type OidcService } from '../server/oidc/oidc.ts';
import { type ListenOnLoopback, signInWithBrowser } from './browser.ts';
import { signInAsClient } from './client-credentials.ts';
import { type DeviceCode, signInOnDevice } from './device.ts';
import { discoverIssuer } from './discovery.ts';
import type { SignInOptions } from './sign-in.ts';
import type { IdentityToken } from './token.ts';
import { signInWithTypedCode } from './typed-code.ts';

const issuer = 'https://issuer.example/dev';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** An answer that the issuer would not give; undefined lets it answer. */
type Meddle = (url: URL, init: FetchInit) => Promise<FetchResponse | undefined> | FetchResponse | undefined;

interface World {
  readonly options: SignInOptions;
  readonly runtime: InProcessRuntime;
  readonly oidc: OidcService;
  /** Bodies of requests to the token end point, as forms. */
  readonly redeemed: URLSearchParams[];
  readonly app: HttpService;
}

/** The development issuer without a socket, with something between it and the client. */
async function world(meddle: Meddle = () => undefined, changes: Partial<SignInOptions> = {}): Promise<World> {
  const redeemed: URLSearchParams[] = [];
  const reach: { fetch: Fetch } = { fetch: async () => respond({ status: 404 }) };
  const runtime = inProcessRuntime(async (text, init) => {
    const url = new URL(text);
    if (url.pathname.endsWith('/token'))
      redeemed.push(new URLSearchParams(Buffer.from(init.body as Uint8Array).toString()));
    return (await meddle(url, init)) ?? reach.fetch(text, init);
  });
  const oidc = await createOidc(runtime, { issuer, key: privateKey });
  const app = createApp(runtime, { mounts: [{ service: oidc, prefix: '/dev', cors: false }] });
  reach.fetch = fetchInto(app);
  const signal = new AbortController().signal;
  return {
    runtime,
    oidc,
    redeemed,
    app,
    options: { runtime, signal, issuer, clientId: 'sigstore', ...changes },
  };
}

const json = (value: unknown, status = 200): FetchResponse =>
  respond({ status, body: JSON.stringify(value) });

/** Changes the metadata that the issuer tells. */
function metadata(changes: Readonly<Record<string, unknown>>): Meddle {
  return (url) =>
    url.pathname.endsWith('/.well-known/openid-configuration')
      ? json({
          issuer,
          authorization_endpoint: `${issuer}/oauth2/auth`,
          token_endpoint: `${issuer}/oauth2/token`,
          device_authorization_endpoint: `${issuer}/oauth2/device/code`,
          code_challenge_methods_supported: ['S256'],
          ...changes,
        })
      : undefined;
}

async function fails(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<string> {
  let shown = '';
  await assert.rejects(work, (error) => {
    shown = isBoltsealError(error) ? `${error.message}\n${error.hint ?? ''}` : String(error);
    return isBoltsealError(error, ...codes);
  });
  return shown;
}

suite('discovery', () => {
  test('where the end points are', async () => {
    const { options } = await world();
    assert.deepEqual(await discoverIssuer(options), {
      issuer,
      authorizationEndpoint: `${issuer}/oauth2/auth`,
      tokenEndpoint: `${issuer}/oauth2/token`,
      deviceAuthorizationEndpoint: `${issuer}/oauth2/device/code`,
      clientAuthentication: 'basic',
    });
  });

  test('an issuer that does not say what it supports may support it; secrets go as it wants them', async () => {
    const { options } = await world(
      metadata({
        code_challenge_methods_supported: undefined,
        device_authorization_endpoint: null,
        authorization_endpoint: undefined,
        token_endpoint_auth_methods_supported: ['client_secret_post'],
      }),
    );
    assert.deepEqual(await discoverIssuer(options), {
      issuer,
      tokenEndpoint: `${issuer}/oauth2/token`,
      clientAuthentication: 'post',
    });
  });

  const refused: Readonly<Record<string, readonly [Meddle, ErrorCode]>> = {
    'the name of another issuer': [metadata({ issuer: 'https://other.example' }), 'ERR_SIGN_IN'],
    'its name with a slash more': [metadata({ issuer: `${issuer}/` }), 'ERR_SIGN_IN'],
    'no name': [metadata({ issuer: undefined }), 'ERR_SIGN_IN'],
    'no PKCE with SHA-256': [metadata({ code_challenge_methods_supported: ['plain'] }), 'ERR_SIGN_IN'],
    'methods that are no list': [metadata({ code_challenge_methods_supported: 'S256' }), 'ERR_SIGN_IN'],
    'no token end point': [metadata({ token_endpoint: undefined }), 'ERR_SERVICE_RESPONSE'],
    'a token end point that is no URL': [metadata({ token_endpoint: 7 }), 'ERR_SERVICE_RESPONSE'],
    'a token end point with a password': [
      metadata({ token_endpoint: 'https://a:b@c.example/' }),
      'ERR_SERVICE_RESPONSE',
    ],
    'a token end point without TLS': [
      metadata({ token_endpoint: 'http://issuer.example/t' }),
      'ERR_SERVICE_INSECURE',
    ],
    'a page that is a program': [
      metadata({ authorization_endpoint: 'file:///bin/sh' }),
      'ERR_SERVICE_RESPONSE',
    ],
    'a redirect': [
      () => respond({ status: 301, headers: { location: 'https://other.example/' } }),
      'ERR_SERVICE_RESPONSE',
    ],
    'nothing there': [() => respond({ status: 404 }), 'ERR_SERVICE_RESPONSE'],
    'no JSON': [() => respond({ status: 200, body: '<html>' }), 'ERR_SERVICE_RESPONSE'],
    'a list': [() => json([]), 'ERR_SERVICE_RESPONSE'],
    'a flood': [() => respond({ status: 200, body: endless() }), 'ERR_SERVICE_RESPONSE'],
    'lasting failure': [() => respond({ status: 500 }), 'ERR_SERVICE_UNAVAILABLE'],
  };
  for (const [name, [meddle, code]] of Object.entries(refused)) {
    test(`${name}_fail`, async () => {
      const { options } = await world(meddle);
      await fails(discoverIssuer(options), code);
    });
  }

  test('an issuer without TLS, unless that is allowed_fail', async () => {
    const { options } = await world(undefined, { issuer: 'http://issuer.example' });
    await fails(discoverIssuer(options), 'ERR_SERVICE_INSECURE');
    await fails(discoverIssuer({ ...options, allowHttp: true }), 'ERR_SERVICE_RESPONSE', 'ERR_SIGN_IN');
    await fails(discoverIssuer({ ...options, issuer: 'issuer' }), 'ERR_SERVICE_RESPONSE');
    await fails(discoverIssuer({ ...options, issuer: `${issuer}?a=b` }), 'ERR_USAGE');
  });
});

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(65_536);
}

/** What a browser does with the page: signs in, and goes where it is sent. Resolves to what it shows in the end. */
async function browse(app: HttpService, page: string, email = 'dev@example.com'): Promise<URL> {
  const url = new URL(page);
  url.searchParams.set('login_hint', email);
  const answer = await fetchInto(app)(url.href, { method: 'GET', headers: {}, redirect: 'manual' });
  assert.equal(answer.status, 303);
  return new URL(answer.headers.get('location') ?? '');
}

interface Shown {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function show(url: URL): Promise<Shown> {
  const response = await fetch(url);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

interface BrowserRun {
  readonly result: Promise<IdentityToken | undefined>;
  /** What was shown at the end of each way that the browser went. */
  readonly shown: Shown[];
  readonly pages: string[];
  /** Listeners that are open. */
  open(): number;
}

/** Signs in with a browser that goes from the page to `visit(where the issuer sends it)`, one after the other. */
function browserSignIn(
  { options, app }: World,
  visit: (sent: URL) => readonly URL[] = (sent) => [sent],
  changes: Partial<SignInOptions> = {},
): BrowserRun {
  const shown: Shown[] = [];
  const pages: string[] = [];
  let open = 0;
  const counted: ListenOnLoopback = async (service, where) => {
    const listener = await listen(service, where);
    open++;
    return {
      port: listener.port,
      close: async () => {
        await listener.close();
        open--;
      },
    };
  };
  const { sleep } = createRuntime();
  const result = signInWithBrowser({
    ...options,
    ...changes,
    // Waiting takes its time here: the browser must come first.
    runtime: { ...options.runtime, sleep },
    listen: counted,
    announce: (page) => pages.push(page),
    async openBrowser(page) {
      const sent = await browse(app, page);
      void (async () => {
        for (const url of visit(sent)) shown.push(await show(url));
      })().catch(() => undefined);
    },
  });
  return { result, shown, pages, open: () => open };
}

const changed = (url: URL, changes: Readonly<Record<string, string | undefined>>): URL => {
  const copy = new URL(url);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) copy.searchParams.delete(name);
    else copy.searchParams.set(name, value);
  }
  return copy;
};

suite('a browser', () => {
  test('signs in, and sees that it did', async () => {
    const from = await world();
    const run = browserSignIn(from);
    const token = await run.result;
    assert.equal(token?.subject, 'dev@example.com');
    assert.equal(token?.subjectKind, 'email');
    assert.equal(run.open(), 0);
    const page = new URL(run.pages[0] ?? '');
    assert.equal(page.searchParams.get('code_challenge_method'), 'S256');
    assert.match(page.searchParams.get('redirect_uri') ?? '', /^http:\/\/localhost:\d+\/auth\/callback$/);
    assert.equal(from.redeemed.length, 1);
    assert.equal(from.redeemed[0]?.get('client_id'), 'sigstore');
    assert.ok((from.redeemed[0]?.get('code_verifier')?.length ?? 0) >= 43);
  });

  test('is answered with a page that is kept nowhere', async () => {
    const from = await world();
    const seen: Shown[] = [];
    const run = browserSignIn(from, (sent) => {
      // The answer and the end of the sign-in come at once.
      void show(sent).then((one) => seen.push(one));
      return [];
    });
    await run.result;
    await until(() => seen.length === 1);
    assert.equal(seen[0]?.status, 200);
    assert.equal(seen[0]?.headers.get('cache-control'), 'no-store');
    assert.equal(seen[0]?.headers.get('referrer-policy'), 'no-referrer');
    assert.match(seen[0]?.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  });

  test('that is sent by somebody else is told so, and the sign-in goes on', async () => {
    const from = await world();
    const run = browserSignIn(from, (sent) => [
      changed(sent, { state: 'guessed' }),
      changed(sent, { state: undefined }),
      new URL('/favicon.ico', sent),
      new URL(`${sent.href}&state=twice`),
      sent,
    ]);
    assert.equal((await run.result)?.subject, 'dev@example.com');
    await until(() => run.shown.length === 5);
    assert.deepEqual(
      run.shown.map(({ status }) => status),
      [400, 400, 404, 404, 200],
    );
    assert.equal(from.redeemed.length, 1);
  });

  test('is flooded with answers of others_fail', async () => {
    const from = await world();
    const run = browserSignIn(from, (sent) =>
      Array.from({ length: limits.strayCallbacks + 1 }, () => changed(sent, { state: 'guessed' })),
    );
    await fails(run.result, 'ERR_SIGN_IN');
    assert.equal(run.open(), 0);
    assert.equal(from.redeemed.length, 0);
  });

  const refused: Readonly<Record<string, readonly [(sent: URL) => URL, ErrorCode]>> = {
    'the person refuses': [
      (sent) => changed(sent, { code: undefined, error: 'access_denied', error_description: 'no' }),
      'ERR_SIGN_IN',
    ],
    'an answer of another issuer': [(sent) => changed(sent, { iss: 'https://other.example' }), 'ERR_SIGN_IN'],
    'no code': [(sent) => changed(sent, { code: undefined }), 'ERR_SIGN_IN'],
    'a code with a line break': [(sent) => changed(sent, { code: 'a\nb' }), 'ERR_SIGN_IN'],
    'a code that is not known': [(sent) => changed(sent, { code: 'x'.repeat(43) }), 'ERR_SIGN_IN'],
  };
  for (const [name, [change, code]] of Object.entries(refused)) {
    test(`${name}_fail`, async () => {
      const run = browserSignIn(await world(), (sent) => [change(sent)]);
      await fails(run.result, code);
      await until(() => run.shown.length === 1);
      assert.equal(run.shown[0]?.status, 400);
      assert.equal(run.open(), 0);
    });
  }

  test('what an issuer says is shown without our secrets_fail', async () => {
    const from = await world((url, init) => {
      if (!url.pathname.endsWith('/token')) return undefined;
      const form = new URLSearchParams(Buffer.from(init.body as Uint8Array).toString());
      const description = `\u001b[2J${form.get('code_verifier')} ${form.get('code')} ${init.headers['authorization']}`;
      return json({ error: 'invalid_grant', error_description: description }, 400);
    });
    const shown = await fails(browserSignIn(from).result, 'ERR_SIGN_IN');
    const [form] = from.redeemed;
    for (const secret of [form?.get('code_verifier'), form?.get('code'), '\u001b']) {
      assert.ok(secret && !shown.includes(secret), shown);
    }
  });

  const tokens: Readonly<Record<string, readonly [(oidc: OidcService) => Promise<string>, ErrorCode]>> = {
    'a token of another sign-in': [
      (oidc) => oidc.mintToken({ email: 'evil@example.com', claims: { nonce: 'another' } }),
      'ERR_SIGN_IN',
    ],
    'a token without a nonce': [(oidc) => oidc.mintToken({ email: 'evil@example.com' }), 'ERR_SIGN_IN'],
    'a token for another client': [
      (oidc) => oidc.mintToken({ email: 'a@b.example', audience: 'other' }),
      'ERR_IDENTITY_TOKEN',
    ],
    'an expired token': [
      (oidc) => oidc.mintToken({ email: 'a@b.example', expiresIn: 0 }),
      'ERR_IDENTITY_TOKEN',
    ],
    'what is no token': [async () => 'token', 'ERR_IDENTITY_TOKEN'],
  };
  for (const [name, [mint, code]] of Object.entries(tokens)) {
    test(`${name}_fail`, async () => {
      const made: { oidc?: OidcService } = {};
      const from = await world(async (url) =>
        url.pathname.endsWith('/token') && made.oidc !== undefined
          ? json({ id_token: await mint(made.oidc) })
          : undefined,
      );
      made.oidc = from.oidc;
      await fails(browserSignIn(from).result, code);
    });
  }

  const answers: Readonly<Record<string, readonly [() => FetchResponse, ErrorCode]>> = {
    'a redirect of the token end point': [
      () => respond({ status: 307, headers: { location: 'https://evil.example/' } }),
      'ERR_SERVICE_RESPONSE',
    ],
    'no token': [() => json({ access_token: 'x' }), 'ERR_IDENTITY_PROVIDER'],
    'no JSON': [() => respond({ status: 400, body: 'no' }), 'ERR_SERVICE_RESPONSE'],
    'a flood': [() => respond({ status: 200, body: endless() }), 'ERR_SERVICE_RESPONSE'],
    'a failure': [() => respond({ status: 502 }), 'ERR_SERVICE_UNAVAILABLE'],
  };
  for (const [name, [answer, code]] of Object.entries(answers)) {
    test(`${name}, and the code is not sent again_fail`, async () => {
      const from = await world((url) => (url.pathname.endsWith('/token') ? answer() : undefined));
      await fails(browserSignIn(from).result, code);
      assert.equal(from.redeemed.length, 1);
    });
  }

  test('a token of another issuer_fail', async () => {
    const other = await createOidc(
      inProcessRuntime(async () => respond({ status: 404 })),
      {
        issuer: 'https://other.example',
        key: privateKey,
      },
    );
    const from = await world(async (url) =>
      url.pathname.endsWith('/token')
        ? json({ id_token: await other.mintToken({ email: 'a@b.example' }) })
        : undefined,
    );
    await fails(browserSignIn(from).result, 'ERR_SIGN_IN');
  });

  test('cannot be opened: there is no answer, and no listener is left', async () => {
    const { options } = await world();
    const closed: number[] = [];
    const { sleep } = createRuntime();
    const token = await signInWithBrowser({
      ...options,
      runtime: { ...options.runtime, sleep },
      listen: async (service, where) => {
        const listener = await listen(service, where);
        return {
          port: listener.port,
          close: () => listener.close().then(() => void closed.push(listener.port)),
        };
      },
      announce: () => {},
      openBrowser: () => Promise.reject(new Error('no browser')),
    });
    assert.equal(token, undefined);
    assert.equal(closed.length, 1);
  });

  test('does not come back in time, or the work is cancelled_fail', async () => {
    const { options } = await world();
    const waiting = {
      ...options,
      listen: (...words: Parameters<ListenOnLoopback>) => listen(...words),
      announce: () => {},
      openBrowser: async () => {},
    };
    // Here waiting takes no time.
    await fails(signInWithBrowser(waiting), 'ERR_SIGN_IN');
    const controller = new AbortController();
    const { sleep } = createRuntime();
    const cancelled = signInWithBrowser({
      ...waiting,
      signal: controller.signal,
      runtime: { ...options.runtime, sleep },
      openBrowser: async () => controller.abort(new Error('enough')),
    });
    await assert.rejects(cancelled, /enough/);
  });

  test('comes back where it is told to', async () => {
    const from = await world();
    const free = await listen({ answer: async () => ({ status: 404, headers: {}, body: null }) });
    await free.close();
    const redirectUrl = `http://127.0.0.1:${free.port}/auth/callback`;
    const run = browserSignIn(from, undefined, { redirectUrl });
    assert.equal((await run.result)?.subject, 'dev@example.com');
    assert.equal(from.redeemed[0]?.get('redirect_uri'), redirectUrl);
  });

  for (const redirectUrl of [
    'https://localhost:8085/auth/callback',
    'http://example.com/auth/callback',
    'http://localhost.evil.example/',
    'http://localhost:8085/?a=b',
    'http://user@localhost:8085/',
    'localhost:8085',
  ]) {
    test(`a redirect to ${redirectUrl}_fail`, async () => {
      await fails(browserSignIn(await world(), undefined, { redirectUrl }).result, 'ERR_USAGE');
    });
  }
});

async function until(isDone: () => boolean): Promise<void> {
  const end = Date.now() + 5_000;
  while (!isDone()) {
    assert.ok(Date.now() < end, 'it does not happen');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

suite('a code that is typed in', () => {
  const typed = async (
    from: World,
    answer: (url: string) => Promise<string>,
    redirectUrl?: string,
  ): Promise<IdentityToken> => signInWithTypedCode({ ...from.options, redirectUrl, askCode: answer });
  const codeOf = async ({ app }: World, page: string): Promise<string> => {
    const answer = await fetchInto(app)(`${page}&login_hint=shown@example.com`, {
      method: 'GET',
      headers: {},
      redirect: 'manual',
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body ?? []) chunks.push(chunk);
    return /<code>([^<]+)</.exec(Buffer.concat(chunks).toString())?.[1] ?? '';
  };

  test('signs in', async () => {
    const from = await world();
    const token = await typed(from, async (url) => `  ${await codeOf(from, url)}\n`);
    assert.equal(token.subject, 'shown@example.com');
  });

  test('the address that the browser ended at will do', async () => {
    const from = await world();
    const redirectUrl = 'http://localhost:8085/auth/callback';
    const token = await typed(from, async (url) => (await browse(from.app, url)).href, redirectUrl);
    assert.equal(token.subject, 'dev@example.com');
  });

  const refused: Readonly<Record<string, (page: string, from: World) => Promise<string>>> = {
    nothing: async () => '',
    'another code': async () => 'guessed',
    'a long text': async () => 'x'.repeat(5_000),
    'two words': async () => 'a b',
    'an address of another sign-in': async (page, from) =>
      changed(await browse(from.app, page), { state: 'x' }).href,
  };
  for (const [name, answer] of Object.entries(refused)) {
    test(`${name}_fail`, async () => {
      const from = await world();
      await fails(
        typed(from, (page) => answer(page, from), 'http://localhost:8085/auth/callback'),
        'ERR_SIGN_IN',
      );
    });
  }
});

suite('another device', () => {
  /** Decides on the page of the issuer. */
  async function decide({ app }: World, code: DeviceCode, decision: 'allow' | 'deny'): Promise<void> {
    const answer = await fetchInto(app)(code.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(
        new URLSearchParams({ user_code: code.userCode, email: 'device@example.com', decision }).toString(),
      ),
      redirect: 'manual',
    });
    assert.equal(answer.status, 200);
  }

  test('signs in, and was asked for no more often than the issuer wants', async () => {
    const codes: DeviceCode[] = [];
    // The person takes a while: four questions come before.
    const from: World = await world(async (url) => {
      const [code] = codes;
      if (url.pathname.endsWith('/token') && code !== undefined && from.redeemed.length === 5) {
        await decide(from, code, 'allow');
      }
      return undefined;
    });
    const token = await signInOnDevice({ ...from.options, show: (code) => codes.push(code) });
    assert.equal(token.subject, 'device@example.com');
    assert.match(codes[0]?.userCode ?? '', /^[A-Z]{4}-[A-Z]{4}$/);
    assert.equal(codes[0]?.url, `${issuer}/oauth2/device`);
    assert.equal(codes[0]?.completeUrl, `${issuer}/oauth2/device?user_code=${codes[0]?.userCode}`);
    assert.equal(from.redeemed.length, 5);
    assert.equal(from.runtime.slept(), 5_000);
    assert.ok(from.redeemed.every((form) => (form.get('code_verifier')?.length ?? 0) >= 43));
  });

  test('the person refuses_fail', async () => {
    const from = await world();
    await fails(
      signInOnDevice({ ...from.options, show: (code) => void decide(from, code, 'deny') }),
      'ERR_SIGN_IN',
    );
  });

  test('nobody comes_fail', async () => {
    const from = await world();
    await fails(signInOnDevice({ ...from.options, show: () => {} }), 'ERR_SIGN_IN');
    assert.ok(
      from.runtime.slept() >= 300_000 && from.runtime.slept() < 310_000,
      String(from.runtime.slept()),
    );
  });

  test('the signal ends the waiting_fail', async () => {
    const from = await world();
    const controller = new AbortController();
    const work = signInOnDevice({
      ...from.options,
      signal: controller.signal,
      show: () => controller.abort(new Error('enough')),
    });
    await assert.rejects(work, /enough/);
    assert.equal(from.redeemed.length, 0);
  });

  const grant = {
    device_code: 'device-secret',
    user_code: 'AAAA-BBBB',
    verification_uri: 'https://issuer.example/device',
    expires_in: 600,
    interval: 5,
  };
  /** An issuer whose device flow answers as told: first the code, then each question in turn, the last for ever. */
  const device = (changes: object, ...answers: readonly (() => FetchResponse)[]): Meddle => {
    let next = 0;
    return (url) => {
      if (url.pathname.endsWith('/device/code')) return json({ ...grant, ...changes });
      if (!url.pathname.endsWith('/token')) return undefined;
      return answers[Math.min(next++, answers.length - 1)]?.();
    };
  };
  const pending = (): FetchResponse => json({ error: 'authorization_pending' }, 400);
  const slower = (): FetchResponse => json({ error: 'slow_down' }, 400);
  const lost = (): FetchResponse => {
    throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  };

  test('an issuer that wants to be asked less often is', async () => {
    const from = await world(
      device({ interval: 2 }, slower, slower, () => json({ error: 'access_denied' }, 400)),
    );
    await fails(signInOnDevice({ ...from.options, show: () => {} }), 'ERR_SIGN_IN');
    assert.equal(from.runtime.slept(), 2_000 + 7_000 + 12_000);
  });

  test('an issuer that is away for a while is waited for', async () => {
    const from = await world(
      device(
        {},
        lost,
        pending,
        () => respond({ status: 503 }),
        () => json({ error: 'x' }, 400),
      ),
    );
    await fails(signInOnDevice({ ...from.options, show: () => {} }), 'ERR_SIGN_IN');
    assert.equal(from.redeemed.length, 4);
  });

  const endings: Readonly<Record<string, readonly [Meddle, ErrorCode]>> = {
    'an issuer that never answers': [device({}, lost), 'ERR_SERVICE_NETWORK'],
    'an issuer that keeps failing': [device({}, () => respond({ status: 500 })), 'ERR_SERVICE_UNAVAILABLE'],
    'waiting without end': [device({ expires_in: 1e300, interval: 0 }, pending), 'ERR_SIGN_IN'],
    'a rhythm without end': [device({ expires_in: 'soon', interval: 1e300 }, slower), 'ERR_SIGN_IN'],
    'a code that is over': [device({}, () => json({ error: 'expired_token' }, 400)), 'ERR_SIGN_IN'],
    'an error that repeats our secret': [
      device({}, () => json({ error: 'x', error_description: 'device-secret' }, 400)),
      'ERR_SIGN_IN',
    ],
    'no device code': [device({ device_code: '' }), 'ERR_SERVICE_RESPONSE'],
    'a code that steers the terminal': [device({ user_code: '\u001b[2J' }), 'ERR_SERVICE_RESPONSE'],
    'a long code': [device({ user_code: 'A'.repeat(65) }), 'ERR_SERVICE_RESPONSE'],
    'a page that is a script': [device({ verification_uri: 'javascript:alert(1)' }), 'ERR_SERVICE_RESPONSE'],
    'a page without TLS': [
      device({ verification_uri_complete: 'http://issuer.example/' }),
      'ERR_SERVICE_INSECURE',
    ],
    'an issuer without the flow': [metadata({ device_authorization_endpoint: undefined }), 'ERR_SIGN_IN'],
    'a client that is not known': [
      (url) => (url.pathname.endsWith('/device/code') ? json({ error: 'invalid_client' }, 401) : undefined),
      'ERR_SIGN_IN',
    ],
    'an answer that is none': [
      (url) => (url.pathname.endsWith('/device/code') ? respond({ status: 404, body: 'no' }) : undefined),
      'ERR_SERVICE_RESPONSE',
    ],
  };
  for (const [name, [meddle, code]] of Object.entries(endings)) {
    test(`${name}_fail`, async () => {
      const from = await world(meddle);
      const shown = await fails(signInOnDevice({ ...from.options, show: () => {} }), code);
      assert.ok(!shown.includes('device-secret'), shown);
      assert.ok(from.runtime.slept() <= limits.signInTime + 60_000, String(from.runtime.slept()));
    });
  }
});

suite('a client with a secret', () => {
  test('signs in with basic authentication', async () => {
    const from = await world(undefined, { clientId: 'ci bot', clientSecret: 'p@ss wörd' });
    const token = await signInAsClient(from.options);
    assert.equal(token.subject, 'ci-bot@example.com');
    const request = from.runtime.seen.at(-1);
    const given = /^Basic (.+)$/.exec(request?.headers['authorization'] ?? '')?.[1] ?? '';
    assert.equal(Buffer.from(given, 'base64').toString(), 'ci+bot:p%40ss+w%C3%B6rd');
    assert.equal(from.redeemed[0]?.get('scope'), 'openid email');
    assert.equal(from.redeemed[0]?.has('client_secret'), false);
  });

  test('or as the issuer wants it', async () => {
    const meddle = metadata({ token_endpoint_auth_methods_supported: ['client_secret_post'] });
    const from = await world(meddle, {
      clientId: 'bot',
      clientSecret: 'secret',
      redirectUrl: 'http://localhost/cb',
    });
    assert.equal((await signInAsClient(from.options)).subject, 'bot@example.com');
    assert.equal(from.redeemed[0]?.get('client_secret'), 'secret');
    assert.equal(from.redeemed[0]?.get('redirect_uri'), 'http://localhost/cb');
  });

  test('a refusal that repeats the secret_fail', async () => {
    const from = await world(
      (url) =>
        url.pathname.endsWith('/token')
          ? json({ error: 'invalid_client', error_description: 'not hunter2' }, 401)
          : undefined,
      { clientSecret: 'hunter2' },
    );
    const shown = await fails(signInAsClient(from.options), 'ERR_SIGN_IN');
    assert.ok(!shown.includes('hunter2'), shown);
    assert.ok(shown.includes('--oidc-client-id'), shown);
  });
});
