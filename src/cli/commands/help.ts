import type { CommandContext } from '../command.ts';
import { commandHelp, overview } from '../help.ts';
import { chooseCommand } from '../parse.ts';
import { commands } from './table.ts';

/** Prints the help of the command named by the arguments, or the list of commands. */
export async function run({ args, output, io }: CommandContext): Promise<undefined> {
  const { command, group } = chooseCommand(args, commands);
  output.data(command === undefined ? overview(commands, io, group) : commandHelp(command, io));
}
