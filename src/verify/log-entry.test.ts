import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../test/support/sigstore-world.ts';
import { after, newKey, type TestKey, year } from '../../test/support/test-certificates.ts';
import { type LogChoices, promiseText, testCheckpoint } from '../../test/support/test-logs.ts';
import {
  accepts,
  artifact,
  entryOf,
  flip,
  type Judging,
  refuses,
  withEntry,
  withMaterial,
} from '../../test/support/verification.ts';
import type { ErrorCode } from '../core/errors.ts';
import { type Bundle, encodeBundle, parseBundle } from '../formats/bundle.ts';
import { encodeCheckpointBody, encodeNote, type NoteSignature } from '../formats/checkpoint.ts';
import { sha256 } from '../formats/merkle.ts';
import { cosignatureSigner, logIdOf } from '../formats/note-keys.ts';
import { type TrustedLog, type TrustedRoot, trustedLog } from '../formats/trusted-root.ts';
import type { InclusionProof, LogEntry } from '../formats/verification-material.ts';

const world = new World({ treeSize: 1_000 });
const v1 = (logged: Partial<LogChoices> = {}) => world.blob(artifact, { logged });
const v2 = (logged: Partial<LogChoices> = {}) => world.blob(artifact, { log: 'v2', logged });
const [first, second] = world.trustedRoot.tlogs;
assert.ok(first !== undefined && second !== undefined);

const trusting = (...tlogs: readonly TrustedLog[]): TrustedRoot => ({ ...world.trustedRoot, tlogs });
const during = (log: TrustedLog, window: object): TrustedLog => ({
  ...log,
  validFor: { start: after(-year), ...window },
});

function withProof(bundle: Bundle, change: (proof: InclusionProof) => Partial<InclusionProof>): Bundle {
  return withEntry(bundle, (entry) => {
    assert.ok(entry.inclusionProof !== undefined);
    return { ...entry, inclusionProof: { ...entry.inclusionProof, ...change(entry.inclusionProof) } };
  });
}

function without<Name extends keyof LogEntry>(name: Name): (entry: LogEntry) => LogEntry {
  return (entry) => {
    const { [name]: _, ...rest } = entry;
    return rest as unknown as LogEntry;
  };
}

/** A signature line by somebody else. */
function line(name: string, key: TestKey = newKey()): NoteSignature {
  return { name, keyId: logIdOf(name, key.publicKey).subarray(0, 4), signature: key.sign(Buffer.from('x')) };
}

