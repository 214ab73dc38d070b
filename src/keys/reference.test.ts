import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { vector } from '../../test/vectors/vectors.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Fetch, FetchResponse, LogEvent } from '../core/runtime.ts';
import { createRuntime } from '../node/runtime.ts';
import type { KeyContext } from './provider.ts';
import { keyProviders, loadSigner, loadVerificationKeys } from './reference.ts';

const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;
const privateKey = vector('keys/signing.key');
const publicKey = vector('keys/signing.pub');
const publicPem = fromUtf8(publicKey, 'x');

interface Seen {
  readonly events: LogEvent[];
  readonly urls: string[];
}

/** A context with nothing in it but what a test gives. */
function context(
  given: Partial<KeyContext> & { env?: Record<string, string>; fetch?: Fetch } = {},
): KeyContext & Seen {
  const events: LogEvent[] = [];
  const urls: string[] = [];
  const nothing: Fetch = () => Promise.reject(new Error('no network'));
  return {
    runtime: createRuntime({
      env: given.env ?? {},
      log: (event) => events.push(event),
      fetch: (url, init) => {
        urls.push(url);
        return (given.fetch ?? nothing)(url, init);
      },
    }),
    password: given.password ?? (async () => [utf8('secret')]),
    readStdin: given.readStdin ?? (async () => new Uint8Array(0)),
    passwordUsesStdin: given.passwordUsesStdin,
    allowRemoteKeys: given.allowRemoteKeys,
    events,
    urls,
  };
}

describe('key references', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'boltseal-keys-'));
    await writeFile(join(folder, 'cosign.key'), privateKey);
    await writeFile(join(folder, 'cosign.pub'), publicKey);
    await writeFile(join(folder, 'empty'), '');
    await writeFile(join(folder, 'large'), new Uint8Array(70_000).fill(0x41));
    await writeFile(join(folder, 'plain.pem'), vector('import/ec-prime256v1-pkcs8.pem'));
  });
  after(() => rm(folder, { recursive: true }));

  it('load from files, variables and standard input', async () => {
    const sources: [string, KeyContext, KeyContext][] = [
      [join(folder, 'cosign.key'), context(), context()],
      [
        'env://KEY',
        context({ env: { KEY: fromUtf8(privateKey, 'x') } }),
        context({ env: { KEY: publicPem } }),
      ],
      ['-', context({ readStdin: async () => privateKey }), context({ readStdin: async () => publicKey })],
    ];
    await Promise.all(
      sources.map(async ([reference, signing, verifying]) => {
        const signer = await loadSigner(reference, signing);
        assert.equal(signer.publicKey.pem, publicPem, reference);
        const [key] = await loadVerificationKeys(reference.replace(/\.key$/, '.pub'), verifying);
        assert.equal(key?.pem, publicPem, reference);
      }),
    );
  });

  it('take a password with its newline, or without', async () => {
    await loadSigner(
      join(folder, 'cosign.key'),
      context({ password: async () => [utf8('secret\n'), utf8('secret')] }),
    );
  });

  it('ask for a password only when there is an encrypted key', async () => {
    const password = (): never => assert.fail('asked');
    for (const name of ['cosign.pub', 'empty', 'plain.pem', 'missing']) {
      await assert.rejects(loadSigner(join(folder, name), context({ password })));
    }
    await loadVerificationKeys(join(folder, 'cosign.pub'), context({ password }));
  });

  describe('that cannot sign', () => {
    const cases: Readonly<
      Record<string, readonly [string, Partial<KeyContext> & { env?: Record<string, string> }, string]>
    > = {
      'a missing file': ['missing', {}, 'ERR_KEY_NOT_FOUND'],
      'a folder': ['.', {}, 'ERR_FILE_READ'],
      'a file below a file': ['cosign.key/x', {}, 'ERR_KEY_NOT_FOUND'],
      'an empty file': ['empty', {}, 'ERR_KEY_EMPTY'],
      'a large file': ['large', {}, 'ERR_LIMIT_EXCEEDED'],
      'a public key': ['cosign.pub', {}, 'ERR_KEY_PUBLIC_GIVEN'],
      'a plain key': ['plain.pem', {}, 'ERR_KEY_NOT_ENCRYPTED'],
      'a wrong password': ['cosign.key', { password: async () => [utf8('wrong')] }, 'ERR_PASSWORD_WRONG'],
      'an unset variable': ['env://KEY', {}, 'ERR_KEY_NOT_FOUND'],
      'a variable without a name': ['env://', {}, 'ERR_KEY_NOT_FOUND'],
      'an empty variable': ['env://KEY', { env: { KEY: '' } }, 'ERR_KEY_EMPTY'],
      'a blank variable': ['env://KEY', { env: { KEY: ' \n' } }, 'ERR_KEY_EMPTY'],
      'a name of Object': ['env://constructor', {}, 'ERR_KEY_NOT_FOUND'],
      'empty standard input': ['-', {}, 'ERR_KEY_EMPTY'],
      'key and password on standard input': [
        '-',
        { readStdin: async () => privateKey, passwordUsesStdin: () => true },
        'ERR_KEY_STDIN_CONFLICT',
      ],
      'a web address': ['https://example.com/cosign.pub', { allowRemoteKeys: true }, 'ERR_USAGE'],
      'no reference': ['', {}, 'ERR_USAGE'],
      'a PKCS#11 URI without a key': ['pkcs11:token=x', {}, 'ERR_USAGE'],
      'an unknown scheme': ['nosuch://x', {}, 'ERR_KEY_REFERENCE_UNKNOWN'],
    };
    for (const [name, [reference, given, expected]] of Object.entries(cases)) {
      it(`${name}_fail`, async () => {
        const isPath = !/^$|^-$|:/.test(reference);
        await assert.rejects(
          loadSigner(isPath ? join(folder, reference) : reference, context(given)),
          code(expected),
        );
      });
    }
  });

  it('that hold a private key do not verify', async () => {
    for (const name of ['cosign.key', 'plain.pem']) {
      await assert.rejects(
        loadVerificationKeys(join(folder, name), context()),
        code('ERR_KEY_PRIVATE_GIVEN'),
      );
    }
  });

  it('of an unknown scheme list the known ones, and show no more than the scheme', async () => {
    await assert.rejects(loadSigner('nosuch://user:SECRET@host', context()), (error) => {
      assert.ok(isBoltsealError(error, 'ERR_KEY_REFERENCE_UNKNOWN'));
      for (const provider of keyProviders) assert.ok(error.hint?.includes(provider.form));
      assert.ok(!JSON.stringify([error.message, error.hint, error.details]).includes('SECRET'));
      return true;
    });
  });

  it('have each one owner', () => {
    for (const reference of [
      '-',
      'env://A',
      'https://h/k',
      'HTTP://h/k',
      'key',
      './env:/x',
      'C:\\keys\\cosign.key',
    ]) {
      // The provider of plugins, which is last, takes every scheme that is left.
      const owners = keyProviders.slice(0, -1).filter((provider) => provider.owns(reference));
      assert.equal(owners.length, 1, reference);
    }
  });
});

