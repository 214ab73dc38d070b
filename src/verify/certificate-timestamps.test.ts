import { describe, it } from 'node:test';
import { World } from '../../test/support/sigstore-world.ts';
import {
  after,
  type LeafChoices,
  newKey,
  type TestAuthority,
  year,
} from '../../test/support/test-certificates.ts';
import { accepts, artifact, flip, refuses } from '../../test/support/verification.ts';
import { derOctetString } from '../core/der.ts';
import { leafIndexExtension } from '../formats/ct-entry.ts';
import { encodeExtension } from '../formats/extensions.ts';
import { encodePem } from '../formats/pem.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import { sctListOid } from '../formats/sct.ts';
import { type TrustedLog, type TrustedRoot, trustedLog } from '../formats/trusted-root.ts';

const world = new World();
const secondKey = newKey();
const rsaKey = newKey('rsa');

const logOf = (
  key: { publicKey: Parameters<typeof trustedLog>[0]['publicKey'] },
  url: string,
  window: object = {},
) => trustedLog({ baseUrl: url, publicKey: key.publicKey, validFor: { start: after(-year), ...window } });

const usual = logOf(world.ctKey, 'https://ct.example.com');
const second = logOf(secondKey, 'https://ct2.example.com');

const trusting = (...ctlogs: readonly TrustedLog[]): TrustedRoot => ({ ...world.trustedRoot, ctlogs });

const signedWith = (scts: NonNullable<LeafChoices['scts']>, leaf: LeafChoices = {}) =>
  world.blob(artifact, { signer: world.issue({ ...leaf, scts }) });

type Maker = (tbs: Uint8Array, issuer: TestAuthority) => Uint8Array;
const first: Maker = (tbs, issuer) => world.sct(tbs, issuer);
const by =
  (choices: NonNullable<Parameters<World['sct']>[2]>): Maker =>
  (tbs, issuer) =>
    world.sct(tbs, issuer, choices);