describe('entries of Rekor v1', () => {
  it('prove their time, with the promise alone or with the proof', async () => {
    for (const logged of [{}, { proof: false }]) {
      const bundle = {
        ...v1(logged),
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
        version: '0.1',
      } as const;
      const { judge } = await import('../../test/support/verification.ts');
      const { material } = await judge(world, bundle);
      assert.deepEqual(material.times, [
        { source: 'log', time: after(0), authority: 'https://rekor.example.com' },
      ]);
      assert.deepEqual(material.logEntries, [
        { log: 'https://rekor.example.com', logIndex: 1_005n, integratedTime: after(0) },
      ]);
    }
  });

  it('with the proof alone prove no time', async () => {
    await refuses(world, v1({ promise: false }), 'ERR_VERIFY_TIME');
    const stamped = world.blob(artifact, { timestamp: true, logged: { promise: false } });
    const { material } = await accepts(world, stamped);
    assert.deepEqual(
      material.times.map(({ source }) => source),
      ['timestamp'],
    );
    assert.deepEqual(material.logEntries, [{ log: 'https://rekor.example.com', logIndex: 1_005n }]);
    // The time that is not signed means nothing.
    const future = withEntry(stamped, (entry) => ({ ...entry, integratedTime: 4_000_000_000n }));
    await accepts(world, future);
  });

  it('at every place of trees of every shape', async () => {
    for (const [index, size] of [
      [0, 1],
      [0, 2],
      [1, 2],
      [6, 7],
      [999_999, 1_000_000],
      [2 ** 40, 2 ** 52],
    ] as const) {
      await accepts(world, v1({ index, size, offset: 0 }));
      await accepts(world, v2({ index, size }));
    }
  });

  const refusals: Readonly<Record<string, readonly [() => Bundle, ErrorCode]>> = {
    'with neither promise nor proof': [
      () => v1({ promise: false, proof: false }),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with a changed promise': [
      () =>
        withEntry(v1(), (entry) => ({
          ...entry,
          signedEntryTimestamp: flip(entry.signedEntryTimestamp ?? new Uint8Array(1)),
        })),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with another time than promised': [
      () => withEntry(v1(), (entry) => ({ ...entry, integratedTime: (entry.integratedTime ?? 0n) + 1n })),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with another index than promised': [
      () => withEntry(v1(), (entry) => ({ ...entry, logIndex: entry.logIndex + 1n })),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with a promise and no time': [
      () => withEntry(v1(), without('integratedTime')),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with a promise of a time that no date has': [
      () =>
        withEntry(v1(), (entry) => {
          const integratedTime = 9_000_000_000_000n;
          const text = promiseText(entry, Number(integratedTime));
          return { ...entry, integratedTime, signedEntryTimestamp: world.rekor1Key.sign(Buffer.from(text)) };
        }),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with a promise by another key': [
      () =>
        withEntry(v1(), (entry) => {
          const text = promiseText(entry, Number(entry.integratedTime));
          return { ...entry, signedEntryTimestamp: newKey().sign(Buffer.from(text)) };
        }),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with a promise, and a proof by another key': [
      () => {
        const other = entryOf(v1({ key: newKey() }));
        return withEntry(v1(), (entry) => ({
          ...entry,
          ...(other.inclusionProof && { inclusionProof: other.inclusionProof }),
        }));
      },
      'ERR_VERIFY_CHECKPOINT',
    ],
    'that come before their place in the tree': [() => v1({ offset: -1 }), 'ERR_VERIFY_INCLUSION_PROOF'],
    'whose log was not trusted yet': [() => v1({ time: after(-2 * year) }), 'ERR_VERIFY_LOG_UNKNOWN'],
    'promised for after the certificate': [() => v1({ time: after(541) }), 'ERR_VERIFY_CERTIFICATE_TIME'],
    'promised for before the certificate': [() => v1({ time: after(-61) }), 'ERR_VERIFY_CERTIFICATE_TIME'],
    'in the future': [() => v1({ time: after(9 * year) }), 'ERR_VERIFY_CERTIFICATE_TIME'],
  };
  for (const [name, [make, code]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, make(), code));
  }

  it('are judged by the window of the log’s key, ends included', async () => {
    await accepts(world, v1(), { root: trusting(during(first, { end: after(0) })) });
    await accepts(world, v1(), { root: trusting(during(first, { start: after(0) })) });
    for (const window of [{ end: after(-1) }, { start: after(1) }]) {
      await refuses(world, v1(), 'ERR_VERIFY_LOG_UNKNOWN', { root: trusting(during(first, window)) });
    }
    const periods = [during(first, { end: after(-1) }), during(first, { start: after(0) })];
    await accepts(world, v1(), { root: trusting(...periods) });
  });

  it('of a log with a larger key are signed over its hash, or SHA-256', async () => {
    for (const kind of ['P-384', 'P-521', 'ed25519', 'rsa'] as const) {
      const key = newKey(kind);
      const log = {
        ...trustedLog({
          baseUrl: 'https://big.example.com',
          publicKey: key.publicKey,
          validFor: { start: after(-year) },
          origin: 'rekor.example.com',
        }),
        logId: sha256(key.publicKey.spki),
      };
      await accepts(world, v1({ key }), { root: trusting(log) });
      const own = { 'P-384': 'sha384', 'P-521': 'sha512' }[kind as string] as 'sha384' | undefined;
      if (own === undefined) continue;
      const signer = { ...key, sign: (message: Uint8Array) => key.sign(message, own) };
      await accepts(world, v1({ key: signer }), { root: trusting(log) });
      const only = {
        ...log,
        keyDetails: kind === 'P-384' ? 'PKIX_ECDSA_P384_SHA_256' : 'PKIX_ECDSA_P521_SHA_256',
      } as const;
      await refuses(world, v1({ key: signer }), 'ERR_VERIFY_INCLUSION_PROMISE', { root: trusting(only) });
    }
  });
});

