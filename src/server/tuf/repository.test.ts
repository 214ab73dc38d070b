import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { Metadata, MetadataKind, type Root, type Targets, type Timestamp } from '@tufjs/models';
import fc from 'fast-check';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { LogEvent } from '../../core/runtime.ts';
import { localSigner } from '../../keys/local-signer.ts';
import type { Signer } from '../../keys/signer.ts';
import { encodeRecord, parseRecord, storedTufMemory } from './memory.ts';
import { addSignatures, parseMetadata, rootJson, tufKey } from './metadata.ts';
import { createFirstRoot, openTufRepository, roleOf } from './repository.ts';
import type { TufSigners } from './signing.ts';
import { folderTufStorage, type TufFiles, type TufStorage } from './storage.ts';
import type { TufTarget } from './targets-list.ts';
import type { TufRepository, TufRepositoryOptions } from './tuf-repository.ts';

const day = 86_400_000;
const start = Date.parse('2026-11-25T12:00:00.500Z');

const newSigner = (type: 'p256' | 'ed25519' = 'p256'): Signer =>
  localSigner(
    type === 'p256'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
      : generateKeyPairSync('ed25519').privateKey,
    'a test key',
  );

const keys = { root: newSigner(), targets: newSigner(), online: newSigner('ed25519') };
const signers: TufSigners = {
  root: [keys.root],
  targets: [keys.targets],
  snapshot: [keys.online],
  timestamp: [keys.online],
};

/** A clock that stands still unless told, and what was logged. */
class World {
  time = start;
  readonly events: LogEvent[] = [];
  now(): Date {
    return new Date(this.time);
  }
  log(event: LogEvent): void {
    this.events.push(event);
  }
  pass(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** Files in memory; `writes` counts down to a loss of power, after which nothing is written any more. */
class MemoryStorage implements TufStorage {
  readonly isShared: boolean = false;
  files: Map<string, Uint8Array>;
  writes = Number.POSITIVE_INFINITY;
  readonly written: string[] = [];
  constructor(files: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.files = new Map(files);
  }
  list = async (): Promise<readonly string[]> => [...this.files.keys()];
  read = async (name: string): Promise<Uint8Array | undefined> => this.files.get(name);
  write = async (name: string, bytes: Uint8Array): Promise<void> => {
    if (this.writes-- <= 0) throw new Error('no power');
    this.files.set(name, bytes);
    this.written.push(name);
  };
  remove = async (name: string): Promise<void> => void this.files.delete(name);
  exclusive<T>(work: (files: TufFiles) => Promise<T>): Promise<T> {
    return work(this);
  }
}

/** One that several repositories share, as a database is shared: a turn is written whole or not at all. */
class SharedStorage extends MemoryStorage {
  override readonly isShared = true;
  isAway = false;
  #last: Promise<unknown> = Promise.resolve();
  constructor() {
    super();
    const { read } = this;
    this.read = async (name) => {
      if (this.isAway) throw new Error('no database');
      return read(name);
    };
  }
  override exclusive<T>(work: (files: TufFiles) => Promise<T>): Promise<T> {
    const run = this.#last.then(async () => {
      const copy = new MemoryStorage(this.files);
      copy.writes = this.writes;
      const result = await work(copy);
      this.files = copy.files;
      return result;
    });
    this.#last = run.catch(() => undefined);
    return run;
  }
}

const expires = { root: 365 * day, targets: 180 * day, snapshot: 30 * day, timestamp: 7 * day };

function optionsOf(storage: TufStorage, change: Partial<TufRepositoryOptions> = {}): TufRepositoryOptions {
  return { storage, signers, expires, resignEvery: day, ...change };
}

const target = (name: string, text: string, custom?: TufTarget['custom']): TufTarget => ({
  name,
  bytes: utf8(text),
  ...(custom === undefined ? {} : { custom }),
});

const refused =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isBoltsealError(error, ...codes);

function json(repository: Pick<TufRepository, 'file'>, name: string): never {
  const file = repository.file(name);
  assert.ok(file, `${name} is not there`);
  return JSON.parse(Buffer.from(file.bytes).toString()) as never;
}

