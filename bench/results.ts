import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';

/** Where `--write` writes. */
export const resultsFile: URL = new URL('./RESULTS.md', import.meta.url);

const heading = `# Results of the benches

Written by the benches themselves (\`--write\`); not edited by hand. What counts are the ratios: they are taken pair by
pair (Boltseal, cosign, Boltseal, cosign …), so that a slow moment of the machine falls on both. Below 1, Boltseal
needs less.
`;

/** The sections of the file, in their order. */
const sections = [
  'run',
  'action',
  'signers',
  'parts',
  'verify',
  'keyless',
  'serve',
  'growth',
  'crash',
] as const;

/** A section of the results file: the part that one bench writes. */
export type SectionName = (typeof sections)[number];

/** Puts `markdown` in place of what the bench `name` wrote before; what other benches wrote stays. */
export async function writeSection(name: SectionName, markdown: string): Promise<void> {
  const before = await readFile(resultsFile, 'utf8').catch(() => '');
  const parts = sections.map((section) => {
    const text = section === name ? markdown.trim() : contentOf(before, section);
    return text === undefined ? '' : `\n${begin(section)}\n\n${text}\n\n${end(section)}\n`;
  });
  await writeFile(resultsFile, heading + parts.join(''));
}

/** When and on what a bench ran, as a line of Markdown. */
export function circumstances(now: Date): string {
  const memory = Math.round(totalmem() / 1024 ** 3);
  const load = loadavg()[0] ?? 0;
  return `${now.toISOString().slice(0, 10)}, ${availableParallelism()} cores, ${memory} GiB; load of the machine at the end ${load.toFixed(1)}`;
}

/** How the running bench was called, without what only says where a copy of the result goes. */
export function commandLine(start: string): string {
  const args = process.argv.slice(2);
  const at = args.indexOf('--json');
  return [start, ...args.filter((_, i) => at < 0 || (i !== at && i !== at + 1))].join(' ');
}

/** A Markdown table with its columns aligned; the first is text, the others are numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (i === 0 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

function contentOf(text: string, section: SectionName): string | undefined {
  const from = text.indexOf(begin(section));
  const to = text.indexOf(end(section));
  return from < 0 || to < from ? undefined : text.slice(from + begin(section).length, to).trim();
}

function begin(section: SectionName): string {
  return `<!-- begin ${section} -->`;
}

function end(section: SectionName): string {
  return `<!-- end ${section} -->`;
}
