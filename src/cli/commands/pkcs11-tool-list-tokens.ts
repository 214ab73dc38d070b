import { tokensOf } from '../../keys/providers/pkcs11-list.ts';
import type { CommandContext } from '../command.ts';
import { visible } from '../style.ts';

/** Lists the tokens of a module, as cosign prints them. */
export async function run({ flags, output }: CommandContext): Promise<undefined> {
  const module = flags.get('module-path');
  const tokens = await tokensOf(module);
  if (output.json) {
    output.document('boltseal.pkcs11-tool-list-tokens/1', { modulePath: module, tokens });
    return;
  }
  for (const { slotId, label, manufacturer, model, serial } of tokens) {
    output.data(
      visible(
        `Token in slot ${slotId}\n\tLabel: ${label}\n\tManufacturer: ${manufacturer}\n\tModel: ${model}\n\tS/N: ${serial}\n\n`,
      ),
    );
  }
}