/** What a client that trusts `first` finds, after checking all of it as the specification says. */
function follow(
  repository: Pick<TufRepository, 'file'>,
  now: Date,
  first = 1,
): { root: number; timestamp: Timestamp; targets: Targets; files: Record<string, string> } {
  let root = Metadata.fromJSON(MetadataKind.Root, json(repository, `${first}.root.json`));
  for (let version = first + 1; repository.file(`${version}.root.json`) !== undefined; version++) {
    const next: Metadata<Root> = Metadata.fromJSON(
      MetadataKind.Root,
      json(repository, `${version}.root.json`),
    );
    root.verifyDelegate('root', next);
    next.verifyDelegate('root', next);
    assert.equal(next.signed.version, version);
    root = next;
  }
  assert.equal(root.signed.isExpired(now), false);
  const timestamp = Metadata.fromJSON(MetadataKind.Timestamp, json(repository, 'timestamp.json'));
  root.verifyDelegate('timestamp', timestamp);
  assert.equal(timestamp.signed.isExpired(now), false);
  const snapshot = Metadata.fromJSON(
    MetadataKind.Snapshot,
    json(repository, `${timestamp.signed.snapshotMeta.version}.snapshot.json`),
  );
  root.verifyDelegate('snapshot', snapshot);
  assert.equal(snapshot.signed.isExpired(now), false);
  const version = snapshot.signed.meta['targets.json']?.version;
  const targets = Metadata.fromJSON(MetadataKind.Targets, json(repository, `${version}.targets.json`));
  root.verifyDelegate('targets', targets);
  assert.equal(targets.signed.isExpired(now), false);
  const files = Object.entries(targets.signed.targets).map(([name, { hashes }]) => {
    const file = repository.file(`targets/${hashes['sha256']}.${name}`);
    assert.ok(file);
    return [name, Buffer.from(file.bytes).toString()];
  });
  return {
    root: root.signed.version,
    timestamp: timestamp.signed,
    targets: targets.signed,
    files: Object.fromEntries(files),
  };
}

describe('a TUF repository', () => {
  it('is made at the first start, and found again', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    assert.deepEqual(follow(repository, world.now()).files, {});
    const { versions, daysToExpiry, canSign } = repository.status();
    assert.equal(versions.root, 1);
    assert.equal(Math.round(daysToExpiry.root), 365);
    assert.equal(Math.round(daysToExpiry.timestamp), 7);
    assert.deepEqual(canSign, { root: true, targets: true, snapshot: true, timestamp: true });
    const before = new Map(storage.files);
    const again = await openTufRepository(world, optionsOf(storage));
    assert.deepEqual(again.status().versions, versions);
    assert.deepEqual(new Map(storage.files), before);
  });

  it('publishes targets when they change, and only then', async () => {
    const world = new World();
    const repository = await openTufRepository(world, optionsOf(new MemoryStorage()));
    const custom = { sigstore: { usage: 'Rekor', status: 'Active' } };
    const targets = [target('trusted_root.json', '{}'), target('rekor.pub', 'key', custom)];
    assert.deepEqual(await repository.setTargets(targets), { status: 'published' });
    const first = follow(repository, world.now());
    assert.deepEqual(first.files, { 'trusted_root.json': '{}', 'rekor.pub': 'key' });
    assert.deepEqual(first.targets.targets['rekor.pub']?.custom, custom);
    assert.deepEqual(await repository.setTargets([...targets].reverse()), { status: 'unchanged' });
    assert.deepEqual(follow(repository, world.now()).timestamp.version, first.timestamp.version);
    for (const changed of [
      [target('trusted_root.json', '{ }'), targets[1] as TufTarget],
      [target('trusted_root.json', '{ }'), target('rekor.pub', 'key')],
      [target('trusted_root.json', '{ }')],
      [],
    ]) {
      const { version } = follow(repository, world.now()).targets;
      assert.deepEqual(await repository.setTargets(changed), { status: 'published' });
      const found = follow(repository, world.now());
      assert.equal(Object.keys(found.files).length, changed.length);
      assert.ok(found.targets.version > version);
    }
  });

  it('takes versions from the clock, and never smaller ones', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    assert.equal(repository.status().versions.targets, Math.floor(start / 1_000));
    world.pass(-10_000_000);
    await repository.setTargets([target('a', 'a')]);
    assert.equal(repository.status().versions.targets, Math.floor(start / 1_000) + 1);
    const again = await openTufRepository(world, optionsOf(storage));
    await again.setTargets([]);
    assert.equal(again.status().versions.targets, Math.floor(start / 1_000) + 2);
  });

  it('writes what is named before what names it, the timestamp last', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    storage.written.length = 0;
    await repository.setTargets([target('a', 'a')]);
    const kinds = storage.written.map((name) => name.replace(/^\d+\./, '').replace(/[0-9a-f]{64}/, 'HASH'));
    assert.deepEqual(kinds, [
      'state.json',
      'targets/HASH.a',
      'targets.json',
      'snapshot.json',
      'timestamp.json',
      'state.json',
    ]);
  });

  it('keeps what is superseded for a while', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    let repository = await openTufRepository(world, optionsOf(storage));
    await repository.setTargets([target('a', 'old')]);
    const old = [...storage.files.keys()].filter((name) => /targets|snapshot/.test(name));
    await repository.setTargets([target('a', 'new')]);
    assert.ok(old.every((name) => repository.file(name)?.isImmutable === true));
    repository = await openTufRepository(world, optionsOf(storage));
    assert.ok(old.every((name) => repository.file(name) !== undefined));
    world.pass(8 * day);
    await repository.tend();
    assert.ok(old.every((name) => repository.file(name) === undefined && !storage.files.has(name)));
    assert.deepEqual(follow(repository, world.now()).files, { a: 'new' });
    assert.ok(repository.file('1.root.json'));
  });

  it('brings a superseded file back when it is wanted again', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    for (const text of ['one', 'two', 'one']) await repository.setTargets([target('a', text)]);
    world.pass(8 * day);
    await repository.tend();
    assert.deepEqual(follow(repository, world.now()).files, { a: 'one' });
    const again = await openTufRepository(world, optionsOf(storage));
    assert.deepEqual(follow(again, world.now()).files, { a: 'one' });
  });

  it('runs changes one after another', async () => {
    const world = new World();
    const repository = await openTufRepository(world, optionsOf(new MemoryStorage()));
    const texts = Array.from({ length: 8 }, (_, index) => `text ${index}`);
    await Promise.all(texts.map((text) => repository.setTargets([target('a', text)])));
    assert.deepEqual(follow(repository, world.now()).files, { a: 'text 7' });
  });

  for (const name of ['../a', 'a/b', '.a', '', 'a'.repeat(101), 'ä', 'a\0']) {
    it(`target_name_${JSON.stringify(name).slice(0, 12)}_fail`, async () => {
      const repository = await openTufRepository(new World(), optionsOf(new MemoryStorage()));
      assert.throws(() => void repository.setTargets([target(name, 'x')]), refused('ERR_INTERNAL'));
    });
  }
});

