import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../test/support/sigstore-world.ts';
import { after, makeAuthority, newKey, year } from '../../test/support/test-certificates.ts';
import { hashedRekordV1, hashedRekordV2, type LogChoices } from '../../test/support/test-logs.ts';
import {
  accepts,
  artifact,
  flip,
  type Judging,
  judge,
  refuses,
  signatureOf,
  withEntry,
  withMaterial,
} from '../../test/support/verification.ts';
import { utf8 } from '../core/encoding.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Bundle } from '../formats/bundle.ts';
import { encodeEntryV1 } from '../formats/log-entry-v1.ts';
import { type TrustedLog, trustedLog } from '../formats/trusted-root.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { byKeys } from './requirements.ts';

const world = new World();
const signer = world.issue();
const key = newKey();
const bare = { key };
const byKey: Judging = { signer: byKeys([key.publicKey]) };
const [first, second] = world.trustedRoot.tlogs;
assert.ok(first !== undefined && second !== undefined);

/** A bundle that several entries are about. */
function logged(
  entries: readonly ((signature: Uint8Array) => LogEntry)[],
  by: Parameters<World['blob']>[1] = { signer },
): Bundle {
  const bundle = world.blob(artifact, { ...by, log: 'none' });
  return withMaterial(bundle, { logEntries: entries.map((make) => make(signatureOf(bundle))) });
}

const v1 =
  (choices: Partial<LogChoices> = {}, by: Parameters<typeof hashedRekordV1>[2] = signer) =>
  (signature: Uint8Array) =>
    world.entryV1(hashedRekordV1(artifact, signature, by), choices);
const v2 =
  (choices: Partial<LogChoices> = {}, by: Parameters<typeof hashedRekordV2>[2] = signer) =>
  (signature: Uint8Array) =>
    world.entryV2(hashedRekordV2(artifact, signature, by), choices);

describe('thresholds', () => {
  it('count distinct logs, of either version', async () => {
    const both = logged([v1(), v2()]);
    const { material } = await accepts(world, both, { logEntries: 2 });
    assert.deepEqual(
      material.logEntries.map(({ log }) => log),
      [first.baseUrl, second.baseUrl],
    );
    await refuses(world, both, 'ERR_VERIFY_LOG_MISSING', { logEntries: 3 });
    // Another entry of the same log proves nothing new.
    const again = logged([v1(), v1({ index: 6, time: after(1) })]);
    await refuses(world, again, 'ERR_VERIFY_DUPLICATE', { logEntries: 2 });
    // Nor does one that is written in another way.
    const spellings = logged([
      v1(),
      (signature) => {
        const body = Buffer.from(encodeEntryV1(hashedRekordV1(artifact, signature, signer))).toString();
        return world.entryV1(utf8(body.replace('{', '{ ')), { index: 6 });
      },
    ]);
    await accepts(world, spellings);
    await refuses(world, spellings, 'ERR_VERIFY_LOG_MISSING', { logEntries: 2 });
  });

  it('count two keys of one log as one', async () => {
    const other = newKey('ed25519');
    const sameLog = trustedLog({
      baseUrl: second.baseUrl,
      publicKey: other.publicKey,
      validFor: second.validFor,
      origin: world.rekor2Host,
    });
    const root = { ...world.trustedRoot, tlogs: [second, sameLog] };
    const both = logged([v2(), v2({ key: other })], { signer, timestamp: true });
    await accepts(world, both, { root });
    await refuses(world, both, 'ERR_VERIFY_LOG_MISSING', { root, logEntries: 2 });
  });

  it('count logs, and timestamp authorities, of one operator as one', async () => {
    const both = logged([v1(), v2()]);
    const operated = (...operators: readonly string[]) => ({
      root: {
        ...world.trustedRoot,
        tlogs: world.trustedRoot.tlogs.map((log, index) => ({ ...log, operator: operators[index] ?? '' })),
      },
      logEntries: 2,
    });
    await accepts(world, both, operated('example.com', 'example.net'));
    await refuses(world, both, 'ERR_VERIFY_LOG_MISSING', operated('example.com', 'example.com'));
    const second = makeAuthority('second', newKey());
    const tsa = world.makeTsa({ key: newKey(), issuer: second });
    const bundle = world.blob(artifact);
    const stamps = [undefined, tsa].map((authority) =>
      world.timestamp(signatureOf(bundle), authority === undefined ? {} : { authority }),
    );
    const stamped = withMaterial(bundle, { timestamps: stamps });
    const [known] = world.trustedRoot.timestampAuthorities;
    assert.ok(known !== undefined);
    const more = { ...known, uri: 'https://second.example.com', chain: [tsa.der, second.der] };
    const authorities = (operator: object) => ({
      root: {
        ...world.trustedRoot,
        timestampAuthorities: [known, more].map((one) => ({ ...one, ...operator })),
      },
      timestamps: 2,
    });
    await accepts(world, stamped, authorities({}));
    await refuses(world, stamped, 'ERR_VERIFY_TIMESTAMP_MISSING', authorities({ operator: 'example.com' }));
  });

  it('leave out entries of logs that are unknown', async () => {
    const stranger = v1({ key: newKey() });
    await accepts(world, logged([stranger, v1()]));
    await refuses(world, logged([stranger, v1()]), 'ERR_VERIFY_LOG_UNKNOWN', { logEntries: 2 });
    await refuses(world, logged([stranger]), 'ERR_VERIFY_LOG_UNKNOWN');
    await refuses(world, logged([]), 'ERR_VERIFY_LOG_MISSING');
    // Nothing about such an entry is looked at.
    const odd = (): LogEntry => ({ ...world.entryV1(new Uint8Array(3), { key: newKey() }), kind: 'x' });
    await accepts(world, logged([odd, v1()]));
  });

  it('count an entry without a time under whichever period of its log the proven times are in', async () => {
    const stamped = world.blob(artifact, { timestamp: true, logged: { promise: false } });
    const earlier = { ...first, validFor: { ...first.validFor, end: after(-1) } };
    const later = { ...first, validFor: { start: after(1) } };
    const root = (tlogs: readonly TrustedLog[]) => ({ root: { ...world.trustedRoot, tlogs } });
    await accepts(world, stamped, root([earlier, first]));
    await accepts(world, stamped, root([first, earlier]));
    await refuses(world, stamped, 'ERR_VERIFY_LOG_UNKNOWN', root([earlier, later]));
    await refuses(world, stamped, 'ERR_VERIFY_LOG_UNKNOWN', root([earlier]));
  });

  it('do not leave out entries of known logs that are wrong_fail', async () => {
    for (const wrong of [v1({}, world.issue()), v1({ promise: false, name: 'x' })]) {
      await assert.rejects(judge(world, logged([v2(), wrong], { signer, timestamp: true })));
      await assert.rejects(judge(world, logged([wrong, v2()], { signer, timestamp: true })));
    }
  });

  it('of 0 need nothing, and what is there of known logs must be right all the same', async () => {
    const nothing = { logEntries: 0, timestamps: 0 };
    await accepts(world, world.blob(artifact, { log: 'none', timestamp: true }), nothing);
    await refuses(world, world.blob(artifact, { log: 'none' }), 'ERR_VERIFY_TIME', nothing);
    const wrong = withEntry(world.blob(artifact, { timestamp: true }), (entry) => ({
      ...entry,
      logIndex: entry.logIndex + 1n,
    }));
    await refuses(world, wrong, 'ERR_VERIFY_INCLUSION_PROMISE', nothing);
  });

  it('are whole numbers_fail', async () => {
    for (const count of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const name of ['logEntries', 'timestamps', 'certificateTimestamps']) {
        await refuses(world, world.blob(artifact), 'ERR_USAGE', { [name]: count });
      }
    }
  });
});

