import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { inProcessRuntime, respond } from '../../test/support/in-process.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { createTufWorld, emptyTrustedRoot, type TufWorld, tufMirror } from '../../test/support/tuf-world.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import { publicGood, publicMirror } from '../services/public-good.ts';
import { chooseInstance, currentInstance, trustFolder } from '../services/tuf/instance.ts';
import { initializeTrust } from './initialize-trust.ts';
import { loadTrust } from './trust.ts';

const day = 86_400_000;
const privateRoot = vector('trust/trusted-root-private-full.json');
const privateConfig = vector('trust/signing-config-full.json');

const refused =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isBoltsealError(error, ...codes);

/** A private instance, and a home in which nothing was ever done. */
async function newWorld(
  t: TestContext,
  env: Record<string, string> = {},
): Promise<TufWorld & { home: string }> {
  const home = await temporaryDirectory(t);
  const world = await createTufWorld({ home, env });
  await world.publish({
    files: { 'trusted_root.json': privateRoot, 'signing_config.v0.2.json': privateConfig },
  });
  await writeFile(join(home, 'root.json'), world.root);
  return Object.assign(world, { home });
}

const initialize = (world: TufWorld & { home: string }): ReturnType<typeof initializeTrust> =>
  initializeTrust({ mirror: tufMirror, root: join(world.home, 'root.json') }, world.runtime);

/** Fails the test as soon as anything is asked. */
function withoutNetwork(runtime: Runtime): Runtime {
  return { ...runtime, fetch: () => assert.fail('something was asked over the network') };
}

describe('a trusted root in a file', () => {
  it('comes before everything else, and asks nobody', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    const path = join(world.home, 'trusted_root.json');
    await writeFile(path, emptyTrustedRoot);
    const trust = await loadTrust({ trustedRootFile: path }, withoutNetwork(world.runtime));
    assert.deepEqual(trust.source, { kind: 'file', where: path });
    assert.deepEqual(trust.root.tlogs, []);
    assert.equal(trust.trust.root, trust.root);
    assert.deepEqual(trust.rootBytes, emptyTrustedRoot);
    assert.equal(trust.signingConfig, undefined);
  });

  it('that is missing or is none_fail', async (t) => {
    const { runtime, home } = await newWorld(t);
    await assert.rejects(
      loadTrust({ trustedRootFile: join(home, 'none') }, runtime),
      refused('ERR_FILE_READ'),
    );
    const trustedRootFile = join(home, 'root.json');
    await assert.rejects(loadTrust({ trustedRootFile }, runtime), refused('ERR_TRUSTED_ROOT_INVALID'));
  });
});

describe('an instance that was initialised', () => {
  it('is in use from then on, for this home', async (t) => {
    const world = await newWorld(t);
    const initialized = await initialize(world);
    assert.equal(initialized.isPublic, false);
    assert.deepEqual(initialized.versions, { root: 1, timestamp: 2, snapshot: 2, targets: 2 });
    const trust = await loadTrust({}, withoutNetwork(world.runtime));
    assert.equal(trust.source.kind, 'cache');
    assert.equal(trust.source.where, tufMirror);
    assert.deepEqual(trust.source.fetched, initialized.source.fetched);
    assert.deepEqual(Buffer.from(trust.rootBytes), Buffer.from(privateRoot));
    assert.deepEqual(Buffer.from(trust.signingConfigBytes ?? []), Buffer.from(privateConfig));
    assert.ok((trust.signingConfig?.ca.length ?? 0) > 0);
    assert.equal(trust.rekorV2SigningConfig, undefined);
    world.runtime.pass(2 * day);
    assert.equal((await loadTrust({}, world.runtime)).source.kind, 'tuf');
  });

  it('offline: opens no socket, however old what is kept', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    world.runtime.pass(20 * day);
    const trust = await loadTrust({ offline: true }, withoutNetwork(world.runtime));
    assert.equal(trust.source.kind, 'cache');
    assert.ok(world.runtime.events.some(({ event, level }) => event === 'tuf.stale' && level === 'warn'));
  });

  it('whose cache is gone, offline_fail: the public one is not meant', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    await writeFile(join(trustFolder(world.runtime) ?? '', 'cache', 'x'), '');
    for (const name of await readdir(join(trustFolder(world.runtime) ?? '', 'cache'))) {
      await writeFile(join(trustFolder(world.runtime) ?? '', 'cache', name), 'damaged');
    }
    await assert.rejects(loadTrust({ offline: true }, world.runtime), refused('ERR_OFFLINE'));
  });

  it('that cannot be asked and has expired_fail: the public one is not meant', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    world.intercept = () => Object.assign(new Error('no network'), { code: 'ENOTFOUND' });
    world.runtime.pass(8 * day);
    await assert.rejects(loadTrust({}, world.runtime), refused('ERR_TUF_EXPIRED'));
  });

  it('that is not known because the file cannot be read_fail', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    const path = join(trustFolder(world.runtime) ?? '', 'instance.json');
    const good = await readFile(path, 'utf8');
    for (const text of [
      '',
      '{}',
      good.slice(0, 40),
      good.replace('instance/1', 'instance/2'),
      good.replace('https:', 'http:'),
      good.replace('"root":"', '"root":"*'),
    ]) {
      assert.notEqual(text, good);
      await writeFile(path, text);
      await assert.rejects(loadTrust({}, world.runtime), refused('ERR_TRUST'), text);
    }
  });

  it('a signing configuration that is none is left aside, and told', async (t) => {
    const world = await newWorld(t);
    await world.publish({
      files: { 'trusted_root.json': privateRoot, 'signing_config.v0.2.json': utf8('{"mediaType":"new"}') },
    });
    const { signingConfig } = await initialize(world);
    assert.equal(signingConfig, undefined);
    assert.ok(world.runtime.events.some(({ event }) => event === 'trust.signing-config'));
  });
});

