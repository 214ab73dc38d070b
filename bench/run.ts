/**
 * Boltseal and cosign 3 side by side: requests, sequential hops, wall time, CPU and memory.
 *
 *     npm run build && npm run bench -- [--runs N] [--only TEXT] [--latency 0,50] [--trace] [--json FILE] [--write]
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Cost, findMeter, type Meter, measure, type Step, versionOf } from './measure.ts';
import { type Door, type Place, placeNames, startPlace } from './places.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { type Pair, type Scenario, scenarios, type Target } from './scenarios.ts';
import { median, ratio } from './statistics.ts';
import { boltsealVersion, cosignVersion, openWorkbench, type Workbench } from './workbench.ts';

/** One job of one run. */
interface Sample extends Cost {
  readonly requests: number;
  readonly hops: number;
}

type Contender = keyof Pair;
type Samples = Readonly<Record<Contender, readonly Sample[]>>;
type Measure = keyof Sample;

/** A line of the result: a scenario at a place and a latency. */
interface Row {
  readonly scenario: string;
  readonly rival: string;
  readonly place: string;
  readonly latency: number;
  readonly runs: number;
  readonly boltseal: Readonly<Record<Measure, number>>;
  readonly cosign: Readonly<Record<Measure, number>>;
  readonly ratios: Readonly<Record<'wall' | 'cpu' | 'memory', number>>;
  readonly targets: readonly { readonly text: string; readonly reached: boolean }[];
}

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '11' },
    only: { type: 'string', default: '' },
    latency: { type: 'string', default: '0,50' },
    cli: { type: 'string' },
    json: { type: 'string' },
    trace: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const asked = Math.max(1, Number.parseInt(options.runs, 10));
const latencies = options.latency.split(',').map(Number);
const chosen = scenarios.filter(({ name }) => name.includes(options.only));

const meter = findMeter();
const bench = await openWorkbench(options.cli);
const rows: Row[] = [];
try {
  for (const scenario of chosen) {
    const local = scenario.local;
    if (local !== undefined) rows.push(await runScenario(scenario, (run) => local(bench, run)));
  }
  for (const name of chosen.some(({ remote }) => remote !== undefined) ? placeNames : []) {
    const place = await startPlace(name, latencies);
    try {
      for (const scenario of chosen) rows.push(...(await runAtPlace(scenario, place)));
    } finally {
      await place.stop();
    }
  }
  const order = new Map(scenarios.map(({ name }, i) => [name, i]));
  rows.sort((a, b) => (order.get(a.scenario) ?? 0) - (order.get(b.scenario) ?? 0));
  const report = await describe(bench, meter, rows);
  console.log(report);
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify(rows, undefined, 2));
  if (options.write) await writeSection('run', report);
} finally {
  await bench.close();
}

async function runAtPlace(scenario: Scenario, place: Place): Promise<Row[]> {
  const jobs = await scenario.remote?.(bench, place);
  if (jobs === undefined) return [];
  const made: Row[] = [];
  for (const door of place.doors)
    made.push(await runScenario(scenario, (run) => jobs(door, run), door, place));
  return made;
}

/** One pair that does not count, for caches of every kind; then the pairs that do. */
async function runScenario(
  scenario: Scenario,
  jobs: (run: number) => Promise<Pair>,
  door?: Door,
  place?: Place,
): Promise<Row> {
  const runs = Math.max(2, Math.round(asked / (scenario.fewer ?? 1)));
  const samples: Record<Contender, Sample[]> = { boltseal: [], cosign: [] };
  for (let run = 0; run <= runs; run++) {
    const pair = await jobs(run);
    for (const contender of ['boltseal', 'cosign'] as const) {
      const sample = await sampleOf(pair[contender], door);
      if (run > 0) samples[contender].push(sample);
      if (options.trace && run === runs) await trace(contender, door);
    }
  }
  const row = rowOf(scenario, samples, door, place);
  console.error(`${row.scenario} · ${row.place} · ${row.latency} ms: ${describeTargets(row) || 'done'}`);
  return row;
}

async function sampleOf(steps: readonly Step[], door: Door | undefined): Promise<Sample> {
  await door?.reset();
  const cost = await measure(meter, steps, bench.env, bench.folder);
  const seen = await door?.report();
  return { ...cost, requests: seen?.requests.length ?? 0, hops: seen?.hops ?? 0 };
}

