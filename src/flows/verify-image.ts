import { begin, mapConcurrent, nextTurn } from '../core/concurrent.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { BoltsealError, type ErrorCode, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import type { Annotations } from '../formats/oci.ts';
import { signPredicateType } from '../formats/statement.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { DiscoveredSignatures, PlaceReport } from '../registry/discover.ts';
import type { Evidence, Refusal } from '../verify/verdict.ts';
import { findCandidates } from './candidates.ts';
import { type ImageOptions, type OpenedImage, openImage, pinned, resolveImage } from './image.ts';
import { absence, nearestRefusal, nextStep, readFailures, refusalCodes } from './refusals.ts';
import {
  beginRequirements,
  checkSigner,
  type SignerOptions,
  signerRequirements,
} from './signer-requirements.ts';

/** Options of {@link verifyImage}. */
export interface VerifyImageOptions extends ImageOptions, SignerOptions {
  /** Annotations that must have been signed, with these values. */
  readonly annotations?: Annotations | undefined;
  /** Requires an attestation of one of these types in place of a signature: in a bundle, or under the `.att` tag. */
  readonly predicateTypes?: readonly string[] | undefined;
  /** False accepts a signature by a trusted key whatever image it names, as cosign's flag does: replays pass. */
  readonly checkClaims?: boolean | undefined;
  /** Signatures at hand, instead of those in the registry. */
  readonly given?: readonly GivenSignature[] | undefined;
}

/** A signature that does not come from the registry. */
export type GivenSignature =
  | { readonly format: 'bundle'; readonly bundle: Uint8Array }
  | { readonly format: 'cosign'; readonly payload: Uint8Array; readonly signature: Uint8Array };

/** Everything that is known about the verification of one image. */
export interface VerificationReport {
  /** `name@digest`: what to deploy. */
  readonly reference: string;
  readonly digest: Digest;
  /** Where signatures were looked for, and what came of it. */
  readonly places: readonly PlaceReport[];
  /** Proof for each accepted signature; a signature stored in both formats is here in both. */
  readonly accepted: readonly Evidence[];
  readonly refused: readonly Refusal[];
}

/**
 * A verification that accepted nothing, with the report: `ERR_NO_SIGNATURES`, `ERR_NO_MATCHING_SIGNATURES`, or
 * `ERR_VERIFY_NO_CERTIFICATE` when an identity was asked for and bare keys signed.
 */
export class VerificationError extends BoltsealError {
  readonly report: VerificationReport;

  constructor(
    code: ErrorCode,
    message: string,
    report: VerificationReport,
    options: { cause?: unknown; hint?: string } = {},
  ) {
    super(code, message, {
      ...options,
      details: {
        reference: report.reference,
        refused: report.refused.length,
        reasons: refusalCodes(report.refused),
      },
    });
    this.report = report;
  }
}

/**
 * Verifies that an image is signed: at least one signature, in any format and place, by one of the keys or identities,
 * about exactly this digest, with the required annotations. Every place is looked at; one bad signature never hides a good one, and a
 * place that cannot be read is never taken for an empty one.
 *
 * Throws `ERR_IMAGE_NOT_FOUND`, `ERR_NO_SIGNATURES`, `ERR_NO_MATCHING_SIGNATURES` (both as {@link VerificationError}),
 * `ERR_USAGE` for options that contradict each other, and what the registry throws.
 */
export async function verifyImage(
  reference: string,
  options: VerifyImageOptions,
  runtime: Runtime,
): Promise<VerificationReport> {
  beginRequirements(options);
  await checkOptions(options);
  const image = await openImage(reference, options, runtime);
  const digest = image.reference.digest ?? (await resolveImage(image, options)).digest;
  const finding = begin(options.given ? givenOnly(options.given) : findCandidates(image, digest, options));
  // The rest of the code is loaded while the registry is asked: a new process verifies sooner.
  await nextTurn();
  const { judgeCandidates, judgeGiven } = await import('./judge.ts');
  const [signer, { places, candidates }] = await Promise.all([signerRequirements(options), finding]);
  const { annotations, checkClaims, predicateTypes, given } = options;
  const required = { ...signer, digest, annotations, checkClaims, predicateTypes };
  const judged = given ? judgeGiven(given, required) : judgeCandidates(candidates, required);
  const report: VerificationReport = { reference: pinned(image, digest), digest, places, ...judged };
  if (report.accepted.length > 0) return report;
  throw await explainRefusal(image, report, options);
}

/** The registry is not asked for signatures when the caller brought them. */
async function givenOnly(given: readonly GivenSignature[]): Promise<DiscoveredSignatures> {
  return { places: [{ place: 'file', where: 'given by the caller', found: given.length }], candidates: [] };
}

