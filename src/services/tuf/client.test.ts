import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import {
  createTufWorld,
  emptyTrustedRoot,
  type TufWorld,
  tufMirror,
} from '../../../test/support/tuf-world.ts';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { cachePath, readCache, writeCache } from './cache.ts';
import { type RefreshedTrust, type RefreshOptions, refreshTrust } from './client.ts';
import { parseMirror } from './mirror.ts';

const hour = 3_600_000;
const day = 24 * hour;

interface Client {
  readonly world: TufWorld;
  readonly folder: string;
  refresh(change?: Partial<RefreshOptions>): Promise<RefreshedTrust>;
  /** What was asked for since the last time. */
  asked(): string[];
  warnings(): number;
}

async function newClient(t: TestContext): Promise<Client> {
  const folder = join(await temporaryDirectory(t), 'trust');
  const world = await createTufWorld({});
  return {
    world,
    folder,
    refresh: (change = {}) =>
      refreshTrust({ mirror: tufMirror, root: world.root, folder, runtime: world.runtime, ...change }),
    asked: () => world.asked.splice(0),
    warnings: () => world.runtime.events.filter(({ event }) => event === 'tuf.stale').length,
  };
}

const refused =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isBoltsealError(error, ...codes);

const textOf = ({ state }: RefreshedTrust, name = 'trusted_root.json'): string =>
  Buffer.from(state.files.get(name) ?? []).toString();

describe('a TUF client', () => {
  it('asks once a day, and for no more than it needs', async (t) => {
    const { world, refresh, asked } = await newClient(t);
    const first = await refresh();
    assert.equal(first.from, 'tuf');
    assert.equal(textOf(first), Buffer.from(emptyTrustedRoot).toString());
    const names = asked();
    assert.deepEqual(names.slice(0, 4), [
      '2.root.json',
      'timestamp.json',
      '1.snapshot.json',
      '1.targets.json',
    ]);
    assert.match(names[4] ?? '', /^targets\/[0-9a-f]{64}\.trusted_root\.json$/);
    world.runtime.pass(day - hour);
    const second = await refresh();
    assert.deepEqual([second.from, second.fetched], ['cache', first.fetched]);
    assert.deepEqual(second.state.versions, { root: 1, timestamp: 1, snapshot: 1, targets: 1 });
    assert.deepEqual(asked(), []);
    world.runtime.pass(2 * hour);
    assert.equal((await refresh()).from, 'tuf');
    assert.deepEqual(asked(), ['2.root.json', 'timestamp.json']);
    assert.equal((await refresh({ ask: 'always' })).from, 'tuf');
    assert.deepEqual(asked(), ['2.root.json', 'timestamp.json']);
  });

  it('takes what changed, and only that', async (t) => {
    const { world, refresh, asked } = await newClient(t);
    const config = utf8('{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}');
    await world.publish({
      files: {
        'trusted_root.json': emptyTrustedRoot,
        'signing_config.v0.2.json': config,
        'rekor.pub': utf8('x'),
      },
    });
    const first = await refresh();
    assert.deepEqual([...first.state.files.keys()], ['trusted_root.json', 'signing_config.v0.2.json']);
    await world.publish();
    asked();
    const second = await refresh({ ask: 'always' });
    assert.deepEqual([...second.state.files.keys()], ['trusted_root.json']);
    assert.deepEqual(asked(), ['2.root.json', 'timestamp.json', '3.snapshot.json', '3.targets.json']);
  });

  it('keeps one file for each repository, which only its owner may read', async (t) => {
    const { world, folder, refresh } = await newClient(t);
    await refresh();
    const path = cachePath(folder, tufMirror);
    assert.deepEqual(await readdir(join(folder, 'cache')), [basename(path)]);
    assert.match(basename(path), /^tuf\.test-[0-9a-f]{16}\.json$/);
    assert.notEqual(path, cachePath(folder, `${tufMirror}/other`));
    if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok(!(await readFile(path, 'utf8')).includes(Buffer.from(world.root).toString('base64')));
  });

  it('without a folder it keeps nothing, and works', async (t) => {
    const { refresh, asked } = await newClient(t);
    assert.equal((await refresh({ folder: undefined })).from, 'tuf');
    asked();
    assert.equal((await refresh({ folder: undefined })).from, 'tuf');
    assert.ok(asked().includes('timestamp.json'));
  });

  it('where nothing can be written it works, and tells it to whoever wants to know', async (t) => {
    const { world, folder, refresh } = await newClient(t);
    // The superuser may write everywhere but below a file.
    await writeFile(folder, 'no folder');
    assert.equal((await refresh()).from, 'tuf');
    const told = world.runtime.events.filter(({ event }) => event === 'tuf.cache-unwritten');
    assert.deepEqual(
      told.map(({ level }) => level),
      ['debug'],
    );
  });

  it('a kept state is a state like the one that was fetched', async (t) => {
    const { refresh, world } = await newClient(t);
    await world.publishRoot();
    await world.publishRoot();
    const first = await refresh();
    assert.deepEqual((await refresh()).state, first.state);
    assert.equal(first.state.roots.length, 2);
  });

  it('many processes at once leave a whole cache', async (t) => {
    const { world, folder, refresh } = await newClient(t);
    const results = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        if (index % 3 === 1) await world.publish();
        return refresh({ ask: 'always' });
      }),
    );
    const newest = Math.max(...results.map(({ state }) => state.versions.timestamp));
    const kept = await readCache(cachePath(folder, tufMirror), world.root, world.runtime);
    assert.ok(kept !== undefined && kept.state.versions.timestamp <= newest);
    assert.deepEqual(await readdir(join(folder, 'cache')), [basename(cachePath(folder, tufMirror))]);
  });

  it('a slower process does not put an older state in the place of a newer one', async (t) => {
    const { world, folder, refresh } = await newClient(t);
    const path = cachePath(folder, tufMirror);
    const old = await refresh();
    await world.publish();
    const next = await refresh({ ask: 'always' });
    await writeCache(path, world.root, old, world.runtime);
    assert.equal((await readCache(path, world.root, world.runtime))?.state.versions.timestamp, 2);
    assert.equal(next.state.versions.timestamp, 2);
  });
});

