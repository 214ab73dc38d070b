import { mapConcurrent } from '../../core/concurrent.ts';
import { BoltsealError, wrapError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { SubmittedSignature } from '../../flows/submit-deferred.ts';
import type { DeferredSignature } from '../../formats/deferred-log.ts';
import type { CommandContext } from '../command.ts';
import { readDeferred, writeDeferred } from '../deferred-file.ts';
import { writeFiles } from '../files.ts';
import { imageOptions } from '../image-options.ts';
import { reportFailures } from '../outcomes.ts';
import { startProgress } from '../progress.ts';
import { errorDocument } from '../report-error.ts';
import { submissionServices } from '../signing-options.ts';

type Outcome =
  | { readonly reference: string; readonly submitted: SubmittedSignature }
  | { readonly reference: string; readonly deferred: DeferredSignature; readonly error: BoltsealError };

/** Logs deferred signatures and stores them. Those that fail stay in the file. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output } = context;
  const [path = ''] = args;
  const deferred = await readDeferred(path);
  if (deferred.length === 0) {
    output.say(`${path} holds no signatures`);
    return undefined;
  }
  const references = deferred.flatMap(({ reference }) => (reference === undefined ? [] : [reference]));
  const [services, image, runtime] = await Promise.all([
    submissionServices(context),
    imageOptions(context, references),
    context.runtime(),
  ]);
  const { submitDeferred } = await import('../../flows/submit-deferred.ts');
  const progress = startProgress(context, 'submitted', deferred.length);
  const outcomes = await mapConcurrent(deferred, limits.concurrentImages, async (one): Promise<Outcome> => {
    const reference = one.reference ?? one.bundleFile ?? '';
    try {
      const submitted = await submitDeferred(one, { ...image, ...services }, runtime);
      if (submitted.bundle !== undefined && one.bundleFile !== undefined) {
        await writeFiles([{ path: one.bundleFile, content: submitted.bundle, mode: 0o600 }]);
      }
      return { reference, submitted };
    } catch (error) {
      const wrapped = wrapError(error, 'ERR_INTERNAL', `submitting the signature of ${reference} failed`);
      return { reference, deferred: one, error: wrapped };
    } finally {
      progress.step();
    }
  }).finally(() => progress.end());
  const left = outcomes.flatMap((outcome) => ('deferred' in outcome ? [outcome.deferred] : []));
  await keep(path, left);
  report(outcomes, context);
  return reportFailures(
    outcomes.map((outcome) => ('error' in outcome ? outcome : {})),
    context,
  );
}

async function keep(path: string, left: readonly DeferredSignature[]): Promise<void> {
  if (left.length > 0) return writeDeferred(path, left);
  const { rm } = await import('node:fs/promises');
  await rm(path).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_WRITE', `${path} cannot be removed`, { cause });
  });
}

function report(outcomes: readonly Outcome[], { output }: CommandContext): void {
  if (output.json) {
    output.document('boltseal.log-submit/1', { signatures: outcomes.map(outcomeDocument) });
    return;
  }
  for (const outcome of outcomes) {
    if ('error' in outcome) continue;
    const { stored, logIndexes, signature } = outcome.submitted;
    const where =
      stored === undefined ? `written to ${signature.bundleFile}` : `stored as ${stored.manifest}`;
    output.say(
      `${output.style.green('logged')} ${outcome.reference}: entry ${logIndexes.join(', ')}, ${where}`,
    );
  }
}

function outcomeDocument(outcome: Outcome): object {
  const { reference } = outcome;
  if ('error' in outcome) return { reference, error: errorDocument(outcome.error) };
  const { stored, logIndexes, signature } = outcome.submitted;
  return {
    reference,
    format: signature.format,
    logIndexes: logIndexes.map(String),
    ...(stored === undefined ? { bundleFile: signature.bundleFile } : stored),
  };
}
