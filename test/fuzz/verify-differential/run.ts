/** Draws mutations, lets both verifiers judge them, and counts. */

import { explain, forbiddenIn, judge, type Verdicts } from './explain.ts';
import { certificateMutators } from './mutate-certificates.ts';
import { derMutators } from './mutate-der.ts';
import { jsonMutators } from './mutate-json.ts';
import { logMutators } from './mutate-logs.ts';
import { requirementMutators } from './mutate-requirements.ts';
import { timestampMutators } from './mutate-timestamps.ts';
import type { Mutator, Original } from './mutator.ts';
import { randomOf } from './random.ts';
import type { Trial } from './trial.ts';

/** Every mutator. */
export const mutators: readonly Mutator[] = [
  ...jsonMutators,
  ...derMutators,
  ...certificateMutators,
  ...timestampMutators,
  ...logMutators,
  ...requirementMutators,
];

/** What became of the mutations of one mutator. */
export interface Count {
  bothAccept: number;
  bothRefuse: number;
  onlyOurs: number;
  onlyTheirs: number;
}

/** A trial on which the verifiers differ. */
export interface Differing {
  /** The number of the mutation, or the name of the vector. */
  readonly number: number | string;
  readonly mutator: string;
  readonly original: string;
  readonly trial: Trial;
  readonly verdicts: Verdicts;
  /** Identifiers of the differences that explain it; undefined when none do. */
  readonly explained: readonly string[] | undefined;
}

/** What a run found. */
export interface Report {
  readonly counts: Map<string, Count>;
  /** How often each difference explained something. */
  readonly applied: Map<string, number>;
  readonly unexplained: Differing[];
  /** Trials that are accepted here although a rule forbids it, whatever the other verifier says. */
  readonly forbidden: Differing[];
}

/** An empty report. */
export function newReport(): Report {
  return { counts: new Map(), applied: new Map(), unexplained: [], forbidden: [] };
}

/** Mutation `number` of a seed. */
export function drawn(
  originals: readonly Original[],
  seed: number,
  number: number,
): { readonly mutator: Mutator; readonly original: Original; readonly trial: Trial } {
  const random = randomOf(seed, number);
  const total = mutators.reduce((sum, { weight }) => sum + weight, 0);
  for (;;) {
    let at = (random.below(1_000_000) / 1_000_000) * total;
    const mutator = mutators.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
    const original = random.pick(originals);
    const trial = mutator?.mutate(original, random, random.pick(originals));
    if (mutator !== undefined && trial !== undefined) return { mutator, original, trial };
  }
}

/** Judges one trial and counts it; the difference when there is one. */
export async function judgeTrial(
  report: Report,
  { number, mutator, original, trial }: Pick<Differing, 'number' | 'mutator' | 'original' | 'trial'>,
): Promise<Differing | undefined> {
  const verdicts = await judge(trial);
  const count = report.counts.get(mutator) ?? { bothAccept: 0, bothRefuse: 0, onlyOurs: 0, onlyTheirs: 0 };
  report.counts.set(mutator, count);
  const { ours, theirs } = verdicts;
  if (ours.accepted) {
    const explained = forbiddenIn(trial);
    if (explained.length > 0)
      report.forbidden.push({ number, mutator, original, trial, verdicts, explained });
  }
  if (ours.accepted === theirs.accepted) {
    count[ours.accepted ? 'bothAccept' : 'bothRefuse']++;
    return undefined;
  }
  count[ours.accepted ? 'onlyOurs' : 'onlyTheirs']++;
  const explained = await explain(trial, verdicts);
  const differing = { number, mutator, original, trial, verdicts, explained };
  if (explained === undefined) report.unexplained.push(differing);
  for (const id of explained ?? []) report.applied.set(id, (report.applied.get(id) ?? 0) + 1);
  return differing;
}

/** Judges the mutations `from` to `to` - 1 of a seed. */
export async function judgeMutations(
  report: Report,
  originals: readonly Original[],
  seed: number,
  from: number,
  to: number,
): Promise<void> {
  for (let number = from; number < to; number++) {
    const { mutator, original, trial } = drawn(originals, seed, number);
    await judgeTrial(report, { number, mutator: mutator.name, original: original.name, trial });
  }
}

/** Judges originals as they are; those that both accept. */
export async function judgeOriginals(
  report: Report,
  originals: readonly Original[],
): Promise<readonly Original[]> {
  const valid: Original[] = [];
  for (const original of originals) {
    const before = report.counts.get(unchanged)?.bothAccept ?? 0;
    const trial = original.trial;
    await judgeTrial(report, { number: original.name, mutator: unchanged, original: original.name, trial });
    if ((report.counts.get(unchanged)?.bothAccept ?? 0) > before) valid.push(original);
  }
  return valid;
}

/** What vectors and originals are counted under. */
export const unchanged = 'unchanged';