describe('the same thing twice', () => {
  it('is refused, however little differs_fail', async () => {
    const [one] = logged([v1()]).material.logEntries;
    assert.ok(one !== undefined);
    const bundle = logged([v1()]);
    const [entry] = bundle.material.logEntries;
    assert.ok(entry !== undefined);
    const twins: readonly LogEntry[] = [
      entry,
      { ...entry },
      { ...entry, logIndex: entry.logIndex + 1n },
      { ...entry, integratedTime: 1n },
      { ...entry, canonicalizedBody: flip(entry.canonicalizedBody) },
    ];
    for (const twin of twins) {
      const twice = withMaterial(bundle, { logEntries: [entry, twin] });
      await refuses(world, twice, 'ERR_VERIFY_DUPLICATE');
      await refuses(world, twice, 'ERR_VERIFY_DUPLICATE', { logEntries: 0 });
    }
  });
});

describe('signatures by a key', () => {
  const signed = (log: 'v1' | 'v2' | 'none', timestamp = false) =>
    world.blob(artifact, { signer: bare, log, timestamp });

  it('need nothing else unless it is asked for', async () => {
    const { material } = await accepts(world, signed('none'), byKey);
    assert.deepEqual(material, { times: [], logEntries: [] });
    await accepts(world, signed('none'), { ...byKey, trust: undefined });
    const wrong = withEntry(signed('v1'), (entry) => ({ ...entry, logIndex: 0n }));
    await judge(world, wrong, { ...byKey, trust: undefined });
    await refuses(world, wrong, 'ERR_VERIFY_INCLUSION_PROMISE', byKey);
  });

  it('are logged and timestamped when that is asked for', async () => {
    const cases: readonly (readonly [Bundle, Judging, ErrorCode?])[] = [
      [signed('v1'), { logEntries: 1 }],
      [signed('v2'), { logEntries: 1 }],
      [signed('v1', true), { logEntries: 1, timestamps: 1 }],
      [signed('none', true), { timestamps: 1 }],
      [signed('none'), { logEntries: 1 }, 'ERR_VERIFY_LOG_MISSING'],
      [signed('v1'), { timestamps: 1 }, 'ERR_VERIFY_TIMESTAMP_MISSING'],
      [signed('v1'), { logEntries: 2 }, 'ERR_VERIFY_LOG_MISSING'],
    ];
    for (const [bundle, asked, code] of cases) {
      if (code === undefined) await accepts(world, bundle, { ...byKey, ...asked });
      else await refuses(world, bundle, code, { ...byKey, ...asked });
    }
  });

  it('in a retired log need a proven time', async () => {
    const retired: TrustedLog = { ...second, validFor: { start: after(-year), end: after(60) } };
    const root = { ...world.trustedRoot, tlogs: [retired] };
    const judging = { ...byKey, root, logEntries: 1 };
    await refuses(world, signed('v2'), 'ERR_VERIFY_TIME', judging);
    await accepts(world, signed('v2', true), judging);
    const { material } = await accepts(world, signed('v2'), { ...judging, logEntries: 0 });
    assert.deepEqual(material.logEntries, []);
  });

  it('are logged by that key_fail', async () => {
    const bundle = logged([v1({}, { key: newKey() })], { signer: bare });
    await refuses(world, bundle, 'ERR_VERIFY_LOG_ENTRY', { ...byKey, logEntries: 1 });
  });

  it('do not satisfy an identity, and the reverse_fail', async () => {
    await refuses(world, signed('v1', true), 'ERR_VERIFY_NO_CERTIFICATE');
    await refuses(world, world.blob(artifact), 'ERR_VERIFY_KEY_MISMATCH', byKey);
    await refuses(world, signed('v1'), 'ERR_VERIFY_SIGNATURE', { signer: byKeys([newKey().publicKey]) });
    await refuses(world, signed('v1'), 'ERR_VERIFY_SIGNATURE', { signer: byKeys([]) });
    const { signedBy } = await accepts(world, world.blob(artifact, { signer }), {
      signer: byKeys([signer.key.publicKey]),
    });
    assert.equal(signedBy.kind, 'key');
  });

  it('may be by any of several keys, whatever the hint says', async () => {
    const others = [newKey().publicKey, newKey('ed25519').publicKey];
    for (const hint of ['', key.publicKey.hint, others[0]?.hint ?? '', 'x']) {
      const bundle = withMaterial(signed('v1'), { publicKeyHint: hint });
      await accepts(world, bundle, { signer: byKeys([...others, key.publicKey]), logEntries: 1 });
    }
  });
});

