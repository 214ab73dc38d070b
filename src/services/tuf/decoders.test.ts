/** Documents from outside and from the disk are read or refused with an error of ours, and nothing else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createTufWorld, tufMirror } from '../../../test/support/tuf-world.ts';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { decodeState, encodeState, type KeptState } from './cache.ts';
import { refreshTrust } from './client.ts';
import { readDocument, tufRoles } from './document.ts';
import { parseMetadata, readPinnedRoot } from './repository.ts';

/** Runs `read`; only an error of ours may come out. */
async function ours<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    assert.ok(error instanceof BoltsealError, String(error));
    return undefined;
  }
}

const common = { spec_version: '1.0', version: 1, expires: '2030-01-01T00:00:00Z' };

describe('metadata', () => {
  it('of any shape', async () => {
    const role = fc.constantFrom(...tufRoles);
    const names = [
      'keys',
      'roles',
      'meta',
      'targets',
      'delegations',
      'consistent_snapshot',
      'version',
      'expires',
    ];
    const fields = fc.dictionary(fc.constantFrom(...names), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(role, fields, fc.jsonValue(), async (name, more, signatures) => {
        const bytes = utf8(JSON.stringify({ signatures, signed: { _type: name, ...common, ...more } }));
        await ours(() => readDocument(name, bytes, 'it'));
        await ours(() => parseMetadata(name, bytes, 'it'));
        await ours(() => readPinnedRoot(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('of any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        for (const role of tufRoles) await ours(() => parseMetadata(role, bytes, 'it'));
      }),
    );
  });
});

describe('a kept state', () => {
  const kept = async (): Promise<{ readonly state: KeptState; readonly root: Uint8Array }> => {
    const world = await createTufWorld({});
    await world.publishRoot();
    const { root, runtime } = world;
    const { state, fetched } = await refreshTrust({ mirror: tufMirror, root, folder: undefined, runtime });
    return { state: { state, fetched }, root };
  };

  it('is what was kept', async () => {
    const { state, root } = await kept();
    assert.deepEqual(await decodeState(encodeState(state), root), state);
  });

  it('with any byte changed is refused, or says the same', async () => {
    const { state, root } = await kept();
    const good = encodeState(state);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = good.map((byte, index) => (index === at ? byte ^ change : byte));
        const found = await ours(() => decodeState(bytes, root));
        // The time is not signed: it only says when to ask again.
        if (found === undefined) return;
        const { files, versions, expires } = found.state;
        assert.deepEqual(
          [files, versions, expires],
          [state.state.files, state.state.versions, state.state.expires],
        );
      }),
      { numRuns: 300 },
    );
  });

  it('of any shape', async () => {
    const { root } = await kept();
    const names = ['schema', 'fetched', 'roots', 'timestamp', 'snapshot', 'targets', 'files'];
    const values = fc.oneof(fc.jsonValue(), fc.base64String(), fc.constant('boltseal.tuf-cache/1'));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), values), async (fields) => {
        const document = { schema: 'boltseal.tuf-cache/1', ...fields };
        assert.equal(await ours(() => decodeState(utf8(JSON.stringify(document)), root)), undefined);
      }),
      { numRuns: 300 },
    );
  });
});