describe('keys of a TUF repository', () => {
  it('have the ids of the specification', () => {
    const { publicKey } = keys.root;
    const { json: ecdsa, id } = tufKey(publicKey);
    assert.deepEqual(ecdsa, {
      keytype: 'ecdsa',
      scheme: 'ecdsa-sha2-nistp256',
      keyval: { public: publicKey.pem },
    });
    assert.match(id, /^[0-9a-f]{64}$/);
    const { json: ed25519 } = tufKey(keys.online.publicKey);
    assert.equal(ed25519['keytype'], 'ed25519');
  });

  it('key_type_fail', async () => {
    const key = localSigner(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey, 'a test key');
    await assert.rejects(
      openTufRepository(
        new World(),
        optionsOf(new MemoryStorage(), { signers: { ...signers, targets: [key] } }),
      ),
      refused('ERR_KEY_UNSUPPORTED'),
    );
  });

  it('first_start_without_root_fail', async () => {
    const { root: _, ...rest } = signers;
    await assert.rejects(
      openTufRepository(new World(), optionsOf(new MemoryStorage(), { signers: rest })),
      refused('ERR_SERVER_CONFIG'),
    );
  });

  it('threshold_fail', async () => {
    await assert.rejects(
      openTufRepository(new World(), optionsOf(new MemoryStorage(), { thresholds: { root: 2 } })),
      refused('ERR_SERVER_CONFIG'),
    );
  });

  it('other_online_key_fail', async () => {
    const storage = new MemoryStorage();
    await openTufRepository(new World(), optionsOf(storage));
    const other = { ...signers, timestamp: [newSigner()] };
    await assert.rejects(
      openTufRepository(new World(), optionsOf(storage, { signers: other })),
      refused('ERR_SERVER_DATA'),
    );
  });

  it('are found among several', async () => {
    const storage = new MemoryStorage();
    await openTufRepository(new World(), optionsOf(storage));
    const more = { ...signers, timestamp: [newSigner(), keys.online], snapshot: [newSigner(), keys.online] };
    const repository = await openTufRepository(new World(), optionsOf(storage, { signers: more }));
    assert.equal(repository.status().canSign.timestamp, true);
  });
});

