import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import {
  createTufWorld,
  emptyTrustedRoot,
  type TufWorld,
  tufMirror,
  tufTime,
} from '../../../test/support/tuf-world.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import { cachePath } from './cache.ts';
import { type RefreshedTrust, type RefreshOptions, refreshTrust } from './client.ts';

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
});
