import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flags } from './command.ts';
import { type SignedEvidence, verifyWords } from './verify-words.ts';

/** What verifies what `key` signed. */
function keyFor(key: string): string | undefined {
  const flags = { get: (id: string) => (id === 'key' ? key : undefined), given: () => false };
  const evidence = { signedBy: { kind: 'key' }, material: { logEntries: [], times: [] } };
  const [flag, name, ...more] = verifyWords(evidence as unknown as SignedEvidence, flags as unknown as Flags);
  assert.deepEqual([flag, more], ['--key', []]);
  return name;
}

test('a key verifies by the file beside it, or by the place that keeps it', () => {
  assert.equal(keyFor('cosign.key'), 'cosign.pub');
  assert.equal(keyFor('keys/release.key'), 'keys/release.pub');
  assert.equal(keyFor('C:\\keys\\release.key'), 'C:\\keys\\release.pub');
  for (const alone of ['env://COSIGN_PRIVATE_KEY', '-', '/run/secrets/signing']) {
    assert.equal(keyFor(alone), 'cosign.pub', alone);
  }
  for (const place of [
    'awskms:///alias/release',
    'hashivault://release',
    'k8s://ns/name',
    'gitlab://group/app',
    'hsm://1',
  ]) {
    assert.equal(keyFor(place), place);
  }
});

test('the PIN of a token is not printed', () => {
  const token = 'pkcs11:token=lab;object=release';
  for (const [given, shown] of [
    [token, token],
    [`${token}?pin-value=1234`, token],
    [`${token}?pin-value=1234&module-path=/lib/hsm.so`, `${token}?module-path=/lib/hsm.so`],
    [`${token}?module-path=/lib/hsm.so&pin-value=1234`, `${token}?module-path=/lib/hsm.so`],
    [`${token}?module-path=/lib/hsm.so&pin-source=file:/pin`, `${token}?module-path=/lib/hsm.so`],
  ] as const) {
    assert.equal(keyFor(given), shown);
  }
});