describe('initialising', () => {
  const attempts: readonly (readonly [
    string,
    ErrorCode,
    (world: TufWorld & { home: string }) => Promise<unknown>,
  ])[] = [
    [
      'no network',
      'ERR_SERVICE_NETWORK',
      (world) => {
        world.intercept = () => Object.assign(new Error('no network'), { code: 'ENOTFOUND' });
        return initialize(world);
      },
    ],
    [
      'expired metadata',
      'ERR_TUF_EXPIRED',
      async (world) => {
        await world.publish({
          change: {
            timestamp: (signed) => {
              signed.expires = '2020-01-01T00:00:00Z';
            },
          },
        });
        return initialize(world);
      },
    ],
    [
      'no trusted root',
      'ERR_TRUST',
      async (world) => {
        await world.publish({ files: {} });
        return initialize(world);
      },
    ],
    [
      'the root of another',
      'ERR_TUF_METADATA_INVALID',
      async (world) => {
        await writeFile(join(world.home, 'root.json'), (await createTufWorld({})).root);
        return initialize(world);
      },
    ],
    [
      'a file that is no root',
      'ERR_TUF_METADATA_INVALID',
      async (world) => {
        await writeFile(join(world.home, 'root.json'), '{"signed":{"_type":"root"}}');
        return initialize(world);
      },
    ],
    [
      'a root without signatures',
      'ERR_TUF_METADATA_INVALID',
      async (world) => {
        const { signed } = JSON.parse(Buffer.from(world.root).toString());
        await writeFile(join(world.home, 'root.json'), JSON.stringify({ signatures: [], signed }));
        return initialize(world);
      },
    ],
    [
      'no file',
      'ERR_FILE_READ',
      (world) => initializeTrust({ mirror: tufMirror, root: join(world.home, 'none') }, world.runtime),
    ],
    [
      'a checksum without a root',
      'ERR_USAGE',
      (world) => initializeTrust({ mirror: tufMirror, rootChecksum: 'ab'.repeat(32) }, world.runtime),
    ],
    [
      'no checksum for a URL',
      'ERR_USAGE',
      (world) => initializeTrust({ mirror: tufMirror, root: `${tufMirror}/1.root.json` }, world.runtime),
    ],
    [
      'another checksum for a URL',
      'ERR_DIGEST_MISMATCH',
      (world) =>
        initializeTrust(
          { mirror: tufMirror, root: `${tufMirror}/1.root.json`, rootChecksum: 'ab'.repeat(32) },
          world.runtime,
        ),
    ],
    [
      'another checksum for a file',
      'ERR_DIGEST_MISMATCH',
      (world) =>
        initializeTrust(
          { mirror: tufMirror, root: join(world.home, 'root.json'), rootChecksum: 'ab'.repeat(32) },
          world.runtime,
        ),
    ],
    [
      'what is no checksum',
      'ERR_USAGE',
      (world) =>
        initializeTrust(
          { mirror: tufMirror, root: join(world.home, 'root.json'), rootChecksum: 'md5:00' },
          world.runtime,
        ),
    ],
    [
      'nothing at the URL',
      'ERR_SERVICE_RESPONSE',
      (world) =>
        initializeTrust(
          { mirror: tufMirror, root: `${tufMirror}/9.root.json`, rootChecksum: 'ab'.repeat(32) },
          world.runtime,
        ),
    ],
    [
      'plain http to another machine',
      'ERR_SERVICE_INSECURE',
      (world) =>
        initializeTrust({ mirror: 'http://tuf.test', root: join(world.home, 'root.json') }, world.runtime),
    ],
    [
      'a mirror that is no copy of the public one',
      'ERR_TUF_METADATA_INVALID',
      async (world) => {
        world.files.set('17.root.json', world.root);
        return initializeTrust({ mirror: tufMirror }, world.runtime);
      },
    ],
    [
      'a folder that cannot be written',
      'ERR_FILE_WRITE',
      async (world) => {
        const env = { BOLTSEAL_TRUST_DIR: join(world.home, 'root.json') };
        return initializeTrust(
          { mirror: tufMirror, root: join(world.home, 'root.json') },
          { ...world.runtime, env },
        );
      },
    ],
    [
      'no home',
      'ERR_FILE_WRITE',
      (world) =>
        initializeTrust(
          { mirror: tufMirror, root: join(world.home, 'root.json') },
          { ...world.runtime, home: undefined },
        ),
    ],
  ];
  for (const [what, code, attempt] of attempts) {
    it(`${what}_fail: nothing has changed`, async (t) => {
      const world = await newWorld(t);
      const other = await createTufWorld({ home: world.home });
      await chooseInstance(
        trustFolder(world.runtime) ?? '',
        { mirror: tufMirror, root: other.root },
        world.runtime,
      );
      const before = await currentInstance(world.runtime);
      await assert.rejects(attempt(world), refused(code));
      assert.deepEqual(await currentInstance(world.runtime), before);
    });
  }

  it('takes a root from a URL with its checksum', async (t) => {
    const world = await newWorld(t);
    const { createHash } = await import('node:crypto');
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const digest = createHash(algorithm).update(world.root).digest('hex');
      const rootChecksum = algorithm === 'sha256' ? digest.toUpperCase() : `sha512:${digest}`;
      const options = { mirror: `${tufMirror}/`, root: `${tufMirror}/1.root.json`, rootChecksum };
      assert.equal((await initializeTrust(options, world.runtime)).mirror, tufMirror);
    }
  });

  it('again with a new root at the old address follows the new one', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    const again = Object.assign(await createTufWorld({ home: world.home }), { home: world.home });
    await writeFile(join(world.home, 'root.json'), again.root);
    assert.deepEqual((await initialize(again)).versions, { root: 1, timestamp: 1, snapshot: 1, targets: 1 });
  });
});

