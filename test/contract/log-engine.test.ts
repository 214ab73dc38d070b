/** The log engine, on every storage. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { utf8 } from '../../src/core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import type { LogEvent, Runtime } from '../../src/core/runtime.ts';
import {
  type NoteSigner,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from '../../src/formats/checkpoint.ts';
import {
  emptyRoot,
  foldNodes,
  growEdge,
  hashLeaf,
  verifyConsistency,
  verifyInclusion,
} from '../../src/formats/merkle.ts';
import { noteSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { type BatchFacts, type OpenLogOptions, openLog } from '../../src/server/log/engine.ts';
import type { AddedEntry, NewEntry, TransparencyLog } from '../../src/server/log/log.ts';
import { filePin } from '../../src/server/log/pin.ts';
import type { LogStorage, LogStore } from '../../src/server/log/storage.ts';
import { type LogPlace, type StorageKind, storageKinds } from '../support/log-storages.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const origin = 'log.example.com';

function newKey(name = origin): NoteSigner {
  return noteSigner(name, localSigner(generateKeyPairSync('ed25519').privateKey, 'the key'));
}

const key = newKey();

function entry(text: string, ...keys: readonly string[]): NewEntry {
  const body = utf8(text);
  return { placeless: true, build: () => ({ leaf: body, body }), keys };
}

/** An entry that is another one at every place, as those of a CT log are. */
function placed(text: string): NewEntry {
  return {
    placeless: false,
    build: ({ index, time }) => ({
      leaf: utf8(`${text} at ${index} ${time}`),
      body: utf8(`${text} ${index}`),
    }),
  };
}

function withCode(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => isBoltsealError(error, ...codes) || assert.fail(error as Error);
}

interface World {
  readonly place: LogPlace;
  /** Opens the storage and the log; both are closed at the end. */
  open(options?: Partial<OpenLogOptions>, runtime?: Runtime): Promise<TransparencyLog>;
  /** The storage opened last. */
  storage(): LogStorage;
  /** Closes what was opened. */
  close(): Promise<void>;
}

async function world(t: TestContext, kind: StorageKind): Promise<World | undefined> {
  const place = await kind.place(t);
  if (place === undefined) return undefined;
  const opened: { readonly log: TransparencyLog | undefined; readonly storage: LogStorage }[] = [];
  const close = async (): Promise<void> => {
    for (const { log, storage } of opened.splice(0)) {
      await log?.close();
      await storage.close();
    }
  };
  t.after(close);
  return {
    place,
    close,
    storage: () => opened.at(-1)?.storage ?? assert.fail('nothing is open'),
    async open(options = {}, runtime = createRuntime()) {
      const storage = await place.open();
      try {
        const log = await openLog(runtime, { storage, id: 'log', origin, key, ...options });
        opened.push({ log, storage });
        return log;
      } catch (error) {
        await storage.close();
        throw error;
      }
    },
  };
}

async function addAll(log: TransparencyLog, entries: readonly NewEntry[]): Promise<AddedEntry[]> {
  return Promise.all(entries.map((one) => log.add(one)));
}

/** Checks an answer as a client would: place, proof, checkpoint. */
async function checkAdded(log: TransparencyLog, added: AddedEntry): Promise<void> {
  const { index, leafHash, head } = added;
  const checkpoint = parseCheckpoint(head.checkpoint);
  verifyCheckpoint(checkpoint, [key.verifier], origin);
  assert.deepEqual([checkpoint.size, checkpoint.root], [head.size, head.root]);
  verifyInclusion(leafHash, index, head.size, await log.inclusionProof(index, head.size), head.root);
}

/** Reads the whole log as an auditor would: every hash recomputed, the root that of the head. */
async function audit(log: TransparencyLog): Promise<number> {
  const head = await log.head();
  const edge: Uint8Array[] = [];
  let time = 0;
  for (let start = 0; start < head.size; start += 256) {
    for (const found of await log.entries(start, Math.min(start + 256, head.size))) {
      assert.ok(found.time >= time);
      time = found.time;
      assert.equal(found.index, start + (found.index % 256));
      growEdge(edge, found.index, found.leafHash);
    }
  }
  assert.deepEqual(foldNodes(edge), head.root);
  return head.size;
}

