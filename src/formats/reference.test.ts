import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { formatReference, parseReference, referenceName } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;

test('docker defaults', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['nginx', 'index.docker.io/library/nginx:latest'],
    ['nginx:1.27', 'index.docker.io/library/nginx:1.27'],
    ['docker.io/nginx', 'index.docker.io/library/nginx:latest'],
    ['index.docker.io/acme/app', 'index.docker.io/acme/app:latest'],
    ['acme/app', 'index.docker.io/acme/app:latest'],
    ['ghcr.io/acme/app', 'ghcr.io/acme/app:latest'],
    ['GHCR.io/acme/app:X', 'ghcr.io/acme/app:X'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:t', 'localhost:5000/app:t'],
    ['127.0.0.1:5000/a/b__c/d-e.f', '127.0.0.1:5000/a/b__c/d-e.f:latest'],
    ['[::1]:5000/app:t', '[::1]:5000/app:t'],
    [`r.example/app@${digest}`, `r.example/app@${digest}`],
    [`r.example/app:v1@${digest}`, `r.example/app:v1@${digest}`],
  ];
  for (const [text, canonical] of cases) {
    assert.equal(formatReference(parseReference(text)), canonical, text);
    assert.deepEqual(parseReference(canonical), parseReference(text), text);
  }
});

test('layouts, with Windows drive letters', () => {
  assert.deepEqual(parseReference('oci:./images'), { kind: 'layout', path: './images' });
  assert.deepEqual(parseReference('oci:images:v1'), { kind: 'layout', path: 'images', tag: 'v1' });
  assert.deepEqual(parseReference('oci:C:\\x\\y'), { kind: 'layout', path: 'C:\\x\\y' });
  assert.deepEqual(parseReference('oci:C:\\x:v1'), { kind: 'layout', path: 'C:\\x', tag: 'v1' });
  assert.deepEqual(parseReference('oci:C:/x'), { kind: 'layout', path: 'C:/x' });
  assert.deepEqual(parseReference(`oci:/a b/c:v@${digest}`), {
    kind: 'layout',
    path: '/a b/c',
    tag: 'v',
    digest,
  });
  assert.equal(referenceName(parseReference('oci:a:b')), 'oci:a');
});

test('refused references carry a hint', () => {
  const bad = [
    '',
    'https://ghcr.io/a/b',
    'docker://ghcr.io/a/b',
    'docker-archive:x.tar',
    'ghcr.io/Acme/app',
    'ghcr.io/acme/app/',
    'ghcr.io/acme/app:',
    'ghcr.io/acme/app:-x',
    'ghcr.io//app',
    'ghcr.io/a/../b',
    'r.example:0/app',
    'r.example:99999/app',
    '-x.example/app',
    '[::1/app',
    '[zz]:1/app',
    'a b',
    'app@sha256:abc',
    `app@${digest}@${digest}`,
    `app@${digest.toUpperCase()}`,
    `ghcr.io/${'a'.repeat(256)}`,
    `ghcr.io/${'a/'.repeat(700)}a`,
    'oci:',
    'oci::tag',
    'oci:dir:',
    'oci:dir@sha256:1',
    'oci:a\0b',
    'user@host.example/app',
    'ghcr.io/app?x',
  ];
  for (const text of bad) {
    assert.throws(
      () => parseReference(text),
      (error) => isBoltsealError(error, 'ERR_REFERENCE_INVALID') && error.hint !== undefined,
      JSON.stringify(text),
    );
  }
});

test('any text is a reference that survives a round trip, or our error', () => {
  const parts = fc.stringMatching(/^[a-zA-Z0-9.:@/\\_[\]-]{0,40}$/);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        parts,
        parts.map((part) => `oci:${part}`),
      ),
      (text) => {
        try {
          const reference = parseReference(text);
          assert.deepEqual(parseReference(formatReference(reference)), reference);
        } catch (error) {
          if (!isBoltsealError(error, 'ERR_REFERENCE_INVALID')) throw error;
        }
      },
    ),
  );
});
