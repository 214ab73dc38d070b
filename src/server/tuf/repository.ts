/**
 * The TUF repository of a private Sigstore: it makes, publishes and keeps fresh the metadata by which clients come to
 * trust the targets, and exchanges its own keys.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/ TUF 1.0.31}
 */
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { expiryWarnings } from './expiry-warnings.ts';
import { firstRoot } from './first-root.ts';
import { type Found, loadRepository, type TufContents } from './load.ts';
import { encodeRecord, storedTufMemory, type TufMemory, type TufRecord } from './memory.ts';
import {
  checkSigned,
  expiryOf,
  invalid,
  missingSignatures,
  parseMetadata,
  rootJson,
  type TufDocument,
  type TufRole,
} from './metadata.ts';
import { checkContents, leftBehind, versionsOf, writeContents } from './publish.ts';
import { servedFiles } from './served-files.ts';
import {
  canSign,
  expiryIn,
  mergeSigners,
  renewRoot,
  renewTargets,
  requireSigners,
  type SigningContext,
  signRoot,
  signSnapshot,
  signTargets,
  signTimestamp,
  type TufSigners,
} from './signing.ts';
import type { TufFiles } from './storage.ts';
import { checkNames, checkTargets, filesOf, namesExactly, type TufTarget } from './targets-list.ts';
import type {
  RotationResult,
  TargetsResult,
  TufFile,
  TufRepository,
  TufRepositoryOptions,
  TufRotation,
  TufStatus,
} from './tuf-repository.ts';

export { createFirstRoot, roleOf } from './first-root.ts';

/** The part of a runtime that is used. */
export type TufRuntime = Pick<Runtime, 'now' | 'log'>;

const day = 86_400_000;

/**
 * Opens the repository in a storage; at the first start it is made, with no targets. It is tended once. Throws
 * `ERR_SERVER_DATA` when files are missing, changed or older than what was public, or belong to other keys,
 * `ERR_SERVER_CONFIG` when keys for the first start are missing, `ERR_KEY_UNSUPPORTED`, and what storage and signers throw.
 */
export async function openTufRepository(
  runtime: TufRuntime,
  options: TufRepositoryOptions,
): Promise<TufRepository> {
  const repository = new Repository(runtime, options);
  await repository.tend();
  return repository;
}

/** What is to be published beside a new timestamp. */
interface Change {
  readonly root?: TufDocument<'root'> | undefined;
  readonly targets?: TufDocument<'targets'> | undefined;
  /** The files that new targets name; those of the old ones unless told. */
  readonly files?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Whether the snapshot is signed again though it says the same. */
  readonly snapshot?: boolean;
}

class Repository implements TufRepository {
  readonly #runtime: TufRuntime;
  readonly #options: TufRepositoryOptions;
  #signers: TufSigners;
  #contents: TufContents | undefined;
  #record: TufRecord | undefined;
  /** Files that are served though nothing names them any more. */
  readonly #extra = new Map<string, Uint8Array>();
  #index: ReadonlyMap<string, TufFile> = new Map();
  /** Whether the storage may hold something else than what is in memory: at first, and after a turn that failed. */
  #isStale = true;
  #last: Promise<unknown> = Promise.resolve();
  #refreshing: Promise<void> | undefined;
  readonly #warn: (status: TufStatus) => void;

  constructor(runtime: TufRuntime, options: TufRepositoryOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#signers = options.signers;
    this.#warn = expiryWarnings(runtime, options.expires);
  }

  file(name: string): TufFile | undefined {
    return this.#index.get(name);
  }

