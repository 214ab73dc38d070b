/** Where a JSON document goes that a command made for other programs. */
import { fromUtf8 } from '../core/encoding.ts';
import { type Json, parseJson } from '../core/json.ts';
import type { CommandContext } from './command.ts';
import { writeFiles } from './files.ts';

/**
 * Writes `bytes` to the file of `--out`, or to standard output with a line end, as cosign does. With `--output json`
 * standard output gets the result of the command, `schema`, with the document as `name`.
 */
export async function writeDocument(
  { flags, output }: CommandContext,
  schema: string,
  name: string,
  bytes: Uint8Array,
  facts: object = {},
): Promise<void> {
  const file = flags.get('out');
  if (file !== undefined) {
    await writeFiles([{ path: file, content: bytes, mode: 0o644 }]);
    output.say(`written to ${file}`);
  }
  if (output.json) {
    const document: Json = parseJson(bytes, { what: name, maxBytes: bytes.length });
    output.document(schema, { ...(file === undefined ? {} : { file }), ...facts, [name]: document });
  } else if (file === undefined) output.data(`${fromUtf8(bytes, name).trimEnd()}\n`);
}
