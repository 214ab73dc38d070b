/**
 * Makes the reference pages from the tables of commands, flags, variables and errors. `--write` writes them; without it
 * the pages that differ are named and the exit code is 1.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandSpec } from '../src/cli/command.ts';
import { commands } from '../src/cli/commands/table.ts';
import { type CosignFlag, cosignFlags } from '../src/cli/cosign-flags.ts';
import { variables } from '../src/cli/environment.ts';
import {
  type FlagId,
  flagGroups,
  flagName,
  flags,
  flagVariables,
  globalFlags,
  registryFlags,
} from '../src/cli/flags.ts';
import { defaultText } from '../src/cli/help.ts';
import { usageOf } from '../src/cli/parse.ts';
import { type ErrorCode, type ExitName, errorTable, exitCodes } from '../src/core/errors.ts';
import { describe, entriesOf, type Kind } from '../src/server/config/kinds.ts';
import { settings } from '../src/server/config/settings.ts';
import { keysPage } from './keys-page.ts';
import { type EntryPoint, entryPoints, firstSentence } from './library.ts';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs', 'reference');
const notice = '<!-- Made from the sources by `npm run docs`; do not edit. -->';

/** The reference pages: file name to content. */
export function pages(): ReadonlyMap<string, string> {
  return new Map([
    ['commands.md', page('Commands', commandsPage())],
    ['flags.md', page('Flags', flagsPage())],
    ['environment.md', page('Environment variables', environmentPage())],
    ['errors.md', page('Errors', errorsPage())],
    ['exit-codes.md', page('Exit codes', exitCodesPage())],
    ['server-config.md', page('Configuration of a private Sigstore', serverConfigPage())],
    ['library.md', page('Library', libraryPage())],
    ['keys.md', page('Keys', keysPage({ table, code }))],
  ]);
}

function page(title: string, blocks: readonly string[]): string {
  return `# ${title}\n\n${notice}\n\n${blocks.join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** `text` as code, with `<` and `>` safe. */
function code(text: string): string {
  return `\`${text}\``;
}

function commandsPage(): readonly string[] {
  return [
    table(
      ['Command', ''],
      commands.map(({ name, summary }) => [
        `[${code(`boltseal ${name}`)}](#boltseal-${name.replaceAll(' ', '-')})`,
        summary,
      ]),
    ),
    `Every command also takes ${globalFlags.map((id) => code(`--${flagName(id)}`)).join(', ')}; commands that talk to a registry take ` +
      `the registry flags. [Flags](flags.md) describes them, [environment variables](environment.md) lists the variable of each, ` +
      'and [exit codes](exit-codes.md) says how commands end.',
    ...commands.flatMap(commandBlocks),
  ];
}

function commandBlocks(command: CommandSpec): readonly string[] {
  const own = command.flags.filter((id) => !registryFlags.includes(id));
  const registry = own.length < command.flags.length;
  return [
    `## boltseal ${command.name}`,
    `\`\`\`text\n${usageOf(command)}\n\`\`\``,
    ...command.description.map(escaped),
    `\`\`\`text\n${command.examples.map((one) => `# ${one.text}\n${one.command}`).join('\n')}\n\`\`\``,
    ...(own.length === 0 ? [] : [table(['Flag', '', 'Default'], own.map(flagRow))]),
    ...(registry ? ['and the [registry flags](flags.md#registry).'] : []),
  ];
}

/** Placeholders such as `<digest>` would be read as HTML. */
function escaped(text: string): string {
  return text.replaceAll('<', '\\<');
}

function flagRow(id: FlagId): readonly string[] {
  return [
    flagSyntax(id),
    escaped(flags[id].help),
    defaultText(id) === undefined ? '' : code(defaultText(id) ?? ''),
  ];
}

function flagSyntax(id: FlagId): string {
  const { short, type, value, values, aliases = [] } = flags[id];
  const argument = type === 'boolean' ? '' : ` ${values?.join('|') ?? value ?? 'VALUE'}`;
  const long = `--${flags[id].default === true ? '[no-]' : ''}${flagName(id)}${argument}`;
  const names = [...(short === undefined ? [] : [`-${short}`]), long].map(code).join(', ');
  return aliases.length === 0
    ? names
    : `${names} (also ${aliases.map((alias) => code(`--${alias}`)).join(', ')})`;
}