/** A storage whose next commits fail, before or after they have happened. */
function failingStorage(
  storage: LogStorage,
  when: 'before' | 'after',
): { readonly storage: LogStorage; next(count: number): void } {
  let left = 0;
  const begin = (store: LogStore): LogStore['begin'] => {
    return async (...args) => {
      const transaction = await store.begin(...args);
      return {
        ...transaction,
        async commit(batch) {
          const fails = left > 0;
          if (fails) left--;
          if (fails && when === 'before') throw new Error('the disk broke');
          await transaction.commit(batch);
          if (fails) throw new Error('the disk broke');
        },
      };
    };
  };
  return {
    storage: {
      ...storage,
      async log(id) {
        const store = await storage.log(id);
        return { ...store, begin: begin(store) };
      },
    },
    next: (count) => {
      left = count;
    },
  };
}

describe('a log', () => {
  for (const kind of storageKinds({ after })) describe(`on ${kind.name}`, () => contract(kind));
});

function contract(kind: StorageKind): void {
  it('begins empty and signed', async (t) => {
    const log = await (await world(t, kind))?.open();
    if (log === undefined) return;
    const head = await log.head();
    assert.deepEqual([head.size, head.root], [0, emptyRoot]);
    assert.equal(verifyCheckpoint(parseCheckpoint(head.checkpoint), [key.verifier], origin).length, 1);
    assert.deepEqual(await log.entries(0, 10), []);
    assert.equal(await log.entry(0), undefined);
    assert.equal(await log.tile(0, 0, 1), undefined);
    assert.deepEqual(await log.consistencyProof(0, 0), []);
    await assert.rejects(log.inclusionProof(0, 0), withCode('ERR_LOG_RANGE'));
  });

  it('adds entries, one after another and many at once', async (t) => {
    const it = await world(t, kind);
    const facts: BatchFacts[] = [];
    const log = await it?.open({ onBatch: (batch) => facts.push(batch) });
    if (log === undefined) return;
    const added = [await log.add(entry('first', 'k'))];
    added.push(
      ...(await addAll(
        log,
        Array.from({ length: 700 }, (_, n) => entry(`entry ${n}`, `k${n % 7}`)),
      )),
    );
    for (const [index, one] of added.entries()) {
      assert.equal(one.index, index);
      assert.equal(one.existing, false);
      await checkAdded(log, one);
      assert.deepEqual(one.leafHash, hashLeaf(one.body));
    }
    assert.equal(await audit(log), 701);
    assert.deepEqual(await log.search('k', 10), [0]);
    assert.deepEqual(await log.search('k3', 3), [4, 11, 18]);
    const [, second] = added;
    const { existing: _existing, head: _head, ...stored } = second as AddedEntry;
    assert.deepEqual(await log.entry(1), stored);
    assert.deepEqual(await log.entryByHash(stored.leafHash), stored);
    assert.equal(
      facts.reduce((sum, { entries }) => sum + entries, 0),
      701,
    );
    assert.ok(facts.length < 50, 'entries that arrive together are written together');
    assert.equal(facts.at(-1)?.size, 701);
  });

  it('answers an entry that is there with the one that is there', async (t) => {
    const log = await (await world(t, kind))?.open();
    if (log === undefined) return;
    const [first, twin, other] = await addAll(log, [entry('a'), entry('a'), entry('b')]);
    assert.deepEqual([first?.existing, twin?.existing, other?.existing], [false, true, false]);
    assert.deepEqual([first?.index, twin?.index, other?.index], [0, 0, 1]);
    const again = await log.add(entry('a'));
    assert.deepEqual([again.index, again.existing, again.time], [0, true, first?.time]);
    assert.equal((await log.head()).size, 2);
    await checkAdded(log, again);
    const mixed = await addAll(log, [entry('b'), entry('c'), entry('a')]);
    assert.deepEqual(
      mixed.map(({ index, existing }) => [index, existing]),
      [
        [1, true],
        [2, false],
        [0, true],
      ],
    );
    for (const one of mixed) await checkAdded(log, one);
  });

  it('gives entries that depend on their place one', async (t) => {
    const log = await (await world(t, kind))?.open();
    if (log === undefined) return;
    const added = await addAll(log, [placed('same'), placed('same'), entry('x'), placed('same')]);
    assert.deepEqual(
      added.map(({ index }) => index),
      [0, 1, 2, 3],
    );
    for (const one of added) await checkAdded(log, one);
    const [, second] = added as [AddedEntry, AddedEntry];
    assert.deepEqual(second.body, utf8('same 1'));
    assert.deepEqual(second.leafHash, hashLeaf(utf8(`same at 1 ${second.time}`)));
  });

  it('finds and proves what it has, at every size', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    let log = await it.open();
    // Enough for tiles of three levels, and for several runs of keys; on PostgreSQL there is nothing of that to see.
    const size = kind.name === 'sqlite' ? 66_000 : 3_000;
    const edge: Uint8Array[] = [];
    const roots = new Map<number, Uint8Array>([[0, emptyRoot]]);
    const sizes = [1, 2, 3, 255, 256, 257, 511, 512, 513, 4_097, 65_535, 65_536, 65_537, 65_792, size].filter(
      (one) => one <= size,
    );
    for (let done = 0; done < size; done += 1_000) {
      const length = Math.min(1_000, size - done);
      const texts = Array.from({ length }, (_, n) => `${done + n}`);
      const added = await addAll(
        log,
        texts.map((text) => entry(text, `ends in ${text.slice(-3)}`)),
      );
      for (const { index, leafHash } of added) {
        growEdge(edge, index, leafHash);
        if (sizes.includes(index + 1)) roots.set(index + 1, foldNodes(edge));
      }
    }
    for (const second of sizes) {
      const root = roots.get(second) as Uint8Array;
      assert.deepEqual(await log.rootAt(second), root);
      for (const first of [0, ...sizes].filter((one) => one <= second)) {
        const proof = await log.consistencyProof(first, second);
        verifyConsistency(first, second, proof, roots.get(first) as Uint8Array, root);
      }
      for (const index of [0, 1, 255, 256, 300, 40_000, second - 1].filter((one) => one < second)) {
        const proof = await log.inclusionProof(index, second);
        verifyInclusion(hashLeaf(utf8(`${index}`)), index, second, proof, root);
      }
    }
    const leaf = (await log.tile(0, 3, 256)) as Uint8Array;
    assert.deepEqual(leaf.subarray(32, 64), hashLeaf(utf8('769')));
    const above = (await log.tile(1, 0, size >= 65_536 ? 256 : 11)) as Uint8Array;
    assert.deepEqual(above.subarray(0, 32), roots.get(256));
    if (size >= 65_536) {
      assert.deepEqual((await log.tile(2, 0, 1)) as Uint8Array, roots.get(65_536));
      assert.equal(((await log.tile(1, 1, 1)) as Uint8Array).length, 32);
    }
    for (const [level, index, width] of [
      [0, 257, 256],
      [1, 1, 2],
      [2, 0, 2],
      [3, 0, 1],
      [7, 0, 1],
      [0, 0, 0],
      [0, 0, 257],
      [0, -1, 1],
      [0, 0.5, 1],
      [0, 2 ** 52, 1],
    ] as const) {
      assert.equal(await log.tile(level, index, width), undefined, `${level}/${index}.p/${width}`);
    }
    for (const [index, of] of [
      [size, size],
      [0, size + 1],
      [-1, size],
      [0.5, size],
    ] as const) {
      await assert.rejects(log.inclusionProof(index, of), withCode('ERR_LOG_RANGE'));
    }
    await assert.rejects(log.consistencyProof(3, 2), withCode('ERR_LOG_RANGE'));
    await assert.rejects(log.rootAt(size + 1), withCode('ERR_LOG_RANGE'));
    const old = [0, 31_743, 31_744, 32_767, 40_000, 65_999, size - 1].filter((index) => index < size);
    for (let round = 0; round < 2; round++) {
      const again = await addAll(
        log,
        old.map((n) => entry(`${n}`)),
      );
      assert.deepEqual(
        again.map(({ index, existing }) => [index, existing]),
        old.map((index) => [index, true]),
      );
      assert.deepEqual(
        await log.search('ends in 777', 100),
        Array.from({ length: size / 1_000 }, (_, n) => n * 1_000 + 777),
      );
      assert.deepEqual(await log.search('ends in 777', 2), [777, 1_777]);
      assert.equal((await log.entryByHash(hashLeaf(utf8('2345'))))?.index, 2_345);
      if (round === 1) break;
      await it.close();
      log = await it.open();
    }
    assert.equal((await log.add(entry('next'))).index, size);
  });

  it('goes on where it was', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    const log = await it.open();
    const entries = Array.from({ length: 300 }, (_, n) => entry(`entry ${n}`));
    const before = (await addAll(log, entries)).at(-1) as AddedEntry;
    await it.close();
    const again = await it.open();
    assert.deepEqual(await again.head(), before.head);
    const next = await again.add(entry('next'));
    assert.equal(next.index, 300);
    await checkAdded(again, next);
    const proof = await again.consistencyProof(300, 301);
    verifyConsistency(300, 301, proof, before.head.root, next.head.root);
    assert.equal(await audit(again), 301);
  });

  it('never lets time go back', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    let now = 5_000_000;
    const told: string[] = [];
    const runtime = { now: () => new Date(now), log: ({ event }: LogEvent) => void told.push(event) };
    const log = await it.open({}, { ...createRuntime(), ...runtime });
    assert.equal((await log.add(entry('a'))).time, 5_000_000);
    now = 4_999_000;
    assert.equal((await log.add(entry('b'))).time, 5_000_000);
    assert.deepEqual(told, []);
    now = 4_000_000;
    for (const text of ['c', 'd']) assert.equal((await log.add(entry(text))).time, 5_000_000);
    assert.deepEqual(told, ['log.clock']);
    now = 6_000_000;
    const last = await log.add(entry('e'));
    assert.deepEqual([last.time, last.head.time], [6_000_000, 6_000_000]);
  });

  it('refuses more than it can keep waiting', async (t) => {
    const log = await (await world(t, kind))?.open({ mostPending: 3 });
    if (log === undefined) return;
    const results = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => log.add(entry(`${n}`))));
    const refused = results.filter((result) => result.status === 'rejected');
    assert.equal(refused.length, 7);
    for (const { reason } of refused) assert.ok(isBoltsealError(reason, 'ERR_SERVER_BUSY'));
    assert.equal((await log.add(entry('later'))).index, 3);
  });

  it('splits what is too much for one batch', async (t) => {
    const facts: BatchFacts[] = [];
    const log = await (await world(t, kind))?.open({ onBatch: (batch) => facts.push(batch) });
    if (log === undefined) return;
    const large = 'x'.repeat(1_000_000);
    await addAll(
      log,
      Array.from({ length: 12 }, (_, n) => entry(`${n} ${large}`)),
    );
    assert.ok(facts.length >= 2);
    assert.ok(facts.every(({ entries }) => entries <= limits.logBatchBytes / 1_000_000 + 1));
    assert.equal(await audit(log), 12);
  });

  it('rejects only the entry that cannot be built', async (t) => {
    const log = await (await world(t, kind))?.open();
    if (log === undefined) return;
    const broken: NewEntry = {
      placeless: false,
      build: () => {
        throw new Error('broken');
      },
    };
    const [good, bad, other] = await Promise.allSettled(
      [entry('a'), broken, entry('b')].map((one) => log.add(one)),
    );
    assert.deepEqual([good?.status, bad?.status, other?.status], ['fulfilled', 'rejected', 'fulfilled']);
    await assert.rejects(log.add({ ...broken, placeless: true }));
    assert.equal(await audit(log), 2);
  });

  it('signs nothing when the signer fails, and goes on when it works again', async (t) => {
    const it = await world(t, kind);
    let fails = false;
    const flaky: NoteSigner = {
      verifier: key.verifier,
      sign: async (...args) => (fails ? Promise.reject(new Error('no signer')) : key.sign(...args)),
    };
    const log = await it?.open({ key: flaky });
    if (log === undefined) return;
    fails = true;
    await assert.rejects(log.add(entry('a')), withCode('ERR_LOG_STOPPED'));
    assert.equal((await log.head()).size, 0);
    fails = false;
    const added = await log.add(entry('a'));
    assert.deepEqual([added.index, added.existing], [0, false]);
    assert.equal(await audit(log), 1);
  });

  it('is read only when it is retired', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    const added = await (await it.open()).add(entry('a'));
    await it.close();
    const retired = await it.open({ key: { verifier: key.verifier } });
    await assert.rejects(retired.add(entry('b')), withCode('ERR_LOG_STOPPED'));
    await checkAdded(retired, { ...added, head: await retired.head() });
    await it.close();
    await assert.rejects(
      it.open({ id: 'other', key: { verifier: key.verifier } }),
      withCode('ERR_SERVER_DATA'),
    );
  });

  it('refuses a store of another key or origin', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    await (await it.open()).add(entry('a'));
    await it.close();
    await assert.rejects(it.open({ key: newKey() }), withCode('ERR_SERVER_DATA'));
    await assert.rejects(
      it.open({ origin: 'other.example.com', key: newKey('other.example.com') }),
      withCode('ERR_SERVER_DATA'),
    );
  });

  it('pins what it shows, and refuses a store that is behind its pin', async (t) => {
    const it = await world(t, kind);
    const other = await kind.place(t);
    if (it === undefined || other === undefined) return;
    const folder = await temporaryDirectory(t);
    const pin = filePin(join(folder, 'pins'), 'log');
    const log = await it.open({ pin });
    for (let n = 0; n < 3; n++) {
      const { head } = await log.add(entry(`entry ${n}`));
      assert.equal(pin.read()?.size, head.size);
      assert.deepEqual(pin.read()?.root, head.root);
    }
    await it.close();
    await (await it.open({ pin })).add(entry('more'));
    await it.close();
    const foreign = filePin(join(folder, 'pins'), 'foreign');
    foreign.write(await signCheckpoint({ origin, size: 1, root: emptyRoot }, 0, newKey()));
    await assert.rejects(it.open({ pin: foreign }), withCode('ERR_SERVER_DATA'));
    // The same log, restored from an older backup, or lost.
    const old = await other.open();
    t.after(() => old.close());
    await assert.rejects(it.open({ pin, storage: old }), withCode('ERR_LOG_ROLLBACK'));
    const short = await openLog(createRuntime(), { storage: old, id: 'log', origin, key });
    await short.add(entry('entry 0'));
    await short.close();
    await assert.rejects(it.open({ pin, storage: old }), withCode('ERR_LOG_ROLLBACK'));
    // As large, and larger, but another tree.
    const forked = await openLog(createRuntime(), { storage: old, id: 'log', origin, key });
    await addAll(
      forked,
      Array.from({ length: 3 }, (_, n) => entry(`fork ${n}`)),
    );
    await forked.close();
    await assert.rejects(it.open({ pin, storage: old }), withCode('ERR_LOG_ROLLBACK'));
    rmSync(join(folder, 'pins', 'log.checkpoint'));
    await (await it.open({ pin, storage: old })).close();
  });

  for (const when of ['before', 'after'] as const) {
    it(`finds out what became of a commit that failed ${when} it happened`, async (t) => {
      const it = await world(t, kind);
      if (it === undefined) return;
      const storage = await it.place.open();
      const failing = failingStorage(storage, when);
      const log = await openLog(createRuntime(), { storage: failing.storage, id: 'log', origin, key });
      t.after(async () => {
        await log.close();
        await storage.close();
      });
      await log.add(entry('first'));
      for (let round = 1; round <= 3; round++) {
        failing.next(1);
        const added = await addAll(log, [
          entry(`a ${round}`),
          placed(`b ${round}`),
          entry(`a ${round}`),
          entry('first'),
        ]);
        assert.deepEqual(
          added.map(({ index, existing }) => [index, existing]),
          [
            [2 * round - 1, false],
            [2 * round, false],
            [2 * round - 1, true],
            [0, true],
          ],
        );
        for (const one of added) await checkAdded(log, one);
        assert.equal(await audit(log), 1 + 2 * round);
      }
      if (when === 'before') {
        // What keeps failing is refused, and nothing of it is answered.
        failing.next(3);
        await assert.rejects(log.add(entry('never')), withCode('ERR_LOG_STOPPED'));
      }
      const last = await log.add(entry('last'));
      assert.equal(last.existing, false);
      await checkAdded(log, last);
      const { size } = await log.head();
      assert.equal(await audit(log), size);
    });
  }

  it('commits what waits before it closes', async (t) => {
    const it = await world(t, kind);
    if (it === undefined) return;
    const log = await it.open();
    const adding = addAll(
      log,
      Array.from({ length: 20 }, (_, n) => entry(`${n}`)),
    );
    const closing = it.close();
    await assert.rejects(log.add(entry('late')), withCode('ERR_SERVER_BUSY'));
    assert.equal((await adding).length, 20);
    await closing;
    assert.equal(await audit(await it.open()), 20);
  });
}
