/**
 * RSA keys that are weak although their size is not: with another exponent than the usual one, a small factor, factors
 * close together, or made by the library of CVE-2017-15361 (ROCA).
 * {@link https://cabforum.org/working-groups/server/baseline-requirements/requirements/#615-key-sizes}
 */
import type { KeyObject } from 'node:crypto';

/** The weakness of an RSA public key, or undefined when none is found. Takes about a millisecond. */
export function weaknessOfRsa(key: KeyObject): string | undefined {
  const { n: encoded } = key.export({ format: 'jwk' });
  if (key.asymmetricKeyDetails?.publicExponent !== 65_537n) return 'its exponent is not 65537';
  const modulus = BigInt(`0x${Buffer.from(encoded ?? '', 'base64url').toString('hex')}`);
  if (modulus % 2n === 0n || hasSmallFactor(modulus)) return 'it has a small factor';
  if (isRoca(modulus)) return 'it was made by a library with a known weakness';
  if (hasCloseFactors(modulus)) return 'its factors are close together';
  return undefined;
}

/** Odd primes below `limit`. */
function primesBelow(limit: number): readonly number[] {
  const isComposite = new Uint8Array(limit);
  const primes: number[] = [];
  for (let candidate = 3; candidate < limit; candidate += 2) {
    if (isComposite[candidate] === 1) continue;
    primes.push(candidate);
    for (let multiple = candidate * candidate; multiple < limit; multiple += candidate)
      isComposite[multiple] = 1;
  }
  return primes;
}

const smallPrimes = primesBelow(6_000);

/** Products of some primes each, of at most 52 bits: one division of the modulus serves several primes. */
const primeGroups: readonly { readonly product: bigint; readonly primes: readonly number[] }[] =
  groupPrimes(smallPrimes);

function groupPrimes(
  primes: readonly number[],
): readonly { readonly product: bigint; readonly primes: readonly number[] }[] {
  const groups: { product: bigint; primes: number[] }[] = [];
  let product = Number.POSITIVE_INFINITY;
  for (const prime of primes) {
    const group = groups.at(-1);
    if (group === undefined || product * prime > 2 ** 52) {
      groups.push({ product: BigInt(prime), primes: [prime] });
      product = prime;
    } else {
      product *= prime;
      group.product = BigInt(product);
      group.primes.push(prime);
    }
  }
  return groups;
}

function hasSmallFactor(modulus: bigint): boolean {
  return primeGroups.some(({ product, primes }) => {
    const rest = Number(modulus % product);
    return primes.some((prime) => rest % prime === 0);
  });
}

/**
 * Keys of the weak library are 65537^a modulo a product of small primes, so modulo each of them they are a power of
 * 65537; by chance that happens once in 2^27 keys. {@link https://crocs.fi.muni.cz/public/papers/rsa_ccs17}
 */
const powersOfGenerator: readonly (readonly [prime: number, powers: ReadonlySet<number>])[] = smallPrimes
  .filter((prime) => prime <= 167)
  .map((prime) => {
    const powers = new Set<number>();
    for (let power = 1; !powers.has(power); power = (power * 65_537) % prime) powers.add(power);
    return [prime, powers] as const;
  });

function isRoca(modulus: bigint): boolean {
  return powersOfGenerator.every(([prime, powers]) => powers.has(Number(modulus % BigInt(prime))));
}

/** Rounds of Fermat's method, as the rules for public certificate authorities ask for. */
const fermatRounds = 100;

/** Squares end in these, modulo 256. */
const squareEnds: ReadonlySet<number> = new Set(
  Array.from({ length: 256 }, (_, root) => (root * root) % 256),
);

function hasCloseFactors(modulus: bigint): boolean {
  let middle = squareRoot(modulus);
  if (middle * middle < modulus) middle++;
  for (let round = 0; round < fermatRounds; round++, middle++) {
    const difference = middle * middle - modulus;
    if (!squareEnds.has(Number(difference & 255n))) continue;
    const root = squareRoot(difference);
    if (root * root === difference) return true;
  }
  return false;
}

/** The largest integer whose square is not larger than `value`, by Newton's method. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let estimate = 1n << BigInt(Math.ceil(value.toString(16).length * 2) + 1);
  for (;;) {
    const next = (estimate + value / estimate) >> 1n;
    if (next >= estimate) return estimate;
    estimate = next;
  }
}
