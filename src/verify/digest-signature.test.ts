import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  constants,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  sign,
  verify,
} from 'node:crypto';
import { describe, it } from 'node:test';
import { ed25519ph } from '@noble/curves/ed25519.js';
import {
  encodePair,
  judge,
  modulo,
  numberBytes,
  publicKeyAt,
  runCases,
  seeded,
  type TestKey,
  testCurves,
  testKey,
  toNumber,
} from '../../test/fuzz/digest-signature-cases.ts';
import { derSequence } from '../core/der.ts';
import { hex } from '../core/encoding.ts';
import { publicKeyOf } from '../formats/public-key.ts';
import type { SignatureHash } from './authenticate.ts';
import { verifyDigestSignature } from './digest-signature.ts';
import { parseVerificationKey, type VerificationKey } from './verification-key.ts';

const message = Buffer.from('a bolt seal');
const digestOf = (hash: SignatureHash, bytes: Uint8Array = message): Uint8Array =>
  new Uint8Array(createHash(hash).update(bytes).digest());
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

function keyOf(key: KeyObject): VerificationKey {
  return parseVerificationKey(publicKeyOf(key, 'a key').spki, 'a key');
}

async function isAccepted(
  key: VerificationKey,
  hash: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    const { key: verified } = await verifyDigestSignature(key, hash, digest, signature);
    assert.equal(verified, key);
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'ERR_VERIFY_SIGNATURE');
    return false;
  }
}

describe('ECDSA over a digest', () => {
  it('verifies what Node signs, with every curve and hash', async () => {
    for (const namedCurve of ['prime256v1', 'secp384r1', 'secp521r1']) {
      const pair = generateKeyPairSync('ec', { namedCurve });
      for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
        const signature = sign(hash, message, pair.privateKey);
        const key = keyOf(pair.publicKey);
        assert.equal(await isAccepted(key, hash, digestOf(hash), signature), true);
        assert.equal(await isAccepted(key, hash, digestOf(hash, Buffer.from('x')), signature), false);
      }
    }
  });

  it('agrees with noble and with Node in every seeded case', async () => {
    const tally = await runCases(600, 3, { p256: 40, p384: 1, p521: 1 }, 0.02);
    const counts = Object.values(tally);
    assert.ok(counts.reduce((sum, { accepted }) => sum + accepted, 0) > 150);
    assert.ok(counts.reduce((sum, { refused }) => sum + refused, 0) > 150);
  });

  it('is OpenSSL’s work: noble is not even loaded', () => {
    const program = `
      import { registerHooks } from 'node:module';
      import { createHash, generateKeyPairSync, sign } from 'node:crypto';
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.startsWith('@noble/')) throw new Error('loads ' + specifier);
          return next(specifier, context);
        },
      });
      const { verifyDigestSignature } = await import(${JSON.stringify(import.meta.resolve('./digest-signature.ts'))});
      for (const [namedCurve, type] of [['prime256v1', 'ecdsa-p256'], ['secp384r1', 'ecdsa-p384'], ['secp521r1', 'ecdsa-p521']]) {
        const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
        const key = { type, spki: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })) };
        const digest = createHash('sha256').update('x').digest();
        await verifyDigestSignature(key, 'sha256', digest, sign('sha256', 'x', privateKey));
      }`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program]);
    assert.equal(status, 0, stderr.toString());
  });

  for (const curve of Object.values(testCurves)) {
    const key = testKey(curve, seeded(curve.size).scalar(curve.n));
    describe(curve.name, () => {
      edges(key);
    });
  }

  it('verifies the empty message as itself', async () => {
    // The generator moves by 1: OpenSSL takes the group for the named one.
    const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const nothing = new Uint8Array(0);
    const signature = sign('sha256', nothing, pair.privateKey);
    assert.equal(
      await isAccepted(keyOf(pair.publicKey), 'sha256', digestOf('sha256', nothing), signature),
      true,
    );
  });

  it('takes r for an x-coordinate that is not less than n', async () => {
    // Such points are one in 2^32 for P-256: here is a key for which a signature leads to one.
    const { scheme, n, p, size } = testCurves.p256;
    const { Point } = scheme;
    let x = n + 1n;
    for (; x < p; x++) {
      try {
        const R = Point.fromHex(`02${hex(numberBytes(x, size))}`);
        const r = x - n;
        const [s, digest] = [12_345n, digestOf('sha256')];
        const Q = R.multiply(s)
          .subtract(Point.BASE.multiply(modulo(toNumber(digest), n)))
          .multiply(Point.Fn.inv(r));
        const key = publicKeyAt(testCurves.p256, Q.toBytes(false));
        assert.equal(await isAccepted(key, 'sha256', digest, encodePair(r, s)), true);
        assert.equal(await isAccepted(key, 'sha256', digest, encodePair(x, s)), false);
        assert.equal(verify('sha256', message, importable(key), encodePair(r, s)), true);
        return;
      } catch (error) {
        if ((error as { code?: string }).code === 'ERR_ASSERTION') throw error;
      }
    }
    assert.fail('no point');
  });
});

