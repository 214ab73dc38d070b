/**
 * The public surface of the package, read from its sources: what each entry of the `exports` map exports, and what the
 * docstrings say. TypeScript has no programming interface at present; the sources are regular enough to be read plainly.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** How an export is declared. */
export type ExportKind = 'function' | 'class' | 'constant' | 'type';

/** One exported name. */
export interface Export {
  readonly name: string;
  readonly kind: ExportKind;
  /** Its docstring as one text; empty when it has none. */
  readonly doc: string;
}

/** One entry of the `exports` map: `boltseal/keys`. */
export interface EntryPoint {
  readonly name: string;
  /** The docstring of the module; empty when it has none. */
  readonly doc: string;
  readonly exports: readonly Export[];
}

const kinds: Readonly<Record<string, ExportKind>> = {
  function: 'function',
  'async function': 'function',
  class: 'class',
  const: 'constant',
  interface: 'type',
  type: 'type',
};

/** Every entry point with code, in the order of package.json. Throws when an export cannot be found in the sources. */
export function entryPoints(): readonly EntryPoint[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => {
      const file = join(root, 'src', entry, 'index.ts');
      return {
        name: posix.join(name, entry),
        doc: moduleDoc(readFileSync(file, 'utf8')),
        exports: exportsOf(file),
      };
    });
}

/** The first sentence of a docstring. */
export function firstSentence(doc: string): string {
  return /^.*?[.!?](?=\s|$)/.exec(doc)?.[0] ?? doc;
}

/** What `file` exports, re-exports included, in the order of the file. */
function exportsOf(file: string): readonly Export[] {
  const text = readFileSync(file, 'utf8');
  const found = new Map<string, Export>();
  for (const [, raw = '', keyword = '', name = ''] of text.matchAll(
    /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?^export (async function|function|class|const|interface|type) (\w+)/gm,
  )) {
    // Of overloads the first has the docstring.
    if (!found.has(name)) found.set(name, { name, kind: kinds[keyword] ?? 'type', doc: plain(raw) });
  }
  for (const [, names = '', source] of text.matchAll(
    /^export (?:type )?(\*|\{[^}]*\})(?: from '(\.[^']+)')?;/gm,
  )) {
    for (const one of reExports(file, text, names, source)) found.set(one.name, one);
  }
  return [...found.values()];
}

function reExports(file: string, text: string, names: string, source: string | undefined): readonly Export[] {
  if (names === '*') return source === undefined ? [] : exportsOf(join(dirname(file), source));
  return namesIn(names).map((name) => {
    const from = source ?? importedFrom(text, name);
    const one = from && exportsOf(join(dirname(file), from)).find((candidate) => candidate.name === name);
    if (!one) throw new Error(`${file}: where ${name} comes from cannot be told`);
    return one;
  });
}

function importedFrom(text: string, name: string): string | undefined {
  const imports = [...text.matchAll(/^import (?:type )?(\{[^}]*\}) from '(\.[^']+)';/gm)];
  return imports.find(([, names = '']) => namesIn(names).includes(name))?.[2];
}

function namesIn(braces: string): readonly string[] {
  return [...braces.matchAll(/(?:type )?(\w+)(?=\s*[,}])/g)].map(([, name = '']) => name);
}

/** The docstring at the top of a file, without what follows its first blank line. */
function moduleDoc(text: string): string {
  const raw = /^\/\*\*((?:[^*]|\*(?!\/))*)\*\//.exec(text)?.[1] ?? '';
  return plain(raw);
}

/** A docstring's prose as one line: without stars, examples and tags; links as code. */
function plain(raw: string): string {
  const lines = raw.split('\n').map((line) => line.replace(/^\s*\*? ?/, ''));
  const prose = lines.filter((line) => !/^ {4}|^@/.test(line)).join(' ');
  return prose
    .replace(/\{@link (https?:[^|}]*)(?:\|[^}]*)?\}/g, '')
    .replace(/\{@link ([^}|]+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim();
}
