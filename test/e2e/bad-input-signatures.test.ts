import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { HttpResponse } from '../../src/core/http.ts';
import { preAuthEncoding } from '../../src/formats/dsse.ts';
import { type Descriptor, mediaTypes } from '../../src/formats/oci.ts';
import { signPredicateType, statementType } from '../../src/formats/statement.ts';
import { type PushedManifest, pushManifest, pushSmallImage } from '../support/small-image.ts';
import type { Releases } from '../support/temporary.ts';
import {
  assertRefused,
  bundleOf,
  deepJson,
  type Forger,
  forgerOf,
  type KeyBench,
  openKeyBench,
  releasesOfFile,
  verifyJson,
} from './support/bad-input-bench.ts';
import {
  bodyOf,
  type HostileRegistry,
  type HostileRegistryOptions,
  jsonAnswer,
  useHostileRegistry,
  withBody,
} from './support/hostile-registry.ts';

let bench: KeyBench;

/** An image in a hostile registry, and whoever writes signatures to it. */
interface Scene {
  readonly hostile: HostileRegistry;
  readonly forger: Forger;
  readonly image: PushedManifest;
  sign(...flags: readonly string[]): Promise<void>;
}

async function stage(releases: Releases, options: HostileRegistryOptions = {}): Promise<Scene> {
  const hostile = await useHostileRegistry(releases, options);
  const image = await pushSmallImage(hostile, 'acme/app', { tag: 'v1' });
  return {
    hostile,
    image,
    forger: forgerOf(hostile, bench.signer),
    async sign(...flags) {
      const signed = await bench.run(['sign', '--key', bench.file('a.key'), ...flags, image.reference]);
      assert.equal(signed.code, 0, signed.stderr);
    },
  };
}

function statementOf(image: PushedManifest, change: object = {}): string {
  return JSON.stringify({
    _type: statementType,
    subject: [{ digest: { sha256: image.digest.slice(7) }, annotations: { env: 'prod' } }],
    predicateType: signPredicateType,
    predicate: {},
    ...change,
  });
}

function payloadOf(image: PushedManifest, optional: object | null = { env: 'prod' }): string {
  return JSON.stringify({
    critical: {
      identity: { 'docker-reference': 'example.com/acme/app' },
      image: { 'docker-manifest-digest': image.digest },
      type: 'cosign container image signature',
    },
    optional,
  });
}

/** Changes the answers to GET requests whose path contains `part`. */
function changing(part: string, change: (response: HttpResponse, body: Buffer) => HttpResponse) {
  return async (
    request: { method: string; path: string },
    proceed: () => Promise<HttpResponse>,
  ): Promise<HttpResponse | undefined> => {
    if (request.method !== 'GET' || !request.path.includes(part)) return undefined;
    const response = await proceed();
    return response.status === 200 ? change(response, await bodyOf(response)) : response;
  };
}

function flipped(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}

const releases = releasesOfFile();
before(async () => {
  bench = await openKeyBench(releases);
});