describe('certificate timestamps', () => {
  it('of a trusted log are accepted, among those of logs that are unknown', async () => {
    const unknown = by({ key: newKey() });
    await accepts(
      world,
      signedWith((...of) => [unknown(...of), first(...of), unknown(...of)]),
    );
  });

  it('of a static log, which have an index, are accepted', async () => {
    const indexed = by({ extensions: leafIndexExtension(4711) });
    await accepts(
      world,
      signedWith((...of) => [indexed(...of)]),
    );
  });

  it('of a log with an RSA key are accepted, in either spelling of the key', async () => {
    const bundle = signedWith((...of) => [by({ key: rsaKey })(...of)]);
    const log = logOf(rsaKey, 'https://rsa.example.com');
    await accepts(world, bundle, { root: trusting(log) });
    const pkcs1 = rsaKey.privateKey.export({ type: 'pkcs1', format: 'der' });
    const asPublic = parsePublicKey(encodePem('PUBLIC KEY', log.key)).key.export({
      type: 'pkcs1',
      format: 'der',
    });
    const old: TrustedLog = { ...log, key: asPublic, keyDetails: 'PKCS1_RSA_PKCS1V5' };
    await accepts(world, bundle, { root: trusting(old) });
    await refuses(world, bundle, 'ERR_VERIFY_SCT', { root: trusting({ ...old, key: pkcs1 }) });
  });

  it('count by distinct logs', async () => {
    const both = signedWith((...of) => [first(...of), by({ key: secondKey })(...of)]);
    await accepts(world, both, { root: trusting(usual, second), certificateTimestamps: 2 });
    await refuses(world, both, 'ERR_VERIFY_SCT', { certificateTimestamps: 2 });
    const twice = signedWith((...of) => [first(...of), by({ time: after(1) })(...of)]);
    await accepts(world, twice);
    await refuses(world, twice, 'ERR_VERIFY_SCT', {
      root: trusting(usual, second),
      certificateTimestamps: 2,
    });
    // Two keys of one log are one log.
    const sameLog = logOf(secondKey, 'https://ct.example.com');
    await refuses(world, both, 'ERR_VERIFY_SCT', {
      root: trusting(usual, sameLog),
      certificateTimestamps: 2,
    });
  });

  it('are not needed when none is required', async () => {
    await accepts(
      world,
      signedWith(() => []),
      { certificateTimestamps: 0 },
    );
    await accepts(
      world,
      signedWith((...of) => [by({ key: newKey() })(...of)]),
      { certificateTimestamps: 0 },
    );
  });

  it('of a log that is trusted when they were made', async () => {
    const bundle = signedWith((...of) => [first(...of)]);
    const windows = [
      [{ end: after(0) }, true],
      [{ start: after(0) }, true],
      [{ end: after(-0.001) }, false],
      [{ start: after(0.001) }, false],
    ] as const;
    for (const [window, isRight] of windows) {
      const root = trusting(logOf(world.ctKey, 'https://ct.example.com', window));
      if (isRight) await accepts(world, bundle, { root });
      else await refuses(world, bundle, 'ERR_VERIFY_SCT', { root });
    }
    const parts = [{ end: after(-1) }, { start: after(0) }].map((window) =>
      logOf(world.ctKey, 'https://ct.example.com', window),
    );
    await accepts(world, bundle, { root: trusting(...parts) });
  });

  it('missing_fail', () =>
    refuses(
      world,
      signedWith(() => []),
      'ERR_VERIFY_SCT',
    ));

  it('of unknown logs alone_fail', () =>
    refuses(
      world,
      signedWith((...of) => [by({ key: newKey() })(...of)]),
      'ERR_VERIFY_SCT',
    ));

  it('by another key under the name of the log_fail', async () => {
    // Twice the same identifier: the first 32 bytes of the SCT behind its version.
    const forged: Maker = (...of) => {
      const sct = Uint8Array.from(by({ key: newKey() })(...of));
      sct.set(usual.logId, 1);
      return sct;
    };
    await refuses(
      world,
      signedWith((...of) => [forged(...of)]),
      'ERR_VERIFY_SCT',
    );
    // One that is right does not make up for one that is wrong.
    await refuses(
      world,
      signedWith((...of) => [first(...of), forged(...of)]),
      'ERR_VERIFY_SCT',
    );
  });

  it('with a changed signature, time or extension_fail', async () => {
    for (const at of [-1, 40, 50]) {
      await refuses(
        world,
        signedWith((...of) => [flip(by({ extensions: leafIndexExtension(1) })(...of), at)]),
        'ERR_VERIFY_SCT',
      );
    }
  });

  it('for another issuer, or for another certificate_fail', async () => {
    const other: Maker = (tbs) => world.sct(tbs, world.root);
    await refuses(
      world,
      signedWith((...of) => [other(...of)]),
      'ERR_VERIFY_SCT',
    );
    const elsewhere: Maker = (tbs, issuer) => first(flip(tbs, 40), issuer);
    await refuses(
      world,
      signedWith((...of) => [elsewhere(...of)]),
      'ERR_VERIFY_SCT',
    );
  });

  it('malformed_fail', async () => {
    await refuses(
      world,
      signedWith((...of) => [first(...of).subarray(0, -1)]),
      'ERR_CERTIFICATE_INVALID',
    );
    await refuses(
      world,
      signedWith((...of) => [flip(first(...of), 0)]),
      'ERR_CERTIFICATE_INVALID',
    );
    const extra = [encodeExtension(sctListOid, derOctetString(Uint8Array.of(0, 0)))];
    await refuses(
      world,
      signedWith(() => [], { extra }),
      'ERR_CERTIFICATE_INVALID',
    );
    await refuses(
      world,
      signedWith((...of) => Array.from({ length: 33 }, () => first(...of))),
      'ERR_LIMIT_EXCEEDED',
    );
  });

  it('of a log whose key is broken_fail', async () => {
    const bundle = signedWith((...of) => [first(...of)]);
    const broken: readonly TrustedLog[] = [
      { ...usual, key: Uint8Array.of(1, 2) },
      { ...usual, keyDetails: 'PKIX_ECDSA_P384_SHA_384' },
      { ...usual, keyDetails: 'PKIX_RSA_PKCS1V5' },
      { ...usual, keyDetails: 'ML_DSA_65' },
    ];
    for (const log of broken) {
      await refuses(world, bundle, 'ERR_VERIFY_SCT', { root: trusting(log) });
      await accepts(world, bundle, { root: trusting(log, usual) });
    }
  });
});
