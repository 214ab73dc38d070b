/** Help as text, from the tables. */
import type { CommandSpec } from './command.ts';
import { type FlagId, flagGroups, flagName, flags, flagVariables, globalFlags } from './flags.ts';
import type { CliIo } from './io.ts';
import { cosignFlagsOf, usageOf } from './parse.ts';
import { type Style, styleFor } from './style.ts';

const indent = 2;
const flagColumn = 34;

/** What `boltseal` without a command prints; of one group (`download`) only its commands. */
export function overview(commands: readonly CommandSpec[], io: CliIo, group?: string): string {
  const style = styleFor(io.stdout, io.env);
  const width = widthOf(io);
  const shown = commands.filter((command) => group === undefined || command.name.startsWith(`${group} `));
  const lines = [
    ...(group === undefined
      ? [
          'Sign container images and verify their signatures, with no key left behind and no signature lost.',
          '',
        ]
      : []),
    `${style.bold('Usage:')} boltseal ${group ?? 'COMMAND'} ${group === undefined ? '[flags] [arguments]' : 'COMMAND [flags] [arguments]'}`,
    '',
    style.bold('Commands'),
    ...shown.flatMap((command) => row(command.name, command.summary, width, 22)),
    '',
    'boltseal help COMMAND explains a command. boltseal demo shows the whole on this machine, and cleans up.',
  ];
  return `${lines.join('\n')}\n`;
}

/** The help of one command. */
export function commandHelp(command: CommandSpec, io: CliIo): string {
  const style = styleFor(io.stdout, io.env);
  const width = widthOf(io);
  const blocks = [
    `${style.bold('Usage:')} ${usageOf(command)}`,
    ...command.description.map((paragraph) => wrap(paragraph, width).join('\n')),
    [style.bold('Examples'), ...command.examples.flatMap((one) => exampleLines(one, style, width))].join(
      '\n',
    ),
    ...flagBlocks([...command.flags, ...globalFlags], style, width),
    ...cosignBlock(command, style, width),
    wrap(
      'Each flag may be given as the environment variable named in brackets. Exit codes: 0 done, 1 internal, 2 usage, ' +
        '10 no signature, 11 no such image, 12 no signature accepted, 15 malformed input, 20 credentials, ' +
        '21 network; docs/reference/exit-codes.md has them all.',
      width,
    ).join('\n'),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function exampleLines(
  example: { text: string; command: string },
  style: Style,
  width: number,
): readonly string[] {
  return [
    ...wrap(`# ${example.text}`, width - indent).map((line) => style.dim(`  ${line}`)),
    `  ${example.command}`,
  ];
}

function flagBlocks(ids: readonly FlagId[], style: Style, width: number): readonly string[] {
  return flagGroups.flatMap((group) => {
    const members = ids.filter((id) => flags[id].group === group);
    if (members.length === 0) return [];
    const rows = members.flatMap((id) => row(flagLabel(id), flagText(id), width, flagColumn));
    return [[style.bold(group), ...rows].join('\n')];
  });
}

/** `-k, --key REF`. */
export function flagLabel(id: FlagId): string {
  const { short, type, value, values } = flags[id];
  const argument =
    type === 'boolean' ? '' : ` ${values === undefined ? (value ?? 'VALUE') : values.join('|')}`;
  const shown = argument.length > 30 ? ` ${flagName(id).toUpperCase().replaceAll('-', '_')}` : argument;
  return `${short === undefined ? '    ' : `-${short}, `}--${flagName(id)}${shown}`;
}

function flagText(id: FlagId): string {
  const spec = flags[id];
  const [variable] = flagVariables(id);
  const byDefault = defaultText(id);
  const values =
    spec.values !== undefined && spec.values.join('|').length > 29
      ? ` One of ${spec.values.join(', ')}.`
      : '';
  return `${spec.help}${values}${byDefault === undefined ? '' : ` Default: ${byDefault}.`}${variable === undefined ? '' : ` [${variable}]`}`;
}

/** A default as text, or undefined when there is none worth a word. */
export function defaultText(id: FlagId): string | undefined {
  const spec = flags[id];
  if (spec.default === undefined || spec.default === false) return undefined;
  if (spec.type === 'duration') return `${Number(spec.default) / 60_000}m`;
  return String(spec.default);
}

function cosignBlock(command: CommandSpec, style: Style, width: number): readonly string[] {
  const understood = cosignFlagsOf(command).filter((flag) => flag.accepts !== undefined);
  if (understood.length === 0) return [];
  const rows = understood.flatMap((flag) => {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
    const only = flag.accepts === 'any' || flag.accepts === undefined ? '' : `=${flag.accepts.join('|')}`;
    return row(`${short}--${flag.name}${only}`, `No effect: ${flag.because ?? ''}.`, width, flagColumn);
  });
  return [[style.bold('Accepted for scripts written for cosign'), ...rows].join('\n')];
}

function widthOf(io: CliIo): number {
  return Math.min(Math.max(io.stdout.columns ?? 100, 60), 100);
}

function row(label: string, text: string, width: number, column: number): readonly string[] {
  const lines = wrap(text, width - column);
  const head = `${' '.repeat(indent)}${label}`;
  const pad = ' '.repeat(column);
  if (head.length >= column) return [head, ...lines.map((line) => pad + line)];
  return lines.map((line, index) => (index === 0 ? head.padEnd(column) : pad) + line);
}

/** `text` in lines of at most `width` characters, where its words allow it. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