describe('tending', () => {
  it('signs the timestamp again every day, and the snapshot when half of its time is over', async () => {
    const world = new World();
    const repository = await openTufRepository(world, optionsOf(new MemoryStorage()));
    const first = repository.status().versions;
    world.pass(day / 2);
    assert.deepEqual((await repository.tend()).versions, first);
    world.pass(day / 2);
    const second = (await repository.tend()).versions;
    assert.ok(second.timestamp > first.timestamp);
    assert.equal(second.snapshot, first.snapshot);
    for (let index = 0; index < 20; index++) {
      world.pass(day);
      await repository.tend();
      follow(repository, world.now());
    }
    const third = repository.status().versions;
    assert.ok(third.snapshot > second.snapshot);
    assert.deepEqual([third.root, third.targets], [1, first.targets]);
  });

  it('renews root and targets before they expire, when their keys are at hand', async () => {
    const world = new World();
    const repository = await openTufRepository(world, optionsOf(new MemoryStorage()));
    await repository.setTargets([target('a', 'a')]);
    const first = repository.status().versions;
    for (let passed = 0; passed < 3 * 365; passed += 5) {
      world.pass(5 * day);
      await repository.tend();
      assert.deepEqual(follow(repository, world.now()).files, { a: 'a' });
    }
    const { versions, daysToExpiry } = repository.status();
    assert.ok(versions.root >= 4 && versions.root <= 5);
    assert.ok(versions.targets > first.targets);
    assert.ok(daysToExpiry.root > 80);
    assert.deepEqual(
      world.events.filter(({ event }) => event === 'tuf.expiry'),
      [],
    );
  });

  it('warns once a day of what will expire when the keys are elsewhere', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    await openTufRepository(world, optionsOf(storage));
    const { snapshot, timestamp } = signers;
    const online = { snapshot: snapshot ?? [], timestamp: timestamp ?? [] };
    const repository = await openTufRepository(world, optionsOf(storage, { signers: online }));
    world.pass(160 * day);
    const status = await repository.tend();
    assert.deepEqual(status.canSign, { root: false, targets: false, snapshot: true, timestamp: true });
    const warnings = (): unknown[] =>
      world.events.filter(({ event }) => event === 'tuf.expiry').map(({ fields }) => fields);
    assert.deepEqual(warnings(), [{ role: 'targets', days: 19 }]);
    world.pass(day / 4);
    await repository.tend();
    assert.equal(warnings().length, 1);
    world.pass(day);
    await repository.tend();
    assert.equal(warnings().length, 2);
    world.pass(200 * day);
    assert.ok((await repository.tend()).daysToExpiry.targets < 0);
  });

  it('brings a repository back that was not tended for long', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    await openTufRepository(world, optionsOf(storage));
    world.pass(100 * day);
    follow(await openTufRepository(world, optionsOf(storage)), world.now());
  });
});