describe('public keys over the network', () => {
  const url = 'https://keys.example.com/cosign.pub?token=SECRET';
  function answer(
    status: number,
    body: Uint8Array | undefined,
    headers: Record<string, string> = {},
  ): FetchResponse {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      if (body !== undefined) yield body;
    }
    return {
      status,
      headers: { get: (name) => headers[name] ?? null },
      body: body === undefined ? null : chunks(),
    };
  }
  const serving =
    (responses: Readonly<Record<string, () => FetchResponse>>): Fetch =>
    (asked) => {
      const response = responses[asked];
      return response === undefined ? Promise.reject(new Error('no network')) : Promise.resolve(response());
    };
  const remote = (responses: Readonly<Record<string, () => FetchResponse>>) =>
    context({ allowRemoteKeys: true, fetch: serving(responses) });

  it('are fetched when allowed, along redirects of the same origin', async () => {
    const other = 'https://keys.example.com/other';
    const given = remote({
      [url]: () => answer(302, undefined, { location: '/other' }),
      [other]: () => answer(200, publicKey),
    });
    const [key] = await loadVerificationKeys(url, given);
    assert.equal(key?.pem, publicPem);
    assert.deepEqual(given.urls, [url, other]);
    assert.deepEqual(given.events, []);
  });

  it('are not fetched unless allowed', async () => {
    const given = context({ fetch: serving({ [url]: () => answer(200, publicKey) }) });
    await assert.rejects(loadVerificationKeys(url, given), code('ERR_KEY_REMOTE_REFUSED'));
    assert.deepEqual(given.urls, []);
  });

  it('come with a warning over plain http, but not from this machine', async () => {
    for (const [host, warnings] of [
      ['keys.example.com', 1],
      ['127.0.0.1:8080', 0],
      ['localhost', 0],
      ['[::1]', 0],
    ] as const) {
      const plain = `http://${host}/k`;
      const given = remote({ [plain]: () => answer(200, publicKey) });
      await loadVerificationKeys(plain, given);
      assert.equal(given.events.filter((event) => event.level === 'warn').length, warnings, host);
    }
  });

  const redirect = (location: string) => () => answer(307, undefined, { location });
  const cases: Readonly<Record<string, readonly [Record<string, () => FetchResponse>, string]>> = {
    'not there': [{ [url]: () => answer(404, undefined) }, 'ERR_KEY_NOT_FOUND'],
    forbidden: [{ [url]: () => answer(403, undefined) }, 'ERR_KEY_FETCH'],
    'no network': [{}, 'ERR_KEY_FETCH'],
    'a private key': [{ [url]: () => answer(200, privateKey) }, 'ERR_KEY_PRIVATE_GIVEN'],
    'a web page': [{ [url]: () => answer(200, utf8('<html>')) }, 'ERR_KEY_INVALID'],
    'too large': [{ [url]: () => answer(200, new Uint8Array(70_000)) }, 'ERR_LIMIT_EXCEEDED'],
    'redirect to another host': [{ [url]: redirect('https://evil.example.com/k') }, 'ERR_KEY_FETCH'],
    'redirect to plain http': [{ [url]: redirect('http://keys.example.com/k') }, 'ERR_KEY_FETCH'],
    'redirect without end': [{ [url]: redirect(url) }, 'ERR_KEY_FETCH'],
    'redirect to nowhere': [{ [url]: () => answer(302, undefined) }, 'ERR_KEY_FETCH'],
    'redirect to no URL': [{ [url]: redirect('https://:x') }, 'ERR_KEY_FETCH'],
  };
  for (const [name, [responses, expected]] of Object.entries(cases)) {
    it(`${name}_fail`, async () => {
      await assert.rejects(loadVerificationKeys(url, remote(responses)), (error) => {
        assert.ok(isBoltsealError(error) && error.code === expected);
        assert.ok(!JSON.stringify([error.message, error.hint, error.details]).includes('SECRET'));
        return true;
      });
    });
  }

  it('are not fetched from an address with a password in it', async () => {
    await assert.rejects(
      loadVerificationKeys('https://user:pw@keys.example.com/k', remote({})),
      code('ERR_USAGE'),
    );
  });
});
