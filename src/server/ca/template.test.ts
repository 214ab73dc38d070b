import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../../core/errors.ts';
import { parseTemplate } from './template.ts';

const values = new Map([
  ['url', 'https://ci.test'],
  ['ref', 'refs/heads/<main>&"x"'],
  ['ref_type', 'branch'],
  ['empty', ''],
  ['oidc.test/ref', 'main'],
  ['__proto__', 'p'],
]);

for (const [source, expected] of [
  ['url', 'https://ci.test'],
  ['oidc.test/ref', 'main'],
  ['empty', ''],
  ['{{ .url }}/{{.ref}}', 'https://ci.test/refs/heads/<main>&"x"'],
  ['{{ index . "oidc.test/ref" }}', 'main'],
  ['{{(index . "oidc.test/ref")}}', 'main'],
  ['a{{ index . "missing" }}b', 'ab'],
  ['refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}x', 'refs/heads/x'],
  ['refs/{{if eq .ref_type "tag"}}heads/{{ else }}tags/{{end}}x', 'refs/tags/x'],
  ['{{ if eq .ref_type "tag" "branch" }}1{{ end }}', '1'],
  ['{{ if .empty }}1{{ else if .url }}2{{ else }}3{{ end }}', '2'],
  ['{{ if eq (index . "missing") "true" }}ssh{{ else }}""{{end}}', '""'],
  ['{{ if .url }}{{ if .empty }}1{{ else }}2{{ end }}{{ end }}', '2'],
  ['a {{- "b" -}} c', 'abc'],
  ['{{ "}}" }}', '}}'],
  ['{{ `x"y` }}', 'x"y'],
  ['{{ eq .url .url }}', 'true'],
] as const) {
  test(`the template ${source}`, () => assert.equal(parseTemplate(source, 'x')(values), expected));
}

for (const source of [
  'missing',
  '{{ .missing }}',
  '{{ if .missing }}{{ end }}',
  '{{ .toString }}',
  'toString',
]) {
  test(`a token without the claim is refused: ${source}`, () => {
    const template = parseTemplate(source, 'x');
    assert.throws(
      () => template(values),
      (error) => isBoltsealError(error, 'ERR_TOKEN_REFUSED'),
    );
  });
}

for (const source of [
  '{{',
  '{{ .url',
  '{{ }}',
  '{{ url }}',
  '{{ .url.host }}',
  '{{ . }}',
  '{{ $x := .url }}',
  '{{ .url | printf "%s" }}',
  '{{ printf "%s" .url }}',
  '{{ range .url }}{{ end }}',
  '{{ template "x" }}',
  '{{ index .url "x" }}',
  '{{ index . }}',
  '{{ index . url }}',
  '{{ eq .url }}',
  '{{ eq }}',
  '{{ (.url }}',
  '{{ .url) }}',
  '{{ ` }}',
  '{{ if .url }}',
  '{{ else }}',
  '{{ end }}',
  '{{ if .url }}{{ else }}{{ else }}{{ end }}',
  '{{ if .url }}{{ else with .x }}{{ end }}',
  `${'{{ if .url }}'.repeat(20)}${'{{ end }}'.repeat(20)}`,
]) {
  test(`not understood: ${source.slice(0, 60)}`, () => {
    assert.throws(
      () => parseTemplate(source, 'x'),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  });
}

test('what is read renders, and never breaks', () => {
  const piece = fc.constantFrom(
    '{{',
    '}}',
    ' ',
    '.url',
    'index',
    'eq',
    '"a"',
    'if',
    'else',
    'end',
    '(',
    ')',
    '-',
    'x',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        assert.equal(typeof parseTemplate(pieces.join(''), 'x')(values), 'string');
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_SERVER_CONFIG', 'ERR_TOKEN_REFUSED'), String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});