describe('rotation', () => {
  const opened = async (): Promise<{ world: World; storage: MemoryStorage; repository: TufRepository }> => {
    const world = new World();
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    await repository.setTargets([target('a', 'a')]);
    return { world, storage, repository };
  };

  it('gives root a new key, which old clients follow', async () => {
    const { world, storage, repository } = await opened();
    const next = newSigner();
    const result = await repository.rotate({ roles: { root: roleOf([next]) }, signers: { root: [next] } });
    assert.deepEqual(result, { status: 'installed', version: 2 });
    assert.equal(follow(repository, world.now()).root, 2);
    // The old key does not sign the next one any more.
    const reopened = await openTufRepository(world, optionsOf(storage));
    assert.equal(reopened.status().canSign.root, false);
    const again = await repository.rotate({ roles: {} });
    assert.deepEqual(again, { status: 'installed', version: 3 });
    assert.deepEqual(follow(repository, world.now()).files, { a: 'a' });
  });

  it('gives the online roles a new key, and signs with the old one too while it changes', async () => {
    const { world, storage, repository } = await opened();
    const next = newSigner();
    await repository.rotate({
      roles: { snapshot: roleOf([next]), timestamp: roleOf([next]) },
      signers: { snapshot: [next], timestamp: [next] },
    });
    const { signatures } = json(repository, 'timestamp.json') as { signatures: { keyid: string }[] };
    assert.deepEqual(
      signatures.map(({ keyid }) => keyid).sort(),
      [keys.online, next].map(({ publicKey }) => tufKey(publicKey).id).sort(),
    );
    follow(repository, world.now());
    world.pass(2 * day);
    await repository.tend();
    assert.equal((json(repository, 'timestamp.json') as { signatures: unknown[] }).signatures.length, 1);
    follow(repository, world.now());
    await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'));
    const changed = { ...signers, snapshot: [next], timestamp: [next] };
    follow(await openTufRepository(world, optionsOf(storage, { signers: changed })), world.now());
  });

  it('gives targets new keys and signs the targets with them', async () => {
    const { world, repository } = await opened();
    const next = [newSigner(), newSigner('ed25519'), newSigner()];
    await repository.rotate({ roles: { targets: roleOf(next, 2) }, signers: { targets: next } });
    assert.deepEqual(follow(repository, world.now()).files, { a: 'a' });
    await repository.setTargets([target('b', 'b')]);
    assert.deepEqual(follow(repository, world.now()).files, { b: 'b' });
  });

  it('rotation_without_new_online_signer_fail', async () => {
    const { world, storage, repository } = await opened();
    const before = new Map(storage.files);
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
      await assert.rejects(
        repository.rotate({ roles: { [role]: roleOf([newSigner()]) } }),
        refused('ERR_SERVER_CONFIG'),
      );
    }
    assert.deepEqual(new Map(storage.files), before);
    follow(repository, world.now());
  });

  it('hands out the next root when root keys are elsewhere, and installs it once it is signed', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    const offline = [newSigner(), newSigner(), newSigner()];
    const roles = {
      root: roleOf(offline, 2),
      targets: roleOf([keys.targets]),
      snapshot: roleOf([keys.online]),
      timestamp: roleOf([keys.online]),
    };
    const unsigned = await createFirstRoot(roles, new Date(start + 365 * day), []);
    const once = await addSignatures('root', unsigned, offline.slice(0, 1));
    const online = { ...signers, root: [] };
    const open = (firstRoot: Uint8Array): Promise<TufRepository> =>
      openTufRepository(world, optionsOf(storage, { signers: online, firstRoot }));
    await assert.rejects(open(once.bytes), refused('ERR_TUF_METADATA_INVALID'));
    const twice = await addSignatures('root', once.bytes, offline.slice(1, 2));
    const repository = await open(twice.bytes);
    assert.deepEqual(repository.file('1.root.json')?.bytes, twice.bytes);

    const next = newSigner();
    const rotation = {
      roles: { timestamp: roleOf([next]), root: roleOf([...offline.slice(1), newSigner()], 2) },
      signers: { timestamp: [next] },
    };
    const result = await repository.rotate(rotation);
    assert.ok(result.status === 'unsigned');
    assert.deepEqual(result.missing, { current: 2, next: 2 });
    assert.equal(follow(repository, world.now()).root, 1);
    await assert.rejects(
      repository.installRoot(result.draft, rotation.signers),
      refused('ERR_TUF_METADATA_INVALID'),
    );
    const half = await addSignatures('root', result.draft, offline.slice(0, 2));
    // Two of the current keys, and only one of the next.
    await assert.rejects(
      repository.installRoot(half.bytes, rotation.signers),
      refused('ERR_TUF_METADATA_INVALID'),
    );
    const signed = await addSignatures('root', half.bytes, offline.slice(2));
    await assert.rejects(repository.installRoot(signed.bytes), refused('ERR_SERVER_CONFIG'));
    await repository.installRoot(signed.bytes, rotation.signers);
    assert.equal(follow(repository, world.now()).root, 2);
    // It is not the next any more.
    await assert.rejects(repository.installRoot(signed.bytes), refused('ERR_TUF_METADATA_INVALID'));
  });

  it('hands out targets when their keys are elsewhere, and installs them once they are signed', async () => {
    const world = new World();
    const storage = new MemoryStorage();
    await openTufRepository(world, optionsOf(storage));
    const repository = await openTufRepository(
      world,
      optionsOf(storage, { signers: { ...signers, targets: [] } }),
    );
    const targets = [target('a', 'a')];
    world.pass(5_000);
    const result = await repository.setTargets(targets);
    assert.ok(result.status === 'unsigned');
    assert.deepEqual(follow(repository, world.now()).files, {});
    const install = (bytes: Uint8Array, list = targets): Promise<void> =>
      repository.installTargets(bytes, list);
    await assert.rejects(install(result.draft), refused('ERR_TUF_METADATA_INVALID'));
    const { bytes } = await addSignatures('targets', result.draft, [keys.targets]);
    for (const list of [[], [target('a', 'b')], [target('b', 'a')], [...targets, target('b', 'b')]]) {
      await assert.rejects(install(bytes, list), refused('ERR_TUF_METADATA_INVALID'));
    }
    await install(bytes);
    assert.deepEqual(follow(repository, world.now()).files, { a: 'a' });
    await assert.rejects(install(bytes), refused('ERR_TUF_METADATA_INVALID'));
  });

  it('root_expired_fail', async () => {
    const { world, repository } = await opened();
    const current = parseMetadata('root', repository.file('1.root.json')?.bytes ?? utf8(''), 'x');
    const past = rootJson(2, new Date(world.time - day), {}, current);
    const bytes = utf8(JSON.stringify({ signatures: [], signed: past }));
    const root = await addSignatures('root', bytes, [keys.root]);
    await assert.rejects(repository.installRoot(root.bytes), refused('ERR_TUF_METADATA_INVALID'));
  });
});

