/**
 * Differential cases for ECDSA over a digest: seeded, so that a failure can be looked at again. Each case is judged by
 * what is tested, by `@noble/curves`, and, where the digest is that of a known message, by Node over the whole message.
 * Run by itself with a number of cases and a seed it prints what it did:
 *
 *   node test/fuzz/digest-signature-cases.ts 100000 1
 */
import { createECDH, createHash, verify } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { derInteger, derSequence, derTags, encodeDer } from '../../src/core/der.ts';
import { hex } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import type { SignatureHash } from '../../src/verify/authenticate.ts';
import { digestLengths, verifyDigestSignature } from '../../src/verify/digest-signature.ts';
import { importSpki, parseVerificationKey, type VerificationKey } from '../../src/verify/verification-key.ts';

/** A curve as the cases need it. */
export interface TestCurve {
  readonly name: string;
  readonly scheme: typeof p256;
  readonly hash: SignatureHash;
  readonly size: number;
  readonly n: bigint;
  readonly p: bigint;
}

function testCurve(name: string, scheme: typeof p256, hash: SignatureHash): TestCurve {
  const { n, p } = scheme.Point.CURVE();
  return { name, scheme, hash, n, p, size: scheme.Point.Fp.BYTES };
}

/** The curves by name. */
export const testCurves: Readonly<Record<'p256' | 'p384' | 'p521', TestCurve>> = {
  p256: testCurve('prime256v1', p256, 'sha256'),
  p384: testCurve('secp384r1', p384, 'sha384'),
  p521: testCurve('secp521r1', p521, 'sha512'),
};

/** A key pair of a test. */
export interface TestKey {
  readonly curve: TestCurve;
  readonly secret: bigint;
  readonly public: VerificationKey;
  readonly point: Uint8Array;
}

export function numberBytes(value: bigint, size: number): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex'));
}

