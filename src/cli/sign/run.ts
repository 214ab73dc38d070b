/** What the commands that sign images have in common: all but what is signed, and the files that are written of it. */
import { shellWord } from '../../core/shell-word.ts';
import type { ImageSignature, SignImageOptions, SignOutcome } from '../../flows/sign-image.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';
import { reportFailures } from '../outcomes.ts';
import { startProgress } from '../progress.ts';
import { keptElsewhere, signingSetup } from '../signing-options.ts';
import { keepDeferred } from './deferred.ts';
import { type Format, formatFor, type TagEnding } from './format.ts';
import { outcomeDocument, printSigned, type SigningWords } from './report.ts';

/** What one command signs, and how it tells of it. */
export interface ImageSigning extends SigningWords {
  readonly schema: string;
  readonly ending: TagEnding;
  readonly options: Pick<SignImageOptions, 'annotations' | 'attestation' | 'identity'>;
  /** What the document says of a signature that not every command does. */
  describe(signature: ImageSignature): object;
  /** Writes what is asked for beside the registry. */
  write(outcomes: readonly SignOutcome[]): Promise<void>;
}

/** Signs each image of the command line in the formats `asked` for, and prints how to verify it. */
export async function signAndReport(
  context: CommandContext,
  asked: Format,
  what: ImageSigning,
): Promise<number | undefined> {
  const { args, flags, output } = context;
  const runtime = await context.runtime();
  const signing = await signingSetup(context);
  const format = formatFor(asked, what.ending, signing, context);
  const { signImages } = await import('../../flows/sign-image.ts');
  const options = {
    ...(await imageOptions(context)),
    signer: signing.signer,
    recorder: signing.recorder,
    layerRecorder: signing.layerRecorder,
    trust: signing.trust,
    deferral: signing.deferral,
    ...what.options,
    format,
    recursive: flags.get('recursive'),
    upload: flags.get('upload'),
  };
  const progress = startProgress(context, what.done, args.length);
  const outcomes = await signImages(args, options, runtime, () => progress.step()).finally(() =>
    progress.end(),
  );
  await what.write(outcomes);
  await keepDeferred(flags, outcomes);
  const keyReference = await keptElsewhere(signing);
  if (output.json) {
    const key = keyReference === undefined ? {} : { keyReference };
    const images = outcomes.map((one) => outcomeDocument(one, what.done, what.describe));
    output.document(what.schema, { ...key, images });
  } else {
    for (const outcome of outcomes) if ('signed' in outcome) printSigned(outcome.signed, what, context);
    const isSigned = outcomes.some((outcome) => 'signed' in outcome);
    if (keyReference !== undefined && isSigned) output.say(`signed with: ${shellWord(keyReference)}`);
  }
  if (!signing.isKeyless) await signing.signer;
  return reportFailures(
    outcomes.map((outcome) => ('error' in outcome ? outcome : {})),
    context,
  );
}
