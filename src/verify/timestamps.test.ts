import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type TimestampChoices, World } from '../../test/support/sigstore-world.ts';
import {
  after,
  makeAuthority,
  newKey,
  type TestAuthority,
  year,
} from '../../test/support/test-certificates.ts';
import {
  accepts,
  artifact,
  flip,
  refuses,
  signatureOf,
  withMaterial,
} from '../../test/support/verification.ts';
import { derBoolean, derNull, derOid, derSequence } from '../core/der.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import {
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  keyPurposes,
} from '../formats/extensions.ts';
import { type TrustedAuthority, type TrustedRoot, trustedAuthority } from '../formats/trusted-root.ts';
import { verifyTimestamp } from './timestamps.ts';
import { openTrust } from './trust.ts';

const world = new World();
const { timeStamping, codeSigning } = keyPurposes;
const bundle = world.blob(artifact, { log: 'v2', timestamp: false });
const signature = signatureOf(bundle);
const stamped = (...timestamps: readonly Uint8Array[]) => withMaterial(bundle, { timestamps });
const stamp = (choices: TimestampChoices = {}) => stamped(world.timestamp(signature, choices));

function authority(
  chain: readonly TestAuthority[],
  validFor: object = {},
  uri = 'https://tsa.example.com',
): TrustedAuthority {
  return trustedAuthority(
    uri,
    chain.map(({ der }) => der),
    { start: after(-year), ...validFor },
  );
}

const trusting = (...timestampAuthorities: readonly TrustedAuthority[]): TrustedRoot => ({
  ...world.trustedRoot,
  timestampAuthorities,
});