describe('the public instance', () => {
  const broken = Object.assign(new Error('no network'), { code: 'ENOTFOUND' });
  const offline = (home: string | undefined): Runtime => ({
    ...inProcessRuntime(() => Promise.reject(broken)),
    now: () => new Date(),
    home,
  });

  it('is in use where nothing was initialised, with no network and no set-up', async (t) => {
    const home = await temporaryDirectory(t);
    const data = await publicGood();
    for (const place of [home, undefined]) {
      const trust = await loadTrust({}, offline(place));
      assert.deepEqual(trust.source, { kind: 'embedded', where: publicMirror, fetched: data.fetched });
      assert.deepEqual(trust.rootBytes, data.trustedRoot);
      assert.deepEqual(
        trust.signingConfig?.ca.map(({ url }) => url),
        ['https://fulcio.sigstore.dev'],
      );
      assert.ok(trust.rekorV2SigningConfig !== undefined);
    }
  });

  it('says that it could not be asked', async (t) => {
    const runtime = inProcessRuntime(() => Promise.reject(broken));
    await loadTrust({}, { ...runtime, now: () => new Date(), home: await temporaryDirectory(t) });
    assert.deepEqual(
      runtime.events.filter(({ level }) => level === 'warn').map(({ event }) => event),
      ['trust.embedded'],
    );
  });

  it('offline: opens no socket and says nothing', async (t) => {
    const runtime = inProcessRuntime(() => assert.fail('something was asked'));
    const home = await temporaryDirectory(t);
    const trust = await loadTrust({ offline: true }, { ...runtime, home });
    assert.equal(trust.source.kind, 'embedded');
    assert.deepEqual(
      runtime.events.filter(({ level }) => level !== 'debug'),
      [],
    );
  });

  for (const [what, body] of [
    ['a page of a captive portal', '<html></html>'],
    ['metadata of another', '{"signed":{"_type":"timestamp"},"signatures":[]}'],
  ] as const) {
    it(`behind ${what} is the embedded one`, async (t) => {
      const runtime = inProcessRuntime(async () => respond({ status: 200, body }));
      const home = await temporaryDirectory(t);
      const trust = await loadTrust({}, { ...runtime, now: () => new Date(), home });
      assert.equal(trust.source.kind, 'embedded');
    });
  }

  it('ends when it is cancelled_fail', async (t) => {
    const reason = new BoltsealError('ERR_INTERRUPTED', 'enough');
    const options = { signal: AbortSignal.abort(reason) };
    await assert.rejects(
      loadTrust(options, offline(await temporaryDirectory(t))),
      refused('ERR_INTERRUPTED'),
    );
  });

  it('is chosen again by initialising without flags', async (t) => {
    const world = await newWorld(t);
    await initialize(world);
    assert.equal((await currentInstance(world.runtime)).mirror, tufMirror);
    const folder = trustFolder(world.runtime) ?? '';
    await chooseInstance(folder, { mirror: publicMirror, root: undefined }, world.runtime);
    assert.deepEqual(await currentInstance(world.runtime), { mirror: publicMirror, root: undefined });
    await assert.rejects(
      initializeTrust({}, { ...world.runtime, fetch: () => Promise.reject(broken) }),
      refused('ERR_SERVICE_NETWORK'),
    );
  });
});