describe('a repository that was changed from outside', () => {
  const world = new World();
  const prepared = async (): Promise<MemoryStorage> => {
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage));
    await repository.setTargets([target('a', 'a')]);
    await repository.rotate({ roles: {} });
    return storage;
  };
  const nameOf = (storage: MemoryStorage, pattern: RegExp): string =>
    [...storage.files.keys()]
      .filter((name) => pattern.test(name))
      .sort()
      .at(-1) ?? '';

  for (const pattern of [
    /^1\.root/,
    /^2\.root/,
    /snapshot\.json$/,
    /^\d+\.targets\.json$/,
    /^targets\//,
    /^timestamp/,
  ]) {
    it(`missing ${pattern.source}_fail`, async () => {
      const storage = await prepared();
      assert.ok(storage.files.delete(nameOf(storage, pattern)));
      await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'));
    });
    it(`changed ${pattern.source}_fail`, async () => {
      const storage = await prepared();
      const name = nameOf(storage, pattern);
      const text = Buffer.from(storage.files.get(name) ?? '').toString();
      const changed = text.includes('"expires"')
        ? text.replace(/"expires": "20/, '"expires": "21')
        : `${text} `;
      assert.notEqual(changed, text);
      storage.files.set(name, utf8(changed));
      await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'));
    });
    it(`garbage ${pattern.source}_fail`, async () => {
      const storage = await prepared();
      storage.files.set(nameOf(storage, pattern), utf8('{"signatures":[],"signed":{}}'));
      await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'));
    });
  }

  it('put back, files alone_fail', async () => {
    const storage = await prepared();
    const old = new Map(storage.files);
    const repository = await openTufRepository(world, optionsOf(storage));
    await repository.setTargets([target('a', 'new')]);
    const state = storage.files.get('state.json');
    assert.ok(state);
    const restored = new MemoryStorage(new Map([...old, ['state.json', state]]));
    await assert.rejects(openTufRepository(world, optionsOf(restored)), refused('ERR_SERVER_DATA'));
    await assert.rejects(
      openTufRepository(world, optionsOf(new MemoryStorage(new Map([['state.json', state]])))),
      refused('ERR_SERVER_DATA'),
    );
  });

  it('put back as a whole, found out by a memory elsewhere_fail', async () => {
    const memory = storedTufMemory(new MemoryStorage());
    const storage = new MemoryStorage();
    const repository = await openTufRepository(world, optionsOf(storage, { memory }));
    const old = new Map(storage.files);
    await repository.setTargets([target('a', 'new')]);
    await assert.rejects(
      openTufRepository(world, optionsOf(new MemoryStorage(old), { memory })),
      refused('ERR_SERVER_DATA'),
    );
  });

  it('put back as a whole goes on with larger versions than were ever public', async () => {
    const storage = await prepared();
    const old = new Map(storage.files);
    const now = new World();
    now.pass(day);
    const repository = await openTufRepository(now, optionsOf(storage));
    for (let index = 0; index < 5; index++) await repository.setTargets([target('a', `new ${index}`)]);
    const lost = repository.status().versions;
    now.pass(60_000);
    const restored = await openTufRepository(now, optionsOf(new MemoryStorage(old)));
    await restored.setTargets([target('a', 'again')]);
    const { versions } = restored.status();
    for (const role of ['targets', 'snapshot', 'timestamp'] as const) assert.ok(versions[role] > lost[role]);
  });

  it('root put back_fail', async () => {
    const storage = await prepared();
    assert.ok(storage.files.delete('2.root.json'));
    await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'));
  });

  it('without a record it is taken as it is, with a warning', async () => {
    const storage = await prepared();
    storage.files.delete('state.json');
    const seen = new World();
    const repository = await openTufRepository(seen, optionsOf(storage));
    assert.deepEqual(follow(repository, world.now()).files, { a: 'a' });
    assert.ok(seen.events.some(({ event }) => event === 'tuf.record.missing'));
    assert.ok(storage.files.has('state.json'));
  });

  it('record_damaged_fail', async () => {
    const storage = await prepared();
    for (const text of [
      '',
      '{}',
      '[]',
      '{"schema":"boltseal.tuf/2","superseded":[]}',
      '{"schema":"boltseal.tuf/1"}',
    ]) {
      storage.files.set('state.json', utf8(text));
      await assert.rejects(openTufRepository(world, optionsOf(storage)), refused('ERR_SERVER_DATA'), text);
    }
  });

  it('records are read as they were written', () => {
    const version = fc.integer({ min: 1 });
    const versions = fc.record(
      { root: version, targets: version, snapshot: version, timestamp: version },
      { noNullPrototype: true },
    );
    const record = fc.record(
      {
        published: fc.option(versions, { nil: undefined }),
        next: fc.option(versions, { nil: undefined }),
        superseded: fc.array(
          fc.record(
            { name: fc.string(), since: fc.date({ noInvalidDate: true }) },
            { noNullPrototype: true },
          ),
        ),
      },
      { noNullPrototype: true },
    );
    fc.assert(fc.property(record, (value) => assert.deepEqual(parseRecord(encodeRecord(value)), value)));
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.throws(() => parseRecord(utf8(JSON.stringify(value))), refused('ERR_SERVER_DATA'));
      }),
    );
  });
});