describe('timestamps', () => {
  it('prove the time, over any hash of SHA-2, with the certificate inside or not', async () => {
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      for (const embed of [true, false]) {
        const { material } = await accepts(world, stamp({ hash, embed, time: after(7) }));
        assert.deepEqual(material.times, [
          { source: 'timestamp', time: after(7), authority: 'https://tsa.example.com' },
        ]);
      }
    }
  });

  it('are of the signature, or of the whole that is stored with it, and of nothing else', () => {
    const trust = openTrust(world.trustedRoot);
    const whole = new Uint8Array([...signature, ...artifact]);
    for (const message of [signature, whole]) {
      assert.ok(verifyTimestamp(world.timestamp(message), signature, trust, whole));
    }
    for (const [message, stored] of [
      [whole, undefined],
      [flip(whole), whole],
      [artifact, whole],
    ] as const) {
      assert.throws(
        () => verifyTimestamp(world.timestamp(message), signature, trust, stored),
        (error) => isBoltsealError(error, 'ERR_VERIFY_TIMESTAMP'),
      );
    }
  });

  it('of authorities of every kind of key are accepted, RSA with and without its hash in the name', async () => {
    for (const kind of ['P-384', 'ed25519', 'rsa'] as const) {
      const tsa = world.makeTsa({ key: newKey(kind) });
      await accepts(world, stamp({ authority: tsa }), { root: trusting(authority([tsa, world.tsaRoot])) });
    }
    const tsa = world.makeTsa({ key: newKey('rsa') });
    const algorithm = derSequence(derOid('1.2.840.113549.1.1.1'), derNull());
    await accepts(world, stamp({ authority: tsa, algorithm }), {
      root: trusting(authority([tsa, world.tsaRoot])),
    });
  });

  it('of authorities with intermediates are accepted', async () => {
    for (const purposes of [undefined, [timeStamping]]) {
      const middle = makeAuthority('tsa middle', newKey(), {
        issuer: world.tsaRoot,
        ...(purposes === undefined ? {} : { purposes }),
      });
      const tsa = world.makeTsa({ issuer: middle });
      await accepts(world, stamp({ authority: tsa }), {
        root: trusting(authority([tsa, middle, world.tsaRoot])),
      });
    }
  });

  it('of authorities whose anchor is an intermediate, or whose chain is in another order, are accepted', async () => {
    const middle = makeAuthority('tsa middle', newKey(), { issuer: world.tsaRoot });
    const lower = makeAuthority('tsa lower', newKey(), { issuer: middle });
    const tsa = world.makeTsa({ issuer: lower });
    for (const chain of [
      [tsa, lower, middle],
      [tsa, middle, lower, world.tsaRoot],
      [tsa, lower, middle, world.tsaRoot, world.tsaRoot],
    ]) {
      await accepts(world, stamp({ authority: tsa }), { root: trusting(authority(chain)) });
    }
  });

  it('of authorities whose first certificate does not sign, or is not below the anchor, do not count_fail', async () => {
    const { tsa, tsaRoot } = world;
    for (const chain of [[tsa], [tsaRoot, tsa], [tsaRoot], [tsa, makeAuthority('x', newKey())]]) {
      await refuses(world, stamp(), 'ERR_VERIFY_TIMESTAMP', { root: trusting(authority(chain)) });
    }
  });

  it('of unknown authorities do not count, and do no harm', async () => {
    const stranger = world.makeTsa({ key: newKey(), issuer: makeAuthority('x', newKey()) });
    const [good, other] = [world.timestamp(signature), world.timestamp(signature, { authority: stranger })];
    await accepts(world, stamped(other, good));
    await refuses(world, stamped(other, good), 'ERR_VERIFY_TIMESTAMP', { timestamps: 2 });
  });

  it('count by distinct authorities', async () => {
    const second = world.makeTsa({ key: newKey(), issuer: makeAuthority('second', newKey()) });
    const both = stamped(world.timestamp(signature), world.timestamp(signature, { authority: second }));
    const first = authority([world.tsa, world.tsaRoot]);
    const root = { issuer: makeAuthority('second', newKey()) };
    const tsa = world.makeTsa({ key: newKey(), ...root });
    const separate = stamped(world.timestamp(signature), world.timestamp(signature, { authority: tsa }));
    const chain = [tsa, root.issuer];
    await accepts(world, separate, {
      root: trusting(first, authority(chain, {}, 'https://b.example.com')),
      timestamps: 2,
    });
    await refuses(world, separate, 'ERR_VERIFY_TIMESTAMP_MISSING', {
      root: trusting(first, authority(chain)),
      timestamps: 2,
    });
    const again = stamped(world.timestamp(signature), world.timestamp(signature, { time: after(1) }));
    await accepts(world, again);
    await refuses(world, again, 'ERR_VERIFY_TIMESTAMP_MISSING', { timestamps: 2 });
    await refuses(world, both, 'ERR_VERIFY_TIMESTAMP', { timestamps: 2 });
  });

  it('are judged by the windows of their authority and its certificates, ends included', async () => {
    const usual = [world.tsa, world.tsaRoot];
    await accepts(world, stamp(), { root: trusting(authority(usual, { end: after(0) })) });
    await accepts(world, stamp(), { root: trusting(authority(usual, { start: after(0) })) });
    await refuses(world, stamp(), 'ERR_VERIFY_TIMESTAMP', {
      root: trusting(authority(usual, { end: after(-1) })),
    });
    await refuses(world, stamp(), 'ERR_VERIFY_TIMESTAMP', {
      root: trusting(authority(usual, { start: after(1) })),
    });
    const periods = [authority(usual, { end: after(-1) }), authority(usual, { start: after(0) })];
    await accepts(world, stamp(), { root: trusting(...periods) });
    for (const [notBefore, notAfter, isRight] of [
      [after(0), after(0), true],
      [after(1), after(9), false],
      [after(-9), after(-1), false],
    ] as const) {
      const tsa = world.makeTsa({ notBefore, notAfter });
      const root = makeAuthority('tsa root', newKey(), { notBefore, notAfter });
      const below = world.makeTsa({ issuer: root });
      for (const chain of [
        [tsa, world.tsaRoot],
        [below, root],
      ]) {
        const [signer] = chain;
        assert.ok(signer !== undefined);
        const judging = { root: trusting(authority(chain)) };
        if (isRight) await accepts(world, stamp({ authority: signer }), judging);
        else await refuses(world, stamp({ authority: signer }), 'ERR_VERIFY_TIMESTAMP', judging);
      }
    }
  });

  const refusals: Readonly<Record<string, readonly [() => Uint8Array, ErrorCode]>> = {
    'of another signature': [() => world.timestamp(flip(signature)), 'ERR_VERIFY_TIMESTAMP'],
    'by another key under the name of the authority': [
      () => world.timestamp(signature, { authority: { ...world.tsa, key: newKey() } }),
      'ERR_VERIFY_TIMESTAMP',
    ],
    'with a changed signature': [() => flip(world.timestamp(signature)), 'ERR_VERIFY_TIMESTAMP'],
    'by an unknown authority, with its certificate inside': [
      () =>
        world.timestamp(signature, {
          authority: world.makeTsa({ key: newKey(), issuer: makeAuthority('x', newKey()) }),
          embed: true,
        }),
      'ERR_VERIFY_TIMESTAMP',
    ],
    'by an authority that a trusted one issued, with its certificate inside': [
      () =>
        world.timestamp(signature, {
          authority: world.makeTsa({ key: newKey(), notAfter: after(99) }),
          embed: true,
        }),
      'ERR_VERIFY_TIMESTAMP',
    ],
    'that is none': [() => Uint8Array.of(0x30, 0), 'ERR_TIMESTAMP_INVALID'],
    'that was refused': [() => Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 2), 'ERR_TIMESTAMP_INVALID'],
    'that is empty': [() => new Uint8Array(0), 'ERR_TIMESTAMP_INVALID'],
    'with something behind it': [
      () => Uint8Array.from([...world.timestamp(signature), 0]),
      'ERR_TIMESTAMP_INVALID',
    ],
    'that is too large': [() => new Uint8Array(70_000), 'ERR_LIMIT_EXCEEDED'],
  };
  for (const [name, [make, code]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, stamped(make()), code));
  }

  it('that name another certificate than the one that signed_fail', async () => {
    // The same key and names, another certificate: the attribute that is signed names only one of them.
    const twin = world.makeTsa({ notAfter: after(99) });
    await refuses(world, stamp({ named: twin.der }), 'ERR_VERIFY_TIMESTAMP');
  });

  it('are not made up for by others that are right_fail', async () => {
    const bad = world.timestamp(flip(signature));
    await refuses(world, stamped(world.timestamp(signature), bad), 'ERR_VERIFY_TIMESTAMP');
  });

  it('that are there twice_fail', async () => {
    const one = world.timestamp(signature);
    await refuses(world, stamped(one, Uint8Array.from(one)), 'ERR_VERIFY_DUPLICATE');
  });
});