describe('variables', () => {
  it('name the folder: never one that `cosign initialize` removes', () => {
    const folder = (env: Record<string, string>, home?: string): string | undefined =>
      trustFolder({ env, home });
    assert.equal(folder({}, '/home/me'), join('/home/me', '.sigstore', 'boltseal'));
    assert.equal(folder({ TUF_ROOT: '/data/tuf/' }, '/home/me'), '/data/tuf-boltseal');
    assert.equal(folder({ TUF_ROOT: '/data/tuf', BOLTSEAL_TRUST_DIR: '/data/x' }), '/data/x');
    assert.equal(folder({}), undefined);
  });

  it('of cosign name the instance', async (t) => {
    const home = await temporaryDirectory(t);
    const first = await createTufWorld({});
    const path = join(home, 'root.json');
    await writeFile(path, first.root);
    const world = await createTufWorld({ home, env: { TUF_MIRROR: `${tufMirror}/`, TUF_ROOT_JSON: path } });
    for (const [name, bytes] of first.files) world.files.set(name, bytes);
    const trust = await loadTrust({}, world.runtime);
    assert.deepEqual([trust.source.kind, trust.source.where], ['tuf', tufMirror]);
    assert.deepEqual(trust.rootBytes, emptyTrustedRoot);
  });

  it('of a mirror alone: one that was initialised, else a copy of the public one', async (t) => {
    const world = await newWorld(t, { TUF_MIRROR: tufMirror });
    assert.deepEqual(await currentInstance(world.runtime), { mirror: tufMirror, root: undefined });
    await initialize(world);
    assert.deepEqual((await currentInstance(world.runtime)).root, world.root);
  });

  for (const [what, code, env] of [
    [
      'a root that is not there',
      'ERR_FILE_READ',
      { TUF_MIRROR: tufMirror, TUF_ROOT_JSON: '/nowhere/root.json' },
    ],
    ['a mirror over plain http', 'ERR_SERVICE_INSECURE', { TUF_MIRROR: 'http://tuf.test' }],
    ['a mirror that is no URL', 'ERR_USAGE', { TUF_MIRROR: 'file:///tuf' }],
  ] as const) {
    it(`${what}_fail`, async (t) => {
      const home = await temporaryDirectory(t);
      await mkdir(join(home, 'x'));
      const runtime = { ...inProcessRuntime(() => Promise.reject(new Error('no'))), env, home };
      await assert.rejects(loadTrust({}, runtime), refused(code));
    });
  }
});
