/** What the commands that verify images have in common: all but what is required, and how it is printed. */
import type { SignerOptions } from '../../flows/signer-requirements.ts';
import { type VerifyImageOptions, type VerifyOutcome, verifyImages } from '../../flows/verify-image.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';
import { reportFailures } from '../outcomes.ts';
import { startProgress } from '../progress.ts';
import { explain, type Wanted } from './report.ts';

/** What one command requires of images, and how it prints what was found. */
export interface ImageVerification {
  readonly what: Wanted;
  /** Who must have signed, and what must stand behind it. */
  readonly signer: SignerOptions;
  readonly options: Pick<VerifyImageOptions, 'annotations' | 'given' | 'predicateTypes'>;
  print(outcomes: readonly VerifyOutcome[]): void;
}

/** Warns of a check that is turned off. */
export function warnOfClaims({ flags, output }: CommandContext, what: Wanted): void {
  if (flags.get('check-claims')) return;
  const article = what === 'signature' ? 'a' : 'an';
  output.warn(`--check-claims=false: ${article} ${what} of any other image by this signer is accepted too`);
}

/** Verifies each image of the command line, and prints what came of it. */
export async function verifyAndReport(
  context: CommandContext,
  { what, signer, options, print }: ImageVerification,
): Promise<number | undefined> {
  const { flags, output } = context;
  const runtime = await context.runtime();
  const references = context.args.map((text) => (flags.get('local-image') ? localImage(text) : text));
  const asked = {
    ...(await imageOptions(context, references)),
    ...signer,
    ...options,
    checkClaims: flags.get('check-claims'),
  };
  const progress = startProgress(context, 'verified', references.length);
  const outcomes = await verifyImages(references, asked, runtime, () => progress.step()).finally(() =>
    progress.end(),
  );
  // A key or trusted root that cannot be loaded is one error, and not one for each image.
  await Promise.all([signer.keys, signer.trust]);
  if (flags.get('explain')) {
    for (const outcome of outcomes) context.io.stderr.write(explain(outcome, what, output.style));
  }
  print(outcomes);
  return reportFailures(
    outcomes.map((outcome) => ('error' in outcome ? outcome : {})),
    context,
  );
}

function localImage(text: string): string {
  return text.startsWith('oci:') ? text : `oci:${text}`;
}
