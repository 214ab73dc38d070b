import { eraseCredential } from '../../registry/credentials/stored.ts';
import type { CommandContext } from '../command.ts';
import { registryName } from '../registry-name.ts';

/** Removes the stored login of a registry. That there is none is no error: it is what was wanted. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const registry = registryName(args[0] ?? 'docker.io');
  const places = await eraseCredential(registry, await context.runtime());
  if (places.length === 0) output.say(`There was no login for ${registry}`);
  for (const place of places) output.say(`The login for ${registry} was removed from ${place}`);
  if (output.json) output.document('boltseal.logout/1', { registry, removedFrom: places });
}
