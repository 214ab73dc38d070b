import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import type { CommandSpec } from './command.ts';
import { commands } from './commands/table.ts';
import { cosignFlags } from './cosign-flags.ts';
import { type FlagId, flagName, flags, globalFlags } from './flags.ts';
import { cosignFlagsOf } from './parse.ts';

const sources = new Map(
  readdirSync(new URL('.', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => [name.replaceAll('\\', '/'), readFileSync(new URL(name, import.meta.url), 'utf8')]),
);

/** The text of a command’s file and of every file of `cli/` that it imports, however far. */
function codeOf(command: CommandSpec): string {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    const text = sources.get(name);
    if (text === undefined || seen.has(name) || name.startsWith('flags') || name.endsWith('table.ts')) return;
    seen.add(name);
    for (const [, path = ''] of text.matchAll(/['"](\.{1,2}\/[^'"]+\.ts)['"]/g)) {
      visit(new URL(path, `file:///${name}`).pathname.slice(1));
    }
  };
  visit(`commands/${command.name.replace(' ', '-')}.ts`);
  visit('main.ts');
  visit('runtime.ts');
  return [...seen].map((name) => sources.get(name)).join('\n');
}

for (const command of commands) {
  test(`${command.name}: no flag is parsed and ignored`, () => {
    const code = codeOf(command);
    const ignored = command.flags.filter((id) => !code.includes(`'${id}'`));
    assert.deepEqual(ignored, []);
  });

  test(`${command.name}: names are unambiguous`, () => {
    const ids = [...command.flags, ...globalFlags];
    const names = [
      ...ids.flatMap((id) => [flagName(id), ...(flags[id].aliases ?? [])]),
      ...cosignFlagsOf(command).flatMap((flag) => [flag.name, ...(flag.aliases ?? [])]),
    ];
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
    const shorts = [...ids.map((id) => flags[id].short), ...cosignFlagsOf(command).map((flag) => flag.short)];
    const given = shorts.filter((short) => short !== undefined);
    assert.deepEqual(
      given.filter((short, index) => given.indexOf(short) !== index),
      [],
    );
    assert.deepEqual(
      names.filter((name) => name.startsWith('no-')),
      [],
    );
  });

  test(`${command.name}: is explained, with an example that names it`, () => {
    assert.ok(command.examples.length > 0);
    for (const { command: line } of command.examples)
      assert.ok(line.includes(`boltseal ${command.name}`), line);
    assert.ok(command.description.length > 0);
    assert.match(command.summary, /^[a-z].*[^.]$/);
  });
}

test('every flag is taken by a command and has a help of one sentence or more', () => {
  const taken = new Set<FlagId>([...commands.flatMap((command) => command.flags), ...globalFlags]);
  assert.deepEqual(
    (Object.keys(flags) as FlagId[]).filter((id) => !taken.has(id)),
    [],
  );
  for (const { help } of Object.values(flags)) assert.match(help, /^\S.*\.$/);
});

test('every flag of cosign is accepted for a reason or refused with a hint', () => {
  for (const flag of Object.values(cosignFlags).flat()) {
    assert.equal(flag.accepts !== undefined, flag.because !== undefined, flag.name);
    if (flag.accepts !== 'any') assert.match(flag.instead, /\.$|…$|FILE$|cosign or both\.$/, flag.name);
  }
});