function importable(key: VerificationKey): { key: Buffer; format: 'der'; type: 'spki' } {
  return { key: Buffer.from(key.spki), format: 'der', type: 'spki' };
}

/** Signatures at the edges of the encoding and of the numbers, in the manner of Wycheproof. */
function edges(key: TestKey): void {
  const { curve } = key;
  const { n, p, size, hash, scheme } = curve;
  const digest = digestOf(hash);
  const compact = scheme.sign(digest, numberBytes(key.secret, size), { prehash: false, lowS: false });
  const r = toNumber(compact.subarray(0, size));
  const s = toNumber(compact.subarray(size));
  const ask = (signature: Uint8Array): Promise<boolean> => isAccepted(key.public, hash, digest, signature);

  it('accepts r and s, and n - s', async () => {
    assert.equal(await ask(encodePair(r, s)), true);
    assert.equal(await ask(encodePair(r, n - s)), true);
  });

  it('refuses numbers outside of 1 to n-1, and what is equal to them mod n or p_fail', async () => {
    const edge = [0n, n, n + 1n, -1n, -r, -s, 2n * n, p, p + 1n, (1n << 640n) - 1n];
    for (const value of [...edge, r + n, r - n, r + p]) assert.equal(await ask(encodePair(value, s)), false);
    for (const value of [...edge, s + n, s - n, n - s - n])
      assert.equal(await ask(encodePair(r, value)), false);
    for (const one of [0n, 1n, n - 1n, n]) {
      for (const other of [0n, 1n, n - 1n, n]) assert.equal(await ask(encodePair(one, other)), false);
    }
  });

  it('refuses every other spelling_fail', async () => {
    const good = Buffer.from(encodePair(r, s));
    // The header is 30 LEN, or 30 81 LEN for P-521.
    const start = good[1] === 0x81 ? 3 : 2;
    const rLength = good[start + 1] ?? 0;
    const body = good.subarray(start);
    const [rBytes, sBytes] = [body.subarray(2, 2 + rLength), body.subarray(4 + rLength)];
    const integer = (...parts: Uint8Array[]): Buffer => {
      const content = Buffer.concat(parts);
      return Buffer.concat([Buffer.from([2, content.length]), content]);
    };
    const sequence = (...parts: Uint8Array[]): Uint8Array => derSequence(...parts);
    const [rInteger, sInteger, zero] = [integer(rBytes), integer(sBytes), Buffer.alloc(1)];
    assert.equal(await ask(sequence(rInteger, sInteger)), true);
    const bad: readonly Uint8Array[] = [
      Buffer.alloc(0),
      Buffer.from(compact),
      Buffer.concat([good, zero]),
      good.subarray(0, -1),
      sequence(),
      sequence(rInteger),
      sequence(rInteger, sInteger, Buffer.from([5, 0])),
      sequence(rInteger, sInteger, sInteger),
      sequence(integer(zero, rBytes), sInteger),
      sequence(rInteger, integer(zero, sBytes)),
      sequence(integer(zero, zero, rBytes), sInteger),
      sequence(integer(), sInteger),
      sequence(rInteger, integer()),
      // A length in more octets than needed, and an indefinite one.
      Buffer.concat([Buffer.from([0x30, 0x82, 0, body.length]), body]),
      Buffer.concat([Buffer.from([0x30, 0x80]), body, Buffer.from([0, 0])]),
      sequence(Buffer.concat([Buffer.from([2, 0x81, rBytes.length]), rBytes]), sInteger),
      // Other tags.
      Buffer.concat([Buffer.from([0x31]), good.subarray(1)]),
      Buffer.concat([Buffer.from([0x10]), good.subarray(1)]),
      sequence(Buffer.concat([Buffer.from([4, rBytes.length]), rBytes]), sInteger),
      sequence(Buffer.concat([Buffer.from([0x22, rBytes.length]), rBytes]), sInteger),
      // REAL infinity and NaN, null, true instead of numbers.
      ...['090380fe01', '090142', '0500', '0101ff'].flatMap((odd) => [
        sequence(fromHex(odd), sInteger),
        sequence(rInteger, fromHex(odd)),
      ]),
    ];
    for (const signature of bad) assert.equal(await ask(signature), false, hex(signature));
    // A number without the 00 that keeps it positive.
    const high = s > n >> 1n ? s : n - s;
    const octets = numberBytes(high, size);
    if ((octets[0] ?? 0) >= 0x80) assert.equal(await ask(sequence(rInteger, integer(octets))), false);
  });

  it('judges digests of zero, and around n, as noble does', async () => {
    const top = (1n << BigInt(size * 8)) - 1n;
    const space = (1n << BigInt(digest.length * 8)) - 1n;
    for (const value of [0n, 1n, n - 1n, n, n + 1n, top].filter((one) => one <= space)) {
      const odd = numberBytes(value, digest.length);
      const signature = scheme.sign(odd, numberBytes(key.secret, size), { prehash: false, lowS: false });
      const pair = { r: toNumber(signature.subarray(0, size)), s: toNumber(signature.subarray(size)) };
      for (const one of [pair, { r: pair.r, s: n - pair.s }, { r: pair.s, s: pair.r }]) {
        const verdicts = await judge(
          {
            name: 'digest',
            curve,
            key: key.public,
            hash,
            digest: odd,
            pair: one,
            signature: encodePair(one.r, one.s),
          },
          true,
        );
        assert.deepEqual(verdicts, { ours: one.r === pair.r, noble: one.r === pair.r });
      }
    }
  });

  it('refuses keys that are not on the curve, and those of another one_fail', async () => {
    const signature = encodePair(r, s);
    const off = key.point.slice();
    off[off.length - 1] = (off[off.length - 1] ?? 0) ^ 1;
    const large = Uint8Array.from([4, ...numberBytes(p, size), ...numberBytes(1n, size)]);
    for (const point of [off, large, Uint8Array.from([4, ...new Uint8Array(2 * size)])]) {
      await assert.rejects(verifyDigestSignature(publicKeyAt(curve, point), hash, digest, signature), {
        code: 'ERR_KEY_INVALID',
      });
    }
    const other = testKey(
      curve === testCurves.p256 ? testCurves.p384 : testCurves.p256,
      key.secret >> 300n || 7n,
    );
    await assert.rejects(
      verifyDigestSignature({ ...other.public, type: key.public.type }, hash, digest, signature),
      { code: 'ERR_KEY_INVALID' },
    );
  });
}