describe('entries of Rekor v2', () => {
  it('prove no time, and need a timestamp', async () => {
    const { material } = await accepts(world, v2());
    assert.deepEqual(material.logEntries, [{ log: `https://${world.rekor2Host}`, logIndex: 5n }]);
    await refuses(world, withMaterial(v2(), { timestamps: [] }), 'ERR_VERIFY_TIME');
    await refuses(
      world,
      withMaterial(
        withEntry(v2(), (entry) => ({ ...entry, integratedTime: 1_795_338_000n })),
        { timestamps: [] },
      ),
      'ERR_VERIFY_TIME',
    );
  });

  it('of logs with other keys, and in other places, are accepted', async () => {
    for (const kind of ['P-256', 'rsa', 'ed25519'] as const) {
      const key = newKey(kind);
      const origin = 'log3.example.com';
      const log = trustedLog({
        baseUrl: `https://${origin}:8443/rekor/`,
        publicKey: key.publicKey,
        validFor: { start: after(-year) },
        origin,
      });
      await accepts(world, v2({ key, origin, name: origin }), { root: trusting(log) });
    }
  });

  const refusals: Readonly<Record<string, readonly [() => Bundle, ErrorCode]>> = {
    'without a proof': [() => v2({ proof: false }), 'ERR_VERIFY_INCLUSION_PROOF'],
    'with a promise instead of a proof': [
      () =>
        withEntry(v2({ proof: false }), (entry) => ({
          ...entry,
          integratedTime: 1n,
          signedEntryTimestamp: new Uint8Array(64),
        })),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with a promise that their log signed': [
      () =>
        withEntry(v2(), (entry) => {
          const signedEntryTimestamp = world.rekor2Key.sign(Buffer.from(promiseText(entry, 1)));
          return { ...entry, integratedTime: 1n, signedEntryTimestamp };
        }),
      'ERR_VERIFY_INCLUSION_PROMISE',
    ],
    'with another index beside the proof': [
      () => withEntry(v2(), (entry) => ({ ...entry, logIndex: 6n })),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with another index in the proof': [
      () => withProof(v2(), () => ({ logIndex: 6n })),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with the origin of another log': [() => v2({ origin: 'log9.example.com' }), 'ERR_VERIFY_CHECKPOINT'],
    'with an origin of Rekor v1': [() => v2({ origin: `${world.rekor2Host} - 1` }), 'ERR_VERIFY_CHECKPOINT'],
  };
  for (const [name, [make, code]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, make(), code));
  }

  it('are judged by the window of the log’s key at every proven time', async () => {
    await accepts(world, v2(), { root: trusting(during(second, { end: after(0) })) });
    await refuses(world, v2(), 'ERR_VERIFY_LOG_UNKNOWN', {
      root: trusting(during(second, { end: after(-1) })),
    });
    await refuses(world, v2(), 'ERR_VERIFY_LOG_UNKNOWN', {
      root: trusting(during(second, { start: after(1) })),
    });
  });

  it('of a log without a usable URL_fail', async () => {
    for (const baseUrl of ['', 'log2.example.com', 'https://']) {
      await refuses(world, v2(), 'ERR_VERIFY_CHECKPOINT', { root: trusting({ ...second, baseUrl }) });
    }
  });
});

