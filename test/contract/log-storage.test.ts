/** What every storage of logs must do. */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { utf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { emptyRoot, hashLeaf } from '../../src/formats/merkle.ts';
import {
  type Batch,
  LeafHashTaken,
  type LogStorage,
  type LogStore,
  type NewRow,
  type StoredHead,
} from '../../src/server/log/storage.ts';
import { type LogPlace, type StorageKind, storageKinds } from '../support/log-storages.ts';

const empty: StoredHead = { size: 0, root: emptyRoot, time: 1_000, checkpoint: 'empty ✓\n' };

function row(text: string, ...keys: readonly string[]): NewRow {
  const body = utf8(`body of ${text}`);
  return { body, leafHash: hashLeaf(body), keys: keys.map((key) => hashLeaf(utf8(key)).subarray(0, 16)) };
}

function batch(size: number, rows: readonly NewRow[], more: Partial<Batch> = {}): Batch {
  const head = { size, root: hashLeaf(utf8(`root ${size}`)), time: 1_000 + size, checkpoint: `of ${size}\n` };
  return { time: head.time, entries: rows, tiles: [], head, publish: true, ...more };
}

interface World {
  readonly place: LogPlace;
  readonly storage: LogStorage;
  readonly store: LogStore;
}

async function world(t: TestContext, kind: StorageKind): Promise<World | undefined> {
  const place = await kind.place(t);
  if (place === undefined) return undefined;
  const storage = await place.open();
  const store = await storage.log('a.log-1');
  t.after(async () => {
    await store.close().catch(() => undefined);
    await storage.close();
  });
  return { place, storage, store };
}

async function append(store: LogStore, written: Batch): Promise<void> {
  const transaction = await store.begin(0, []);
  await transaction.commit(written);
}

describe('a storage of logs', () => {
  for (const kind of storageKinds({ after })) describe(kind.name, () => contract(kind));
});

function contract(kind: StorageKind): void {
  it('creates a log once', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    assert.equal(await it.store.heads(), undefined);
    assert.equal(await it.store.entry(0), undefined);
    await it.store.create(empty);
    await it.store.create({ ...empty, checkpoint: 'another' });
    assert.deepEqual(await it.store.heads(), { head: empty, published: empty });
  });

  it('refuses ids that are no names', async (t) => {
    const it = await world(t, kind);
    for (const id of ['', '../x', 'A', 'a/b', 'a..b', '.', 'x'.repeat(64)]) {
      await assert.rejects(
        async () => it?.storage.log(id) ?? Promise.reject(new Error('skipped')),
        (error) => it === undefined || isBoltsealError(error, 'ERR_SERVER_CONFIG'),
      );
    }
  });

  it('writes and reads a batch', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    const { store } = it;
    await store.create(empty);
    const tile = { level: 0, index: 2, hashes: new Uint8Array(8_192).fill(7) };
    const rows = [row('a', 'k', 'l'), row('b'), row('c', 'k')];
    const written = batch(3, rows, { tiles: [tile] });
    await append(store, written);
    assert.deepEqual(await store.heads(), { head: written.head, published: written.head });
    const expected = rows.map(({ leafHash, body }, index) => ({ index, time: 1_003, leafHash, body }));
    assert.deepEqual(await store.entries(0, 10), expected);
    assert.deepEqual(await store.entries(1, 2), expected.slice(1, 2));
    assert.deepEqual(await store.entry(2), expected[2]);
    assert.equal(await store.entry(3), undefined);
    assert.deepEqual(await store.entryByHash(row('b').leafHash), expected[1]);
    assert.equal(await store.entryByHash(emptyRoot), undefined);
    assert.deepEqual(
      await store.leafHashes(1, 3),
      rows.slice(1).map(({ leafHash }) => leafHash),
    );
    const [k, l] = rows[0]?.keys ?? [];
    assert.deepEqual(await store.search(k as Uint8Array, 10), [0, 2]);
    assert.deepEqual(await store.search(k as Uint8Array, 1), [0]);
    assert.deepEqual(await store.search(l as Uint8Array, 10), [0]);
    assert.deepEqual(await store.search(emptyRoot.subarray(0, 16), 10), []);
    assert.deepEqual(await store.tile(0, 2), tile.hashes);
    assert.equal(await store.tile(1, 2), undefined);
  });

  it('keeps bodies of every size and byte', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const bodies = [0, 1, 2_000, 3_000, 9_000, 65_535].map((length) =>
      Uint8Array.from({ length }, (_, index) => index % 256),
    );
    const rows = bodies.map((body) => ({ body, leafHash: hashLeaf(body), keys: [] }));
    await append(it.store, batch(rows.length, rows));
    assert.deepEqual(
      (await it.store.entries(0, 10)).map(({ body }) => body),
      bodies,
    );
  });

  it('lets the tiles above the leaves grow', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const hashes = new Uint8Array(64).fill(1);
    await append(
      it.store,
      batch(1, [row('a')], { tiles: [{ level: 1, index: 0, hashes: hashes.subarray(0, 32) }] }),
    );
    await append(it.store, batch(2, [row('b')], { tiles: [{ level: 1, index: 0, hashes }] }));
    assert.deepEqual(await it.store.tile(1, 0), hashes);
  });

  it('tells what is there when a transaction begins', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const rows = [row('a'), row('b'), row('c')];
    const written = batch(3, rows);
    await append(it.store, written);
    const transaction = await it.store.begin(1, [row('c').leafHash, row('x').leafHash]);
    assert.deepEqual(transaction.view.heads.head, written.head);
    assert.deepEqual(transaction.view.existing, [
      { index: 2, time: 1_003, leafHash: row('c').leafHash, body: row('c').body },
    ]);
    assert.deepEqual(transaction.view.added, [row('b').leafHash, row('c').leafHash]);
    await transaction.release();
    const other = await it.store.begin(3, []);
    assert.deepEqual([other.view.existing, other.view.added], [[], []]);
    await other.release();
    assert.deepEqual((await it.store.heads())?.head, written.head);
  });

  it('never lets a writer that began before another one commit over it', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const first = await it.store.begin(0, []);
    // Waits, or will be refused.
    const begun = it.store.begin(0, []);
    await first.commit(batch(1, [row('a')]));
    const second = await begun;
    if (second.view.heads.head.size === 0) await assert.rejects(second.commit(batch(1, [row('b')])));
    else {
      assert.equal(second.view.heads.head.size, 1);
      await second.release();
    }
    assert.deepEqual(
      (await it.store.entries(0, 10)).map(({ body }) => body),
      [row('a').body],
    );
  });

  it('writes nothing of a batch that has a leaf hash twice', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const first = batch(1, [row('a', 'k')]);
    await append(it.store, first);
    const transaction = await it.store.begin(1, []);
    const tile = { level: 0, index: 0, hashes: new Uint8Array(32) };
    await assert.rejects(
      transaction.commit(batch(3, [row('b', 'k'), row('a')], { tiles: [tile] })),
      (error) => error instanceof LeafHashTaken,
    );
    await transaction.release();
    assert.deepEqual(await it.store.heads(), { head: first.head, published: first.head });
    assert.equal(await it.store.entry(1), undefined);
    assert.equal(await it.store.tile(0, 0), undefined);
    assert.deepEqual(await it.store.search(row('a', 'k').keys[0] as Uint8Array, 9), [0]);
    await append(it.store, batch(2, [row('b')]));
    assert.equal((await it.store.heads())?.head.size, 2);
  });

  it('publishes only forwards, and only what was committed', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    const { store } = it;
    await store.create(empty);
    const [one, two] = [batch(1, [row('a')], { publish: false }), batch(2, [row('b')], { publish: false })];
    await append(store, one);
    await append(store, two);
    const published = async (): Promise<StoredHead | undefined> => (await store.heads())?.published;
    assert.deepEqual(await published(), empty);
    await store.publish(two.head);
    assert.deepEqual(await published(), two.head);
    await store.publish(one.head);
    assert.deepEqual(await published(), two.head);
    const cosigned = { ...two.head, checkpoint: `${two.head.checkpoint}and a witness` };
    await store.publish(cosigned);
    assert.deepEqual(await published(), cosigned);
    assert.deepEqual((await store.heads())?.head, two.head);
  });

  it('has everything when it is opened again', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await it.store.create(empty);
    const written = batch(1, [row('a', 'k')]);
    await append(it.store, written);
    const other = await it.storage.log('other');
    await other.create(empty);
    await other.close();
    await it.store.close();
    await it.storage.close();
    const storage = await it.place.open();
    const store = await storage.log('a.log-1');
    assert.deepEqual(await store.heads(), { head: written.head, published: written.head });
    assert.equal((await store.entries(0, 9)).length, 1);
    const separate = await storage.log('other');
    assert.deepEqual((await separate.heads())?.head, empty);
    assert.equal(await separate.entry(0), undefined);
    await store.close();
    await separate.close();
    await storage.close();
  });
}
