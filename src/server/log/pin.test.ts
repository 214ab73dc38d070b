import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { base64 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { emptyRoot } from '../../formats/merkle.ts';
import { filePin } from './pin.ts';

const note = (size: number): string =>
  `log.example\n${size}\n${base64(emptyRoot)}\n\n— log.example AAAAAAAA\n`;

test('a pin is what was written last, in a folder that is made for it', async (t) => {
  const folder = join(await temporaryDirectory(t), 'pins', 'deep');
  const pin = filePin(folder, 'a.log');
  assert.equal(pin.read(), undefined);
  for (const size of [1, 123_456, 7]) {
    pin.write(note(size));
    assert.equal(pin.read()?.size, size);
  }
  assert.deepEqual(readdirSync(folder), ['a.log.checkpoint']);
  assert.equal(filePin(folder, 'other').read(), undefined);
});

test('what a power failure leaves of a pin pins nothing; what is damaged is refused', async (t) => {
  const folder = await temporaryDirectory(t);
  const pin = filePin(folder, 'log');
  for (const left of ['', '\0'.repeat(200)]) {
    writeFileSync(join(folder, 'log.checkpoint'), left);
    assert.equal(pin.read(), undefined);
  }
  for (const damaged of ['hello', note(3).slice(0, 30), `${'\0'.repeat(10)}x`]) {
    writeFileSync(join(folder, 'log.checkpoint'), damaged);
    assert.throws(
      () => pin.read(),
      (error) => isBoltsealError(error, 'ERR_SERVER_DATA'),
    );
  }
});

test('a pin that cannot be read or written is an error', async (t) => {
  const folder = await temporaryDirectory(t);
  mkdirSync(join(folder, 'log.checkpoint'));
  const pin = filePin(folder, 'log');
  assert.throws(
    () => pin.read(),
    (error) => isBoltsealError(error, 'ERR_SERVER_DATA'),
  );
  assert.throws(
    () => pin.write(note(1)),
    (error) => isBoltsealError(error, 'ERR_FILE_WRITE'),
  );
});
