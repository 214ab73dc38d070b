/** A mirror that lies: every attack that TUF is there to stop is stopped, with its own code. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { respond } from '../../../test/support/in-process.ts';
import {
  createTufWorld,
  type Loose,
  type Publication,
  signTuf,
  type TufWorld,
  tufMirror,
  tufSigner,
  tufTime,
} from '../../../test/support/tuf-world.ts';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { trustTargets } from './client.ts';
import { followRepository } from './follow.ts';
import { mirrorSource } from './mirror.ts';
import type { TufState } from './state.ts';

const day = 86_400_000;

/** What a client finds that trusts the first root and has seen `previous`. */
function follow(world: TufWorld, previous?: TufState, budget: number = limits.tufTime): Promise<TufState> {
  const { runtime, root } = world;
  return followRepository(mirrorSource(tufMirror, { runtime, budget }), {
    pinnedRoot: root,
    previous,
    names: trustTargets,
    now: runtime.now(),
  });
}

const refused =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isBoltsealError(error, ...codes);

const later = tufTime(-day);
const other = tufSigner();

describe('signatures', () => {
  const cases: readonly (readonly [string, Publication])[] = [
    ['timestamp by another key', { signers: { timestamp: [other] } }],
    ['timestamp by nobody', { signers: { timestamp: [] } }],
    ['snapshot by another key', { signers: { snapshot: [other] } }],
    ['targets by another key', { signers: { targets: [other] } }],
    ['targets by nobody', { signers: { targets: [] } }],
  ];
  for (const [what, publication] of cases) {
    it(`${what}_fail`, async () => {
      const world = await createTufWorld({});
      await world.publish(publication);
      await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
    });
  }

  it('are counted: two of three must sign', async () => {
    const world = await createTufWorld({});
    const [a, b, c] = [tufSigner(), tufSigner('ed25519'), tufSigner()];
    world.keys = { ...world.keys, targets: [a, b, c] };
    world.thresholds['targets'] = 2;
    await world.publishRoot();
    await world.publish({ signers: { targets: [a] } });
    await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
    await world.publish({ signers: { targets: [a, other] } });
    await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
    await world.publish({ signers: { targets: [a, c] } });
    assert.equal((await follow(world)).versions.targets, 4);
  });

  it('one signature given twice_fail', async () => {
    const world = await createTufWorld({});
    const [a, b] = [tufSigner(), tufSigner()];
    world.keys = { ...world.keys, targets: [a, b] };
    world.thresholds['targets'] = 2;
    await world.publishRoot();
    await world.publish({ signers: { targets: [a, a] } });
    await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
  });

  it('one key under two names_fail', async () => {
    const world = await createTufWorld({});
    world.thresholds['targets'] = 2;
    const twice = (signed: Loose): void => {
      const { keyids } = signed.roles.targets;
      signed.keys.again = signed.keys[keyids[0]];
      keyids.push('again');
    };
    await world.publishRoot([], { change: { root: twice } });
    await world.publish();
    const name = '2.targets.json';
    const document = JSON.parse(Buffer.from(world.files.get(name) ?? '').toString());
    document.signatures.push({ ...document.signatures[0], keyid: 'again' });
    world.files.set(name, utf8(JSON.stringify(document)));
    await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
  });

  for (const threshold of [0, -1]) {
    it(`threshold ${threshold}_fail`, async () => {
      const world = await createTufWorld({});
      const none = (signed: Loose): void => {
        signed.roles.timestamp.threshold = threshold;
      };
      await world.publishRoot([], { change: { root: none } });
      await world.publish({ signers: { timestamp: [] } });
      await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
    });
  }
});

