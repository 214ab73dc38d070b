import { BoltsealError } from '../../core/errors.ts';
import type { CommandContext, CommandSpec } from '../command.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { commands } from './table.ts';

const shells: Readonly<Record<string, (commands: readonly CommandSpec[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** Prints the completion script of a shell. */
export async function run({ args, output }: CommandContext): Promise<undefined> {
  const make = shells[args[0] ?? ''];
  if (make === undefined) throw new BoltsealError('ERR_USAGE', `no completion is known for ${args[0]}`);
  output.data(make(commands));
}
