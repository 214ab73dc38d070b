/** Verifying images: each must be signed as the inputs require. */
import { mapConcurrent } from '../core/concurrent.ts';
import type { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { listManifests, openImage, pinned } from '../flows/image.ts';
import { type VerifyOutcome, verifyImages } from '../flows/verify-image.ts';
import { predicateTypeOf } from '../formats/predicate-type.ts';
import { createRegistryClient, type RegistryClient } from '../registry/client.ts';
import { compareBuilt } from './built.ts';
import type { ActionContext } from './context.ts';
import { actionCredentials } from './credentials.ts';
import { listImages } from './images.ts';
import type { ModeResult } from './mode.ts';
import { signerOptions } from './verification.ts';

/**
 * Verifies every image. One that fails does not stop the others. Throws what is wrong before any is looked at: `ERR_USAGE`
 * and `ERR_DIGEST_MISMATCH`.
 */
export async function verifyMode(context: ActionContext): Promise<ModeResult> {
  const { settings, runtime, toolkit, signal } = context;
  const { predicateType } = settings;
  const signer = signerOptions(context);
  const { references, built } = await listImages(settings);
  const credentials = actionCredentials(context, references);
  const registry = createRegistryClient(runtime, { credentials });
  if (built.length > 0) await compareBuilt(built, registry, context);
  const options = {
    ...signer,
    registry,
    signal,
    annotations: settings.annotations,
    signatureRepository: settings.signatureRepository,
    predicateTypes: predicateType === undefined ? undefined : [predicateTypeOf(predicateType)],
  };
  return toolkit.group('Verifying', async () => {
    const wanted = settings.recursive
      ? await platformsOf(references, registry, context)
      : references.map((reference) => ({ top: reference, reference }));
    const outcomes = await verifyImages(
      wanted.map(({ reference }) => reference),
      options,
      runtime,
      (outcome) => tell(context, outcome),
    );
    signal.throwIfAborted();
    return resultOf(outcomes, wanted);
  });
}

interface Wanted {
  /** The image as it was named. */
  readonly top: string;
  /** Itself, or one of its platforms. */
  readonly reference: string;
}

async function platformsOf(
  references: readonly string[],
  registry: RegistryClient,
  { runtime, signal }: ActionContext,
): Promise<readonly Wanted[]> {
  const lists = await mapConcurrent(references, limits.concurrentImages, async (top) => {
    const image = await openImage(top, { registry, signal }, runtime);
    const manifests = await listManifests(image, { recursive: true, signal });
    return manifests.map(({ digest }): Wanted => ({ top, reference: pinned(image, digest) }));
  });
  return lists.flat();
}

function tell({ toolkit }: ActionContext, outcome: VerifyOutcome): void {
  if ('report' in outcome) toolkit.info(`verified ${outcome.report.reference}`);
  else toolkit.info(`refused: ${outcome.reference}`);
}

function resultOf(outcomes: readonly VerifyOutcome[], wanted: readonly Wanted[]): ModeResult {
  const rows: ModeResult['rows'][number][] = [];
  const references = new Map<string, string>();
  const failures: BoltsealError[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if ('error' in outcome) {
      failures.push(outcome.error);
      continue;
    }
    const { reference, accepted } = outcome.report;
    const top = wanted[index]?.top ?? reference;
    // The first of an image is the image itself.
    if (!references.has(top)) references.set(top, reference);
    const [evidence] = accepted;
    if (evidence !== undefined) rows.push({ reference, evidence, verified: 'as required' });
  }
  return {
    title: failures.length === 0 ? 'Verified with Boltseal' : 'Refused by Boltseal',
    rows,
    references: [...references.values()],
    bundles: [],
    logIndexes: [
      ...new Set(
        rows.flatMap((row) => row.evidence.material.logEntries.map(({ logIndex }) => `${logIndex}`)),
      ),
    ],
    commands: [],
    failures,
  };
}
