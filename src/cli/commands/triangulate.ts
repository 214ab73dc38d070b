import { triangulateImage } from '../../flows/triangulate-image.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';

/** Prints where something about an image is kept. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, output } = context;
  const type = flags.get('type');
  const reference = await triangulateImage(
    args[0] ?? '',
    type,
    await imageOptions(context),
    await context.runtime(),
  );
  if (output.json) output.document('boltseal.triangulate/1', { type, reference });
  else output.data(`${reference}\n`);
}
