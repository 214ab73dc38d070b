import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { breaches, readSources } from './layers.ts';
import { codeOnly, importsOf } from './scan.ts';

const src = fileURLToPath(new URL('../src', import.meta.url));

test('the walls between the layers hold', async () => {
  const files = await readSources(src);
  assert.ok(files.length > 50, 'the sources are there');
  assert.deepEqual(breaches(files), []);
});

const planted: readonly (readonly [what: string, path: string, text: string])[] = [
  ['an upward import', 'core/x.ts', "import { a } from '../flows/a.ts';"],
  ['an upward import of a type', 'core/x.ts', "import type { A } from '../flows/a.ts';"],
  ['an import over several lines', 'formats/x.ts', "import {\n  a,\n  type B,\n} from '../flows/a.ts';"],
  ['a re-export', 'formats/x.ts', "export * from '../flows/a.ts';"],
  ['a lazy import', 'keys/x.ts', "const a = await import('../registry/a.ts');"],
  ['neighbours that must not know each other', 'registry/x.ts', "import { a } from '../keys/a.ts';"],
  ['an adapter below the command line', 'flows/x.ts', "import { a } from '../node/a.ts';"],
  ['a way out of src', 'core/x.ts', "import { a } from '../../tools/a.ts';"],
  ['a file that is not there', 'core/x.ts', "import { a } from './missing.ts';"],
  ['an unknown layer', 'misc/x.ts', 'export const a = 1;'],
  ['process', 'registry/x.ts', 'export const f = () => process.env;'],
  ['process in a template', 'registry/x.ts', 'export const f = () => `a ${process.pid} b`;'],
  ['console', 'node/x.ts', "export const f = () => console.log('x');"],
  ['the clock', 'verify/x.ts', 'export const f = () => Date.now();'],
  ['the clock as a date', 'verify/x.ts', 'export const f = () => new Date();'],
  ['chance', 'registry/x.ts', 'export const f = () => Math.random();'],
  ['the global fetch', 'registry/x.ts', "export const f = () => fetch('x');"],
  ['undici’s classes', 'flows/x.ts', "export const f = () => new Response('x');"],
  ['module state', 'cli/x.ts', 'let count = 0;\nexport const f = () => count++;'],
  ['a namespace of http', 'node/x.ts', "import * as http from 'node:http';"],
  ['a default import of https', 'node/x.ts', "import https from 'node:https';"],
];

const bystanders = ['flows/a.ts', 'keys/a.ts', 'registry/a.ts', 'node/a.ts'].map((path) => ({
  path,
  text: 'export const a = 1;',
}));

for (const [what, path, text] of planted) {
  test(`a planted breach is found: ${what}`, () => {
    const found = breaches([...bystanders, { path, text }]);
    assert.equal(found.length, 1, found.join('\n'));
    assert.ok(found[0]?.startsWith(path));
  });
}

test('a planted cycle is found, also one of types', () => {
  const found = breaches([
    { path: 'core/a.ts', text: "import { b } from './b.ts';" },
    { path: 'core/b.ts', text: "import type { C } from './c.ts';" },
    { path: 'core/c.ts', text: "import { a } from './a.ts';" },
  ]);
  assert.deepEqual(found, ['cycle: core/a.ts → core/b.ts → core/c.ts → core/a.ts']);
});

test('what is not code is not judged', () => {
  const text = [
    '// process.env and Date.now()',
    '/* console.log(fetch(1)) */',
    "const a = 'process.env';",
    'const b = `Date.now() ${a} Math.random()`;',
    'const c = /console.log(x)/.test(a) ? 4 / 2 / 1 : 0;',
    'const d = runtime.fetch(a);',
    'const e = new Date(0);',
    "export const f: 'import' = b;",
  ].join('\n');
  assert.deepEqual(breaches([{ path: 'core/x.ts', text }]), []);
});

test('the scanner finds each kind of import', () => {
  const text =
    "import a from 'a';\nimport { b } from 'b';\nimport type { C } from 'c';\nimport 'd';\nawait import('e');\n// import 'f';\nconst s = \"import 'g'\";";
  assert.deepEqual(
    importsOf(text).map(({ specifier, kind }) => `${specifier} ${kind}`),
    ['a namespace', 'b named', 'c named', 'd bare', 'e dynamic'],
  );
  assert.equal(codeOnly('a(`x${b(`y${c}`)}z`)').replaceAll(/["\s]/g, ''), 'a(b(c))');
});
