/** What hostile, broken and busy registries do, and what the client makes of it. No sockets. */
import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { createEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import {
  fetchInto,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { digestOf } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Fetch, FetchInit, FetchResponse } from '../core/runtime.ts';
import { type Descriptor, describe, encodeIndex, encodeManifest, mediaTypes } from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { referrersTag } from '../formats/referrer-manifest.ts';
import { attachReferrer } from './attach.ts';
import { createRegistryClient, type RegistryClientOptions } from './client.ts';
import { discoverSignatures } from './discover.ts';
import type { Repository } from './repository.ts';

type Handler = (request: {
  method: string;
  url: URL;
  init: FetchInit;
}) => FetchResponse | Promise<FetchResponse>;

interface Opened {
  readonly repository: Repository;
  readonly runtime: InProcessRuntime;
}

type OpenTestOptions = RegistryClientOptions & { readonly reference?: string; readonly push?: boolean };

async function open(answer: Handler, options: OpenTestOptions = {}): Promise<Opened> {
  return openWith(async (url, init) => answer({ method: init.method, url: new URL(url), init }), options);
}

async function openWith(fetch: Fetch, options: OpenTestOptions = {}): Promise<Opened> {
  const runtime = inProcessRuntime(fetch);
  const reference = parseReference(options.reference ?? 'registry.example/acme/app');
  const client = createRegistryClient(runtime, options);
  return { runtime, repository: await client.open(reference, { push: options.push === true }) };
}

async function failsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isBoltsealError(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

const content = utf8('the content of a blob');
const blob = describe('application/octet-stream', content);
const subject = `sha256:${'5'.repeat(64)}` as const;
const notFound = (): FetchResponse => respond({ status: 404, body: '404 page not found' });

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

suite('downloads', () => {
  test('a blob that is longer or shorter than its descriptor, or different', async () => {
    const cases: readonly (readonly [ErrorCode, FetchResponse])[] = [
      ['ERR_SIZE_MISMATCH', respond({ status: 200, body: content.subarray(1) })],
      ['ERR_SIZE_MISMATCH', respond({ status: 200, body: utf8(`${'x'.repeat(content.length)}x`) })],
      ['ERR_SIZE_MISMATCH', respond({ status: 200, body: pieces(content, content) })],
      ['ERR_SIZE_MISMATCH', respond({ status: 200, body: pieces(content.subarray(1)) })],
      [
        'ERR_SIZE_MISMATCH',
        respond({ status: 200, body: pieces(content), headers: { 'content-length': '9999' } }),
      ],
      ['ERR_DIGEST_MISMATCH', respond({ status: 200, body: utf8('x'.repeat(content.length)) })],
      ['ERR_BLOB_NOT_FOUND', respond({ status: 404 })],
      ['ERR_REGISTRY_DENIED', respond({ status: 403 })],
      ['ERR_REGISTRY_RESPONSE', respond({ status: 206, body: content })],
    ];
    for (const [code, response] of cases) {
      const { repository } = await open(() => response);
      await failsWith(code, repository.getBlob(blob, { maxBytes: 1000 }));
    }
  });

  test('an endless blob is given up as soon as it is too long', async () => {
    let sent = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent++;
        yield new Uint8Array(1000);
      }
    };
    const { repository } = await open(() => respond({ status: 200, body: endless() }));
    await failsWith('ERR_SIZE_MISMATCH', repository.getBlob(blob, { maxBytes: 1000 }));
    assert.ok(sent < 3);
    const read = async (): Promise<void> => {
      for await (const _ of repository.readBlob(blob));
    };
    await failsWith('ERR_SIZE_MISMATCH', read());
  });

  test('a manifest of 5 MiB, announced or not', async () => {
    const chunk = new Uint8Array(1_048_576).fill(0x20);
    for (const headers of [{ 'content-length': '5242880' }, {}] as readonly Record<string, string>[]) {
      const { repository } = await open(() =>
        respond({ status: 200, headers, body: pieces(chunk, chunk, chunk, chunk, chunk) }),
      );
      await failsWith('ERR_LIMIT_EXCEEDED', repository.getManifest('v1'));
    }
  });

  test('a manifest that is another one than asked for', async () => {
    const { repository } = await open(() =>
      respond({ status: 200, body: '{}', headers: { 'content-type': mediaTypes.manifest } }),
    );
    await failsWith('ERR_DIGEST_MISMATCH', repository.getManifest(subject));
    const lying = await open(() =>
      respond({ status: 200, body: '{}', headers: { 'docker-content-digest': subject } }),
    );
    await failsWith('ERR_DIGEST_MISMATCH', lying.repository.getManifest('v1'));
  });

  test('a page of a captive portal is no manifest', async () => {
    const { repository } = await open(() =>
      respond({ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }),
    );
    await failsWith('ERR_JSON_INVALID', repository.getManifest('v1'));
  });

  test('HEAD that says too little is followed by GET', async () => {
    const bytes = encodeManifest({ mediaType: mediaTypes.manifest, config: blob, layers: [] });
    const { repository, runtime } = await open(({ method }) =>
      method === 'HEAD'
        ? respond({ status: 200, headers: { 'content-length': '7' } })
        : respond({ status: 200, body: bytes }),
    );
    assert.deepEqual(await repository.resolve('v1'), describe(mediaTypes.manifest, bytes));
    assert.deepEqual(
      runtime.seen.map(({ method }) => method),
      ['HEAD', 'GET'],
    );
  });
});