/** A loss of power after each number of writes, in each kind of change: what is read back is the old or the new state. */
describe('a repository whose process dies', () => {
  const next = newSigner();
  const changes: Readonly<Record<string, (repository: TufRepository) => Promise<unknown>>> = {
    targets: (repository) => repository.setTargets([target('a', 'new'), target('b', 'b')]),
    'all keys': (repository) =>
      repository.rotate({
        roles: {
          root: roleOf([next]),
          targets: roleOf([next]),
          snapshot: roleOf([next]),
          timestamp: roleOf([next]),
        },
        signers: { root: [next], targets: [next], snapshot: [next], timestamp: [next] },
      }),
  };
  const both: TufSigners = {
    root: [keys.root, next],
    targets: [keys.targets, next],
    snapshot: [keys.online, next],
    timestamp: [keys.online, next],
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`while it changes ${name}`, async () => {
      for (let writes = 0; ; writes++) {
        const world = new World();
        const storage = new MemoryStorage();
        const repository = await openTufRepository(world, optionsOf(storage));
        await repository.setTargets([target('a', 'old')]);
        const before = repository.status().versions;
        const seen = follow(repository, world.now()).files;
        storage.writes = writes;
        const result = await change(repository).then(
          () => 'done',
          () => 'died',
        );
        // The process that lives on serves one whole state.
        const served = follow(repository, world.now());
        assert.ok(served.files['a'] === seen['a'] || served.files['a'] === 'new' || served.root === 2);
        storage.writes = Number.POSITIVE_INFINITY;
        const reopened = await openTufRepository(
          world,
          optionsOf(new MemoryStorage(storage.files), { signers: both }),
        );
        const found = follow(reopened, world.now());
        if (result === 'done') assert.ok(found.files['a'] === 'new' || found.root === 2);
        assert.ok(['old', 'new'].includes(found.files['a'] ?? ''));
        assert.ok(reopened.status().versions.timestamp >= before.timestamp);
        // A client that saw what was served sees nothing smaller afterwards.
        assert.ok(found.timestamp.version >= served.timestamp.version && found.root >= served.root);
        // And the same process goes on by itself.
        await repository.setTargets([target('a', 'later')]);
        assert.deepEqual(follow(repository, world.now()).files, { a: 'later' });
        if (result === 'done') break;
      }
    });
  }

  it('during the first start', async () => {
    for (let writes = 0; writes < 8; writes++) {
      const world = new World();
      const storage = new MemoryStorage();
      storage.writes = writes;
      await openTufRepository(world, optionsOf(storage)).catch(() => undefined);
      storage.writes = Number.POSITIVE_INFINITY;
      const root = storage.files.get('1.root.json');
      const repository = await openTufRepository(world, optionsOf(storage));
      follow(repository, world.now());
      if (root !== undefined) assert.deepEqual(repository.file('1.root.json')?.bytes, root);
    }
  });
});