  async find(name: string): Promise<TufFile | undefined> {
    const file = this.#index.get(name);
    if (!this.#options.storage.isShared || file?.isImmutable === true) return file;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    return this.#index.get(name);
  }

  status(): TufStatus {
    const contents = this.#current();
    const now = this.#runtime.now().getTime();
    const each = <T>(of: (role: TufRole) => T): Readonly<Record<TufRole, T>> => ({
      root: of('root'),
      targets: of('targets'),
      snapshot: of('snapshot'),
      timestamp: of('timestamp'),
    });
    return {
      versions: versionsOf(contents),
      expires: each((role) => expiryOf(contents[role])),
      daysToExpiry: each((role) => (expiryOf(contents[role]).getTime() - now) / day),
      canSign: each((role) => canSign(contents.root, role, this.#signers)),
    };
  }

  setTargets(targets: readonly TufTarget[]): Promise<TargetsResult> {
    checkTargets(targets);
    return this.#inTurn(async (files) => {
      const { root, targets: old } = this.#current();
      if (namesExactly(old, targets)) return { status: 'unchanged' };
      const document = await signTargets(this.#context(root), targets);
      if (missingSignatures(root, 'targets', document) > 0)
        return { status: 'unsigned', draft: document.bytes };
      await this.#publish(files, { targets: document, files: filesOf(targets) });
      return { status: 'published' };
    });
  }

  installTargets(metadata: Uint8Array, targets: readonly TufTarget[]): Promise<void> {
    checkTargets(targets);
    return this.#inTurn(async (files) => {
      const { root, targets: old } = this.#current();
      const what = 'the signed targets metadata';
      const document = parseMetadata('targets', metadata, what);
      checkSigned(root, 'targets', document, what);
      checkNames(document, targets);
      if (document.metadata.signed.version <= old.metadata.signed.version)
        throw invalid(what, 'it is not newer');
      this.#checkFresh(document, what);
      await this.#publish(files, { targets: document, files: filesOf(targets) });
    });
  }

  rotate({ roles, signers = {} }: TufRotation): Promise<RotationResult> {
    return this.#inTurn(async (files) => {
      const { root: current } = this.#current();
      const all = mergeSigners(this.#signers, signers);
      const version = current.metadata.signed.version + 1;
      const next = rootJson(version, expiryIn(this.#context(current), 'root'), roles, current);
      const root = await signRoot(next, current, all);
      this.#checkSigners(root, all);
      const missing = {
        current: missingSignatures(current, 'root', root),
        next: missingSignatures(root, 'root', root),
      };
      if (missing.current + missing.next > 0) return { status: 'unsigned', draft: root.bytes, missing };
      await this.#installRoot(files, root, all);
      return { status: 'installed', version };
    });
  }

  installRoot(metadata: Uint8Array, signers: TufSigners = {}): Promise<void> {
    return this.#inTurn(async (files) => {
      const { root: current } = this.#current();
      const what = 'the signed root';
      const root = parseMetadata('root', metadata, what);
      const version = current.metadata.signed.version + 1;
      if (root.metadata.signed.version !== version) throw invalid(what, `it is not version ${version}`);
      if (!root.metadata.signed.consistentSnapshot) throw invalid(what, 'it has no consistent snapshots');
      checkSigned(current, 'root', root, what);
      checkSigned(root, 'root', root, what);
      this.#checkFresh(root, what);
      const all = mergeSigners(this.#signers, signers);
      this.#checkSigners(root, all);
      await this.#installRoot(files, root, all);
    });
  }

  tend(): Promise<TufStatus> {
    return this.#inTurn(async (files) => {
      const contents = this.#current();
      const { expires, resignEvery } = this.#options;
      const left = (role: TufRole): number =>
        expiryOf(contents[role]).getTime() - this.#runtime.now().getTime();
      const root =
        left('root') < expires.root / 4 ? await renewRoot(this.#context(contents.root)) : undefined;
      const context = this.#context(root ?? contents.root);
      const isTargetsDue =
        left('targets') < expires.targets / 4 && canSign(context.root, 'targets', this.#signers);
      const targets = isTargetsDue ? await renewTargets(context, contents.targets) : undefined;
      const snapshot = left('snapshot') < expires.snapshot / 2;
      const oldest = Math.max(expires.timestamp - resignEvery, expires.timestamp / 2);
      if (root !== undefined || targets !== undefined || snapshot || left('timestamp') <= oldest) {
        await this.#publish(files, { root, targets, snapshot });
      }
      await this.#removeSuperseded(files);
      const status = this.status();
      this.#warn(status);
      return status;
    });
  }

