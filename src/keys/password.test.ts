import assert from 'node:assert/strict';
import { it } from 'node:test';
import { utf8 } from '../core/encoding.ts';
import { environmentPassword, passwordCandidates, withoutFinalNewline } from './password.ts';

it('tries a password as it is, then without one final line break', () => {
  const candidates = (text: string) =>
    passwordCandidates(utf8(text)).map((bytes) => Buffer.from(bytes).toString());
  assert.deepEqual(candidates('pw'), ['pw']);
  assert.deepEqual(candidates('pw\n'), ['pw\n', 'pw']);
  assert.deepEqual(candidates('pw\r\n'), ['pw\r\n', 'pw']);
  assert.deepEqual(candidates('pw\n\n'), ['pw\n\n', 'pw\n']);
  assert.deepEqual(candidates('pw\r'), ['pw\r']);
  assert.deepEqual(candidates('\n'), ['\n', '']);
  assert.deepEqual(candidates(''), ['']);
});

it('removes one line break and nothing else', () => {
  assert.deepEqual(withoutFinalNewline(utf8(' a \n')), utf8(' a '));
});

it('takes the password from the environment; a set and empty variable is an empty password', () => {
  assert.equal(environmentPassword({}), undefined);
  assert.deepEqual(environmentPassword({ COSIGN_PASSWORD: 'a' }), utf8('a'));
  assert.deepEqual(environmentPassword({ COSIGN_PASSWORD: 'a', BOLTSEAL_PASSWORD: '' }), utf8(''));
});
