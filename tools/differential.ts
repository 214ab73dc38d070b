/**
 * The long form of the differential test: bundles of every kind, and many mutations of them, through the kernel and
 * `@sigstore/verify`.
 *
 *     node tools/differential.ts [--seed 1] [--count 100000] [--from 0] [--cases FOLDER] [--samples 5] [--write]
 *
 * `--cases` adds a folder of cases in the layout of `tools/conformance.ts`. Where `tools/programs.sh` brought
 * sigstore-go, it judges `--samples` trials of each difference too. Ends with 1 when a difference is unexplained, or
 * something was accepted that a rule forbids; the trial is then written into the folder for temporary files. `--write`
 * writes docs/reference/verification-differences.md, at the end and after every 5,000 mutations.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { differences } from '../test/fuzz/verify-differential/explain.ts';
import {
  folderOriginals,
  madeOriginals,
  vectorOriginals,
} from '../test/fuzz/verify-differential/originals.ts';
import { differencesPage, type GoCount } from '../test/fuzz/verify-differential/page.ts';
import {
  type Differing,
  drawn,
  judgeOriginals,
  judgeTrial,
  newReport,
} from '../test/fuzz/verify-differential/run.ts';
import { saveTrial } from '../test/fuzz/verify-differential/save.ts';
import { judgeWithGo } from '../test/fuzz/verify-differential/sigstore-go.ts';
import { findProgram } from '../test/support/programs.ts';
import { vector } from '../test/vectors/vectors.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '100000' },
    from: { type: 'string', default: '0' },
    cases: { type: 'string' },
    samples: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});
const [seed, count, from, samples] = [values.seed, values.count, values.from, values.samples].map(Number) as [
  number,
  number,
  number,
  number,
];
const pageFile = new URL('../docs/reference/verification-differences.md', import.meta.url);

/** Who signed most cases of the public suite. */
const beacon = 'sigstore-conformance/extremely-dangerous-public-oidc-beacon';
const defaults = {
  root: vector('trust/public-good-trusted_root.json'),
  signer: {
    kind: 'identity',
    subject: {
      kind: 'exact',
      value: `https://github.com/${beacon}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main`,
    },
    issuer: 'https://token.actions.githubusercontent.com',
  },
} as const;

const program = findProgram('sigstore-go-verification');
const folder = await mkdtemp(join(tmpdir(), 'boltseal-differential-'));
const goCounts = new Map<string, GoCount>();

/** Asks sigstore-go about the first trials of each difference. */
async function sample({ trial, verdicts, explained = [] }: Differing): Promise<void> {
  if (program === undefined) return;
  for (const id of explained) {
    const known = goCounts.get(id) ?? { asOurs: 0, asTheirs: 0 };
    goCounts.set(id, known);
    if (known.asOurs + known.asTheirs >= samples) continue;
    const verdict = await judgeWithGo(program, folder, trial);
    if (verdict !== undefined) known[verdict === verdicts.ours.accepted ? 'asOurs' : 'asTheirs']++;
  }
}

async function versions(): Promise<readonly string[]> {
  const require = createRequire(import.meta.url);
  const names = ['@sigstore/verify', '@sigstore/bundle', '@sigstore/protobuf-specs'];
  const found = await Promise.all(
    names.map(async (name) => {
      // Not every package exports its package.json.
      const path = require.resolve(name).replace(/(node_modules\/@sigstore\/[^/]+)\/.*/, '$1/package.json');
      const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string };
      return `\`${name}\` ${version}`;
    }),
  );
  return [...found, `Node ${process.version.slice(1)}`];
}

async function writePage(done: number): Promise<void> {
  const page = differencesPage(report, differences, {
    command: `node tools/differential.ts --seed ${seed} --count ${done}${values.cases === undefined ? '' : ' --cases FOLDER'}`,
    seed,
    count: done,
    originals: given.length,
    seconds: (performance.now() - start) / 1_000,
    versions: await versions(),
    go: program === undefined ? undefined : goCounts,
  });
  await writeFile(pageFile, page);
}

const start = performance.now();
const report = newReport();
const given = [
  ...madeOriginals(),
  ...vectorOriginals(),
  ...(values.cases === undefined ? [] : folderOriginals(values.cases, defaults)),
];
const valid = await judgeOriginals(report, given);
for (let number = from; number < from + count; number++) {
  const { mutator, original, trial } = drawn(valid, seed, number);
  const subject = { number, mutator: mutator.name, original: original.name, trial };
  const differing = await judgeTrial(report, subject);
  if (differing?.explained !== undefined) await sample(differing);
  for (const list of [report.unexplained, report.forbidden]) {
    const last = list.at(-1);
    // The first ones are enough to look at.
    if (last?.number === number && list.length <= 25) console.log(await saveTrial(last));
  }
  const done = number - from + 1;
  if (done % 5_000 === 0) {
    // What a run was cut off after is true all the same: it is the run with this count.
    if (values.write) await writePage(done);
    console.error(
      `${done} mutations, ${report.unexplained.length} unexplained, ${report.forbidden.length} accepted wrongly`,
    );
  }
}
for (const [id, times] of [...report.applied].sort(([, a], [, b]) => b - a)) {
  const go = goCounts.get(id);
  console.log(
    `${times}\t${id}${go === undefined ? '' : `\tsigstore-go as ours ${go.asOurs}, as theirs ${go.asTheirs}`}`,
  );
}
const seconds = (performance.now() - start) / 1_000;
console.log(
  `${count} mutations of ${valid.length} originals in ${Math.round(seconds)} s; ${report.unexplained.length} unexplained`,
);
if (values.write) await writePage(count);
if (report.unexplained.length + report.forbidden.length > 0) process.exitCode = 1;
