/** Where a bundle goes that was made. */
import { fromUtf8 } from '../../core/encoding.ts';
import { type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { CommandContext } from '../command.ts';
import { writeFiles } from '../files.ts';

/**
 * Writes a bundle to the file of `--out`, readable by its owner as cosign writes it, or to standard output. With
 * `--output json` the document says what is in it, after `facts`.
 */
export async function writeBundle(
  { flags, output }: Pick<CommandContext, 'flags' | 'output'>,
  schema: string,
  bytes: Uint8Array,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  const file = flags.get('bundle-out');
  if (file !== undefined) {
    await writeFiles([{ path: file, content: bytes, mode: 0o600 }]);
    output.say(`Bundle written to ${file}`);
  }
  if (output.json) {
    const bundle: Json = parseJson(bytes, { what: 'the bundle', maxBytes: limits.bundleBytes });
    return output.document(schema, { ...(file === undefined ? {} : { file }), ...facts, bundle });
  }
  if (file === undefined) output.data(`${fromUtf8(bytes, 'the bundle').trimEnd()}\n`);
}