describe('signatures that are not of this key or this image_fail', () => {
  it('unsigned', async (t) => {
    const { image } = await stage(t);
    const result = await verifyJson(bench, image.reference);
    assert.deepEqual([result.code, result.error], [10, 'ERR_NO_SIGNATURES']);
    assertRefused(
      await bench.run(['verify', '--key', bench.file('a.pub'), image.reference]),
      'ERR_NO_SIGNATURES',
      10,
    );
  });

  for (const referrers of [true, false]) {
    it(`wrong key, ${referrers ? 'with' : 'without'} the referrers API`, async (t) => {
      const { image, sign } = await stage(t, { referrers });
      await sign();
      const result = await verifyJson(bench, image.reference, '--key', bench.file('b.pub'));
      assert.deepEqual([result.code, result.error], [12, 'ERR_NO_MATCHING_SIGNATURES']);
      assert.deepEqual(result.refused, ['ERR_VERIFY_SIGNATURE', 'ERR_VERIFY_SIGNATURE']);
      assert.equal((await verifyJson(bench, image.reference)).accepted, 2, 'the right key still verifies');
    });
  }

  it('replayed on another digest', async (t) => {
    const { hostile, forger, image } = await stage(t);
    const other = await pushSmallImage(hostile, 'acme/app', { content: 'another image' });
    await forger.signedBundle(other, statementOf(image));
    await forger.layers(other, [await forger.signedLayer(other, payloadOf(image))]);
    const result = await verifyJson(bench, other.reference);
    assert.deepEqual([result.code, result.error], [12, 'ERR_NO_MATCHING_SIGNATURES']);
    assert.deepEqual(result.refused, ['ERR_VERIFY_DIGEST', 'ERR_VERIFY_DIGEST']);
  });

  it('an attestation, an unknown payload type, a payload of the other format', async (t) => {
    const { forger, image } = await stage(t);
    await forger.signedBundle(image, statementOf(image, { predicateType: 'https://spdx.dev/Document' }));
    await forger.signedBundle(image, payloadOf(image));
    const payload = new Uint8Array(Buffer.from(statementOf(image)));
    const signature = await bench.signer.sign(preAuthEncoding('text/plain', payload));
    await forger.bundle(image, bundleOf({ payload, payloadType: 'text/plain', signatures: [{ signature }] }));
    await forger.layers(image, [await forger.signedLayer(image, statementOf(image))]);
    const result = await verifyJson(bench, image.reference);
    assert.equal(result.code, 12);
    assert.deepEqual(result.refused, [
      'ERR_PAYLOAD_INVALID',
      'ERR_STATEMENT_INVALID',
      'ERR_VERIFY_PAYLOAD_TYPE',
      'ERR_VERIFY_PREDICATE_TYPE',
    ]);
  });

  it('annotations: missing, another value, or required where claims are not checked', async (t) => {
    const { image, sign } = await stage(t);
    await sign('-a', 'env=prod');
    const result = await verifyJson(bench, image.reference, '-a', 'env=dev');
    assert.deepEqual([result.code, result.refused.length], [12, 2]);
    assert.deepEqual(new Set(result.refused), new Set(['ERR_VERIFY_ANNOTATIONS']));
    assert.equal((await verifyJson(bench, image.reference, '-a', 'team=x')).code, 12);
    const contradiction = ['verify', '--key', bench.file('a.pub'), '--check-claims=false', '-a', 'env=prod'];
    const refused = await bench.run([...contradiction, image.reference]);
    assert.notEqual(refused.code, 0);
    assert.equal(refused.stdout, '');
  });
});