function flagsPage(): readonly string[] {
  const ids = Object.keys(flags) as FlagId[];
  return [
    'A flag that is not known is an error that names the nearest one. A flag that takes a value is written `--flag value` or ' +
      '`--flag=value`; a flag that is on by default is turned off with `--no-flag` or `--flag=false`; `--` ends the flags. ' +
      'What is given twice must be given with the same value, unless the flag may be repeated.',
    ...flagGroups.flatMap((group) => [
      `## ${group}`,
      table(
        ['Flag', '', 'Default', 'Commands'],
        ids.filter((id) => flags[id].group === group).map((id) => [...flagRow(id), takersOf(id)]),
      ),
    ]),
    '## Flags of cosign',
    'These are understood so that scripts written for cosign keep working, or refused with the way to go; none is ignored in silence. ' +
      'Their variables (`COSIGN_<FLAG>`) are treated the same.',
    ...(
      ['sign', 'attest', 'signBlob', 'verify', 'verifyAttestation', 'registry', 'tree', 'token'] as const
    ).flatMap((set) => [
      `### ${cosignSetTitles[set]}`,
      table(
        ['Flag', 'Accepted', 'Why it changes nothing', 'What to do otherwise'],
        cosignFlags[set].map(cosignRow),
      ),
    ]),
  ];
}

const cosignSetTitles: Readonly<Record<keyof typeof cosignFlags, string>> = {
  sign: 'sign',
  attest: 'attest',
  signBlob: 'sign-blob',
  verify: 'verify',
  verifyAttestation: 'verify-attestation',
  registry: 'Commands that talk to a registry',
  tree: 'tree',
  token: 'Commands that take a key',
  initialize: 'initialize',
};

function takersOf(id: FlagId): string {
  if (globalFlags.includes(id)) return 'all';
  return commands.flatMap((command) => (command.flags.includes(id) ? [code(command.name)] : [])).join(', ');
}

function cosignRow({ name, short, accepts, because = '', instead }: CosignFlag): readonly string[] {
  const accepted =
    accepts === undefined ? 'no' : accepts === 'any' ? 'any value' : accepts.map(code).join(', ');
  const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`].map(code).join(', ');
  return [names, accepted, because, instead];
}

function environmentPage(): readonly string[] {
  const ids = (Object.keys(flags) as FlagId[]).filter((id) => flagVariables(id).length > 0);
  const seen = new Set<string>();
  const rows = ids.flatMap((id) => {
    const name = flagName(id);
    if (seen.has(name)) return [];
    seen.add(name);
    return [[code(`--${name}`), flagVariables(id).map(code).join(', ')]];
  });
  return [
    'Variables that no flag stands for:',
    table(
      ['Variable', ''],
      variables.map(({ name, help }) => [code(name), help]),
    ),
    'Every flag can be set by a variable. A flag on the command line wins; then the first variable of its row that is not ' +
      'empty. Booleans are `true` or `false` (also `1`, `0`, `t`, `f`); a value that cannot be read is an error that names the ' +
      'variable. Flags that may be repeated take several values separated by commas.',
    table(['Flag', 'Variables'], rows),
  ];
}

function errorsPage(): readonly string[] {
  const codes = Object.keys(errorTable) as ErrorCode[];
  return [
    'The code of an error never changes its meaning. It is printed after the message, is `code` in the JSON of `--output json`, ' +
      'and `error.code` in the library.',
    table(
      ['Code', 'Meaning', 'Exit code'],
      codes.map((one) => [
        code(one),
        escaped(errorTable[one].meaning),
        String(exitCodes[errorTable[one].exit]),
      ]),
    ),
  ];
}

function libraryPage(): readonly string[] {
  return [
    'What each entry of the package exports; `boltseal` has what most programs need. The docstrings, which editors show, say ' +
      'more, and [examples](../../examples) are programs to start from. Every error is a `BoltsealError` with one of the ' +
      '[error codes](errors.md).',
    ...entryPoints().flatMap(libraryBlocks),
  ];
}

function libraryBlocks({ name, doc, exports }: EntryPoint): readonly string[] {
  // What is called stands before what describes it.
  const values = exports.filter(({ kind }) => kind !== 'type');
  const types = exports.filter(({ kind }) => kind === 'type');
  return [
    `## ${name}`,
    escaped(doc),
    table(
      ['Export', '', ''],
      [...values, ...types].map((one) => [code(one.name), one.kind, escaped(firstSentence(one.doc))]),
    ),
  ];
}