describe('roots', () => {
  it('are followed through changes of every key', async () => {
    const world = await createTufWorld({});
    const first = await follow(world);
    for (let round = 0; round < 3; round++) {
      const old = world.keys.root;
      world.keys = {
        root: [tufSigner(), tufSigner('ed25519')],
        targets: [tufSigner()],
        snapshot: [tufSigner()],
        timestamp: [tufSigner('ed25519')],
      };
      await world.publishRoot(old);
      await world.publish();
    }
    assert.deepEqual((await follow(world)).versions, { root: 4, timestamp: 4, snapshot: 4, targets: 4 });
    const state = await follow(world, first);
    assert.deepEqual([state.versions.root, state.roots.length], [4, 3]);
  });

  const cases: readonly (readonly [string, (world: TufWorld) => Promise<void>])[] = [
    [
      'signed by new keys alone',
      async (world) => {
        world.keys = { ...world.keys, root: [tufSigner(), tufSigner()] };
        await world.publishRoot();
      },
    ],
    [
      'signed by old keys alone',
      async (world) => {
        const old = world.keys.root;
        world.keys = { ...world.keys, root: [tufSigner(), tufSigner()] };
        await world.publishRoot([], { signers: { root: old } });
      },
    ],
    [
      'signed by too few',
      async (world) => {
        await world.publishRoot([], { signers: { root: world.keys.root.slice(1) } });
      },
    ],
    [
      'of another version',
      async (world) => {
        await world.publishRoot([], {
          change: {
            root: (signed) => {
              signed.version = 3;
            },
          },
        });
      },
    ],
    [
      'the old one again',
      async (world) => {
        world.files.set('2.root.json', world.root);
      },
    ],
    [
      'of another role',
      async (world) => {
        world.files.set('2.root.json', world.files.get('timestamp.json') ?? utf8(''));
      },
    ],
  ];
  for (const [what, attack] of cases) {
    it(`${what}_fail`, async () => {
      const world = await createTufWorld({});
      await attack(world);
      await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
    });
  }

  it('the newest has expired_fail', async () => {
    const world = await createTufWorld({});
    await world.publishRoot([], {
      change: {
        root: (signed) => {
          signed.expires = later;
        },
      },
    });
    await assert.rejects(follow(world), refused('ERR_TUF_EXPIRED'));
  });

  it('an expired one that has a successor is no harm', async () => {
    const world = await createTufWorld({});
    await world.publishRoot([], {
      change: {
        root: (signed) => {
          signed.expires = later;
        },
      },
    });
    await world.publishRoot();
    assert.equal((await follow(world)).versions.root, 3);
  });

  it('another than the trusted one_fail', async () => {
    const [world, stranger] = [await createTufWorld({}), await createTufWorld({})];
    for (const [name, bytes] of stranger.files) if (name !== '1.root.json') world.files.set(name, bytes);
    await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
  });
});

describe('freeze', () => {
  for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
    it(`expired ${role}_fail`, async () => {
      const world = await createTufWorld({});
      await world.publish({
        change: {
          [role]: (signed: Loose) => {
            signed.expires = later;
          },
        },
      });
      await assert.rejects(follow(world), refused('ERR_TUF_EXPIRED'));
    });

    for (const expires of ['never', '', '2030-02-30T00:00:00Z', '2030-01-01', '9999-99-99T00:00:00Z', 7]) {
      it(`${role} that expires ${expires}_fail`, async () => {
        const world = await createTufWorld({});
        await world.publish({
          change: {
            [role]: (signed: Loose) => {
              signed.expires = expires;
            },
          },
        });
        await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID'));
      });
    }
  }

  it('expired for the clock of the runtime alone_fail', async () => {
    const world = await createTufWorld({});
    world.runtime.pass(8 * day);
    await assert.rejects(follow(world), refused('ERR_TUF_EXPIRED'));
  });
});

describe('rollback', () => {
  const seen = async (): Promise<readonly [TufWorld, TufState, ReadonlyMap<string, Uint8Array>]> => {
    const world = await createTufWorld({});
    const old = new Map(world.files);
    await world.publish();
    await world.publish();
    return [world, await follow(world), old];
  };

  it('an older timestamp_fail', async () => {
    const [world, state, old] = await seen();
    world.files.set('timestamp.json', old.get('timestamp.json') ?? utf8(''));
    await assert.rejects(follow(world, state), refused('ERR_TUF_ROLLBACK'));
    assert.equal((await follow(world)).versions.timestamp, 1);
  });

  for (const version of [1, 2]) {
    it(`a new timestamp of the old snapshot ${version}_fail`, async () => {
      const [world, state] = await seen();
      await world.publish({
        change: {
          timestamp: ({ meta }) => {
            meta['snapshot.json'].version = version;
          },
        },
      });
      await assert.rejects(follow(world, state), refused('ERR_TUF_ROLLBACK'));
    });
  }

  it('a new snapshot of old targets_fail', async () => {
    const [world, state] = await seen();
    await world.publish({
      change: {
        snapshot: ({ meta }) => {
          meta['targets.json'].version = 1;
        },
      },
    });
    await assert.rejects(follow(world, state), refused('ERR_TUF_ROLLBACK'));
  });

  it('a snapshot that lost a file_fail', async () => {
    const world = await createTufWorld({});
    await world.publish({
      change: {
        snapshot: ({ meta }) => {
          meta['more.json'] = { version: 1 };
        },
      },
    });
    const state = await follow(world);
    await world.publish();
    await assert.rejects(follow(world, state), refused('ERR_TUF_ROLLBACK'));
  });

  it('is no rollback when the keys of the role have changed', async () => {
    const world = await createTufWorld({});
    const huge = (signed: Loose): void => {
      signed.version = 4_000_000_000;
    };
    await world.publish({ change: { timestamp: huge } });
    const state = await follow(world);
    const old = world.keys.root;
    const online = [tufSigner()];
    world.keys = { ...world.keys, timestamp: online, snapshot: online };
    await world.publishRoot(old);
    await world.publish();
    assert.equal((await follow(world, state)).versions.timestamp, 3);
  });

  it('the same version with other content changes nothing', async () => {
    const [world, state] = await seen();
    const timestamp = JSON.parse(Buffer.from(world.files.get('timestamp.json') ?? '').toString()).signed;
    world.files.set(
      'timestamp.json',
      await signTuf({ ...timestamp, expires: tufTime(90 * day) }, world.keys.timestamp),
    );
    assert.deepEqual((await follow(world, state)).expires, state.expires);
  });
});

