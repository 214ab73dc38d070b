import assert from 'node:assert/strict';
import test from 'node:test';
import { createRuntime } from './runtime.ts';

test('the home folder is the one that the environment names, else the platform’s', () => {
  const name = process.platform === 'win32' ? 'USERPROFILE' : 'HOME';
  assert.equal(createRuntime({ env: { [name]: '/somewhere' } }).home, '/somewhere');
  assert.equal(createRuntime({ env: { [name]: '/somewhere' }, home: '/told' }).home, '/told');
  assert.equal(createRuntime({ env: { [name]: '' } }).home, createRuntime().home);
});
