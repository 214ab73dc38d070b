import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../test/support/sigstore-world.ts';
import {
  after,
  type LeafChoices,
  makeAuthority,
  newKey,
  type TestAuthority,
  year,
} from '../../test/support/test-certificates.ts';
import { accepts, artifact, type Judging, refuses, withMaterial } from '../../test/support/verification.ts';
import { derBoolean, derNull, derOctetString, derSequence } from '../core/der.ts';
import type { ErrorCode } from '../core/errors.ts';
import {
  encodeBasicConstraints,
  encodeExtension,
  extensionOids,
  keyPurposes,
} from '../formats/extensions.ts';
import { encodeName } from '../formats/name.ts';
import { poisonOid } from '../formats/sct.ts';
import { signatureAlgorithms } from '../formats/signature-algorithm.ts';
import { type TrustedRoot, trustedAuthority } from '../formats/trusted-root.ts';

const world = new World();
const { codeSigning, timeStamping } = keyPurposes;

/** The world's trusted root with other certificate authorities. */
function trusting(chains: readonly (readonly TestAuthority[])[], validFor: object = {}): TrustedRoot {
  return {
    ...world.trustedRoot,
    certificateAuthorities: chains.map((chain) =>
      trustedAuthority(
        'https://fulcio.example.com',
        chain.map(({ der }) => der),
        { start: after(-year), ...validFor },
      ),
    ),
  };
}

const signedBy = (leaf: LeafChoices) => world.blob(artifact, { signer: world.issue(leaf) });

