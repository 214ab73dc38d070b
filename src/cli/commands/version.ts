import type { CommandContext } from '../command.ts';
import { version, versionLine } from '../version.ts';

/** Prints the version. */
export async function run({ output }: CommandContext): Promise<undefined> {
  if (!output.json) return void output.data(versionLine());
  output.document('boltseal.version/1', {
    version,
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
  });
}