  #current(): TufContents {
    if (this.#contents !== undefined) return this.#contents;
    throw new BoltsealError('ERR_INTERNAL', 'the TUF repository is not open');
  }

  #context(root: TufDocument<'root'>): SigningContext {
    return {
      now: this.#runtime.now(),
      expires: this.#options.expires,
      record: this.#record,
      signers: this.#signers,
      root,
      before: this.#contents?.root,
    };
  }

  /** Takes in what other processes have published. When the storage cannot be read, what is known stays. */
  #refresh(): Promise<void> {
    const { storage } = this.#options;
    this.#last = this.#last.then(async () => {
      const memory = this.#memory(storage);
      try {
        if (await this.#isCurrent(memory)) return;
        const found = await loadRepository(storage, memory);
        if (found.state !== 'whole') return;
        this.#adopt(found);
        this.#isStale = false;
        this.#index = servedFiles(this.#current(), this.#extra);
      } catch (error) {
        const message = `The TUF repository could not be read again: ${error instanceof Error ? error.message : error}`;
        this.#runtime.log({ level: 'debug', event: 'tuf.refresh', message });
      }
    });
    return this.#last as Promise<void>;
  }

  async #isCurrent(memory: Pick<TufMemory, 'read'>): Promise<boolean> {
    const record = await memory.read();
    if (this.#isStale || record === undefined || this.#record === undefined) return false;
    return equalBytes(encodeRecord(record), encodeRecord(this.#record));
  }

  #memory(files: Pick<TufFiles, 'read'> & Partial<TufFiles>): TufMemory {
    const {
      write = () => Promise.reject(new BoltsealError('ERR_INTERNAL', 'a TUF storage is written in turns')),
    } = files;
    return this.#options.memory ?? storedTufMemory({ read: files.read, write });
  }

  /**
   * Runs `work` after what was called before, alone on the storage, and with what is there in memory. Only when all of it
   * is written, clients see it.
   */
  #inTurn<T>(work: (files: TufFiles) => Promise<T>): Promise<T> {
    const { storage } = this.#options;
    const run = this.#last.then(async () => {
      const result = await storage.exclusive(async (files) => {
        const isCurrent =
          !this.#isStale && (!storage.isShared || (await this.#isCurrent(this.#memory(files))));
        this.#isStale = true;
        if (!isCurrent) await this.#load(files);
        requireSigners(this.#current().root, this.#signers, ['snapshot', 'timestamp'], 'ERR_SERVER_DATA');
        return await work(files);
      });
      this.#isStale = false;
      this.#index = servedFiles(this.#current(), this.#extra);
      return result;
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #load(files: TufFiles): Promise<void> {
    const memory = this.#memory(files);
    const found = await loadRepository(files, memory);
    if (found.state === 'empty') {
      this.#contents = undefined;
      this.#record = await memory.read();
      await this.#create(files, found.firstRoot);
      return;
    }
    if (found.record === undefined) {
      this.#runtime.log({
        level: 'warn',
        event: 'tuf.record.missing',
        message:
          'The TUF repository has no record of what was public; what is there is taken for the newest.',
      });
    }
    this.#adopt(found);
    const { contents, record, orphans } = found;
    const since = this.#runtime.now();
    const added = [...orphans.keys()].map((name) => ({ name, since }));
    const superseded = [...(record?.superseded ?? []), ...added];
    if (found.state === 'unfinished') {
      requireSigners(contents.root, this.#signers, ['snapshot', 'timestamp'], 'ERR_SERVER_DATA');
      this.#record = { published: record?.published, next: record?.next, superseded };
      await this.#publish(files, {});
      return;
    }
    // Versions of a publication that was cut off are not used a second time for something else.
    const published = versionsOf(contents);
    const next =
      record?.next !== undefined && record.next.timestamp > published.timestamp ? record.next : undefined;
    this.#record = { published, next, superseded };
    if (record === undefined || !equalBytes(encodeRecord(record), encodeRecord(this.#record))) {
      await memory.write(this.#record);
    }
  }

  #adopt({ contents, record, superseded, orphans }: Exclude<Found, { state: 'empty' }>): void {
    this.#contents = contents;
    this.#record = record;
    this.#extra.clear();
    for (const [name, bytes] of [...superseded, ...orphans]) this.#extra.set(name, bytes);
  }

  async #create(files: TufFiles, found: Uint8Array | undefined): Promise<void> {
    const root = await firstRoot(this.#options, found, this.#runtime.now());
    requireSigners(root, this.#signers, ['targets', 'snapshot', 'timestamp'], 'ERR_SERVER_CONFIG');
    await this.#publish(files, { root, targets: await signTargets(this.#context(root), []) });
  }

  async #installRoot(files: TufFiles, root: TufDocument<'root'>, signers: TufSigners): Promise<void> {
    this.#signers = signers;
    const { targets } = this.#current();
    const isSigned = missingSignatures(root, 'targets', targets) === 0;
    await this.#publish(files, {
      root,
      targets: isSigned ? undefined : await renewTargets(this.#context(root), targets),
    });
  }

  /** Signs snapshot and timestamp for a change, checks all of it as a client would, and makes it public. */
  async #publish(files: TufFiles, change: Change): Promise<void> {
    const old = this.#contents;
    const root = change.root ?? old?.root;
    const targets = change.targets ?? old?.targets;
    if (root === undefined || targets === undefined) {
      throw new BoltsealError(
        'ERR_INTERNAL',
        'a TUF repository without root and targets cannot be published',
      );
    }
    const context = this.#context(root);
    const keepsSnapshot =
      old !== undefined &&
      targets === old.targets &&
      change.snapshot !== true &&
      missingSignatures(root, 'snapshot', old.snapshot) === 0;
    const snapshot = keepsSnapshot ? old.snapshot : await signSnapshot(context, targets);
    const contents: TufContents = {
      roots: [...(old?.roots ?? []), ...(change.root === undefined ? [] : [change.root])],
      root,
      targets,
      files: change.files ?? old?.files ?? new Map(),
      snapshot,
      timestamp: await signTimestamp(context, snapshot),
    };
    checkContents(contents);
    this.#record = await writeContents(contents, {
      storage: files,
      memory: this.#memory(files),
      before: { contents: old, record: this.#record, extra: this.#extra },
      now: context.now,
    });
    for (const [name, bytes] of old === undefined ? [] : leftBehind(old, contents))
      this.#extra.set(name, bytes);
    this.#contents = contents;
    this.#runtime.log({
      level: 'info',
      event: 'tuf.published',
      message: 'New TUF metadata is public.',
      fields: { ...versionsOf(contents) },
    });
  }

  /** What must be signed under `root` all the time can be; the targets too, when the present ones do not fit it. */
  #checkSigners(root: TufDocument<'root'>, signers: TufSigners): void {
    const needsTargets = missingSignatures(root, 'targets', this.#current().targets) > 0;
    const roles = [...(needsTargets ? (['targets'] as const) : []), 'snapshot', 'timestamp'] as const;
    requireSigners(root, signers, roles, 'ERR_SERVER_CONFIG');
  }

  #checkFresh(document: TufDocument<TufRole>, what: string): void {
    if (expiryOf(document).getTime() <= this.#runtime.now().getTime()) throw invalid(what, 'it has expired');
  }

  async #removeSuperseded(files: TufFiles): Promise<void> {
    const { keepSuperseded = 7 * day } = this.#options;
    const record = this.#record;
    const limit = this.#runtime.now().getTime() - keepSuperseded;
    const old = record?.superseded.filter(({ since }) => since.getTime() < limit) ?? [];
    if (record === undefined || old.length === 0) return;
    for (const { name } of old) {
      this.#extra.delete(name);
      await files.remove(name);
    }
    this.#record = { ...record, superseded: record.superseded.filter((file) => !old.includes(file)) };
    await this.#memory(files).write(this.#record);
  }
}