describe('content that was changed_fail', () => {
  it('tampered payload, its digest made to fit', async (t) => {
    const { forger, image } = await stage(t);
    const layer = await forger.signedLayer(image, payloadOf(image));
    const forged = await forger.signedLayer(image, payloadOf(image, { env: 'forged' }));
    await forger.layers(image, [{ ...forged, annotations: layer.annotations ?? {} }]);
    const payload = new Uint8Array(Buffer.from(statementOf(image)));
    const signature = await bench.signer.sign(Buffer.from('something else'));
    const payloadType = 'application/vnd.in-toto+json';
    await forger.bundle(image, bundleOf({ payload, payloadType, signatures: [{ signature }] }));
    const result = await verifyJson(bench, image.reference);
    assert.equal(result.code, 12);
    assert.deepEqual(result.refused, ['ERR_VERIFY_SIGNATURE', 'ERR_VERIFY_SIGNATURE']);
  });

  it('blobs of signatures, their digest no longer that of the descriptor', async (t) => {
    const { hostile, image, sign } = await stage(t);
    await sign('-a', 'env=prod');
    hostile.interfere = changing('/blobs/', (response, body) => withBody(response, flipped(body)));
    const result = await verifyJson(bench, image.reference);
    assert.equal(result.code, 12);
    assert.deepEqual(result.refused, ['ERR_DIGEST_MISMATCH', 'ERR_DIGEST_MISMATCH']);
  });

  it('truncated, oversized, empty and endless blobs', async (t) => {
    const { hostile, image, sign } = await stage(t);
    await sign('-a', 'env=prod');
    const chunked = (response: HttpResponse, body: HttpResponse['body']): HttpResponse => {
      const { 'content-length': _, ...headers } = response.headers;
      return { ...response, headers, body };
    };
    async function* pieces(...bytes: Buffer[]): AsyncGenerator<Uint8Array> {
      yield* bytes;
    }
    let endless = 0;
    async function* forever(): AsyncGenerator<Uint8Array> {
      for (;;) {
        endless += 65_536;
        assert.ok(endless < 1_000_000_000, 'the client reads on and on');
        yield Buffer.alloc(65_536);
      }
    }
    for (const change of [
      (response, body) => withBody(response, body.subarray(0, -1)),
      (response, body) => withBody(response, Buffer.concat([body, Buffer.from(' ')])),
      (response) => withBody(response, Buffer.alloc(0)),
      (response, body) => chunked(response, pieces(body.subarray(0, 10))),
      (response, body) => chunked(response, pieces(body, body)),
      (response) => chunked(response, forever()),
    ] satisfies ((response: HttpResponse, body: Buffer) => HttpResponse)[]) {
      hostile.interfere = changing('/blobs/', change);
      const result = await verifyJson(bench, image.reference);
      assert.equal(result.code, 12);
      assert.deepEqual(result.refused, ['ERR_SIZE_MISMATCH', 'ERR_SIZE_MISMATCH']);
    }
  });

  it('descriptors that promise more than is allowed: nothing is fetched', async (t) => {
    const { hostile, forger, image } = await stage(t);
    const layer = await forger.signedLayer(image, payloadOf(image));
    await forger.layers(image, [{ ...layer, size: 1_000_000_000 }]);
    hostile.seen.length = 0;
    const result = await verifyJson(bench, image.reference);
    assert.equal(result.code, 12);
    assert.deepEqual(result.refused, ['ERR_LIMIT_EXCEEDED']);
    assert.deepEqual(
      hostile.seen.filter(({ path }) => path.includes('/blobs/')),
      [],
    );
  });

  it('manifests: of the image, of a referrer, of the .sig tag', async (t) => {
    const { hostile, image, sign } = await stage(t);
    await sign();
    hostile.interfere = changing('/manifests/', (response, body) =>
      withBody(response, Buffer.concat([body, Buffer.from('\n')])),
    );
    const verified = await verifyJson(bench, image.reference);
    assert.deepEqual([verified.code, verified.error], [15, 'ERR_DIGEST_MISMATCH']);
    assert.deepEqual(verified.refused, ['ERR_DIGEST_MISMATCH']);
    assert.deepEqual(verified.places, ['ERR_DIGEST_MISMATCH']);

    // A HEAD answer that contradicts the reference is not believed, and then the content is.
    hostile.interfere = async (request, proceed) => {
      if (!request.path.endsWith(`/manifests/${image.digest}`)) return undefined;
      const response = await proceed();
      const digest = `sha256:${'0'.repeat(64)}`;
      const headers = { ...response.headers, 'docker-content-digest': digest };
      return request.method === 'GET'
        ? withBody({ ...response, headers }, flipped(await bodyOf(response)))
        : { ...response, headers };
    };
    const signed = await bench.run(['sign', '--key', bench.file('a.key'), image.reference]);
    assertRefused(signed, 'ERR_DIGEST_MISMATCH', 15);
  });

  it('a layer of the image: it is another image then, and unsigned', async (t) => {
    const { hostile, image, sign } = await stage(t);
    await sign();
    const changed = await pushSmallImage(hostile, 'acme/app', { tag: 'v1', content: 'with a backdoor' });
    assert.notEqual(changed.digest, image.digest);
    const result = await verifyJson(bench, `${hostile.host}/acme/app:v1`);
    assert.deepEqual([result.code, result.error], [10, 'ERR_NO_SIGNATURES']);
  });

  it('a connection that breaks in the middle of a blob, again and again', async (t) => {
    const { hostile, image, sign } = await stage(t);
    await sign('--format', 'cosign', '-a', 'env=prod');
    hostile.interfere = changing('/blobs/', (response, body) => ({
      ...response,
      body: (async function* () {
        yield body.subarray(0, 10);
        throw new Error('gone');
      })(),
    }));
    const result = await verifyJson(bench, image.reference);
    assert.deepEqual([result.code, result.error], [21, 'ERR_REGISTRY_NETWORK']);
  });
});

