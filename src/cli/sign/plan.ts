/** What would be signed, told before it is. */
import { parseReference } from '../../formats/reference.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';
import type { Format } from './format.ts';

/** Warns when an image is named by its tag alone. */
export function warnOfTag(text: string, { output, flags }: CommandContext): void {
  const reference = parseReference(text);
  if (reference.kind === 'layout' || reference.digest !== undefined || flags.get('dry-run')) return;
  output.warn(`${text} names a tag, which can move; what is signed is the digest that it has now`);
}

/** Prints what would be signed and where it would be stored: `--dry-run`. `verb` is what is done to it. */
export async function showPlan(
  context: CommandContext,
  format: Format,
  verb: 'sign' | 'attest',
): Promise<undefined> {
  const { listManifests, openImage, pinned } = await import('../../flows/image.ts');
  const { args, flags, output, signal } = context;
  const runtime = await context.runtime();
  const options = { ...(await imageOptions(context)), recursive: flags.get('recursive'), signal };
  const planned: { reference: string; signs: string[]; signatures: string }[] = [];
  for (const reference of args) {
    const image = await openImage(reference, options, runtime);
    const manifests = await listManifests(image, options);
    const signs = manifests.map(({ digest }) => pinned(image, digest));
    planned.push({ reference, signs, signatures: image.signatures.name });
  }
  if (output.json) return void output.document(`boltseal.${verb}-plan/1`, { format, images: planned });
  for (const { reference, signs, signatures } of planned) {
    output.data(
      `${reference}: would ${verb}, in ${format === 'both' ? 'both formats' : `the ${format} format`}, stored in ${signatures}\n`,
    );
    for (const one of signs) output.data(`  ${one}\n`);
  }
}