suite('retries', () => {
  test('429 with Retry-After, in seconds and as a date', async () => {
    for (const header of ['7', 'Sun, 22 Nov 2026 08:00:07 GMT']) {
      let calls = 0;
      const { repository, runtime } = await open(() =>
        ++calls === 1
          ? respond({ status: 429, headers: { 'retry-after': header } })
          : respond({ status: 200, body: content }),
      );
      await repository.getBlob(blob, { maxBytes: 1000 });
      assert.ok(runtime.slept() >= 7000 && runtime.slept() < 8000, String(runtime.slept()));
    }
  });

  test('429 to the end of the budget', async () => {
    const { repository, runtime } = await open(() => respond({ status: 429 }));
    await failsWith('ERR_REGISTRY_RATE_LIMITED', repository.getManifest('v1'));
    assert.ok(runtime.slept() <= limits.operationTime);
    assert.ok(runtime.seen.length > 5);
    const far = await open(() => respond({ status: 429, headers: { 'retry-after': '3600' } }));
    await failsWith('ERR_REGISTRY_RATE_LIMITED', far.repository.getManifest('v1'));
    assert.equal(far.runtime.slept(), 0);
  });

  test('5xx, and connections that break before or within the body', async () => {
    let calls = 0;
    const broken = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    const breaking = async function* (): AsyncGenerator<Uint8Array> {
      yield content.subarray(0, 3);
      throw broken;
    };
    const { repository } = await open(() => {
      calls++;
      if (calls === 1) return respond({ status: 503 });
      if (calls === 2) throw broken;
      return respond({ status: 200, body: calls === 3 ? breaking() : content });
    });
    assert.deepEqual(await repository.getBlob(blob, { maxBytes: 1000 }), content);
    assert.equal(calls, 4);
  });

  test('what is not there does not become not found', async () => {
    const down = await open(() => {
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    });
    await failsWith('ERR_REGISTRY_NETWORK', down.repository.getManifest('v1'));
    assert.equal(down.runtime.seen.length, 3);
    const failing = await open(() => respond({ status: 500 }));
    await failsWith('ERR_REGISTRY_RESPONSE', failing.repository.referrers(subject));
    const untrusted = await open(() => {
      throw Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    });
    await failsWith('ERR_REGISTRY_TLS', untrusted.repository.getManifest('v1'));
    assert.equal(untrusted.runtime.seen.length, 1);
  });

  test('an aborted signal ends it at once', async () => {
    const controller = new AbortController();
    const { repository, runtime } = await open(() => {
      controller.abort(new Error('stop'));
      return respond({ status: 500 });
    });
    await failsWith('ERR_INTERRUPTED', repository.getManifest('v1', { signal: controller.signal }));
    assert.equal(runtime.seen.length, 1);
  });

  test('a registry that is gone in the middle of an upload, and back', async () => {
    const registry = createEmbeddedRegistry();
    const inner = fetchInto(registry);
    let puts = 0;
    const { repository, runtime } = await openWith(async (url, init) => {
      if (init.method === 'PUT' && ++puts === 1) {
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
      }
      return inner(url, init);
    });
    await repository.putBlob(content, { fresh: true });
    assert.deepEqual(await repository.getBlob(blob, { maxBytes: 1000 }), content);
    assert.deepEqual(
      runtime.seen.map(({ method }) => method),
      ['POST', 'PUT', 'HEAD', 'POST', 'PUT', 'GET'],
    );
    const gone = await open(({ method }) => {
      if (method === 'POST')
        return respond({ status: 202, headers: { location: '/v2/acme/app/blobs/uploads/1' } });
      throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    });
    await failsWith('ERR_REGISTRY_NETWORK', gone.repository.putBlob(content, { fresh: true }));
    await registry.close();
  });
});