describe('too much of something_fail', () => {
  it('manifest of 5 MiB', async (t) => {
    const { hostile, forger, image, sign } = await stage(t, { limits: { manifestBytes: 8_388_608 } });
    const large = Buffer.concat([
      Buffer.from(`{"schemaVersion":2,"mediaType":"${mediaTypes.manifest}","x":"`),
      Buffer.alloc(5_242_880, 0x61),
      Buffer.from('"}'),
    ]);
    await forger.signatureTag(image, large);
    const result = await verifyJson(bench, image.reference);
    assert.deepEqual([result.code, result.error], [15, 'ERR_LIMIT_EXCEEDED']);
    assert.deepEqual(result.places, ['ERR_LIMIT_EXCEEDED']);
    await sign('--format', 'bundle');
    assert.equal((await verifyJson(bench, image.reference)).accepted, 1, 'it does not hide a good signature');

    const index = await pushManifest(hostile, 'acme/app', mediaTypes.index, large, 'large');
    const recursive = ['sign', '--key', bench.file('a.key'), '--recursive', index.reference];
    assertRefused(await bench.run(recursive), 'ERR_LIMIT_EXCEEDED', 15);
  });

  it('10,000 referrers, in pages and in one answer', async (t) => {
    const { hostile, forger, image } = await stage(t);
    const good = await forger.signedBundle(image, statementOf(image));
    const entries = Array.from({ length: 10_000 }, (_, at): Descriptor => {
      const digest = `sha256:${at.toString(16).padStart(64, '0')}` as const;
      return { mediaType: mediaTypes.manifest, digest, size: 100, artifactType: 'application/spdx+json' };
    });
    const { mediaType, digest, size } = good;
    const found = { mediaType, digest, size };
    const pages = (all: readonly object[], length: number) => (path: string) => {
      const from = Number(new URL(path, hostile.url).searchParams.get('from') ?? 0);
      const manifests = all.slice(from, from + length);
      const link: Record<string, string> =
        from + length < all.length ? { link: `<?from=${from + length}>; rel="next"` } : {};
      const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
      return jsonAnswer(200, index, { ...link, 'content-type': mediaTypes.index });
    };
    for (const [first, length, accepted] of [
      [true, 1_000, 1],
      [false, 1_000, 0],
      [true, 10_001, 1],
      [false, 10_001, 0],
      [false, 1, 0],
    ] as const) {
      const all = first ? [found, ...entries] : [...entries, found];
      const answer = pages(all, length);
      hostile.interfere = ({ path }) => (path.includes('/referrers/') ? answer(path) : undefined);
      hostile.seen.length = 0;
      const result = await verifyJson(bench, image.reference);
      const expected = accepted === 1 ? [0, undefined] : [15, 'ERR_LIMIT_EXCEEDED'];
      assert.deepEqual([result.code, result.error], expected);
      assert.equal(result.accepted, accepted);
      assert.deepEqual(result.places, ['ERR_LIMIT_EXCEEDED']);
      assert.ok(hostile.seen.length < 110, `${hostile.seen.length} requests`);
    }
  });

  it('10,000 entries in a fallback tag, and 2,000 layers in a .sig manifest', async (t) => {
    const { hostile, forger, image } = await stage(t, { referrers: false });
    const manifests = Array.from({ length: 10_000 }, (_, at) => {
      const digest = `sha256:${at.toString(16).padStart(64, '0')}`;
      return { mediaType: mediaTypes.manifest, digest, size: 100, artifactType: 'application/spdx+json' };
    });
    const tag = image.digest.replace(':', '-');
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
    await pushManifest(hostile, 'acme/app', mediaTypes.index, index, tag);
    const layer = await forger.signedLayer(image, payloadOf(image));
    const wrong = { 'dev.cosignproject.cosign/signature': 'AAAA' };
    await forger.layers(image, [
      ...Array.from({ length: 2_000 }, () => ({ ...layer, annotations: wrong })),
      layer,
    ]);
    const result = await verifyJson(bench, image.reference);
    assert.deepEqual([result.code, result.error], [15, 'ERR_LIMIT_EXCEEDED']);
    assert.deepEqual(result.places, ['ERR_LIMIT_EXCEEDED', 'ERR_LIMIT_EXCEEDED']);
    assert.equal(hostile.seen.filter(({ path }) => path.includes(layer.digest)).length <= 2, true);
  });

  it('JSON nested 10,000 deep: manifests, lists, bundles, statements, payloads', async (t) => {
    const deep = deepJson();
    const { hostile, forger, image } = await stage(t);
    await forger.bundle(image, Buffer.from(deep));
    await forger.signedBundle(image, deep);
    await forger.layers(image, [await forger.signedLayer(image, deep)]);
    const candidates = await verifyJson(bench, image.reference);
    assert.equal(candidates.code, 12);
    assert.deepEqual(candidates.refused, Array(3).fill('ERR_LIMIT_EXCEEDED'));

    await forger.signatureTag(image, Buffer.from(`{"config":${deep}}`));
    hostile.interfere = ({ path }) =>
      path.includes('/referrers/') ? jsonAnswer(200, deep, { 'content-type': mediaTypes.index }) : undefined;
    const places = await verifyJson(bench, image.reference);
    assert.deepEqual([places.code, places.error], [15, 'ERR_LIMIT_EXCEEDED']);
    assert.deepEqual(places.places, ['ERR_LIMIT_EXCEEDED', 'ERR_LIMIT_EXCEEDED']);

    const index = await pushManifest(hostile, 'acme/app', mediaTypes.index, Buffer.from(deep), 'deep');
    const recursive = ['sign', '--key', bench.file('a.key'), '--recursive', index.reference];
    assertRefused(await bench.run(recursive), 'ERR_LIMIT_EXCEEDED', 15);
  });

  it('an index that lists itself, and indexes within indexes', async (t) => {
    const { hostile, image } = await stage(t);
    let child: object = { mediaType: mediaTypes.manifest, digest: image.digest, size: image.size };
    let top = '';
    for (let depth = 0; depth < 20; depth++) {
      const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] };
      const { reference, digest, size } = await pushManifest(hostile, 'acme/app', mediaTypes.index, index);
      child = { mediaType: mediaTypes.index, digest, size };
      top = reference;
    }
    const recursive = ['sign', '--key', bench.file('a.key'), '--recursive', top];
    assertRefused(await bench.run(recursive), 'ERR_LIMIT_EXCEEDED', 15);
    assert.equal((await verifyJson(bench, image.reference)).code, 10, 'nothing was signed on the way');
  });
});