describe('a signer’s certificate', () => {
  it('of every kind of key is accepted', async () => {
    for (const [kind, hash] of [
      ['P-256', 'sha256'],
      ['P-384', 'sha256'],
      ['P-384', 'sha384'],
      ['P-521', 'sha512'],
      ['rsa', 'sha256'],
    ] as const) {
      const evidence = await accepts(
        world,
        world.blob(artifact, { signer: world.issue({ key: newKey(kind) }), hash }),
      );
      assert.ok(evidence.signedBy.kind === 'certificate');
      assert.equal(evidence.signedBy.hash, hash);
    }
  });

  it('with more purposes, a subject, and extensions that are not critical is accepted', async () => {
    await accepts(world, signedBy({ purposes: [timeStamping, codeSigning] }));
    await accepts(world, signedBy({ subject: encodeName({ commonName: 'someone' }) }));
    await accepts(world, signedBy({ extra: [encodeExtension('1.2.3.4', derBoolean(true))] }));
    await accepts(world, signedBy({ extra: [encodeBasicConstraints({ ca: false, pathLength: undefined })] }));
  });

  const refusals: Readonly<Record<string, readonly [LeafChoices, ErrorCode]>> = {
    'of an authority': [
      { extra: [encodeBasicConstraints({ ca: true, pathLength: undefined })] },
      'ERR_VERIFY_CERTIFICATE',
    ],
    'that may issue certificates': [{ uses: ['digitalSignature', 'keyCertSign'] }, 'ERR_VERIFY_CERTIFICATE'],
    'without key usage': [{ uses: [] }, 'ERR_VERIFY_CERTIFICATE'],
    'for key agreement': [{ uses: ['keyAgreement'] }, 'ERR_VERIFY_CERTIFICATE'],
    'without purpose': [{ purposes: [] }, 'ERR_VERIFY_CERTIFICATE'],
    'for servers': [{ purposes: ['1.3.6.1.5.5.7.3.1'] }, 'ERR_VERIFY_CERTIFICATE'],
    'for any purpose': [{ purposes: ['2.5.29.37.0'] }, 'ERR_VERIFY_CERTIFICATE'],
    'for timestamps': [{ purposes: [timeStamping] }, 'ERR_VERIFY_CERTIFICATE'],
    'with a critical extension that is unknown': [
      { extra: [encodeExtension('1.2.3.4', derBoolean(true), true)] },
      'ERR_VERIFY_CERTIFICATE',
    ],
    'that is a precertificate': [
      { extra: [encodeExtension(poisonOid, derNull())] },
      'ERR_VERIFY_CERTIFICATE',
    ],
    'with critical name constraints': [
      { extra: [encodeExtension(extensionOids.nameConstraints, derSequence(), true)] },
      'ERR_VERIFY_CERTIFICATE',
    ],
    'without a name': [{ names: [] }, 'ERR_VERIFY_CERTIFICATE'],
    'not yet valid': [{ notBefore: after(1) }, 'ERR_VERIFY_CERTIFICATE_TIME'],
    'not valid any more': [{ notAfter: after(-1) }, 'ERR_VERIFY_CERTIFICATE_TIME'],
    'by somebody else under the same name': [
      { issuer: { ...world.ca, key: newKey() } },
      'ERR_VERIFY_CERTIFICATE',
    ],
    'by another authority': [{ issuer: makeAuthority('other', newKey()) }, 'ERR_VERIFY_CERTIFICATE'],
  };
  for (const [name, [leaf, code]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(world, signedBy(leaf), code));
  }

  it('is valid at both of its ends', async () => {
    await accepts(world, signedBy({ notBefore: after(0) }));
    await accepts(world, signedBy({ notAfter: after(0) }));
  });

  it('must be valid at every proven time, not at one of them_fail', async () => {
    const bundle = signedBy({ notAfter: after(10) });
    const { content } = bundle;
    assert.ok(content.kind === 'message');
    const stamped = (seconds: number) =>
      withMaterial(bundle, { timestamps: [world.timestamp(content.signature, { time: after(seconds) })] });
    await accepts(world, stamped(10));
    await refuses(world, stamped(11), 'ERR_VERIFY_CERTIFICATE_TIME');
    await refuses(world, stamped(-61), 'ERR_VERIFY_CERTIFICATE_TIME');
  });

  it('is not the root, whatever signs with it_fail', async () => {
    const signer = { key: world.root.key, certificate: world.root.der };
    await refuses(world, world.blob(artifact, { signer }), 'ERR_VERIFY_CERTIFICATE');
    const issuing = { key: world.ca.key, certificate: world.ca.der };
    await refuses(world, world.blob(artifact, { signer: issuing }), 'ERR_VERIFY_CERTIFICATE');
  });

  it('may stand before intermediates, and not before an anchor_fail', async () => {
    const bundle = signedBy({});
    const [leaf] = bundle.material.certificates ?? [];
    assert.ok(leaf !== undefined);
    await accepts(world, withMaterial(bundle, { certificates: [leaf, world.ca.der] }));
    const whole = withMaterial(bundle, { certificates: [leaf, world.ca.der, world.root.der] });
    await refuses(world, whole, 'ERR_VERIFY_CERTIFICATE');
    const broken = withMaterial(bundle, { certificates: [leaf, Uint8Array.of(0x30, 0)] });
    await refuses(world, broken, 'ERR_CERTIFICATE_INVALID');
  });

  it('is not replaced by intermediates of the bundle_fail', async () => {
    const key = newKey();
    const own = makeAuthority('own', key, { issuer: world.root, purposes: [codeSigning] });
    const bundle = signedBy({ issuer: own });
    const [leaf] = bundle.material.certificates ?? [];
    assert.ok(leaf !== undefined);
    // The trusted root’s anchor issued the intermediate, which is only in the bundle.
    await refuses(world, withMaterial(bundle, { certificates: [leaf, own.der] }), 'ERR_VERIFY_CERTIFICATE');
  });

  it('with a changed signature, or that is none_fail', async () => {
    const bundle = signedBy({});
    const [leaf = new Uint8Array(0)] = bundle.material.certificates ?? [];
    const broken = Uint8Array.from(leaf);
    broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
    await refuses(world, withMaterial(bundle, { certificates: [broken] }), 'ERR_VERIFY_CERTIFICATE');
    await refuses(
      world,
      withMaterial(bundle, { certificates: [leaf.subarray(0, -1)] }),
      'ERR_CERTIFICATE_INVALID',
    );
    await refuses(world, withMaterial(bundle, { certificates: [] }), 'ERR_VERIFY_CERTIFICATE');
  });
});

