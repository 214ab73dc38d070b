import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import type { LogEvent } from '../../core/runtime.ts';
import { publicKeyOf } from '../../formats/public-key.ts';
import type { Signer } from '../../keys/signer.ts';
import { servingSigner } from './serving-signer.ts';

const publicKey = publicKeyOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey, 'a key');
const message = Uint8Array.of(1);

function world(sign: Signer['sign'], reference: string | undefined = 'hashivault://ca/1') {
  const events: LogEvent[] = [];
  const log = (event: LogEvent): void => void events.push(event);
  return { events, signer: servingSigner('ca-1', { publicKey, reference, sign }, { log }, 20) };
}

const isBusy = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_BUSY');

test('what is signed is passed on', async () => {
  const { signer, events } = world(async () => message);
  assert.equal(await signer.sign(message), message);
  assert.equal(signer.publicKey, publicKey);
  assert.deepEqual(events, []);
});

test('a key in memory is used as it is', async () => {
  const own: Signer = { publicKey, sign: async () => message };
  assert.equal(servingSigner('ca-1', own, { log: () => assert.fail('something was told') }), own);
});

test('a place of keys that fails, or is silent, is busy, and why is told_fail', async () => {
  const failing = world(async () => {
    throw new BoltsealError('ERR_KEY_PROVIDER', 'Vault is sealed');
  });
  await assert.rejects(failing.signer.sign(message), isBusy);
  assert.match(failing.events[0]?.message ?? '', /ca-1.*Vault is sealed/);
  const silent = world(() => new Promise(() => undefined));
  await assert.rejects(silent.signer.sign(message), isBusy);
  assert.deepEqual(
    [...failing.events, ...silent.events].map(({ event, level }) => [event, level]),
    [
      ['key.failure', 'warn'],
      ['key.failure', 'warn'],
    ],
  );
});

test('a request that is given up is no failure of the key', async () => {
  const { signer, events } = world(() => new Promise(() => undefined));
  await assert.rejects(signer.sign(message, { signal: AbortSignal.abort(new Error('gone')) }), /gone/);
  assert.deepEqual(events, []);
});