suite('redirects', () => {
  const credentials = async (): Promise<{
    kind: 'basic';
    username: string;
    password: string;
    origin: string;
  }> => ({
    kind: 'basic',
    username: 'u',
    password: 'secret',
    origin: 'a test',
  });

  test('a download follows to another host without the authorization', async () => {
    const { repository, runtime } = await open(
      ({ url, init }) => {
        if (url.host === 'cdn.example') return respond({ status: 200, body: content });
        if (init.headers['authorization'] === undefined) {
          return respond({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
        }
        return respond({ status: 307, headers: { location: 'https://cdn.example/b?signature=1' } });
      },
      { credentials },
    );
    assert.deepEqual(await repository.getBlob(blob, { maxBytes: 1000 }), content);
    const last = runtime.seen.at(-1);
    assert.equal(last?.url.host, 'cdn.example');
    assert.equal(last?.headers['authorization'], undefined);
    assert.ok(!JSON.stringify(runtime.events).includes('signature=1'));
  });

  test('another port or scheme of the same host is another origin', async () => {
    const { repository, runtime } = await open(
      ({ url, init }) => {
        if (url.port === '8443') return respond({ status: 200, body: content });
        if (init.headers['authorization'] === undefined) {
          return respond({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
        }
        return respond({ status: 302, headers: { location: 'https://registry.example:8443/b' } });
      },
      { credentials },
    );
    await repository.getBlob(blob, { maxBytes: 1000 });
    assert.equal(runtime.seen.at(-1)?.headers['authorization'], undefined);
  });

  test('a challenge from where a download is redirected to gets no credentials', async () => {
    for (const elsewhere of ['https://cdn.example', 'https://registry.example:8443']) {
      for (const challenge of ['Basic realm="x"', `Bearer realm="${elsewhere}/token"`]) {
        const { repository, runtime } = await open(
          ({ url }) => {
            if (url.origin === 'https://registry.example') {
              return respond({ status: 307, headers: { location: `${elsewhere}/b` } });
            }
            if (url.pathname === '/token') return respond({ status: 200, body: '{"token":"t"}' });
            return respond({ status: 401, headers: { 'www-authenticate': challenge } });
          },
          { credentials },
        );
        await failsWith('ERR_REGISTRY_RESPONSE', repository.getBlob(blob, { maxBytes: 1000 }));
        assert.ok(runtime.seen.every(({ headers }) => headers['authorization'] === undefined));
        assert.ok(runtime.seen.every(({ url }) => url.pathname !== '/token'));
      }
    }
  });

  test('refused targets', async () => {
    const targets = [
      'http://cdn.example/b',
      'http://registry.example/b',
      'https://127.0.0.1/b',
      'https://2130706433/b',
      'https://[::1]/b',
      'https://[::ffff:10.0.0.1]/b',
      'https://10.1.2.3/b',
      'https://169.254.169.254/latest/meta-data',
      'https://metadata.google.internal/b',
      'https://localhost/b',
      'https://user:pass@cdn.example/b',
      'file:///etc/passwd',
      'https://',
    ];
    for (const location of targets) {
      const { repository, runtime } = await open(() => respond({ status: 307, headers: { location } }));
      await failsWith('ERR_REGISTRY_REDIRECT', repository.getBlob(blob, { maxBytes: 1000 }));
      assert.equal(runtime.seen.length, 1, location);
    }
    const { repository, runtime } = await open(({ url }) =>
      respond({ status: 307, headers: { location: `${url.href}x` } }),
    );
    await failsWith('ERR_REGISTRY_REDIRECT', repository.getBlob(blob, { maxBytes: 1000 }));
    assert.equal(runtime.seen.length, limits.redirects + 1);
  });

  test('uploads and manifests to store go nowhere else', async () => {
    const elsewhere = await open(({ method }) =>
      respond({
        status: method === 'POST' ? 202 : 201,
        headers: { location: 'https://evil.example/upload' },
      }),
    );
    await failsWith('ERR_REGISTRY_REDIRECT', elsewhere.repository.putBlob(content, { fresh: true }));
    assert.ok(elsewhere.runtime.seen.every(({ url }) => url.host === 'registry.example'));
    const { repository } = await open(() =>
      respond({ status: 307, headers: { location: 'https://evil.example/' } }),
    );
    await failsWith('ERR_REGISTRY_REDIRECT', repository.putBlob(content, { fresh: true }));
    const manifest = encodeManifest({ mediaType: mediaTypes.manifest, config: blob, layers: [] });
    await failsWith('ERR_REGISTRY_REDIRECT', repository.putManifest(manifest, mediaTypes.manifest));
  });

  test('an upload location behind a TLS proxy is used on the real origin, its query kept', async () => {
    const { repository, runtime } = await open(({ method }) =>
      method === 'POST'
        ? respond({ status: 202, headers: { location: 'http://registry.example/up?_state=a%2Fb+c%3D' } })
        : respond({ status: 201 }),
    );
    await repository.putBlob(content, { fresh: true });
    const put = runtime.seen.at(-1);
    assert.equal(put?.url.origin, 'https://registry.example');
    assert.equal(put?.url.search, `?_state=a%2Fb+c%3D&digest=${encodeURIComponent(blob.digest)}`);
  });
});

suite('plain HTTP', () => {
  const plainOnly: Handler = ({ url }) => {
    if (url.protocol === 'https:') throw Object.assign(new Error('wrong version'), { code: 'EPROTO' });
    return respond({ status: 200, body: content });
  };
  const tlsOnly: Handler = ({ url }) =>
    url.protocol === 'https:'
      ? respond({ status: 200, body: content })
      : respond({ status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' });

  test('needs permission, but not on loopback', async () => {
    const refused = await open(plainOnly);
    await failsWith('ERR_REGISTRY_INSECURE', refused.repository.getBlob(blob, { maxBytes: 1000 }));
    assert.ok(refused.runtime.seen.every(({ url }) => url.protocol === 'https:'));
    const allowed = await open(plainOnly, { allowHttp: true });
    await allowed.repository.getBlob(blob, { maxBytes: 1000 });
    for (const host of ['127.0.0.1:5000', 'localhost:5000', '[::1]:5000', '127.9.9.9:5000']) {
      const { repository, runtime } = await open(plainOnly, { reference: `${host}/app` });
      await repository.getBlob(blob, { maxBytes: 1000 });
      assert.equal(runtime.seen.length, 1);
    }
  });

  test('a loopback registry that speaks TLS is found out', async () => {
    const { repository, runtime } = await open(tlsOnly, { reference: 'localhost:5000/app' });
    await repository.getBlob(blob, { maxBytes: 1000 });
    await repository.getBlob(blob, { maxBytes: 1000 });
    assert.deepEqual(
      runtime.seen.map(({ url }) => url.protocol),
      ['http:', 'https:', 'https:'],
    );
    const preferring = await open(tlsOnly, { reference: 'localhost:5000/app', preferTls: true });
    await preferring.repository.getBlob(blob, { maxBytes: 1000 });
    assert.equal(preferring.runtime.seen.length, 1);
  });
});

suite('referrers', () => {
  const entry = (n: number): Descriptor => ({
    mediaType: mediaTypes.manifest,
    digest: `sha256:${n.toString(16).padStart(64, '0')}`,
    size: 100,
  });
  const page = (manifests: readonly Descriptor[], link?: string): FetchResponse =>
    respond({
      status: 200,
      body: encodeIndex({ mediaType: mediaTypes.index, manifests }),
      headers: { 'content-type': mediaTypes.index, ...(link === undefined ? {} : { link }) },
    });
  const isApi = (url: URL): boolean => url.pathname.includes('/referrers/');

  test('pages are followed on the same path only', async () => {
    const { repository } = await open(({ url }) =>
      url.search === '' ? page([entry(1)], '<?n=2>; rel="next"') : page([entry(2), entry(1)]),
    );
    assert.deepEqual(
      (await repository.referrers(subject)).descriptors.map(({ digest }) => digest),
      [entry(1).digest, entry(2).digest],
    );
    const astray = await open(() => page([entry(1)], '</v2/other/referrers/x>; rel=next'));
    await failsWith('ERR_REGISTRY_RESPONSE', astray.repository.referrers(subject));
  });

  test('pages in a circle, and pages without end', async () => {
    const circle = await open(() => page([entry(1)], '<?n=1>; rel="next"'));
    await failsWith('ERR_REGISTRY_RESPONSE', circle.repository.referrers(subject));
    let n = 0;
    const endless = await open(() => page([entry(1)], `<?n=${++n}>; rel="next"`));
    const list = await endless.repository.referrers(subject);
    assert.equal(list.problem?.code, 'ERR_LIMIT_EXCEEDED');
    assert.equal(endless.runtime.seen.length, limits.pages);
  });

  test('10,000 referrers: the first are looked at, the rest is reported', async () => {
    const manifests = Array.from({ length: 10_000 }, (_, n) => entry(n));
    const { repository } = await open(({ url }) => (isApi(url) ? page(manifests) : notFound()));
    const list = await repository.referrers(subject);
    assert.equal(list.descriptors.length, limits.referrersCount);
    assert.equal(list.problem?.code, 'ERR_LIMIT_EXCEEDED');
  });

  test('an answer that is no list of referrers means the fallback tag', async () => {
    const index = encodeIndex({ mediaType: mediaTypes.index, manifests: [entry(3)] });
    const answers: readonly FetchResponse[] = [
      notFound(),
      respond({ status: 400 }),
      respond({ status: 406 }),
      respond({ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }),
    ];
    for (const speculativeFallback of [false, true]) {
      for (const answer of answers) {
        const { repository, runtime } = await open(
          ({ url }) =>
            isApi(url)
              ? answer
              : respond({ status: 200, body: index, headers: { 'content-type': mediaTypes.index } }),
          { speculativeFallback },
        );
        const list = await repository.referrers(subject);
        assert.equal(list.source, 'fallback-tag');
        assert.equal(list.descriptors.length, 1);
        const tag = `/manifests/${referrersTag(subject)}`;
        assert.ok(runtime.seen.some(({ url }) => url.pathname.endsWith(tag)));
        await repository.referrers(subject);
        assert.equal(runtime.seen.length, 3, 'that the API is absent is remembered');
      }
    }
  });

  test('a failure of the API ends the question that ran beside it', async () => {
    let aborted: AbortSignal | undefined;
    const { repository } = await open(
      ({ url, init }) => {
        if (isApi(url)) return respond({ status: 403 });
        aborted = init.signal;
        return new Promise((_, reject) => {
          init.signal?.addEventListener('abort', () => reject(init.signal?.reason), { once: true });
        });
      },
      { speculativeFallback: true },
    );
    await failsWith('ERR_REGISTRY_DENIED', repository.referrers(subject));
    assert.equal(aborted?.aborted, true);
  });

  test('401, 403 and 5xx are failures, never an empty list', async () => {
    for (const [status, code] of [
      [401, 'ERR_REGISTRY_UNAUTHORIZED'],
      [403, 'ERR_REGISTRY_DENIED'],
      [500, 'ERR_REGISTRY_RESPONSE'],
    ] as const) {
      const { repository } = await open(({ url }) => (isApi(url) ? respond({ status }) : notFound()));
      await failsWith(code, repository.referrers(subject));
      const atTag = await open(({ url }) => (isApi(url) ? notFound() : respond({ status })));
      await failsWith(code, atTag.repository.referrers(subject));
    }
    const empty = await open(notFound);
    assert.deepEqual((await empty.repository.referrers(subject)).descriptors, []);
  });

  test('a fallback tag that is the image itself, or no index, is not trusted and not overwritten', async () => {
    const image = encodeIndex({ mediaType: mediaTypes.index, manifests: [entry(3)] });
    const other = encodeManifest({ mediaType: mediaTypes.manifest, config: blob, layers: [] });
    const cases = [
      [image, mediaTypes.index, digestOf(image)],
      [other, mediaTypes.manifest, subject],
    ] as const;
    for (const [body, type, digest] of cases) {
      const { repository, runtime } = await open(({ method, url }) => {
        if (method === 'PUT') return respond({ status: 201 });
        return isApi(url) ? notFound() : respond({ status: 200, body, headers: { 'content-type': type } });
      });
      const list = await repository.referrers(digest);
      assert.deepEqual(list.descriptors, []);
      assert.equal(list.problem?.code, 'ERR_REGISTRY_UNSUPPORTED');
      const manifest = encodeManifest({
        mediaType: mediaTypes.manifest,
        config: blob,
        layers: [],
        subject: { mediaType: mediaTypes.manifest, digest, size: 1 },
      });
      const attached = { manifest, descriptor: describe(mediaTypes.manifest, manifest), subject: digest };
      await failsWith('ERR_REGISTRY_UNSUPPORTED', attachReferrer(repository, attached, runtime));
      const puts = runtime.seen.filter(({ method }) => method === 'PUT');
      assert.ok(puts.every(({ url }) => !url.pathname.includes('sha256-')));
    }
  });

  test('each failure is a candidate with its reason, beside what is readable', async () => {
    const bundle = utf8('{}');
    const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const good = encodeManifest({
      mediaType: mediaTypes.manifest,
      config: blob,
      layers: [describe(type, bundle)],
    });
    const entries: readonly Descriptor[] = [
      describe(mediaTypes.manifest, good),
      { ...entry(1), artifactType: 'application/vnd.oci.empty.v1+json' },
      { ...entry(2), artifactType: 'application/spdx+json' },
      entry(3),
    ];
    const { repository, runtime } = await open(({ url }) => {
      const { pathname } = url;
      if (isApi(url)) return page(entries);
      if (pathname.endsWith(digestOf(good))) return respond({ status: 200, body: good });
      if (pathname.endsWith(digestOf(bundle))) return respond({ status: 200, body: bundle });
      if (pathname.endsWith('.sig')) return respond({ status: 403 });
      return pathname.endsWith(entry(1).digest) ? notFound() : respond({ status: 200, body: '{}' });
    });
    const { places, candidates } = await discoverSignatures(repository, subject);
    assert.deepEqual(
      candidates.map(({ manifest, error }) => [manifest, error?.code]),
      [
        [digestOf(good), undefined],
        [entry(1).digest, 'ERR_REGISTRY_RESPONSE'],
        [entry(3).digest, 'ERR_DIGEST_MISMATCH'],
      ],
    );
    assert.deepEqual(
      places.map(({ place, found, error }) => [place, found, error?.code]),
      [
        ['referrers-api', 3, undefined],
        ['signature-tag', 0, 'ERR_REGISTRY_DENIED'],
      ],
    );
    assert.deepEqual(
      places[0]?.others?.map(({ digest }) => digest),
      [entry(2).digest],
    );
    const paths = runtime.seen.map(({ url }) => url.pathname);
    assert.equal(new Set(paths).size, paths.length, 'nothing is fetched twice');
  });
});
