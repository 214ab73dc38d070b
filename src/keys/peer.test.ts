import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isBoltsealError } from '../core/errors.ts';
import { importPeer } from './peer.ts';

it('a library that is not installed, or is broken, is named with the command that helps', async () => {
  const peer = { name: '@boltseal/no-such-library', versions: '^1.2.3', user: 'test keys' };
  await assert.rejects(importPeer(peer), (error) => {
    assert.ok(isBoltsealError(error, 'ERR_KEY_PEER'));
    assert.match(error.hint ?? '', /npm install '@boltseal\/no-such-library@\^1\.2\.3'/);
    return true;
  });
  const needsAnother = Object.assign(new Error("Cannot find package 'other' imported from x"), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  for (const failure of [new Error('native'), needsAnother]) {
    await assert.rejects(
      importPeer(peer, () => Promise.reject(failure)),
      (error) => {
        assert.ok(isBoltsealError(error, 'ERR_KEY_PEER'));
        assert.match(error.hint ?? '', /npm rebuild @boltseal\/no-such-library/);
        return true;
      },
    );
  }
  assert.equal(
    (await importPeer<{ join: unknown }>({ ...peer, name: 'node:path' })).join !== undefined,
    true,
  );
});