function serverConfigPage(): readonly string[] {
  const single = Object.entries(settings).filter(([, kind]) => entriesOf(kind) === undefined);
  const sections = Object.entries(settings).filter(([, kind]) => entriesOf(kind) !== undefined);
  return [
    '`boltseal serve --config boltseal.yaml` reads YAML 1.2, of which JSON is a part. Every setting may be left out; an unknown ' +
      'one is an error with its line and the nearest name. Durations are written `90s`, `10m`, `1h30m`, `7d`. Relative paths ' +
      'are relative to the folder of the file. Secrets are never in it: where one is needed, `env://NAME` names a variable ' +
      'and anything else a file. [The guide](../guide/private-sigstore.md) says what to set; ' +
      '[an example](../../deploy/boltseal.yaml) is a start.',
    '## Single settings',
    settingsTable(single),
    ...sections.flatMap(([name, kind]) => {
      const { type, help } = describe(kind);
      const what = { list: 'A list of:', map: 'A map; below each name:' }[type];
      const inner = settingsTable(Object.entries(entriesOf(kind) ?? {}));
      return [`## ${name}`, what === undefined ? help : `${help} ${what}`, inner];
    }),
  ];
}

function settingsTable(entries: readonly (readonly [string, Kind<unknown>])[]): string {
  return table(
    ['Setting', '', 'Value', 'Default'],
    entries.map(([name, kind]) => {
      const { type, help, preset, isNeeded } = describe(kind);
      return [code(name), help, type, isNeeded ? 'needed' : preset === undefined ? '' : code(preset)];
    }),
  );
}

const exitMeanings: Readonly<Record<ExitName, string>> = {
  ok: 'Done. `verify`: every image has an accepted signature.',
  internal: 'An error that no other code stands for; also a file that cannot be read or written.',
  usage:
    'The command line is wrong: unknown or contradictory flags, missing arguments, malformed references.',
  noSignatureFound:
    '`verify`: no signature was found. `verify-attestation`: no attestation of the type was found.',
  noSuchImage: 'There is no such image.',
  noMatchingSignature: '`verify`: signatures were found, and none was accepted.',
  noCertificate: 'A certificate was required, and the signature has none.',
  policyRefused: 'A policy refused the image.',
  malformedInput: 'Something from outside is malformed or larger than allowed.',
  credentials: 'A key, password, login or permission is missing or wrong.',
  network: 'A registry or service could not be reached, or answered what it must not.',
};

function exitCodesPage(): readonly string[] {
  const names = Object.keys(exitCodes) as ExitName[];
  const codes = Object.keys(errorTable) as ErrorCode[];
  return [
    'Exit codes are frozen: scripts may branch on them. When several images fail, the first failure decides.',
    table(
      ['Exit code', 'Meaning', 'Errors'],
      [
        ...names.map((name) => [
          String(exitCodes[name]),
          exitMeanings[name],
          codes
            .filter((one) => errorTable[one].exit === name && one !== 'ERR_INTERRUPTED')
            .map(code)
            .join(', '),
        ]),
        ['130', 'Ctrl-C: the work was cancelled and cleaned up.', code('ERR_INTERRUPTED')],
        ['143', 'The process was told to end (SIGTERM): likewise.', code('ERR_INTERRUPTED')],
      ],
    ),
  ];
}

/** The pages in the repository that differ from the tables. */
export async function outdatedPages(): Promise<readonly string[]> {
  const outdated: string[] = [];
  for (const [name, content] of pages()) {
    const current = await readFile(join(folder, name), 'utf8').catch(() => '');
    if (current.replaceAll('\r\n', '\n') !== content) outdated.push(name);
  }
  return outdated;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of pages()) await writeFile(join(folder, name), content);
  } else {
    const outdated = await outdatedPages();
    for (const name of outdated)
      process.stderr.write(`docs/reference/${name} is out of date; run npm run docs\n`);
    process.exitCode = outdated.length === 0 ? 0 : 1;
  }
}