describe('a certificate authority', () => {
  const key = newKey();
  const root = makeAuthority('r', newKey());
  const middle = makeAuthority('m', newKey(), { issuer: root });
  type Choices = NonNullable<Parameters<typeof makeAuthority>[2]>;
  const issuing = (choices: Choices = {}, issuer: TestAuthority = root): TestAuthority =>
    makeAuthority('i', key, { issuer, ...choices });

  async function chainIs(
    chain: readonly TestAuthority[],
    code?: ErrorCode,
    judging: Judging = {},
  ): Promise<void> {
    const [issuer] = chain;
    assert.ok(issuer !== undefined);
    const bundle = signedBy({ issuer });
    const options = { root: trusting([chain]), ...judging };
    if (code === undefined) await accepts(world, bundle, options);
    else await refuses(world, bundle, code, options);
  }

  it('of one, two or three certificates, with any key and purpose that fits', async () => {
    await chainIs([root]);
    await chainIs([issuing(), root]);
    await chainIs([issuing({}, middle), middle, root]);
    await chainIs([issuing({ purposes: [codeSigning], pathLength: 0 }), root]);
    await chainIs([issuing({ purposes: ['2.5.29.37.0'] }), root]);
    for (const kind of ['P-384', 'P-521', 'ed25519', 'rsa'] as const) {
      await chainIs([makeAuthority('i', newKey(kind), { issuer: root }), root]);
    }
    await chainIs([issuing({ algorithm: signatureAlgorithms.ecdsaSha512 }), root]);
    // An anchor is trusted as it is: who signed it does not matter.
    await chainIs([issuing({}, middle), middle]);
  });

  it('may list what is between issuer and anchor in any order, and twice', async () => {
    const issuer = issuing({}, middle);
    for (const chain of [
      [middle, issuer, root],
      [issuer, issuer, middle, root],
      [issuer, middle, root, root],
    ]) {
      await accepts(world, signedBy({ issuer }), { root: trusting([chain]) });
    }
  });

  it('issues with each of its certificates, and must be valid as a whole all the same', async () => {
    for (const issuer of [root, middle]) {
      await accepts(world, signedBy({ issuer }), { root: trusting([[issuing({}, middle), middle, root]]) });
    }
    const expired = issuing({ notBefore: after(-2 * year), notAfter: after(-1) }, middle);
    await refuses(world, signedBy({ issuer: root }), 'ERR_VERIFY_CERTIFICATE_TIME', {
      root: trusting([[expired, middle, root]]),
    });
    // The last is the anchor: what stands beside it and leads elsewhere is not trusted.
    const stranger = makeAuthority('stranger', newKey());
    for (const [issuer, code] of [
      [root, undefined],
      [stranger, 'ERR_VERIFY_CERTIFICATE'],
    ] as const) {
      const options = { root: trusting([[stranger, root]]) };
      if (code === undefined) await accepts(world, signedBy({ issuer }), options);
      else await refuses(world, signedBy({ issuer }), code, options);
    }
    const intermediate = { root: trusting([[root, issuing()]]) };
    await accepts(world, signedBy({ issuer: issuing() }), intermediate);
    await refuses(world, signedBy({ issuer: root }), 'ERR_VERIFY_CERTIFICATE', intermediate);
  });

  const short = makeAuthority('s', newKey(), { issuer: root, pathLength: 0 });
  const servers = makeAuthority('t', newKey(), { purposes: ['1.3.6.1.5.5.7.3.1'] });
  const noSigner = makeAuthority('n', newKey(), { uses: ['cRLSign'] });
  const constraints = encodeExtension(extensionOids.nameConstraints, derSequence());
  const unknown = encodeExtension('1.2.3.4', derOctetString(new Uint8Array(1)), true);
  const refusals: Readonly<Record<string, readonly TestAuthority[]>> = {
    'with more authorities below than allowed': [issuing({}, short), short, root],
    'for another purpose': [issuing({ purposes: [timeStamping] }), root],
    'below an anchor for another purpose': [issuing({}, servers), servers],
    'that must not issue': [issuing({ uses: ['digitalSignature'] }), root],
    'below an anchor that must not issue': [issuing({}, noSigner), noSigner],
    'with name constraints': [issuing({ extra: [constraints] }), root],
    'with a critical extension that is unknown': [issuing({ extra: [unknown] }), root],
    'with a link missing': [issuing({}, middle), root],
  };
  for (const [name, chain] of Object.entries(refusals)) {
    it(`${name}_fail`, async () => {
      const [issuer] = chain;
      assert.ok(issuer !== undefined);
      await refuses(world, signedBy({ issuer }), 'ERR_VERIFY_CERTIFICATE', { root: trusting([chain]) });
    });
  }

  it('that is no authority_fail', async () => {
    const name = encodeName({ organization: 'world', commonName: 'leaf' });
    const leaf = world.issue({ subject: name });
    const issuer = { der: leaf.certificate, subject: name, key: leaf.key };
    await refuses(world, signedBy({ issuer }), 'ERR_VERIFY_CERTIFICATE', {
      root: trusting([[issuer, world.ca]]),
    });
  });

  it('must be valid as a whole, and trusted, when the signature was made_fail', async () => {
    const expired = { notBefore: after(-2 * year), notAfter: after(-1) };
    await chainIs([issuing(expired), root], 'ERR_VERIFY_CERTIFICATE_TIME');
    const oldRoot = makeAuthority('r', newKey(), expired);
    await chainIs([issuing({}, oldRoot), oldRoot], 'ERR_VERIFY_CERTIFICATE_TIME');
    const future = makeAuthority('r', newKey(), { notBefore: after(1) });
    await chainIs([issuing({}, future), future], 'ERR_VERIFY_CERTIFICATE_TIME');
    await chainIs([issuing({ notBefore: after(0), notAfter: after(0) }), root]);
    const bundle = signedBy({});
    const chain = [[world.ca, world.root]];
    const windows = [
      [{ end: after(0) }, undefined],
      [{ start: after(0) }, undefined],
      [{ end: after(-1) }, 'ERR_VERIFY_CERTIFICATE_TIME'],
      [{ start: after(1) }, 'ERR_VERIFY_CERTIFICATE_TIME'],
    ] as const;
    for (const [window, code] of windows) {
      const options = { root: trusting(chain, window) };
      if (code === undefined) await accepts(world, bundle, options);
      else await refuses(world, bundle, code, options);
    }
  });

  it('that is in the trusted root for several periods is valid in each of them', async () => {
    const [past] = trusting([[world.ca, world.root]], { end: after(-1) }).certificateAuthorities;
    const [present] = trusting([[world.ca, world.root]], { start: after(0) }).certificateAuthorities;
    assert.ok(past !== undefined && present !== undefined);
    for (const certificateAuthorities of [
      [past, present],
      [present, past],
    ]) {
      await accepts(world, signedBy({}), { root: { ...world.trustedRoot, certificateAuthorities } });
    }
  });

  it('that is broken is as good as not there, and others are not affected', async () => {
    const [usual] = world.trustedRoot.certificateAuthorities;
    assert.ok(usual !== undefined);
    const broken = [
      { ...usual, chain: [Uint8Array.of(1, 2, 3)] },
      { ...usual, chain: [world.ca.der, makeAuthority('root', newKey()).der] },
      { ...usual, chain: [] },
    ];
    const root = { ...world.trustedRoot, certificateAuthorities: [...broken, usual] };
    await accepts(world, signedBy({}), { root });
    const none = { ...world.trustedRoot, certificateAuthorities: broken };
    await refuses(world, signedBy({}), 'ERR_VERIFY_CERTIFICATE', { root: none });
  });

  it('may share its name with others', async () => {
    const twin = makeAuthority('intermediate', newKey(), { issuer: world.root });
    await accepts(world, signedBy({}), {
      root: trusting([
        [twin, world.root],
        [world.ca, world.root],
      ]),
    });
  });
});
