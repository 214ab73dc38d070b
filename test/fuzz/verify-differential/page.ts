/** docs/reference/verification-differences.md, written from a run. */
import type { Difference } from './difference.ts';
import { type Count, type Report, unchanged } from './run.ts';

/** What sigstore-go said of samples of one difference. */
export interface GoCount {
  asOurs: number;
  asTheirs: number;
}

/** What a run was made with. */
export interface Circumstances {
  readonly command: string;
  readonly seed: number;
  readonly count: number;
  readonly originals: number;
  readonly seconds: number;
  /** Names and versions. */
  readonly versions: readonly string[];
  /** By identifier; undefined when the program was not there. */
  readonly go: ReadonlyMap<string, GoCount> | undefined;
}

/** The page. */
export function differencesPage(
  report: Report,
  differences: readonly Difference[],
  circumstances: Circumstances,
): string {
  const { command, count, originals, seconds, versions, seed, go } = circumstances;
  const total = sum(report, (name) => name !== unchanged);
  return `# Differences to another verifier

<!-- Made by \`${command} --write\`; do not edit. -->

Boltseal's verification and npm's \`@sigstore/verify\` judge the same things: ${originals} bundles of every kind as they are,
and ${format(count)} mutations of those that both accept. Both accept or both refuse; where they do not, one of the differences
below is the reason, and says which rule makes Boltseal right. A difference that nothing explains fails the test, which
runs some of these mutations each time. So does a bundle that Boltseal accepts although one of the rules forbids it,
whatever the other verifier says.

A difference is not believed because an error has the right code. What is wrong is found in the bundle by code of the
test alone. Where one of the two merely reads or can do more, that is taken out of the bundle, or done for the other one,
and then both must agree on the rest.

Seed ${seed}; ${versions.join(', ')}; ${Math.round(seconds / 60)} minutes.

| | both accept | both refuse | only Boltseal accepts | only \`@sigstore/verify\` accepts |
|---|---:|---:|---:|---:|
| as they are | ${cells(report.counts.get(unchanged) ?? none).join(' | ')} |
| mutations | ${cells(total).join(' | ')} |

${report.unexplained.length + report.forbidden.length === 0 ? 'Nothing was left unexplained, and nothing accepted that a rule forbids.' : `**${report.unexplained.length} were left unexplained, and ${report.forbidden.length} accepted wrongly.**`}

## What only \`@sigstore/verify\` accepts

${table(report, differences, 'ours', go)}

## What only Boltseal accepts

${table(report, differences, 'theirs', go)}

${go === undefined ? '' : goNote}
## Mutations

| | both accept | both refuse | only Boltseal accepts | only \`@sigstore/verify\` accepts |
|---|---:|---:|---:|---:|
${mutatorRows(report)}
`;
}

const goNote = `The last column is what the verification program of sigstore-go said of samples: how many it judged as Boltseal does,
of how many. A sample may have several things wrong with it, and sigstore-go has its own opinions.

`;

const none: Count = { bothAccept: 0, bothRefuse: 0, onlyOurs: 0, onlyTheirs: 0 };

function sum({ counts }: Report, isMeant: (name: string) => boolean): Count {
  const total = { ...none };
  for (const [name, count] of counts) {
    if (!isMeant(name)) continue;
    total.bothAccept += count.bothAccept;
    total.bothRefuse += count.bothRefuse;
    total.onlyOurs += count.onlyOurs;
    total.onlyTheirs += count.onlyTheirs;
  }
  return total;
}

function cells({ bothAccept, bothRefuse, onlyOurs, onlyTheirs }: Count): readonly string[] {
  return [bothAccept, bothRefuse, onlyOurs, onlyTheirs].map(format);
}

function format(count: number): string {
  return count.toLocaleString('en-US');
}

function table(
  { applied }: Report,
  differences: readonly Difference[],
  refusedBy: Difference['refusedBy'],
  go: Circumstances['go'],
): string {
  const rows = differences
    .filter((one) => one.refusedBy === refusedBy)
    .map((one) => {
      const { id, reason, rule, link } = one;
      const count = go?.get(id);
      const judged = (count?.asOurs ?? 0) + (count?.asTheirs ?? 0);
      const verdict =
        go === undefined ? '' : ` ${judged === 0 ? '' : `${count?.asOurs ?? 0} of ${judged}`} |`;
      return `| \`${id}\` | ${cell(reason)} | ${cell(rule)} ([rule](${link})) | ${format(applied.get(id) ?? 0)} |${verdict}`;
    });
  const [head, line] =
    go === undefined
      ? ['| | `@sigstore/verify` | The rule | Times |', '|---|---|---|---:|']
      : ['| | `@sigstore/verify` | The rule | Times | sigstore-go |', '|---|---|---|---:|---:|'];
  return [head, line, ...rows].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function mutatorRows({ counts }: Report): string {
  return [...counts]
    .filter(([name]) => name !== unchanged)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `| ${cell(name)} | ${cells(count).join(' | ')} |`)
    .join('\n');
}
