/**
 * A cache of compiled code, beside the code: what V8 made of each file of the built command line is kept for the next
 * run, which then starts 20 ms sooner. docs/decisions/0007-start-up.md has the measurements.
 *
 * It lies in the folder of the program itself and nowhere else: whoever can write there can change the program anyway.
 * Where that folder cannot be written, nothing is kept. V8 refuses what another version of it, other flags or another
 * source made. Node's own `module.enableCompileCache` keeps only what was compiled at once, and wins a quarter of that.
 *
 * V8 compiles a function when it is called, and what is kept has the functions that were called until then. So the first
 * run of each kind (a command and the names of its flags) keeps all files anew, with what it called beside what others did.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  type PathLike,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { basename, sep } from 'node:path';
import type { Script } from 'node:vm';

/** A module of Node's loader of CommonJS. */
interface LoadedModule {
  filename: string | null;
  loaded: boolean;
  readonly path: string;
  paths: readonly string[];
  exports: unknown;
  require(id: string): unknown;
}

/** The part of Node's loader of CommonJS that is used. */
interface Loader {
  new (filename: string, parent: LoadedModule): LoadedModule;
  readonly prototype: Pick<LoadedModule, 'require'>;
  readonly _cache: Record<string, LoadedModule | undefined>;
  wrap(source: string): string;
}

/** A file that was compiled, where what is kept of it belongs, and whether that was of no use. */
interface Compiled {
  readonly path: string;
  readonly script: Script;
  readonly isNew: boolean;
}

/** Kinds of runs that are told apart, and seconds until V8 begins to forget functions that are not called any more. */
const [maxKinds, maxSeconds] = [100, 10];

/**
 * Lets the files of `folder`, which are CommonJS and name each other by `./` and the whole name, be compiled with what is
 * kept of them. Node need not look for such a file in the places where a module may be, which takes as long as compiling
 * a small one. Nothing that goes wrong with the cache shows: then a file is compiled as usual. `NODE_DISABLE_COMPILE_CACHE`
 * turns it off, as it does Node's own. `words` are those of the command line.
 */
export function useCodeCache(folder: string, words: readonly string[]): void {
  if (process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined) return;
  const cache = `${folder}${sep}.code-cache${sep}${process.version}-${process.arch}`;
  const compiled: Compiled[] = [];
  // `node:module` has the same class, and takes half a millisecond to load.
  const loader = (process.mainModule?.constructor ??
    process.getBuiltinModule('node:module').Module) as unknown as Loader;
  const usual = loader.prototype.require;
  loader.prototype.require = function (this: LoadedModule, id) {
    if (this.path !== folder || !id.startsWith('./')) return usual.call(this, id);
    const filename = `${folder}${sep}${id.slice(2)}`;
    return (loader._cache[filename] ?? load(loader, filename, this, cache, compiled)).exports;
  };
  // At the end, when what this run needed has been compiled too.
  process.once('exit', (code) => keep(compiled, folder, cache, code === 0 ? kindOf(words) : undefined));
}

function load(
  loader: Loader,
  filename: string,
  parent: LoadedModule,
  cache: string,
  compiled: Compiled[],
): LoadedModule {
  const { Script } = process.getBuiltinModule('node:vm');
  const path = `${cache}${sep}${basename(filename)}.bin`;
  const cachedData = read(path);
  const source = loader.wrap(readFileSync(filename, 'utf8'));
  const script = new Script(source, { filename, ...(cachedData ? { cachedData } : {}) });
  compiled.push({ path, script, isNew: cachedData === undefined || script.cachedDataRejected === true });
  const loading = new loader(filename, parent);
  loading.filename = filename;
  loading.paths = parent.paths;
  // As Node does it: files that name each other in a circle see what there is so far, and a file that failed is forgotten.
  loader._cache[filename] = loading;
  try {
    const run = script.runInThisContext() as (...words: readonly unknown[]) => unknown;
    run.call(
      loading.exports,
      loading.exports,
      (id: string) => loading.require(id),
      loading,
      filename,
      parent.path,
    );
  } catch (error) {
    delete loader._cache[filename];
    throw error;
  }
  loading.loaded = true;
  return loading;
}

function read(path: PathLike): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/**
 * The command and the names of its flags, as the name of a file. Nothing else of a command line is in it: what succeeded
 * has no word that begins like a flag and is none.
 */
function kindOf(words: readonly string[]): string {
  const [command = ''] = words;
  const end = words.indexOf('--');
  const flags = words
    .slice(1, end === -1 ? undefined : end)
    .flatMap((word) => /^--([a-z][a-z0-9-]*)/.exec(word)?.[1] ?? []);
  const names = [/^[a-z][a-z-]*$/.test(command) ? command : 'other', ...[...new Set(flags)].sort()];
  return `${names.join('.').slice(0, 200)}.run`;
}

function keep(compiled: readonly Compiled[], folder: string, cache: string, kind: string | undefined): void {
  try {
    const mark = kind !== undefined && process.uptime() < maxSeconds ? `${cache}${sep}${kind}` : undefined;
    const isFirst = mark !== undefined && !existsSync(mark);
    const wanted = isFirst ? compiled : compiled.filter(({ isNew }) => isNew);
    if (wanted.length === 0) return;
    accessSync(folder, constants.W_OK);
    mkdirSync(cache, { recursive: true });
    const isFull = readdirSync(cache).filter((name) => name.endsWith('.run')).length >= maxKinds;
    for (const { path, script, isNew } of wanted) {
      if (isFull && !isNew) continue;
      // Another process may be writing the same: each file appears whole.
      const temporary = `${path}.${process.pid}`;
      writeFileSync(temporary, script.createCachedData());
      renameSync(temporary, path);
    }
    if (isFirst && !isFull) writeFileSync(mark, '');
  } catch {
    // The folder cannot be written, or the disk is full: the next run compiles again.
  }
}
