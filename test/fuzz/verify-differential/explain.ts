/** Explains why the verifiers differ, or finds that nothing does. */

import type { Difference } from './difference.ts';
import { acceptedDifferences } from './differences-accepted.ts';
import { authorityDifferences } from './differences-authorities.ts';
import { certificateDifferences } from './differences-certificates.ts';
import { contentDifferences } from './differences-content.ts';
import { logDifferences } from './differences-logs.ts';
import { spellingDifferences } from './differences-spelling.ts';
import { timestampDifferences } from './differences-timestamps.ts';
import { factsOf } from './facts.ts';
import { type Adjustment, judgeOurs, judgeTheirs, type Trial, type Verdict } from './trial.ts';

/** Every difference that is known. */
export const differences: readonly Difference[] = [
  ...spellingDifferences,
  ...contentDifferences,
  ...certificateDifferences,
  ...authorityDifferences,
  ...logDifferences,
  ...timestampDifferences,
  ...acceptedDifferences,
];

/** What both say about a trial. */
export interface Verdicts {
  readonly ours: Verdict;
  readonly theirs: Verdict;
}

/** The verdicts on a trial. */
export async function judge(trial: Trial, adjustments: readonly Adjustment[] = []): Promise<Verdicts> {
  return { ours: await judgeOurs(trial), theirs: judgeTheirs(trial, adjustments) };
}

/** At most as many differences meet in one trial. */
const most = 8;

/**
 * The differences that together explain why the verifiers do not agree: each one taken out or made good, until they do,
 * or until one is found that is reason enough to refuse. Undefined when something is left that nothing explains.
 */
export async function explain(trial: Trial, verdicts: Verdicts): Promise<readonly string[] | undefined> {
  const found: string[] = [];
  const adjustments: Adjustment[] = [];
  let current = trial;
  let { ours, theirs } = verdicts;
  while (found.length < most) {
    const side = ours.accepted ? 'theirs' : 'ours';
    const refusal = ours.accepted ? theirs : ours;
    if (refusal.accepted) return undefined;
    const facts = factsOf(current);
    const difference = differences.find(
      (one) => one.refusedBy === side && !found.includes(one.id) && one.applies(facts, refusal),
    );
    if (difference === undefined) return undefined;
    found.push(difference.id);
    if (difference.repair === undefined && difference.adjust === undefined) return found;
    current = difference.repair?.(facts) ?? current;
    if (difference.adjust !== undefined) adjustments.push(difference.adjust);
    const accepting = ours.accepted ? 'ours' : 'theirs';
    ({ ours, theirs } = await judge(current, adjustments));
    // Whoever accepted must go on to: a repair takes out what the other one stumbled over, and nothing else.
    if (!(accepting === 'ours' ? ours : theirs).accepted) return undefined;
    if (ours.accepted && theirs.accepted) return found;
  }
  return undefined;
}

/**
 * What is wrong with a trial that was accepted here, as rules have it that allow no exception; the identifiers of
 * differences. Nothing is wrong with what is valid. Of bundles that have original names for fields, which
 * `@sigstore/verify` reads as unknown, nothing is said.
 */
export function forbiddenIn(trial: Trial): readonly string[] {
  const facts = factsOf(trial);
  if (facts.misspellings.has('original name') || facts.rootMisspellings.has('original name')) return [];
  const refusal = { accepted: false, code: '', message: '', error: undefined } as const;
  return differences
    .filter(({ isNeverAccepted = false, applies }) => isNeverAccepted && applies(facts, refusal))
    .map(({ id }) => id);
}