describe('mix and match', () => {
  const cases: readonly (readonly [string, ErrorCode, (world: TufWorld) => Promise<void> | void])[] = [
    [
      'a snapshot of another version',
      'ERR_TUF_METADATA_INVALID',
      ({ files }) => {
        files.set('2.snapshot.json', files.get('1.snapshot.json') ?? utf8(''));
      },
    ],
    [
      'targets of another version',
      'ERR_TUF_METADATA_INVALID',
      ({ files }) => {
        files.set('2.targets.json', files.get('1.targets.json') ?? utf8(''));
      },
    ],
    [
      'a snapshot without its digest',
      'ERR_TUF_METADATA_INVALID',
      (world) =>
        world.publish({
          change: {
            timestamp: ({ meta }) => {
              meta['snapshot.json'].hashes = { sha256: 'ab'.repeat(32) };
            },
          },
        }),
    ],
    [
      'a snapshot without its length',
      'ERR_TUF_METADATA_INVALID',
      (world) =>
        world.publish({
          change: {
            timestamp: ({ meta }) => {
              meta['snapshot.json'].length = 5000;
            },
          },
        }),
    ],
    [
      'a snapshot that names no targets',
      'ERR_TUF_METADATA_INVALID',
      (world) =>
        world.publish({
          change: {
            snapshot: (signed) => {
              signed.meta = {};
            },
          },
        }),
    ],
    [
      'another file under the name of a target',
      'ERR_DIGEST_MISMATCH',
      ({ files }) => {
        for (const name of files.keys()) if (name.startsWith('targets/')) files.set(name, utf8('{}'));
      },
    ],
    [
      'a target with one byte changed',
      'ERR_DIGEST_MISMATCH',
      ({ files }) => {
        for (const [name, bytes] of files) {
          if (!name.startsWith('targets/')) continue;
          files.set(
            name,
            bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte)),
          );
        }
      },
    ],
    [
      'a target without a digest',
      'ERR_TUF_METADATA_INVALID',
      (world) =>
        world.publish({
          change: {
            targets: ({ targets }) => {
              targets['trusted_root.json'].hashes = {};
            },
          },
        }),
    ],
    [
      'a target that is not there',
      'ERR_SERVICE_RESPONSE',
      ({ files }) => {
        for (const name of files.keys()) if (name.startsWith('targets/')) files.delete(name);
      },
    ],
    [
      'no timestamp',
      'ERR_SERVICE_RESPONSE',
      ({ files }) => {
        files.delete('timestamp.json');
      },
    ],
    [
      'no snapshot',
      'ERR_SERVICE_RESPONSE',
      ({ files }) => {
        files.delete('2.snapshot.json');
      },
    ],
    [
      'no targets',
      'ERR_SERVICE_RESPONSE',
      ({ files }) => {
        files.delete('2.targets.json');
      },
    ],
  ];
  for (const [what, code, attack] of cases) {
    it(`${what}_fail`, async () => {
      const world = await createTufWorld({});
      await world.publish();
      await attack(world);
      await assert.rejects(follow(world), refused(code));
    });
  }
});