describe('RSA over a digest', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = keyOf(pair.publicKey);
  const digest = digestOf('sha256');
  const info = Buffer.from(`3031300d060960864801650304020105000420${hex(digest)}`, 'hex');
  const padded = (content: Uint8Array): Uint8Array =>
    privateEncrypt({ key: pair.privateKey, padding: constants.RSA_PKCS1_PADDING }, content);

  it('verifies what Node signs', async () => {
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      const signature = sign(hash, message, pair.privateKey);
      assert.equal(await isAccepted(key, hash, digestOf(hash), signature), true);
      assert.equal(await isAccepted(key, hash, digestOf(hash, Buffer.from('x')), signature), false);
    }
    assert.equal(await isAccepted(key, 'sha256', digest, padded(info)), true);
  });

  it('accepts only the one DigestInfo_fail', async () => {
    const without = Buffer.from(`302f300b0609608648016503040201${`0420${hex(digest)}`}`, 'hex');
    const bad = [
      without,
      digest,
      Buffer.concat([info, Buffer.alloc(1)]),
      info.subarray(0, -1),
      Buffer.concat([Buffer.alloc(1), info]),
      Buffer.from(`3041300d060960864801650304020205000420${hex(digest)}`, 'hex'),
      Buffer.from(`3031300d060960864801650304020205000420${hex(digest)}`, 'hex'),
      Buffer.from(`308131300d060960864801650304020105000420${hex(digest)}`, 'hex'),
      // What a lenient parser skips (Bleichenbacher 2006; CVE-2006-4339).
      Buffer.concat([info, Buffer.alloc(100, 1)]),
    ];
    for (const content of bad) assert.equal(await isAccepted(key, 'sha256', digest, padded(content)), false);
  });

  it('refuses other paddings and lengths_fail', async () => {
    const good = sign('sha256', message, pair.privateKey);
    const pss = sign('sha256', message, { key: pair.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING });
    const raw = (hexadecimal: string): Uint8Array =>
      privateEncrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, fromHex(hexadecimal));
    const tail = `00${hex(info)}`;
    const bytes = 256 - tail.length / 2;
    const bad = [
      pss,
      Buffer.concat([Buffer.alloc(1), good]),
      Buffer.concat([good, Buffer.alloc(1)]),
      good.subarray(1),
      Buffer.alloc(256),
      Buffer.alloc(256, 0xff),
      Buffer.alloc(0),
      raw(`0002${'ff'.repeat(bytes - 2)}${tail}`),
      raw(`0000${'ff'.repeat(bytes - 2)}${tail}`),
      raw(`0001${'ff'.repeat(bytes - 3)}fe${tail}`),
      raw(`0001${'ff'.repeat(7)}${tail}${'00'.repeat(bytes - 9)}`),
    ];
    for (const signature of bad) assert.equal(await isAccepted(key, 'sha256', digest, signature), false);
    assert.equal(await isAccepted(key, 'sha256', digest, raw(`0001${'ff'.repeat(bytes - 2)}${tail}`)), true);
  });

  it('refuses a key that is not of its type_fail', async () => {
    const curve = testKey(testCurves.p256, 5n).public;
    await assert.rejects(
      verifyDigestSignature(
        { ...curve, type: 'rsa-2048' },
        'sha256',
        digest,
        sign('sha256', message, pair.privateKey),
      ),
      { code: 'ERR_KEY_INVALID' },
    );
  });
});