export function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${hex(bytes)}`);
}

export function modulo(value: bigint, n: bigint): bigint {
  return ((value % n) + n) % n;
}

/** The key of `curve` whose private number is `secret`. */
export function testKey(curve: TestCurve, secret: bigint): TestKey {
  const ecdh = createECDH(curve.name);
  const d = numberBytes(secret, curve.size);
  ecdh.setPrivateKey(d);
  const point = new Uint8Array(ecdh.getPublicKey());
  return { curve, secret, point, public: publicKeyAt(curve, point) };
}

/** The public key that is `point`. */
export function publicKeyAt(curve: TestCurve, point: Uint8Array): VerificationKey {
  const head = {
    prime256v1: '3059301306072a8648ce3d020106082a8648ce3d030107034200',
    secp384r1: '3076301006072a8648ce3d020106052b81040022036200',
    secp521r1: '30819b301006072a8648ce3d020106052b8104002303818600',
  }[curve.name];
  return parseVerificationKey(
    new Uint8Array(Buffer.concat([Buffer.from(head ?? '', 'hex'), point])),
    'a key',
  );
}

/** DER of a pair of numbers, of any size and sign. */
export function encodePair(r: bigint, s: bigint): Uint8Array {
  return derSequence(signedInteger(r), signedInteger(s));
}

function signedInteger(value: bigint): Uint8Array {
  if (value >= 0n) return derInteger(value);
  const size = Math.floor((-value - 1n).toString(2).length / 8) + 1;
  return encodeDer(derTags.integer, numberBytes((1n << BigInt(size * 8)) + value, size));
}

/** A source of numbers that a seed decides. */
export interface Random {
  below(limit: number): number;
  bytes(length: number): Uint8Array;
  /** From 1 to n - 1. */
  scalar(n: bigint): bigint;
  of<T>(list: readonly T[]): T;
}

export function seeded(seed: number): Random {
  let counter = 0;
  let pool = Buffer.alloc(0);
  const bytes = (length: number): Uint8Array => {
    while (pool.length < length) {
      pool = Buffer.concat([pool, createHash('sha256').update(`${seed}/${counter++}`).digest()]);
    }
    const taken = pool.subarray(0, length);
    pool = pool.subarray(length);
    return new Uint8Array(taken);
  };
  const below = (limit: number): number => Number(toNumber(bytes(6)) % BigInt(limit));
  return {
    bytes,
    below,
    scalar: (n) => (toNumber(bytes(72)) % (n - 1n)) + 1n,
    of: (list) => list[below(list.length)] as (typeof list)[number],
  };
}

/** A question with what decides it. */
export interface Case {
  readonly name: string;
  readonly curve: TestCurve;
  readonly key: VerificationKey;
  readonly hash: SignatureHash;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  /** The message `digest` is of, when there is one. */
  readonly message?: Uint8Array;
  /** The numbers in `signature`, when it is DER of numbers. */
  readonly pair?: { readonly r: bigint; readonly s: bigint };
}

interface Signed {
  readonly key: TestKey;
  readonly hash: SignatureHash;
  readonly message: Uint8Array;
  readonly digest: Uint8Array;
  readonly r: bigint;
  readonly s: bigint;
}

/** The case number `index` of a run. */
export function makeCase(keys: readonly TestKey[], random: Random): Case {
  const key = random.of(keys);
  const hash = random.below(4) === 0 ? random.of(['sha256', 'sha384', 'sha512'] as const) : key.curve.hash;
  const message = random.bytes(random.below(80));
  const digest = new Uint8Array(createHash(hash).update(message).digest());
  // Node's own signatures would be random.
  const { r, s } = signDigest(key, digest, random.scalar(key.curve.n));
  return random.of(mutations)({ key, hash, message, digest, r, s }, random, keys);
}

type Mutation = (signed: Signed, random: Random, keys: readonly TestKey[]) => Case;

function plain(name: string, signed: Signed, change: Partial<Case> = {}): Case {
  const { key, hash, digest, message, r, s } = signed;
  const pair = change.pair ?? { r, s };
  const signature = encodePair(pair.r, pair.s);
  return { name, curve: key.curve, key: key.public, hash, digest, message, signature, pair, ...change };
}

/** Without its message: for a digest that is of none. */
function bare(name: string, signed: Signed, change: Partial<Case>): Case {
  const { message: _, ...rest } = plain(name, signed, change);
  return rest;
}

/** A valid signature over any digest, made from the equation. */
function signDigest(
  key: TestKey,
  digest: Uint8Array,
  nonce: bigint,
): { readonly r: bigint; readonly s: bigint } {
  const { scheme, n, size } = key.curve;
  const z = toNumber(digest.subarray(0, size));
  const r = modulo(abscissa(key.curve, nonce), n);
  const s = modulo(scheme.Point.Fn.inv(nonce) * (z + r * key.secret), n);
  return { r, s };
}

/** The x-coordinate of a multiple of the generator. */
function abscissa(curve: TestCurve, scalar: bigint): bigint {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(numberBytes(scalar, curve.size));
  return toNumber(ecdh.getPublicKey().subarray(1, 1 + curve.size));
}

const mutations: readonly Mutation[] = [
  (signed) => plain('valid', signed),
  (signed) => plain('valid', signed),
  (signed) => plain('the other s', signed, { pair: { r: signed.r, s: signed.key.curve.n - signed.s } }),
  (signed) => plain('r and s changed places', signed, { pair: { r: signed.s, s: signed.r } }),
  (signed, random) => {
    const bit = 1n << BigInt(random.below(signed.key.curve.size * 8));
    const pair =
      random.below(2) === 0 ? { r: signed.r ^ bit, s: signed.s } : { r: signed.r, s: signed.s ^ bit };
    return plain('a bit of a number', signed, { pair });
  },
  (signed, random) => {
    const { n } = signed.key.curve;
    const edge = (value: bigint): bigint =>
      random.of([0n, 1n, n - 1n, n, n + 1n, value + n, value - n, -value, 2n * n, (1n << 600n) - 1n, -1n]);
    const pair =
      random.below(2) === 0 ? { r: edge(signed.r), s: signed.s } : { r: signed.r, s: edge(signed.s) };
    return plain('a number at an edge', signed, { pair });
  },
  (signed, random) => {
    const digest = signed.digest.slice();
    const at = random.below(digest.length);
    digest[at] = (digest[at] ?? 0) ^ (1 << random.below(8));
    return bare('a bit of the digest', signed, { digest });
  },
  (signed, random, keys) => {
    const others = keys.filter((other) => other.curve === signed.key.curve && other !== signed.key);
    return plain('another key', signed, { key: random.of(others).public });
  },
  (signed) => {
    const { curve, point } = signed.key;
    const y = curve.p - toNumber(point.subarray(1 + curve.size));
    const negated = new Uint8Array([...point.subarray(0, 1 + curve.size), ...numberBytes(y, curve.size)]);
    return plain('the negated key', signed, { key: publicKeyAt(curve, negated) });
  },
  (signed, random) => {
    const { key } = signed;
    const { n } = key.curve;
    const length = digestLengths[signed.hash];
    const top = (1n << BigInt(length * 8)) - 1n;
    const value = random.of([
      0n,
      1n,
      n - 1n,
      n,
      n + 1n,
      top,
      top - n,
      n >> 1n,
      toNumber(signed.digest) >> 64n,
    ]);
    const digest = numberBytes(modulo(value, top + 1n), length).subarray(0, length);
    const { r, s } = signDigest(key, digest, random.scalar(n));
    const isNegated = random.below(4) === 0;
    return bare('an edge digest', signed, { digest, pair: { r, s: isNegated ? n - s : s } });
  },
  (signed, random) => {
    // (z/s)·G + (r/s)·Q is infinity when z = -r·d.
    const { key } = signed;
    const { n, size } = key.curve;
    const length = digestLengths[signed.hash];
    if (length < size) return plain('valid', signed);
    const r = random.scalar(n);
    const z = modulo(-r * key.secret, n);
    const digest = new Uint8Array(length);
    digest.set(numberBytes(z, size));
    return bare('infinity', signed, { digest, pair: { r, s: random.scalar(n) } });
  },
  (signed, random) => {
    // Both terms of the sum are the same point, z/s = r·d/s: a doubling.
    const { key } = signed;
    const { n, size, scheme } = key.curve;
    const length = digestLengths[signed.hash];
    if (length < size) return plain('valid', signed);
    const u = random.scalar(n);
    const r = modulo(abscissa(key.curve, modulo(2n * u, n)), n);
    const s = modulo(r * key.secret * scheme.Point.Fn.inv(u), n);
    const digest = new Uint8Array(length);
    digest.set(numberBytes(modulo(u * s, n), size));
    return bare('a doubling', signed, { digest, pair: { r, s } });
  },
  (signed, random) => {
    const signature = encodePair(signed.r, signed.s);
    const bytes = [...signature];
    for (let count = random.below(3); count >= 0; count--) {
      const at = random.below(bytes.length);
      const kind = random.below(4);
      if (kind === 0) bytes[at] = random.below(256);
      else if (kind === 1) bytes.splice(at, 1);
      else if (kind === 2) bytes.splice(at, 0, random.of([0, 0xff, 0x80, random.below(256)]));
      else bytes.push(random.below(256));
    }
    const { pair: _, ...rest } = plain('changed bytes', signed);
    return { ...rest, signature: Uint8Array.from(bytes) };
  },
];

/** What everyone says to a case: they must agree. */
export interface Verdicts {
  readonly ours: boolean;
  readonly noble?: boolean;
  readonly node?: boolean;
}

/** Asks everyone who can answer; noble, which is slow, only when `askNoble` or when nobody else can. */
export async function judge(question: Case, askNoble: boolean): Promise<Verdicts> {
  const { curve, key, hash, digest, signature, message, pair } = question;
  const ours = await verifyDigestSignature(key, hash, digest, signature).then(
    () => true,
    (error: unknown) => {
      if (isBoltsealError(error, 'ERR_VERIFY_SIGNATURE')) return false;
      throw error;
    },
  );
  let node: boolean | undefined;
  if (message !== undefined) {
    try {
      node = verify(hash, message, importSpki(key.spki), signature);
    } catch {
      node = false;
    }
  }
  if (pair === undefined || (!askNoble && node !== undefined)) {
    return node === undefined ? { ours } : { ours, node };
  }
  const isInRange = [pair.r, pair.s].every((value) => value > 0n && value < curve.n);
  const noble =
    isInRange &&
    curve.scheme.verify(
      new Uint8Array([...numberBytes(pair.r, curve.size), ...numberBytes(pair.s, curve.size)]),
      digest,
      key.spki.subarray(-1 - 2 * curve.size),
      { prehash: false, lowS: false },
    );
  return node === undefined ? { ours, noble } : { ours, noble, node };
}

/** Runs `count` cases of a seed; `share` of those that Node can judge are judged by noble too. Throws at a difference. */
export async function runCases(
  count: number,
  seed: number,
  weights: Readonly<Record<keyof typeof testCurves, number>>,
  share: number,
): Promise<Readonly<Record<string, { accepted: number; refused: number }>>> {
  const random = seeded(seed);
  const keys = (Object.keys(weights) as (keyof typeof testCurves)[]).flatMap((name) => {
    const curve = testCurves[name];
    const some = Array.from({ length: 4 }, () => testKey(curve, random.scalar(curve.n)));
    // The generator itself, its negative, and twice it.
    const all = [...some, testKey(curve, 1n), testKey(curve, curve.n - 1n), testKey(curve, 2n)];
    return Array.from({ length: weights[name] }, () => all).flat();
  });
  const tally: Record<string, { accepted: number; refused: number }> = {};
  for (let index = 0; index < count; index++) {
    const question = makeCase(keys, random);
    const verdicts = await judge(question, random.below(1000) < share * 1000);
    const { ours, noble = ours, node = ours } = verdicts;
    if (ours !== noble || ours !== node) {
      throw new Error(
        `case ${index} of seed ${seed} (${question.name}, ${question.curve.name}, ${question.hash}): ` +
          `${JSON.stringify(verdicts)} key ${hex(question.key.spki)} digest ${hex(question.digest)} ` +
          `signature ${hex(question.signature)}`,
      );
    }
    const name = `${question.curve.name} ${question.name}`;
    const entry = tally[name] ?? { accepted: 0, refused: 0 };
    entry[ours ? 'accepted' : 'refused']++;
    tally[name] = entry;
  }
  return tally;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = Number(process.argv[2] ?? 100_000);
  const seed = Number(process.argv[3] ?? 1);
  const start = Date.now();
  const tally = await runCases(count, seed, { p256: 12, p384: 1, p521: 1 }, 0.2);
  for (const [name, { accepted, refused }] of Object.entries(tally).sort()) {
    process.stdout.write(`${name.padEnd(44)} accepted ${accepted}, refused ${refused}\n`);
  }
  process.stdout.write(`${count} cases of seed ${seed}: no difference, ${(Date.now() - start) / 1000} s\n`);
}
