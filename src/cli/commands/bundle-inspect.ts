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
  const documents = documentsOf(bytes, what);
  const { inspectBundle, payloadOfBundle } = await import('../../flows/inspect-bundle.ts');
  if (printsPayload) {
    const [only, ...others] = documents;
    if (only !== undefined && others.length === 0) return void output.data(payloadOfBundle(only, what));
    throw new BoltsealError(
      'ERR_USAGE',
      `${what} holds ${documents.length} signatures, and --payload prints one`,
    );
  }
  const { inspectionText } = await import('../bundle/inspection-text.ts');
  for (const [index, document] of documents.entries()) {
    const inspection = inspectBundle(
      document,
      documents.length === 1 ? what : `line ${index + 1} of ${what}`,
    );
    if (output.json) output.document('boltseal.bundle/1', inspection);
    else
      output.data(`${index === 0 ? '' : '\n\n'}${inspectionText(inspection, styleFor(io.stdout, io.env))}`);
  }
}

/** What is in a file: one document, or, as `download signature` prints them, one in each line. */
function documentsOf(bytes: Uint8Array, what: string): readonly Uint8Array[] {
  const lines = Buffer.from(bytes)
    .toString('latin1')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const isList = lines.length > 1 && lines.every((line) => line.startsWith('{') && line.endsWith('}'));
  if (!isList) return [bytes];
  if (lines.length <= limits.signatureLayers) return lines.map((line) => Buffer.from(line, 'latin1'));
  throw new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `${what} has ${lines.length} lines; the limit is ${limits.signatureLayers}`,
  );
}