async function trace(contender: Contender, door: Door | undefined): Promise<void> {
  const requests = (await door?.report())?.requests ?? [];
  const first = requests[0]?.start ?? 0;
  console.error(`  ${contender}`);
  for (const { start, end = Number.NaN, status, method, path } of requests) {
    const times = `${(start - first).toFixed(1).padStart(7)} … ${(end - first).toFixed(1).padStart(7)} ms`;
    console.error(`  ${times}  ${status}  ${method.padEnd(4)} ${brief(path)}`);
  }
}

/** A path with digests and upload sessions cut short. */
function brief(path: string): string {
  return path
    .replace(/\?.*/, '')
    .replaceAll(/(sha256[:-][0-9a-f]{8})[0-9a-f]{56}|(uploads\/.{8}).*/g, '$1$2…');
}

function rowOf(scenario: Scenario, samples: Samples, door: Door | undefined, place: Place | undefined): Row {
  const of = (contender: Contender, measured: Measure): number[] =>
    samples[contender].map((sample) => sample[measured] ?? Number.NaN);
  const medians = (contender: Contender): Record<Measure, number> => ({
    requests: median(of(contender, 'requests')),
    hops: median(of(contender, 'hops')),
    wall: median(of(contender, 'wall')),
    cpu: median(of(contender, 'cpu')),
    memory: median(of(contender, 'memory')),
  });
  const ratioOf = (measured: Measure): number => ratio(of('boltseal', measured), of('cosign', measured));
  const boltseal = medians('boltseal');
  const ratios = { wall: ratioOf('wall'), cpu: ratioOf('cpu'), memory: ratioOf('memory') };
  const targets = scenario.targets
    .filter(
      ({ latency = door?.latency, place: only = place?.name }) =>
        latency === door?.latency && only === place?.name,
    )
    .map((target) => judge(target, target.measure === 'wall' ? ratios.wall : boltseal[target.measure]));
  return {
    scenario: scenario.name,
    rival: scenario.rival ?? '',
    place: place?.name ?? '',
    latency: door?.latency ?? 0,
    runs: samples.boltseal.length,
    boltseal,
    cosign: medians('cosign'),
    ratios,
    targets,
  };
}

function judge(target: Target, value: number): { text: string; reached: boolean } {
  const limit = target.measure === 'wall' ? `wall ≤ ${target.most} ×` : `${target.measure} ≤ ${target.most}`;
  return { text: limit, reached: value <= target.most };
}

function describeTargets(row: Row): string {
  return row.targets.map(({ text, reached }) => `${text} ${reached ? 'PASS' : 'MISS'}`).join(', ');
}

async function describe(of: Workbench, by: Meter, made: readonly Row[]): Promise<string> {
  const missed = made.flatMap((row) => row.targets.filter(({ reached }) => !reached)).length;
  const counted = made.flatMap((row) => row.targets).length;
  const command = commandLine('npm run bench --');
  return [
    '## Side by side with cosign 3',
    `\`${command}\`: ${circumstances(new Date())}. Boltseal ${await boltsealVersion()} by Node ${versionOf(of.node)} ` +
      `(“by Node 24”: ${process.version}); cosign ${cosignVersion()}. Measured: ${by.description}. ` +
      'Each cell is Boltseal / cosign, a median over the runs; a number with × is the median of the ratios of the pairs.',
    `The registry with the referrers API is the embedded one, the one with the fallback tag is docker-registry; each runs ` +
      'in a process of its own, behind a proxy that adds the latency to each request.',
    table(
      [
        'scenario',
        'registry',
        'added',
        'runs',
        'requests',
        'hops',
        'wall ms',
        'wall',
        'CPU ms',
        'CPU',
        'MiB',
        'memory',
        'targets',
      ],
      made.map(cells),
    ),
    made
      .filter(
        ({ rival }, i) => rival !== '' && made.findIndex((row) => row.scenario === made[i]?.scenario) === i,
      )
      .map(({ scenario, rival }) => `- ${scenario}: cosign runs ${rival}.`)
      .join('\n'),
    `Targets: ${counted - missed} of ${counted} reached.`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function cells(row: Row): string[] {
  const both = (measured: Measure): string =>
    [row.boltseal[measured], row.cosign[measured]]
      .map((value) => (Number.isNaN(value) ? '–' : String(Math.round(value))))
      .join(' / ');
  const times = (value: number): string => (Number.isNaN(value) ? '–' : `${value.toFixed(2)} ×`);
  const remote = row.place !== '';
  return [
    row.scenario,
    row.place,
    remote ? `${row.latency} ms` : '',
    String(row.runs),
    remote ? both('requests') : '',
    remote ? both('hops') : '',
    both('wall'),
    times(row.ratios.wall),
    both('cpu'),
    times(row.ratios.cpu),
    both('memory'),
    times(row.ratios.memory),
    describeTargets(row),
  ];
}
