/**
 * A cache of compiled code, beside the code: what V8 made of each file of the built command line is kept for the next
 * run, which then starts 20 ms sooner. docs/decisions/0007-start-up.md has the measurements.
 *
 * It lies in the folder of the program itself and nowhere else: whoever can write there can change the program anyway.
 * Where that folder cannot be written, nothing is kept. V8 refuses what another version of it, other flags or another
 * source made. Node's own `module.enableCompileCache` keeps only what was compiled at once, and wins a quarter of that.
 */
import { accessSync, constants, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Module } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';

/** The part of Node's loader of CommonJS that compiles. */
interface Loader {
  _compile(content: string, filename: string, ...more: readonly unknown[]): unknown;
}

/** A module that is being loaded. */
interface LoadedModule extends Loader {
  readonly exports: unknown;
  require(path: string): unknown;
}

/**
 * Lets the files of `folder`, which are CommonJS, be compiled with what is kept of them. Nothing that goes wrong with the
 * cache shows: then a file is compiled as usual. `NODE_DISABLE_COMPILE_CACHE` turns it off, as it does Node's own.
 */
export function useCodeCache(folder: string): void {
  if (process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined) return;
  const cache = join(folder, '.code-cache', `${process.version}-${process.arch}`);
  const loader = Module.prototype as unknown as Loader;
  const compile = loader._compile;
  const made: (readonly [path: string, script: Script])[] = [];
  loader._compile = function (this: LoadedModule, content, filename, ...more) {
    if (dirname(filename) !== folder) return compile.call(this, content, filename, ...more);
    const path = join(cache, `${basename(filename)}.bin`);
    const cachedData = read(path);
    const script = new Script(Module.wrap(content), { filename, ...(cachedData ? { cachedData } : {}) });
    if (cachedData === undefined || script.cachedDataRejected === true) made.push([path, script]);
    const run = script.runInThisContext() as (...words: readonly unknown[]) => unknown;
    const require = (path: string): unknown => this.require(path);
    return run.call(this.exports, this.exports, require, this, filename, folder);
  };
  // At the end, when what this run needed has been compiled too.
  process.once('exit', () => keep(made, folder, cache));
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function keep(
  made: readonly (readonly [path: string, script: Script])[],
  folder: string,
  cache: string,
): void {
  if (made.length === 0) return;
  try {
    accessSync(folder, constants.W_OK);
    mkdirSync(cache, { recursive: true });
    for (const [path, script] of made) {
      // Another process may be writing the same: each file appears whole.
      const temporary = `${path}.${process.pid}`;
      writeFileSync(temporary, script.createCachedData());
      renameSync(temporary, path);
    }
  } catch {
    // The folder cannot be written, or the disk is full: the next run compiles again.
  }
}