describe('repositories of several processes on one storage', () => {
  const opened = async (): Promise<{ world: World; storage: SharedStorage; all: TufRepository[] }> => {
    const world = new World();
    const storage = new SharedStorage();
    const open = (): Promise<TufRepository> => openTufRepository(world, optionsOf(storage));
    return { world, storage, all: await Promise.all([open(), open(), open()]) };
  };

  it('are made once', async () => {
    const { storage, all } = await opened();
    const roots = all.map((repository) => repository.file('1.root.json')?.bytes);
    assert.deepEqual(roots, [roots[0], roots[0], roots[0]]);
    assert.deepEqual(storage.files.get('1.root.json'), roots[0]);
  });

  it('show what any of them has published, and continue its versions', async () => {
    const { world, all } = await opened();
    const [one, two] = all;
    assert.ok(one && two);
    let last = 0;
    for (const [index, repository] of [one, two, two, one, two].entries()) {
      await repository.setTargets([target('a', `text ${index}`)]);
      for (const other of all) {
        await other.find('timestamp.json');
        const { files, timestamp } = follow(other, world.now());
        assert.deepEqual(files, { a: `text ${index}` });
        assert.ok(timestamp.version > last || other !== all[0]);
        last = timestamp.version;
      }
    }
    assert.deepEqual(await one.setTargets([target('a', 'text 4')]), { status: 'unchanged' });
    world.pass(day);
    await Promise.all(all.map((repository) => repository.tend()));
    const bytes = await Promise.all(all.map(async (each) => (await each.find('timestamp.json'))?.bytes));
    assert.deepEqual(bytes, [bytes[0], bytes[0], bytes[0]]);
  });

  it('find each other’s files by any name', async () => {
    const { all } = await opened();
    const [one, two] = all;
    assert.ok(one && two);
    await one.setTargets([target('a', 'a')]);
    const { versions } = one.status();
    assert.ok(await two.find(`${versions.snapshot}.snapshot.json`));
    assert.equal(await two.find('2.root.json'), undefined);
    await one.rotate({ roles: {} });
    assert.ok(await two.find('2.root.json'));
  });

  it('show the online keys’ change even where the new key is not, but cannot sign there', async () => {
    const { world, all } = await opened();
    const [one, two] = all;
    assert.ok(one && two);
    const next = [newSigner()];
    const rotation = { snapshot: roleOf(next), timestamp: roleOf(next) };
    await one.rotate({ roles: rotation, signers: { snapshot: next, timestamp: next } });
    await two.find('timestamp.json');
    assert.equal(follow(two, world.now()).root, 2);
    await assert.rejects(two.setTargets([target('a', 'a')]), refused('ERR_SERVER_DATA'));
    await one.setTargets([target('a', 'b')]);
    await two.find('timestamp.json');
    assert.deepEqual(follow(two, world.now()).files, { a: 'b' });
  });

  it('change nothing when a turn fails', async () => {
    const { world, storage, all } = await opened();
    const [one, two] = all;
    assert.ok(one && two);
    await one.setTargets([target('a', 'old')]);
    for (let writes = 0; writes < 5; writes++) {
      storage.writes = writes;
      await assert.rejects(two.setTargets([target('a', 'new')]));
      storage.writes = Number.POSITIVE_INFINITY;
      for (const each of all) {
        await each.find('timestamp.json');
        assert.deepEqual(follow(each, world.now()).files, { a: 'old' });
      }
    }
    await two.setTargets([target('a', 'new')]);
    await one.find('timestamp.json');
    assert.deepEqual(follow(one, world.now()).files, { a: 'new' });
  });

  it('serve what they know while the storage is away', async () => {
    const { world, storage, all } = await opened();
    storage.isAway = true;
    for (const each of all) {
      assert.ok(await each.find('timestamp.json'));
      assert.equal(await each.find('2.root.json'), undefined);
      follow(each, world.now());
    }
  });
});

it('a folder holds a repository', async (t) => {
  const folder = await temporaryDirectory(t);
  const storage = folderTufStorage(`${folder}/deep/tuf`);
  const world = new World();
  const repository = await openTufRepository(world, optionsOf(storage));
  await repository.setTargets([target('a', 'a')]);
  const again = await openTufRepository(world, optionsOf(storage));
  assert.deepEqual(follow(again, world.now()).files, { a: 'a' });
  assert.deepEqual(again.status().versions, repository.status().versions);
  const names = await storage.list();
  assert.ok(
    names.includes('1.root.json') && names.includes('timestamp.json') && names.includes('state.json'),
  );
  for (const name of ['../x', 'targets/../x', '/etc/passwd', '.hidden', 'a\\b', 'a/b', 'x.new', '']) {
    assert.throws(() => void storage.read(name), refused('ERR_INTERNAL'), name);
  }
  assert.equal(await storage.read('none'), undefined);
  await storage.exclusive((files) => files.remove('none'));
});

describe('metadata that is refused', () => {
  const cases: Readonly<Record<string, string>> = {
    list_fail: '[]',
    empty_fail: '{}',
    no_signatures_fail: '{"signed":{"_type":"root"}}',
    other_type_fail: '{"signatures":[],"signed":{"_type":"targets"}}',
    version_fail:
      '{"signatures":[],"signed":{"_type":"root","spec_version":"1.0.31","version":0,"expires":"2030-01-01T00:00:00Z","consistent_snapshot":true,"keys":{},"roles":{}}}',
    spec_version_fail:
      '{"signatures":[],"signed":{"_type":"root","spec_version":"2.0.0","version":1,"expires":"2030-01-01T00:00:00Z"}}',
  };
  for (const [name, text] of Object.entries(cases)) {
    it(name, () => {
      assert.throws(() => parseMetadata('root', utf8(text), 'x'), refused('ERR_TUF_METADATA_INVALID'));
    });
  }

  it('hostile metadata gives an answer or an error of ours', async () => {
    const repository = await openTufRepository(new World(), optionsOf(new MemoryStorage()));
    const sample = repository.file('1.root.json')?.bytes ?? utf8('');
    const check = (bytes: Uint8Array): void => {
      try {
        parseMetadata('root', bytes, 'x');
      } catch (error) {
        assert.ok(isBoltsealError(error), String(error));
      }
    };
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.integer({ min: 32, max: 126 }), (at, value) => {
        const bytes = new Uint8Array(sample);
        bytes[at] = value;
        check(bytes);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (signed) => check(utf8(JSON.stringify({ signatures: [], signed })))),
    );
  });
});
