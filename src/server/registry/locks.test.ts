import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocks } from './locks.ts';

test('work for one key never interleaves, work for others does', async () => {
  const locks = createLocks();
  const running = new Map<string, number>();
  let most = 0;
  const work = (key: string) =>
    locks(key, async () => {
      running.set(key, (running.get(key) ?? 0) + 1);
      assert.equal(running.get(key), 1);
      most = Math.max(most, [...running.values()].filter((count) => count > 0).length);
      await new Promise((resolve) => setImmediate(resolve));
      running.set(key, 0);
      return key;
    });
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, index) => work(index % 2 === 0 ? 'a' : 'b')),
  );
  assert.equal(results.filter((key) => key === 'a').length, 25);
  assert.equal(most, 2);
});

test('work that fails lets the next begin', async () => {
  const locks = createLocks();
  const order: string[] = [];
  const failing = locks('a', async () => {
    order.push('one');
    throw new Error('one');
  });
  const next = locks('a', async () => order.push('two'));
  await assert.rejects(failing, /one/);
  await next;
  assert.deepEqual(order, ['one', 'two']);
});