describe('a cache that is damaged', () => {
  const path = (folder: string): string => cachePath(folder, tufMirror);
  const damages: readonly (readonly [string, (text: string) => string])[] = [
    ['empty', () => ''],
    ['cut off', (text) => text.slice(0, text.length / 2)],
    ['of another program', () => '{"mirror":"https://example.com"}'],
    ['of another version', (text) => text.replace('cache/1', 'cache/2')],
    ['no base64', (text) => text.replace('"timestamp":"', '"timestamp":"*')],
    ['without a time', (text) => text.replace(/"fetched":"[^"]*"/, '"fetched":"now"')],
    [
      'with another trusted root',
      (text) => {
        const kept = JSON.parse(text);
        kept.files['trusted_root.json'] = Buffer.from('{}').toString('base64');
        return JSON.stringify(kept);
      },
    ],
    [
      'with a file that is no target',
      (text) => {
        const kept = JSON.parse(text);
        kept.files['signing_config.v0.2.json'] = Buffer.from('{}').toString('base64');
        return JSON.stringify(kept);
      },
    ],
    [
      'with one byte of signed metadata changed',
      (text) => {
        const kept = JSON.parse(text);
        const targets = Buffer.from(kept.targets, 'base64').toString().replace('"version":1', '"version":2');
        kept.targets = Buffer.from(targets).toString('base64');
        return JSON.stringify(kept);
      },
    ],
    [
      'with a root of nobody',
      (text) => {
        const kept = JSON.parse(text);
        kept.roots = [Buffer.from('{"signatures":[],"signed":{"_type":"root"}}').toString('base64')];
        return JSON.stringify(kept);
      },
    ],
  ];
  for (const [what, damage] of damages) {
    it(`${what}: is thrown away, and fetched again`, async (t) => {
      const { folder, refresh, asked, world } = await newClient(t);
      const first = await refresh();
      const before = await readFile(path(folder), 'utf8');
      const after = damage(before);
      assert.notEqual(after, before);
      await writeFile(path(folder), after);
      asked();
      const second = await refresh();
      assert.deepEqual([second.from, second.state], ['tuf', first.state]);
      assert.ok(world.runtime.events.some(({ event }) => event === 'tuf.cache-unusable'));
      assert.equal((await refresh()).from, 'cache');
    });
  }

  it('offline it is as good as nothing_fail', async (t) => {
    const { folder, refresh } = await newClient(t);
    await refresh();
    await writeFile(path(folder), 'x');
    await assert.rejects(refresh({ ask: 'never' }), refused('ERR_OFFLINE'));
  });

  it('of another root is thrown away', async (t) => {
    const { folder, refresh, asked } = await newClient(t);
    const stranger = await createTufWorld({});
    await refreshTrust({ mirror: tufMirror, root: stranger.root, folder, runtime: stranger.runtime });
    assert.equal((await refresh()).from, 'tuf');
    assert.ok(asked().includes('timestamp.json'));
  });

  it('with a time in the future is asked for again', async (t) => {
    const { world, refresh } = await newClient(t);
    world.runtime.pass(2 * day);
    await refresh();
    world.runtime.pass(-day);
    assert.equal((await refresh()).from, 'tuf');
  });
});

describe('a repository that cannot be asked', () => {
  const broken = Object.assign(new Error('no network'), { code: 'ENOTFOUND' });

  it('is known while what it said is valid, with a warning, and left alone for a while', async (t) => {
    const { world, refresh, asked, warnings } = await newClient(t);
    const first = await refresh();
    world.intercept = () => broken;
    world.runtime.pass(2 * day);
    asked();
    const second = await refresh();
    assert.deepEqual([second.from, second.fetched, second.state], ['cache', first.fetched, first.state]);
    assert.equal(warnings(), 1);
    assert.ok(asked().length > 0);
    assert.equal((await refresh()).from, 'cache');
    assert.deepEqual([asked(), warnings()], [[], 2]);
    world.runtime.pass(11 * 60_000);
    assert.equal((await refresh()).from, 'cache');
    assert.ok(asked().length > 0);
    world.intercept = () => undefined;
    world.runtime.pass(11 * 60_000);
    assert.equal((await refresh()).from, 'tuf');
    assert.equal((await refresh()).from, 'cache');
    assert.equal(warnings(), 3);
  });

  it('takes a few seconds at most', async (t) => {
    const { world, refresh } = await newClient(t);
    await refresh();
    world.intercept = () => broken;
    world.runtime.pass(2 * day);
    const before = world.runtime.monotonic();
    await refresh();
    assert.ok(world.runtime.monotonic() - before <= limits.tufQuickTime);
  });

  it('is an error where nothing is kept_fail', async (t) => {
    const { world, refresh, asked } = await newClient(t);
    world.intercept = () => broken;
    await assert.rejects(refresh(), refused('ERR_SERVICE_NETWORK'));
    asked();
    await assert.rejects(refresh(), refused('ERR_SERVICE_NETWORK'));
    assert.ok(asked().length > 0, 'with nothing to go by it is asked each time');
  });

  it('is an error when it must be asked_fail', async (t) => {
    const { world, refresh, folder } = await newClient(t);
    await refresh();
    const before = await readFile(cachePath(folder, tufMirror));
    world.intercept = () => broken;
    await assert.rejects(refresh({ ask: 'always' }), refused('ERR_SERVICE_NETWORK'));
    assert.deepEqual(await readFile(cachePath(folder, tufMirror)), before);
  });

  it('is not known any more when what it said has expired_fail', async (t) => {
    const { world, refresh } = await newClient(t);
    await refresh();
    world.intercept = () => broken;
    world.runtime.pass(8 * day);
    await assert.rejects(refresh(), refused('ERR_TUF_EXPIRED'));
  });

  it('lies: what is kept serves, with a warning', async (t) => {
    const { world, refresh, warnings } = await newClient(t);
    const first = await refresh();
    const old = new Map(world.files);
    await world.publish();
    await refresh({ ask: 'always' });
    world.files.set('timestamp.json', old.get('timestamp.json') ?? utf8(''));
    world.runtime.pass(2 * day);
    const second = await refresh();
    assert.deepEqual([second.from, second.state.versions.timestamp], ['cache', 2]);
    assert.equal(warnings(), 1);
    assert.equal(first.state.versions.timestamp, 1);
    await assert.rejects(refresh({ ask: 'always' }), refused('ERR_TUF_ROLLBACK'));
  });

  it('has no usable trusted root any more: what is kept serves', async (t) => {
    const { world, refresh } = await newClient(t);
    const first = await refresh();
    for (const files of [{}, { 'trusted_root.json': utf8('{"mediaType":"of the future"}') }]) {
      await world.publish({ files });
      world.runtime.pass(2 * day);
      assert.deepEqual((await refresh()).state, first.state);
    }
    await assert.rejects(refresh({ ask: 'always' }), refused('ERR_TRUSTED_ROOT_INVALID'));
    await world.publish({ files: {} });
    await assert.rejects(refresh({ ask: 'always' }), refused('ERR_TRUST'));
  });

  it('ends when it is cancelled_fail', async (t) => {
    const { world, refresh } = await newClient(t);
    await refresh();
    world.runtime.pass(2 * day);
    const reason = new BoltsealError('ERR_INTERRUPTED', 'enough');
    await assert.rejects(refresh({ signal: AbortSignal.abort(reason) }), refused('ERR_INTERRUPTED'));
  });
});

describe('without a network', () => {
  it('what is kept serves, and nobody is asked', async (t) => {
    const { world, refresh, asked, warnings } = await newClient(t);
    const first = await refresh();
    asked();
    world.intercept = () => assert.fail('a request was made');
    world.runtime.pass(3 * day);
    assert.deepEqual((await refresh({ ask: 'never' })).state, first.state);
    assert.deepEqual([asked(), warnings()], [[], 0]);
    world.runtime.pass(5 * day);
    // Only what tells that there is nothing newer has expired, and that was not wanted.
    assert.deepEqual((await refresh({ ask: 'never' })).state, first.state);
    assert.deepEqual([asked(), warnings()], [[], 1]);
  });

  it('root or targets that expired do not serve_fail', async (t) => {
    const { world, refresh } = await newClient(t);
    await refresh();
    world.runtime.pass(101 * day);
    await assert.rejects(refresh({ ask: 'never' }), refused('ERR_TUF_EXPIRED'));
  });

  it('nothing is kept_fail', async (t) => {
    const { refresh } = await newClient(t);
    await assert.rejects(refresh({ ask: 'never' }), refused('ERR_OFFLINE'));
    await assert.rejects(refresh({ ask: 'never', folder: undefined }), refused('ERR_OFFLINE'));
  });
});

describe('with something else to go by', () => {
  const broken = Object.assign(new Error('no network'), { code: 'ENOTFOUND' });

  it('what was kept later than that serves after its timestamp has expired', async (t) => {
    const { world, refresh } = await newClient(t);
    const fallback = world.runtime.now();
    world.runtime.pass(hour);
    const first = await refresh();
    world.intercept = () => broken;
    world.runtime.pass(9 * day);
    assert.deepEqual((await refresh({ fallback })).state, first.state);
    world.runtime.pass(100 * day);
    await assert.rejects(refresh({ fallback }), refused('ERR_TUF_EXPIRED'));
  });

  it('what was kept before that does not serve_fail', async (t) => {
    const { world, refresh } = await newClient(t);
    await refresh();
    world.intercept = () => broken;
    world.runtime.pass(2 * day);
    await assert.rejects(refresh({ fallback: world.runtime.now() }), refused('ERR_TUF_EXPIRED'));
  });

  it('where nothing is kept, it is not asked again for a while either', async (t) => {
    const { world, refresh, asked } = await newClient(t);
    world.intercept = () => broken;
    const fallback = world.runtime.now();
    await assert.rejects(refresh({ fallback }), refused('ERR_SERVICE_NETWORK'));
    asked();
    await assert.rejects(refresh({ fallback }), refused('ERR_SERVICE_UNAVAILABLE'));
    assert.deepEqual(asked(), []);
  });
});

describe('mirrors', () => {
  it('are https, or on this machine', () => {
    for (const [text, expected] of [
      ['https://tuf.example.com', 'https://tuf.example.com'],
      ['https://tuf.example.com/', 'https://tuf.example.com'],
      ['https://example.com/a//', 'https://example.com/a'],
      ['http://127.0.0.1:5200/tuf', 'http://127.0.0.1:5200/tuf'],
      ['http://localhost:80/tuf', 'http://localhost/tuf'],
      ['http://[::1]:5200/tuf/', 'http://[::1]:5200/tuf'],
    ] as const) {
      assert.equal(parseMirror(text), expected);
    }
  });
  for (const text of ['http://tuf.example.com', 'http://10.0.0.1/tuf', 'http://localhost.example.com']) {
    it(`${text}_fail`, () => assert.throws(() => parseMirror(text), refused('ERR_SERVICE_INSECURE')));
  }
  for (const text of [
    '',
    'tuf',
    'file:///tmp',
    'https://a?b',
    'https://a#b',
    'https://user:password@a',
    'gs://a',
  ]) {
    it(`${text}_fail`, () => assert.throws(() => parseMirror(text), refused('ERR_USAGE')));
  }
});

describe('without temporary files', () => {
  it('a repository cannot be followed, and what is kept serves_fail', {
    skip: process.platform === 'win32',
  }, async (t) => {
    const { world, refresh } = await newClient(t);
    const first = await refresh();
    const before = process.env['TMPDIR'];
    t.after(() => {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    });
    process.env['TMPDIR'] = '/dev/null/nowhere';
    await assert.rejects(refresh({ ask: 'always' }), refused('ERR_FILE_WRITE'));
    world.runtime.pass(2 * day);
    assert.deepEqual((await refresh()).state, first.state);
  });
});
