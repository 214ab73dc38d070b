import type { CommandContext } from '../command.ts';
import { variables } from '../environment.ts';
import { type FlagId, flagName, flags, flagVariables } from '../flags.ts';

interface Shown {
  readonly name: string;
  readonly help: string;
  readonly secret: boolean;
}

/** Prints every variable that is read, with its value. */
export async function run({ flags: given, output, io }: CommandContext): Promise<undefined> {
  const sensitive = given.get('show-sensitive-values');
  const shown = allVariables().map(({ name, help, secret }) => ({
    name,
    help,
    value: secret && !sensitive && (io.env[name] ?? '') !== '' ? '********' : io.env[name],
  }));
  if (output.json) {
    return void output.document('boltseal.env/1', {
      variables: shown.map(({ name, help, value }) => ({ name, value: value ?? null, description: help })),
    });
  }
  const descriptions = given.get('show-descriptions');
  for (const { name, help, value } of shown) {
    if (descriptions) output.data(`# ${help}\n`);
    output.data(`${name}=${value ?? ''}\n`);
  }
}

/** Variables that no flag stands for, then those of flags; a name that several flags share once. */
function allVariables(): readonly Shown[] {
  const all = new Map<string, Shown>();
  for (const { name, help, secret = false } of variables) all.set(name, { name, help, secret });
  for (const id of Object.keys(flags) as FlagId[]) {
    for (const name of flagVariables(id)) {
      const secret = flags[id].secret ?? false;
      if (!all.has(name))
        all.set(name, { name, help: `The same as --${flagName(id)}. ${flags[id].help}`, secret });
    }
  }
  return [...all.values()];
}
