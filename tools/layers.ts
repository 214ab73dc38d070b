/**
 * Keeps the walls between the layers of `src/`: who may import whom, what each layer may touch, no cycles. Run by
 * itself it also reports long files.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOnly, importsOf } from './scan.ts';

/** For each layer the layers it may import beside itself. Arrows point down only. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  core: [],
  formats: ['core'],
  verify: ['core', 'formats'],
  policy: ['core', 'formats', 'verify'],
  node: ['core'],
  registry: ['core', 'formats', 'verify', 'policy'],
  keys: ['core', 'formats', 'verify', 'policy'],
  identity: ['core', 'formats', 'verify', 'policy'],
  services: ['core', 'formats', 'verify', 'policy'],
  flows: ['core', 'formats', 'verify', 'policy', 'registry', 'keys', 'identity', 'services'],
  server: ['core', 'formats', 'verify', 'policy', 'registry', 'keys', 'identity', 'services'],
  cli: [
    'core',
    'formats',
    'verify',
    'policy',
    'node',
    'registry',
    'keys',
    'identity',
    'services',
    'flows',
    'server',
  ],
  action: [
    'core',
    'formats',
    'verify',
    'policy',
    'node',
    'registry',
    'keys',
    'identity',
    'services',
    'flows',
  ],
};

/** Layers that may touch the process and the console, and that read the clock and other ambient things. */
const outermost: ReadonlySet<string> = new Set(['cli', 'action']);

interface Rule {
  readonly pattern: RegExp;
  readonly what: string;
  /** Layers that may, beside the outermost ones. */
  readonly allowed: readonly string[];
}

/** What the layers below the command line must be handed and not take. */
const rules: readonly Rule[] = [
  { pattern: /\bprocess\s*[.[]/, what: 'process', allowed: ['node'] },
  { pattern: /\bconsole\s*\./, what: 'console', allowed: [] },
  { pattern: /\bDate\.now\b/, what: 'Date.now', allowed: ['node'] },
  { pattern: /\bnew Date\s*\(\s*\)/, what: 'new Date()', allowed: ['node'] },
  { pattern: /\bperformance\s*\./, what: 'performance', allowed: ['node'] },
  { pattern: /\bMath\.random\b/, what: 'Math.random', allowed: [] },
  { pattern: /(?:\bawait|\breturn|=>|[=(,?:&|])\s*fetch\s*\(/, what: 'the global fetch', allowed: [] },
  { pattern: /\bglobalThis\b/, what: 'globalThis', allowed: [] },
  { pattern: /\bnew (?:Request|Response|Headers)\b/, what: 'undici’s classes', allowed: ['server', 'node'] },
];

/** Rules for every layer, the outermost too. */
const everywhere: readonly Rule[] = [
  { pattern: /^\s*(?:let|var)\s/m, what: 'module state (let or var outside a function)', allowed: [] },
];

const namespaceImport = /^(?:node:)?https?$/;

/** A source file by its path under `src/`, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Every breach of the walls, one line each; empty when they hold. */
export function breaches(files: readonly SourceFile[]): readonly string[] {
  const known = new Set(files.map((file) => file.path));
  return [...files.flatMap((file) => breachesOf(file, known)), ...cycles(files)];
}

function breachesOf(file: SourceFile, known: ReadonlySet<string>): readonly string[] {
  const layer = layerOf(file.path);
  if (layer === undefined) return [];
  const allowed = layers[layer];
  if (allowed === undefined) return [`${file.path}: ${layer} is not a layer`];
  const found: string[] = [];
  for (const { specifier, kind } of importsOf(file.text)) {
    if (!specifier.startsWith('.')) {
      if (namespaceImport.test(specifier) && kind === 'namespace' && layer !== 'cli') {
        found.push(`${file.path}: imports ${specifier} as a namespace or default; name what is used (40 ms)`);
      }
      continue;
    }
    const target = posix.normalize(posix.join(posix.dirname(file.path), specifier));
    if (target === '../package.json') {
      if (!outermost.has(layer)) found.push(`${file.path}: imports package.json`);
      continue;
    }
    const other = layerOf(target);
    if (target.startsWith('..')) found.push(`${file.path}: imports ${specifier}, which is outside src`);
    else if (!known.has(target)) found.push(`${file.path}: imports ${specifier}, which does not exist`);
    else if (other !== undefined && other !== layer && !allowed.includes(other)) {
      found.push(`${file.path}: ${layer} must not import ${other} (${specifier})`);
    }
  }
  return [...found, ...forbidden(file, layer)];
}

function forbidden(file: SourceFile, layer: string): readonly string[] {
  const code = codeOnly(file.text);
  const inner = outermost.has(layer)
    ? []
    : rules.filter((rule) => !rule.allowed.includes(layer) && rule.pattern.test(code));
  const top = everywhere.filter((rule) => rule.pattern.test(topLevel(code)));
  return [...inner, ...top].map((rule) => `${file.path}: ${layer} uses ${rule.what}`);
}

/** `code` without what stands inside braces. */
function topLevel(code: string): string {
  let depth = 0;
  let text = '';
  for (const character of code) {
    if (character === '{') depth++;
    else if (character === '}') depth--;
    else if (depth === 0) text += character;
  }
  return text;
}

function layerOf(path: string): string | undefined {
  const slash = path.indexOf('/');
  return slash === -1 ? undefined : path.slice(0, slash);
}

/** Import cycles between files. Type-only imports count: a cycle of types is a knot to the reader all the same. */
function cycles(files: readonly SourceFile[]): readonly string[] {
  const targets = new Map(
    files.map(({ path, text }) => [
      path,
      importsOf(text).flatMap(({ specifier, kind }) =>
        specifier.startsWith('.') && kind !== 'dynamic'
          ? [posix.normalize(posix.join(posix.dirname(path), specifier))]
          : [],
      ),
    ]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push(`cycle: ${[...trail.slice(start), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}

/** The published source files under `folder`: no tests. */
export async function readSources(folder: string): Promise<readonly SourceFile[]> {
  const names = await readdir(folder, { recursive: true });
  const paths = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')).sort();
  return Promise.all(
    paths.map(async (path) => ({
      path: path.split(sep).join('/'),
      text: await readFile(join(folder, path), 'utf8'),
    })),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const files = await readSources(join(root, 'src'));
  for (const { path, text } of files) {
    const lines = text.split('\n').length;
    if (lines > 400) process.stdout.write(`long: ${relative('.', join('src', path))} has ${lines} lines\n`);
  }
  const found = breaches(files);
  for (const breach of found) process.stderr.write(`${breach}\n`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