describe('what is required', () => {
  it('of identities needs a trusted root and somebody_fail', async () => {
    await refuses(world, world.blob(artifact), 'ERR_TRUST', { trust: undefined });
    await refuses(world, world.blob(artifact), 'ERR_USAGE', {
      signer: { kind: 'identities', identities: [] },
    });
    const bundle = world.blob(artifact, { signer: bare });
    await refuses(world, bundle, 'ERR_TRUST', { ...byKey, trust: undefined, logEntries: 1 });
    await refuses(world, bundle, 'ERR_TRUST', { ...byKey, trust: undefined, timestamps: 1 });
  });

  it('may be judged at a time given, when none is proven', async () => {
    const bundle = world.blob(artifact, { log: 'none' });
    const judging = { logEntries: 0, fallbackTime: after(0) };
    const { material } = await accepts(world, bundle, judging);
    assert.deepEqual(material.times, []);
    await refuses(world, bundle, 'ERR_VERIFY_CERTIFICATE_TIME', { ...judging, fallbackTime: after(600) });
    // What is proven counts, and the time given does not.
    await accepts(world, world.blob(artifact), { fallbackTime: after(600) });
  });

  it('by a trusted root of another instance is not there_fail', async () => {
    const elsewhere = new World();
    await refuses(elsewhere, world.blob(artifact), 'ERR_VERIFY_CERTIFICATE');
    const keyed = world.blob(artifact, { signer: bare });
    await refuses(elsewhere, keyed, 'ERR_VERIFY_LOG_UNKNOWN', { ...byKey, logEntries: 1 });
    const empty = { tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
    await refuses(world, world.blob(artifact), 'ERR_VERIFY_CERTIFICATE', { root: empty });
    await refuses(world, world.blob(artifact), 'ERR_VERIFY_SCT', {
      root: { ...world.trustedRoot, ctlogs: [] },
    });
    await refuses(world, world.blob(artifact), 'ERR_VERIFY_LOG_UNKNOWN', {
      root: { ...world.trustedRoot, tlogs: [] },
    });
    const stamped = world.blob(artifact, { log: 'v2' });
    const root = { ...world.trustedRoot, timestampAuthorities: [] };
    await refuses(world, stamped, 'ERR_VERIFY_TIMESTAMP', { root });
  });
});