describe('a timestamp authority', () => {
  const uses = encodeKeyUsage(['digitalSignature']);
  const purpose = encodeExtendedKeyUsage([timeStamping], true);
  const wrong: Readonly<Record<string, readonly Uint8Array[]>> = {
    'whose purpose is not critical': [uses, encodeExtendedKeyUsage([timeStamping])],
    'with another purpose too': [uses, encodeExtendedKeyUsage([timeStamping, codeSigning], true)],
    'for another purpose': [uses, encodeExtendedKeyUsage([codeSigning], true)],
    'without purpose': [uses],
    'that is an authority': [uses, purpose, encodeBasicConstraints({ ca: true, pathLength: undefined })],
    'that must not sign': [encodeKeyUsage(['keyEncipherment']), purpose],
    'with a critical extension that is unknown': [
      uses,
      purpose,
      encodeExtension('1.2.3', derBoolean(true), true),
    ],
  };
  for (const [name, extensions] of Object.entries(wrong)) {
    it(`${name}_fail`, async () => {
      const tsa = world.makeTsa({ extensions });
      const root = trusting(authority([tsa, world.tsaRoot]));
      await refuses(world, stamp({ authority: tsa }), 'ERR_VERIFY_TIMESTAMP', { root });
      // The other one of the trusted root is not affected.
      const both = trusting(authority([tsa, world.tsaRoot]), authority([world.tsa, world.tsaRoot]));
      await accepts(world, stamp(), { root: both });
    });
  }

  it('of the trusted root begins with what signs_fail', async () => {
    const root = trusting(authority([world.tsaRoot]));
    await refuses(world, stamp({ embed: true }), 'ERR_VERIFY_TIMESTAMP', { root });
  });

  it('whose issuer is for another purpose, or has not issued it_fail', async () => {
    const other = makeAuthority('x', newKey(), { purposes: [codeSigning] });
    const tsa = world.makeTsa({ issuer: other });
    await refuses(world, stamp({ authority: tsa }), 'ERR_VERIFY_TIMESTAMP', {
      root: trusting(authority([tsa, other])),
    });
    await refuses(world, stamp(), 'ERR_VERIFY_TIMESTAMP', {
      root: trusting(authority([world.tsa, makeAuthority('tsa root', newKey())])),
    });
  });
});