describe('what is too much', () => {
  async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) yield new Uint8Array(65_536).fill(0x20);
  }

  for (const name of ['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json', 'targets/']) {
    it(`endless ${name}_fail`, async () => {
      const world = await createTufWorld({});
      world.intercept = (asked) =>
        asked.startsWith(name) ? respond({ status: 200, body: endless() }) : undefined;
      await assert.rejects(follow(world), refused('ERR_SERVICE_RESPONSE'));
    });
  }

  it('a byte now and then_fail', async () => {
    const world = await createTufWorld({});
    async function* drip(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
      for (;;) {
        yield utf8(' ');
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      }
    }
    const { fetch } = world.runtime;
    const runtime = {
      ...world.runtime,
      fetch: ((url, init) =>
        url.endsWith('timestamp.json')
          ? Promise.resolve(respond({ status: 200, body: drip(init.signal ?? new AbortController().signal) }))
          : fetch(url, init)) as typeof fetch,
      monotonic: () => performance.now(),
    };
    const started = performance.now();
    const slow = follow({ ...world, runtime, root: world.root }, undefined, 100);
    await assert.rejects(slow, refused('ERR_SERVICE_NETWORK', 'ERR_SERVICE_UNAVAILABLE'));
    assert.ok(performance.now() - started < 2_000);
  });

  const many = (count: number, make: (index: number) => unknown): Loose =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, make(index)]));
  const cases: readonly (readonly [string, Publication])[] = [
    [
      'targets',
      {
        change: {
          targets: (signed) => {
            signed.targets = many(20_000, () => 0);
          },
        },
      },
    ],
    [
      'files of a snapshot',
      {
        change: {
          snapshot: (signed) => {
            signed.meta = many(20_000, () => 0);
          },
        },
      },
    ],
    [
      'keys of delegations',
      {
        change: {
          targets: (signed) => {
            signed.delegations = { keys: many(20_000, () => 0), roles: [] };
          },
        },
      },
    ],
    [
      'delegations',
      {
        change: {
          targets: (signed) => {
            signed.delegations = { keys: {}, roles: Array.from({ length: 20_000 }, () => ({})) };
          },
        },
      },
    ],
    [
      'nesting',
      {
        change: {
          targets: (signed) => {
            signed.deep = JSON.parse('['.repeat(200) + ']'.repeat(200));
          },
        },
      },
    ],
  ];
  for (const [what, publication] of cases) {
    it(`too many ${what}_fail, at once`, async () => {
      const world = await createTufWorld({});
      await world.publish(publication);
      const started = performance.now();
      await assert.rejects(follow(world), refused('ERR_LIMIT_EXCEEDED'));
      assert.ok(performance.now() - started < 1_000);
    });
  }

  it('roots without end are not followed without end', async () => {
    const world = await createTufWorld({});
    const signed = JSON.parse(Buffer.from(world.root).toString()).signed;
    for (let version = 2; version <= limits.tufRoots + 20; version++) {
      world.files.set(`${version}.root.json`, await signTuf({ ...signed, version }, world.keys.root));
    }
    const state = await follow(world);
    assert.equal(state.roots.length, limits.tufRoots);
  });
});

describe('what is no metadata', () => {
  const bodies: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a web page', '<html>sign in</html>'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no signatures', '{"signed":{"_type":"timestamp"}}'],
    ['prototype', '{"__proto__":{"signed":1},"signatures":[]}'],
    ['a key twice', '{"signed":{},"signed":{},"signatures":[]}'],
  ];
  for (const [what, body] of bodies) {
    for (const name of ['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json']) {
      it(`${what} as ${name}_fail`, async () => {
        const world = await createTufWorld({});
        world.files.set(name, utf8(body));
        await assert.rejects(follow(world), refused('ERR_TUF_METADATA_INVALID', 'ERR_JSON_INVALID'));
      });
    }
  }

  for (const status of [500, 503, 429, 401, 302, 204]) {
    it(`status ${status}_fail`, async () => {
      const world = await createTufWorld({});
      world.intercept = () => respond({ status });
      await assert.rejects(
        follow(world),
        refused('ERR_SERVICE_UNAVAILABLE', 'ERR_SERVICE_REFUSED', 'ERR_SERVICE_RESPONSE'),
      );
    });
  }
});

describe('any change of any byte', () => {
  let world: TufWorld;
  let names: string[];
  before(async () => {
    world = await createTufWorld({});
    await world.publishRoot();
    names = [...world.files.keys()].filter((name) => name !== '1.root.json').sort();
  });

  it('is refused with an error of ours, or changes nothing that is trusted', async () => {
    const good = new Map(world.files);
    const { files, versions } = await follow(world);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(names.length - 1),
        fc.nat(100_000),
        fc.integer({ min: 1, max: 255 }),
        async (which, at, change) => {
          const name = names[which] ?? '';
          const bytes = Uint8Array.from(good.get(name) ?? []);
          const index = at % bytes.length;
          bytes[index] = (bytes[index] ?? 0) ^ change;
          world.files.set(name, bytes);
          try {
            const state = await follow(world);
            assert.deepEqual([state.files, state.versions], [files, versions]);
          } catch (error) {
            assert.ok(error instanceof BoltsealError, String(error));
          } finally {
            world.files.set(name, good.get(name) ?? bytes);
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});
