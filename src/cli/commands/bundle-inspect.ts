import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { readWhole } from '../blob-input.ts';
import type { CommandContext } from '../command.ts';
import { styleFor } from '../style.ts';

/** Says what is in a file with signatures. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, io, output } = context;
  const [path = ''] = args;
  const printsPayload = flags.get('print-payload');
  if (printsPayload && output.json) {
    throw new BoltsealError('ERR_USAGE', '--payload and --output json contradict each other', {
      hint: 'The payload is printed as it is.',
    });
  }
  const bytes = await readWhole(path, 'the bundle', limits.bundleBytes, context);
  const what = path === '-' ? 'standard input' : path;
  const { inspectBundle, payloadOfBundle } = await import('../../flows/inspect-bundle.ts');
  if (printsPayload) return void output.data(payloadOfBundle(bytes, what));
  const inspection = inspectBundle(bytes, what);
  if (output.json) return void output.document('boltseal.bundle/1', inspection);
  const { inspectionText } = await import('../bundle/inspection-text.ts');
  output.data(inspectionText(inspection, styleFor(io.stdout, io.env)));
}
