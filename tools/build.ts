/**
 * Builds `dist/`: the command line as CommonJS, split so that a command loads only what it uses; the GitHub Action as one
 * file; and the library as ES modules with declarations. Needs development dependencies only; `npm ci` runs it.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OutputAsset, type OutputChunk, rolldown } from 'rolldown';
import { buildAction } from './build-action.ts';
import { readSources } from './layers.ts';
import { writeLicences } from './licences.ts';
import { importsOf } from './scan.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
/** Built beside its place, so that a failing build leaves the last one as it was. */
const staging = join(root, `.dist-${process.pid}`);

/**
 * What is always loaded together goes into one file: finding, reading and compiling a file costs half a millisecond, and
 * by default there would be twenty. What is imported lazily stays apart.
 */
async function chunkGroups(): Promise<{ name: string; test: (id: string) => boolean; priority: number }[]> {
  const files = new Map((await readSources(join(root, 'src'))).map((file) => [file.path, file.text]));
  const together: readonly { name: string; from: readonly string[] }[] = [
    { name: 'frame', from: ['cli/process.ts'] },
    {
      name: 'command',
      from: [
        'cli/runtime.ts',
        'cli/image-options.ts',
        'cli/keys.ts',
        'cli/outcomes.ts',
        'cli/progress.ts',
        'core/concurrent.ts',
        'formats/bundle.ts',
        'formats/public-key.ts',
        'formats/statement.ts',
      ],
    },
    {
      name: 'kernel',
      from: [
        'cli/commands/verify-blob.ts',
        'flows/verify-blob.ts',
        'flows/trust.ts',
        'cli/verification-options.ts',
      ],
    },
    { name: 'keys', from: ['keys/reference.ts'] },
    { name: 'image', from: ['flows/verify-image.ts'] },
    { name: 'judge', from: ['flows/judge.ts'] },
    { name: 'signing', from: ['flows/sign-image.ts'] },
  ];
  return together.map(({ name, from }, index) => {
    const members = new Set(
      from.flatMap((path) => [...reach(path, files)]).map((path) => join(root, 'src', path)),
    );
    // The entry answers with it before it loads anything.
    members.delete(join(root, 'src', 'cli/version.ts'));
    return { name, test: (id) => members.has(id), priority: together.length - index };
  });
}

/** `path` and every source file that it imports, however far, lazy imports and types aside. */
function reach(
  path: string,
  files: ReadonlyMap<string, string>,
  seen = new Set<string>(),
): ReadonlySet<string> {
  const text = files.get(path);
  if (text === undefined || seen.has(path)) return seen;
  seen.add(path);
  for (const { specifier, kind, typeOnly } of importsOf(text)) {
    if (kind === 'dynamic' || typeOnly || !specifier.startsWith('.')) continue;
    reach(posix.join(posix.dirname(path), specifier), files, seen);
  }
  return seen;
}

async function buildCommandLine(): Promise<void> {
  const bundle = await rolldown({
    input: { boltseal: join(root, 'src/cli/entry.ts') },
    platform: 'node',
    // Nobody imports the entry but its own chunks, which may have more of it.
    preserveEntrySignatures: 'allow-extension',
    // Servers' own: they are loaded once and by `serve` alone, so that bundling them would win nothing.
    external: ['pg', 'pino', 'prom-client'],
    cwd: root,
    logLevel: 'warn',
    plugins: [{ name: 'small', generateBundle: (_, parts) => Object.values(parts).forEach(makeSmall) }],
  });
  try {
    const { output } = await bundle.write({
      dir: join(staging, 'cli'),
      format: 'cjs',
      entryFileNames: '[name].cjs',
      chunkFileNames: '[name]-[hash].cjs',
      banner: (chunk) => (chunk.isEntry ? '#!/usr/bin/env node' : ''),
      comments: false,
      codeSplitting: { groups: await chunkGroups(), includeDependenciesRecursively: false },
      // The cache of compiled code compiles files itself, where an import() has nobody to answer it (src/cli/code-cache.ts).
      dynamicImportInCjs: false,
    });
    const moduleIds = output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
    await writeLicences(join(staging, 'cli', 'LICENSES.txt'), moduleIds);
  } finally {
    await bundle.close();
  }
  await chmod(join(staging, 'cli', 'boltseal.cjs'), 0o755);
}

/** Makes a file of code one that V8 reads sooner, without a change to what it does. */
function makeSmall(part: OutputChunk | OutputAsset): void {
  if (part.type === 'chunk') part.code = plainExports(asciiOf(part.code));
}

/**
 * `code` in ASCII alone, which V8 keeps in half the memory and Node reads as it is. Other characters stand in string
 * literals and regular expressions only, where an escape says the same.
 */
function asciiOf(code: string): string {
  const others = /[^\0-\x7f]/g;
  if (code.includes('String.raw') && others.test(code)) throw new Error('an escape in String.raw is none');
  return code.replace(others, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * `code` with a property for each thing that it exports, where the bundler writes a function that gets it: of several
 * hundred such functions V8 would have to know all. What may get another value later is left alone.
 */
function plainExports(code: string): string {
  const getter =
    /^Object\.defineProperty\(exports, "(\w+)", \{\n\tenumerable: true,\n\tget: function\(\) \{\n\t\treturn ([\w$]+);\n\t\}\n\}\);$/gm;
  return code.replace(getter, (whole, name: string, local: string) => {
    const word = local.replaceAll('$', '\\$');
    const isFixed = new RegExp(`^(?:const|class|(?:async )?function\\*?) ${word}(?![\\w$])`, 'm').test(code);
    const isAssigned = new RegExp(`^\\t*${word} = `, 'm').test(code);
    return isFixed && !isAssigned ? `exports.${name} = ${local};` : whole;
  });
}

/** TypeScript 7 has no programming interface; its own program is run. */
async function buildLibrary(): Promise<void> {
  const packageJson = createRequire(import.meta.url).resolve('typescript/package.json');
  const program = join(dirname(packageJson), 'bin', 'tsc');
  await run(process.execPath, [program, '-p', 'tsconfig.build.json', '--outDir', join(staging, 'lib')]);
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${args[0]} ended with ${code}`))));
  });
}

/** Puts the finished folder in place of the last one. */
async function swap(): Promise<void> {
  const old = `${staging}-old`;
  await rename(dist, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(staging, dist);
  await rm(old, { recursive: true, force: true });
}

async function build(): Promise<void> {
  const started = performance.now();
  await mkdir(staging, { recursive: true });
  try {
    await Promise.all([buildCommandLine(), buildAction(join(staging, 'action')), buildLibrary()]);
    await swap();
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  const { size } = await stat(join(dist, 'cli', 'boltseal.cjs'));
  const files = await readdir(join(dist, 'cli'));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `built dist in ${seconds} s: entry ${size} bytes, ${files.length} files in dist/cli\n`,
  );
}

await build();