describe('Ed25519ph', () => {
  // RFC 8032 section 7.3
  const abc = Buffer.from('abc');
  const spki = fromHex(
    '302a300506032b6570032100ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
  );
  const signature = fromHex(
    '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41' +
      '31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
  );
  const key = parseVerificationKey(spki, 'a key');

  it('verifies the example of the RFC, and what noble signs', async () => {
    assert.equal(await isAccepted(key, 'sha512', digestOf('sha512', abc), signature), true);
    const { secretKey, publicKey } = ed25519ph.keygen();
    const mine = parseVerificationKey(
      new Uint8Array(Buffer.concat([spki.subarray(0, 12), publicKey])),
      'a key',
    );
    const made = ed25519ph.sign(message, secretKey);
    assert.equal(await isAccepted(mine, 'sha512', digestOf('sha512'), made), true);
    assert.equal(await isAccepted(mine, 'sha512', digestOf('sha512', abc), made), false);
  });

  it('refuses changed signatures, pure ones, and lengths_fail', async () => {
    const digest = digestOf('sha512', abc);
    for (let at = 0; at < 64; at += 9) {
      const changed = signature.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      assert.equal(await isAccepted(key, 'sha512', digest, changed), false);
    }
    const pair = generateKeyPairSync('ed25519');
    const pure = sign(null, digest, pair.privateKey);
    assert.equal(await isAccepted(keyOf(pair.publicKey), 'sha512', digest, pure), false);
    for (const length of [0, 63, 65]) {
      assert.equal(await isAccepted(key, 'sha512', digest, new Uint8Array(length)), false);
    }
    // S + L is the same number mod L (RFC 8032 section 5.1.7).
    const order = (1n << 252n) + 27742317777372353535851937790883648493n;
    const s = BigInt(`0x${hex(signature.slice(32).reverse())}`) + order;
    const malleable = new Uint8Array([...signature.subarray(0, 32), ...numberBytes(s, 32).reverse()]);
    assert.equal(await isAccepted(key, 'sha512', digest, malleable), false);
  });

  it('has one hash_fail', async () => {
    await assert.rejects(verifyDigestSignature(key, 'sha256', digestOf('sha256', abc), signature), {
      code: 'ERR_VERIFY_UNSUPPORTED',
    });
  });
});

describe('a digest', () => {
  it('has the length of its hash_fail', async () => {
    const { public: key } = testKey(testCurves.p256, 9n);
    for (const length of [0, 20, 31, 33, 48, 64]) {
      await assert.rejects(verifyDigestSignature(key, 'sha256', new Uint8Array(length), new Uint8Array(8)), {
        code: 'ERR_DIGEST_INVALID',
      });
    }
  });
});
