/** What every mutator is, and what they share. */
import type { TimeRange } from '../../../src/formats/time-range.ts';
import type { TrustedAuthority } from '../../../src/formats/trusted-root.ts';
import type { Document, Recipe } from './build.ts';
import type { Random } from './random.ts';
import type { Trial } from './trial.ts';

/** A valid bundle and what verifies it. */
export interface Original {
  readonly name: string;
  readonly trial: Trial;
  /** How another one like it is made; vectors of others have none. */
  readonly recipe?: Recipe;
}

/** One way to change a valid bundle, or what it is verified with. */
export interface Mutator {
  readonly name: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** The changed trial; undefined when there is nothing in it that could be changed. `donor` is another original. */
  mutate(original: Original, random: Random, donor: Original): Trial | undefined;
}

/** A mutator of bundles that are made for it. */
export function remaking(
  name: string,
  weight: number,
  make: (recipe: Recipe, random: Random) => Trial | undefined,
): Mutator {
  return { name, weight, mutate: ({ recipe }, random) => recipe && make(recipe, random) };
}

/** The JSON of a document of a trial. */
export function documentOf(bytes: Uint8Array): Document {
  return JSON.parse(Buffer.from(bytes).toString()) as Document;
}

/** Bytes with one change: a bit, a byte, a piece left out, doubled or put in. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return random.bytes(1 + random.below(4));
  const at = random.below(bytes.length);
  const copy = Uint8Array.from(bytes);
  switch (random.below(7)) {
    case 0:
    case 1:
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    case 2:
      copy[at] = random.below(256);
      return copy;
    case 3:
      return copy.subarray(0, at);
    case 4:
      return Uint8Array.from([...copy.subarray(0, at), ...copy.subarray(at + 1 + random.below(4))]);
    case 5:
      return Uint8Array.from([
        ...copy.subarray(0, at),
        ...random.bytes(1 + random.below(4)),
        ...copy.subarray(at),
      ]);
    default:
      return Uint8Array.from([...copy, ...random.bytes(1 + random.below(4))]);
  }
}

/** An authority of a trusted root; nothing in its chain is looked at. */
export function authorityOf(
  uri: string,
  chain: readonly Uint8Array[],
  validFor: TimeRange,
): TrustedAuthority {
  return { organization: 'world', commonName: '', uri, chain, validFor };
}