/** What can be told without asking anyone is told before. */
async function checkOptions(options: VerifyImageOptions): Promise<void> {
  await checkSigner(options);
  const { annotations = {}, checkClaims } = options;
  if (checkClaims !== false || Object.keys(annotations).length === 0) return;
  throw new BoltsealError('ERR_USAGE', 'annotations are required, and the check of claims is turned off', {
    hint: 'Annotations are claims: leave out one of the two.',
  });
}

/** The error for a verification that accepted nothing: unreadable places first, then refusals, then absence. */
async function explainRefusal(
  image: OpenedImage,
  report: VerificationReport,
  options: VerifyImageOptions,
): Promise<BoltsealError> {
  const what = options.predicateTypes === undefined ? 'signature' : 'attestation';
  const [failure] = readFailures(report);
  if (failure) {
    const asked = what === 'signature' ? 'is signed' : 'is attested';
    const message = `whether ${report.reference} ${asked} cannot be told: ${failure.message}`;
    return new VerificationError(failure.code, message, report, {
      cause: failure,
      hint: nextStep(failure, report.places.some(({ error }) => error === failure) ? 'place' : 'candidate'),
    });
  }
  const nearest = nearestRefusal(report.refused);
  if (nearest) {
    const count =
      report.refused.length === 1
        ? `the ${what} found was`
        : `all ${report.refused.length} ${what}s found were`;
    const message = `${report.reference} has no acceptable ${what}: ${count} refused`;
    // Only bare keys signed, and an identity was asked for: that is another finding than a signature by somebody else.
    const code =
      nearest.error.code === 'ERR_VERIFY_NO_CERTIFICATE' ? nearest.error.code : 'ERR_NO_MATCHING_SIGNATURES';
    return new VerificationError(code, message, report, {
      cause: nearest.error,
      hint: nextStep(nearest.error, 'candidate'),
    });
  }
  const { digest } = image.reference;
  if (digest !== undefined && !(await image.repository.resolve(digest, { signal: options.signal }))) {
    return new BoltsealError('ERR_IMAGE_NOT_FOUND', `there is no image ${report.reference}`, {
      hint: 'Check the digest; the image may have been deleted, or live in another repository.',
    });
  }
  const { message, hint } = absence(report.reference, report.places, options.predicateTypes);
  return new VerificationError('ERR_NO_SIGNATURES', message, report, { hint });
}

/** What became of one of several images. */
export type VerifyOutcome =
  | { readonly reference: string; readonly report: VerificationReport }
  | { readonly reference: string; readonly error: BoltsealError };

/** Verifies several images at the same time; outcomes are in the order of `references`. */
export async function verifyImages(
  references: readonly string[],
  options: VerifyImageOptions,
  runtime: Runtime,
  onOutcome?: (outcome: VerifyOutcome) => void,
): Promise<readonly VerifyOutcome[]> {
  const shared = { ...options, registry: options.registry ?? createRegistryClient(runtime) };
  return mapConcurrent(references, limits.concurrentImages, async (reference): Promise<VerifyOutcome> => {
    const outcome = await verifyImage(reference, shared, runtime).then(
      (report): VerifyOutcome => ({ reference, report }),
      (error: unknown): VerifyOutcome => ({
        reference,
        error: wrapError(error, 'ERR_INTERNAL', `verifying ${reference} failed`),
      }),
    );
    onOutcome?.(outcome);
    return outcome;
  });
}

/**
 * The accepted signatures as a list for people and cosign's output: one that was stored in both formats (same key, same
 * digest, same annotations; the same statement of an attestation) is there once, as its bundle.
 */
export function distinctSignatures(accepted: readonly Evidence[]): readonly Evidence[] {
  const identity = ({ signedBy, annotations, claim, entity }: Evidence): string =>
    JSON.stringify([
      entity.encoding === 'dsse' && claim.type !== signPredicateType ? digestOf(entity.payload) : '',
      signedBy.kind === 'key' ? signedBy.hint : [signedBy.identity.issuer, signedBy.identity.subject],
      claim.subjects.map(({ digest }) => digest),
      Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]);
  const bundles = new Map<string, number>();
  for (const evidence of accepted) {
    if (evidence.entity.origin.format === 'bundle')
      bundles.set(identity(evidence), (bundles.get(identity(evidence)) ?? 0) + 1);
  }
  return accepted.filter((evidence) => {
    if (evidence.entity.origin.format === 'bundle') return true;
    const twins = bundles.get(identity(evidence)) ?? 0;
    bundles.set(identity(evidence), twins - 1);
    return twins <= 0;
  });
}
