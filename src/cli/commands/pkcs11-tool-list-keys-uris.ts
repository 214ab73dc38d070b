import { keysOf } from '../../keys/providers/pkcs11-list.ts';
import type { CommandContext } from '../command.ts';
import { keyContext } from '../keys.ts';
import { visible } from '../style.ts';

/** Lists the keys of a token with their URIs, as cosign prints them; without the PIN, which cosign prints too. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output } = context;
  const module = flags.get('module-path');
  const keys = await keysOf(module, flags.get('slot-id'), await keyContext(context));
  if (output.json) {
    output.document('boltseal.pkcs11-tool-list-keys-uris/1', { modulePath: module, keys });
    return;
  }
  for (const [index, { label, id, keyType, uri }] of keys.entries()) {
    const lines = [
      ...(label === '' ? [] : [`Label: ${label}`]),
      ...(id === '' ? [] : [`ID: ${id}`]),
      `Type: ${keyType ?? 'not supported, or without its public half'}`,
      `URI: ${uri}`,
    ];
    output.data(visible(`Object ${index}\n${lines.map((line) => `\t${line}\n`).join('')}`));
  }
}