describe('ambiguous and malformed content_fail', () => {
  it('duplicate keys in what is signed', async (t) => {
    const { hostile, forger, image } = await stage(t);
    const other = await pushSmallImage(hostile, 'acme/app', { content: 'another image' });
    const twice = (text: string, key: string, value: string): string =>
      text.replace(`"${key}":`, `"${key}":${value},"${key}":`);
    const statement = statementOf(image);
    await forger.signedBundle(image, twice(statement, 'sha256', `"${other.digest.slice(7)}"`));
    await forger.signedBundle(image, twice(statement, 'annotations', '{"env":"dev"}'));
    await forger.signedBundle(image, twice(statement, 'env', '"dev"'));
    await forger.signedBundle(image, twice(statement, 'predicateType', '"https://spdx.dev/Document"'));
    await forger.layers(image, [
      await forger.signedLayer(image, twice(payloadOf(image), 'docker-manifest-digest', `"${other.digest}"`)),
      await forger.signedLayer(image, twice(payloadOf(image), 'env', '"dev"')),
      await forger.signedLayer(image, twice(payloadOf(image), 'optional', 'null')),
    ]);
    for (const flags of [[], ['-a', 'env=prod'], ['-a', 'env=dev']]) {
      const result = await verifyJson(bench, image.reference, ...flags);
      assert.equal(result.code, 12);
      assert.deepEqual(result.refused, Array(7).fill('ERR_JSON_INVALID'));
    }
  });

  it('duplicate keys in manifests, and text that is no JSON', async (t) => {
    const { hostile, forger, image } = await stage(t);
    const layer = await forger.signedLayer(image, payloadOf(image));
    const annotation = '"dev.cosignproject.cosign/signature":';
    const { layers, ...rest } = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { mediaType: mediaTypes.config, digest: `sha256:${'4'.repeat(64)}`, size: 2 },
      layers: [layer],
    };
    const manifest = JSON.stringify({ ...rest, layers }).replace(
      annotation,
      `${annotation}"AAAA",${annotation}`,
    );
    for (const text of [manifest, '{', '', '[1]', 'null', '{"a":1}{}', '\u0000']) {
      await forger.signatureTag(image, Buffer.from(text));
      const result = await verifyJson(bench, image.reference);
      assert.equal(result.code, 15, `${text}: an unreadable place is never an empty one`);
      assert.ok(result.error === 'ERR_JSON_INVALID' || result.error === 'ERR_MANIFEST_INVALID', result.error);
    }
    const refused = await bench.run(['sign', '--key', bench.file('a.key'), image.reference]);
    assertRefused(refused, 'ERR_JSON_INVALID', 15);
    const untouched = await fetch(
      `${hostile.url}/v2/acme/app/manifests/${image.digest.replace(':', '-')}.sig`,
    );
    assert.equal(await untouched.text(), '\u0000', 'what cannot be read is not overwritten');
  });

  it('damaged signatures beside a good one: each has its reason, and the good one counts', async (t) => {
    const { forger, image } = await stage(t);
    const layer = await forger.signedLayer(image, payloadOf(image));
    const withSignature = (signature: string): Descriptor => ({
      ...layer,
      annotations: { 'dev.cosignproject.cosign/signature': signature },
    });
    const bad = [withSignature('not base64!'), withSignature(''), withSignature('AAAA')];
    await forger.layers(image, bad);
    for (const text of ['', '{}', '{', '[]', '"x"', '{"mediaType":"text/plain"}']) {
      await forger.bundle(image, Buffer.from(text));
    }
    const none = await verifyJson(bench, image.reference);
    assert.deepEqual([none.code, none.refused.length], [12, 9]);
    await forger.layers(image, [...bad, layer]);
    await forger.signedBundle(image, statementOf(image));
    const some = await verifyJson(bench, image.reference);
    assert.deepEqual([some.code, some.accepted, some.refused.length], [0, 2, 9]);
  });

  it('control characters in everything a registry says', async (t) => {
    const evil = '\u001b]0;owned\u0007\u001b[2J\r\u009b\u202e';
    const { hostile, forger, image, sign } = await stage(t);
    await forger.signedBundle(image, statementOf(image, { predicateType: evil }));
    await forger.signedBundle(
      image,
      statementOf(image, {
        subject: [{ digest: { sha256: image.digest.slice(7) }, annotations: { [evil]: evil } }],
      }),
    );
    const payload = new Uint8Array(Buffer.from(statementOf(image)));
    const envelope = { payload, payloadType: evil, signatures: [{ signature: new Uint8Array(70) }] };
    await forger.bundle(image, bundleOf(envelope, evil));
    await forger.bundle(image, Buffer.from(JSON.stringify({ mediaType: evil, [evil]: evil })));
    const { reference: _, repository: __, ...subject } = image;
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: evil,
      config: { mediaType: evil, digest: image.digest, size: 2 },
      layers: [{ mediaType: evil, digest: image.digest, size: 2, annotations: { [evil]: evil } }],
      annotations: { [evil]: evil, 'dev.sigstore.bundle.predicateType': evil },
      subject,
    };
    await pushManifest(hostile, 'acme/app', mediaTypes.manifest, manifest);
    await forger.layers(image, [
      { ...(await forger.signedLayer(image, payloadOf(image, { [evil]: evil }))), mediaType: evil },
      await forger.signedLayer(image, payloadOf(image, { [evil]: evil })),
      await forger.signedLayer(
        image,
        payloadOf(image).replace('cosign container', JSON.stringify(evil).slice(1, -1)),
      ),
    ]);
    for (const words of [
      ['verify', '--key', bench.file('a.pub'), '--explain'],
      ['verify', '--key', bench.file('b.pub'), '--explain'],
      ['verify', '--key', bench.file('a.pub'), '-a', 'env=prod', '--explain'],
      ['tree'],
      ['download', 'signature'],
    ]) {
      const { code, stderr } = await bench.run([...words, image.reference]);
      assert.ok([0, 12, 15].includes(code), stderr);
    }
    const { interfere } = hostile;
    hostile.interfere = () => jsonAnswer(400, { errors: [{ code: 'DENIED', message: evil }] });
    assert.notEqual((await bench.run(['tree', image.reference])).code, 0);
    hostile.interfere = interfere;
    await sign('-a', `note=${evil}`);
  });

  it('a referrer that is listed and gone', async (t) => {
    const { hostile, image, sign } = await stage(t, { referrers: false });
    await sign('--format', 'bundle');
    const list = await fetch(`${hostile.url}/v2/acme/app/manifests/${image.digest.replace(':', '-')}`);
    const { manifests } = (await list.json()) as { manifests: { digest: string }[] };
    const [entry] = manifests;
    assert.ok(entry !== undefined);
    await fetch(`${hostile.url}/v2/acme/app/manifests/${entry.digest}`, { method: 'DELETE' });
    const result = await verifyJson(bench, image.reference);
    assert.deepEqual([result.code, result.error], [21, 'ERR_REGISTRY_RESPONSE']);
  });
});