describe('proofs', () => {
  const kinds = { 'Rekor v1': v1, 'Rekor v2': v2 } as const;
  const wrong: Readonly<
    Record<string, readonly [(proof: InclusionProof) => Partial<InclusionProof>, ErrorCode]>
  > = {
    'with a changed hash': [
      ({ hashes: [one, ...rest] }) => ({ hashes: [flip(one ?? new Uint8Array(32)), ...rest] }),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with a hash less': [({ hashes }) => ({ hashes: hashes.slice(1) }), 'ERR_VERIFY_INCLUSION_PROOF'],
    'with a hash more': [
      ({ hashes }) => ({ hashes: [...hashes, new Uint8Array(32)] }),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'without hashes': [() => ({ hashes: [] }), 'ERR_VERIFY_INCLUSION_PROOF'],
    'with a hash of another length': [
      ({ hashes: [, ...rest] }) => ({ hashes: [new Uint8Array(31), ...rest] }),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with 10,000 hashes': [
      () => ({ hashes: Array.from({ length: 10_000 }, () => new Uint8Array(32)) }),
      'ERR_VERIFY_INCLUSION_PROOF',
    ],
    'with another root': [({ rootHash }) => ({ rootHash: flip(rootHash) }), 'ERR_VERIFY_CHECKPOINT'],
    'without a root': [() => ({ rootHash: new Uint8Array(0) }), 'ERR_VERIFY_CHECKPOINT'],
    'of another size': [({ treeSize }) => ({ treeSize: treeSize + 1n }), 'ERR_VERIFY_CHECKPOINT'],
    'of a size beyond numbers': [() => ({ treeSize: 2n ** 62n }), 'ERR_VERIFY_CHECKPOINT'],
    'without a checkpoint': [() => ({ checkpoint: '' }), 'ERR_CHECKPOINT_INVALID'],
    'with a checkpoint that is none': [() => ({ checkpoint: 'hello\n' }), 'ERR_CHECKPOINT_INVALID'],
    'with a checkpoint without signatures': [
      ({ checkpoint }) => ({ checkpoint: `${checkpoint.split('\n\n')[0]}\n\n` }),
      'ERR_CHECKPOINT_INVALID',
    ],
    'with a changed checkpoint': [
      ({ checkpoint }) => ({ checkpoint: checkpoint.replace('\n1000\n', '\n1001\n') }),
      'ERR_VERIFY_CHECKPOINT',
    ],
    'with a checkpoint that is too large': [
      ({ checkpoint }) => ({ checkpoint: checkpoint + 'x'.repeat(70_000) }),
      'ERR_LIMIT_EXCEEDED',
    ],
  };
  for (const [kind, make] of Object.entries(kinds)) {
    for (const [name, [change, code]] of Object.entries(wrong)) {
      it(`${kind}: ${name}_fail`, () => refuses(world, withProof(make(), change), code));
    }
  }

  it('of another entry of the same tree_fail', async () => {
    for (const make of [v1, v2]) {
      const other = entryOf(make()).inclusionProof;
      assert.ok(other !== undefined);
      await refuses(
        world,
        withProof(make(), () => other),
        'ERR_VERIFY_INCLUSION_PROOF',
      );
    }
  });

  it('of an index outside of the tree_fail', async () => {
    const bundle = withProof(
      withEntry(v2(), (entry) => ({ ...entry, logIndex: 1_000n })),
      () => ({ logIndex: 1_000n }),
    );
    await refuses(world, bundle, 'ERR_VERIFY_INCLUSION_PROOF');
    const far = withProof(
      withEntry(v2(), (entry) => ({ ...entry, logIndex: 2n ** 60n })),
      () => ({ logIndex: 2n ** 60n }),
    );
    await refuses(world, far, 'ERR_VERIFY_INCLUSION_PROOF');
  });
});

describe('checkpoints', () => {
  it('may have signatures of others, in any order, and more of the log under other keys', async () => {
    const witness = await cosignatureSigner('witness.example/w1', {
      publicKey: newKey('ed25519').publicKey,
      sign: async () => new Uint8Array(64),
    });
    const cosigned: NoteSignature = {
      name: witness.verifier.name,
      keyId: witness.verifier.keyId,
      signature: await witness.sign(
        { origin: 'x', size: 1, root: new Uint8Array(32), extensions: [] },
        'x',
        1_000,
      ),
    };
    for (const make of [v1, v2]) {
      const name = make === v1 ? 'rekor.example.com' : world.rekor2Host;
      const others = [cosigned, line('witness.example'), line(name), line(name, newKey('ed25519'))];
      await accepts(world, make({ before: others }));
      await accepts(world, make({ behind: others }));
      await accepts(world, make({ before: others.slice(0, 2), behind: others.slice(2) }));
    }
  });

  it('may have lines after the root', async () => {
    const bundle = withProof(v1(), ({ rootHash, treeSize }) => {
      const [origin, name] = ['rekor.example.com - 4711', 'rekor.example.com'];
      const extensions = ['Timestamp: 1689177396617352539'];
      const body = encodeCheckpointBody({ origin, size: Number(treeSize), root: rootHash, extensions });
      const keyId = logIdOf(name, world.rekor1Key.publicKey).subarray(0, 4);
      return {
        checkpoint: encodeNote(body, [{ name, keyId, signature: world.rekor1Key.sign(Buffer.from(body)) }]),
      };
    });
    await accepts(world, bundle);
  });

  it('with thousands of signatures_fail', async () => {
    const many = Array.from({ length: 64 }, (_, index) => line(`w${index}`));
    await refuses(world, v2({ behind: many }), 'ERR_LIMIT_EXCEEDED');
    await accepts(world, v2({ behind: many.slice(1) }));
  });

  const forged = (key: TestKey, name: string, origin: string) => (proof: InclusionProof) => ({
    checkpoint: testCheckpoint(Number(proof.treeSize), proof.rootHash, {
      origin,
      name,
      key,
      before: [],
      behind: [],
    }),
  });
  const host = world.rekor2Host;
  const wrong: Readonly<Record<string, (proof: InclusionProof) => Partial<InclusionProof>>> = {
    'by another key of another name': forged(newKey('ed25519'), 'witness.example', host),
    'by another key of the same name': forged(newKey('ed25519'), host, host),
    'by the log under another name': forged(world.rekor2Key, 'other.example.com', host),
    'by another log that is trusted': forged(
      world.rekor1Key,
      'rekor.example.com',
      'rekor.example.com - 4711',
    ),
    'with the key’s id on another signature': ({ treeSize, rootHash }) => {
      const body = encodeCheckpointBody({
        origin: host,
        size: Number(treeSize),
        root: rootHash,
        extensions: [],
      });
      const keyId = logIdOf(host, world.rekor2Key.publicKey).subarray(0, 4);
      return {
        checkpoint: encodeNote(body, [
          { name: host, keyId, signature: newKey('ed25519').sign(Buffer.from(body)) },
        ]),
      };
    },
    'with another id on the log’s signature': ({ checkpoint }) => ({
      checkpoint: checkpoint.replace(/— (\S+) (\S+)\n/, (_, name: string, text: string) => {
        const bytes = Buffer.from(text, 'base64');
        return `— ${name} ${Buffer.from(flip(bytes, 0)).toString('base64')}\n`;
      }),
    }),
  };
  for (const [name, change] of Object.entries(wrong)) {
    it(`${name}_fail`, () => refuses(world, withProof(v2(), change), 'ERR_VERIFY_CHECKPOINT'));
  }

  it('of Rekor v1 are signed under the name in their origin_fail', async () => {
    await refuses(world, v1({ name: 'other.example.com' }), 'ERR_VERIFY_CHECKPOINT');
    await refuses(world, v1({ origin: 'other.example.com - 1' }), 'ERR_VERIFY_CHECKPOINT');
    await refuses(world, v1({ origin: 'rekor.example.com - x' }), 'ERR_VERIFY_CHECKPOINT');
    // Without the number of a tree it must be the host of the log.
    await accepts(world, v1({ origin: 'rekor.example.com' }));
    await refuses(
      world,
      v1({ origin: 'other.example.com', name: 'other.example.com' }),
      'ERR_VERIFY_CHECKPOINT',
    );
  });
});

describe('a log of the trusted root', () => {
  it('that is broken is as good as not there, and others are not affected', async () => {
    const broken: readonly TrustedLog[] = [
      { ...first, key: Uint8Array.of(1) },
      { ...first, keyDetails: 'PKIX_ED25519' },
      { ...first, keyDetails: 'PKIX_RSA_PSS' },
    ];
    for (const log of broken) {
      await refuses(world, v1(), 'ERR_VERIFY_LOG_UNKNOWN', { root: trusting(log, second) });
      await accepts(world, v1(), { root: trusting(log, first) });
      await accepts(world, v2(), { root: trusting(log, second) });
    }
  });

  it('with another key under the same identifier_fail', async () => {
    const other = trustedLog({
      baseUrl: first.baseUrl,
      publicKey: newKey().publicKey,
      validFor: first.validFor,
    });
    const judging: Judging = { root: trusting({ ...other, logId: first.logId }) };
    await refuses(world, v1(), 'ERR_VERIFY_INCLUSION_PROMISE', judging);
    await refuses(world, v1({ promise: false }), 'ERR_VERIFY_CHECKPOINT', judging);
  });
});

it('bundles that break the rules of their version are refused before_fail', () => {
  for (const bundle of [v1({ proof: false }), v2({ proof: false })]) {
    assert.throws(() => parseBundle(encodeBundle(bundle), 'x'), { code: 'ERR_BUNDLE_INVALID' });
  }
});
