/**
 * Keyless signing and verification, side by side with cosign 3 on one private Sigstore: fifty images with one certificate,
 * one image, and one file. Every service and the registry are behind one proxy that delays each request.
 *
 *     npm run build && npm run bench:keyless -- [--runs N] [--count 50] [--latency 50] [--only TEXT] [--write]
 */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer } from '../test/support/server-process.ts';
import { type Cost, findMeter, measure, type Step, versionOf } from './measure.ts';
import { type Door, openDoor } from './places.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { median, ratio } from './statistics.ts';
import { boltsealVersion, cosignVersion, type Image, openWorkbench } from './workbench.ts';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    count: { type: 'string', default: '50' },
    latency: { type: 'string', default: '50' },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});
const runs = Math.max(1, Number(options.runs));
const count = Math.max(1, Number(options.count));
const entry = fileURLToPath(new URL('../src/cli/entry.ts', import.meta.url));

/** One job, for both. */
interface Job {
  readonly name: string;
  /** Part of {@link runs}; long jobs are done less often. */
  readonly runs?: number;
  /** The most that the median of the ratios of wall times may be. */
  readonly aim?: number;
  /** Makes what one run needs, and the steps. Image references name the host that is passed. */
  readonly steps: (host: string) => Promise<{ readonly boltseal: Step; readonly cosign: Step }>;
}

const meter = findMeter();
const bench = await openWorkbench();
const near = await freePort();
const direct = `http://127.0.0.1:${near}`;
const slow = await openDoor(`127.0.0.1:${near}`, Number(options.latency));
// Clients are told the slow door; jobs without a network are measured through it all the same.
const server = await startServer({
  path: process.execPath,
  announces: /http:\/\/127\.0\.0\.1:(\d+)/,
  readyPath: '/readyz',
  env: { BOLTSEAL_PASSWORD: '' },
  arguments: (folder) => [
    entry,
    'serve',
    '--dev',
    '--data',
    join(folder, 'data'),
    '--listen',
    `127.0.0.1:${near}`,
    '--public-url',
    `http://${slow.host}`,
  ],
});
try {
  await setUp();
  const rows: string[][] = [];
  for (const job of jobs().filter(({ name }) => name.includes(options.only)))
    rows.push(await runJob(job, slow));
  const report = [
    '## Keyless',
    '',
    `\`${commandLine('npm run bench:keyless --')}\`: Boltseal ${await boltsealVersion()} on Node ${versionOf(bench.node)}, cosign ${cosignVersion()}, ` +
      `one private Sigstore; each request is delayed by ${options.latency} ms. ${circumstances(new Date())}.`,
    '',
    table(
      ['', 'Boltseal wall', 'cosign wall', 'wall ×', 'aim', 'CPU ×', 'requests', 'cosign requests'],
      rows,
    ),
  ].join('\n');
  console.log(report);
  if (options.write) await writeSection('keyless', report);
} finally {
  await server.stop();
  await slow.close();
  await bench.close();
}

async function setUp(): Promise<void> {
  const root = join(bench.folder, 'root.json');
  await writeFile(root, Buffer.from(await (await fetch(`${direct}/tuf/1.root.json`)).arrayBuffer()));
  const where = ['initialize', '--mirror', `http://${slow.host}/tuf`, '--root', root];
  await bench.run(bench.boltseal(where));
  await bench.run(bench.cosign(where));
  await bench.run(bench.boltseal(['trust', 'export', '--out', join(bench.folder, 'trusted_root.json')]));
}

function jobs(): readonly Job[] {
  const token = join(bench.folder, 'token');
  const identity = [
    '--certificate-identity',
    'dev@example.com',
    '--certificate-oidc-issuer',
    `http://${slow.host}`,
  ];
  const newToken = async (): Promise<void> => {
    const words = ['token', '--url', direct, '--email', 'dev@example.com', '--output-file', token];
    await bench.run(bench.boltseal(words));
  };
  const sign = (host: string, images: readonly Image[], ...more: string[]) => {
    const references = images.map(({ path }) => `${host}/${path}`);
    return {
      boltseal: bench.boltseal(['sign', '--identity-token', token, ...more, ...references]),
      cosign: bench.cosign(['sign', '--yes', '--identity-token', token, ...references]),
    };
  };
  const signedBlob = async (): Promise<{ readonly bundle: string; readonly file: string }> => {
    await newToken();
    const [bundle, file] = [join(bench.folder, 'blob.json'), join(bench.folder, 'blob.txt')];
    await writeFile(file, 'a file\n');
    await bench.run(bench.boltseal(['sign-blob', '--identity-token', token, '--bundle', bundle, file]));
    return { bundle, file };
  };
  const verifyBlob = async (...more: string[]) => {
    const { bundle, file } = await signedBlob();
    const words = ['verify-blob', '--bundle', bundle, ...identity, ...more, file];
    return { boltseal: bench.boltseal(words), cosign: bench.cosign(words) };
  };
  return [
    {
      name: `sign ${count} images with one certificate, as bundles`,
      runs: 3,
      aim: 0.15,
      steps: async (host) => {
        const images = await bench.images({ url: direct }, 2 * count);
        await newToken();
        const { boltseal } = sign(host, images.slice(0, count), '--format', 'bundle');
        const { cosign } = sign(host, images.slice(count));
        return { boltseal, cosign };
      },
    },
    {
      name: 'sign one image, as a bundle',
      steps: async (host) => {
        const [ours, theirs] = await bench.images({ url: direct }, 2);
        await newToken();
        const { boltseal } = sign(host, ours === undefined ? [] : [ours], '--format', 'bundle');
        return { boltseal, cosign: sign(host, theirs === undefined ? [] : [theirs]).cosign };
      },
    },
    {
      name: `verify ${count} images`,
      runs: 3,
      steps: async (host) => {
        const images = await bench.images({ url: direct }, count);
        await newToken();
        await bench.run(sign(`127.0.0.1:${near}`, images, '--format', 'bundle').boltseal);
        const words = ['verify', ...identity, ...images.map(({ path }) => `${host}/${path}`)];
        return { boltseal: bench.boltseal(words), cosign: bench.cosign(words) };
      },
    },
    { name: 'verify a file, initialised', aim: 1.2, runs: 2 * runs, steps: () => verifyBlob() },
    {
      name: 'verify a file, --trusted-root',
      aim: 1.2,
      runs: 2 * runs,
      steps: () => verifyBlob('--trusted-root', join(bench.folder, 'trusted_root.json')),
    },
  ];
}

/** Pairs of runs, after one that does not count. */
async function runJob(job: Job, door: Door): Promise<string[]> {
  const samples: Record<'boltseal' | 'cosign', (Cost & { readonly requests: number })[]> = {
    boltseal: [],
    cosign: [],
  };
  for (let run = 0; run <= (job.runs ?? runs); run++) {
    const steps = await job.steps(door.host);
    for (const contender of ['boltseal', 'cosign'] as const) {
      await door.reset();
      const cost = await measure(meter, [steps[contender]], bench.env, bench.folder);
      const { requests } = await door.report();
      if (run > 0) samples[contender].push({ ...cost, requests: requests.length });
    }
  }
  const of = (contender: 'boltseal' | 'cosign', what: 'wall' | 'cpu' | 'requests'): number[] =>
    samples[contender].map((one) => one[what] ?? Number.NaN);
  const wall = ratio(of('boltseal', 'wall'), of('cosign', 'wall'));
  const row = [
    job.name,
    milliseconds(median(of('boltseal', 'wall'))),
    milliseconds(median(of('cosign', 'wall'))),
    wall.toFixed(2),
    job.aim === undefined ? '' : `≤ ${job.aim}: ${wall <= job.aim ? 'met' : 'missed'}`,
    ratio(of('boltseal', 'cpu'), of('cosign', 'cpu')).toFixed(2),
    String(median(of('boltseal', 'requests'))),
    String(median(of('cosign', 'requests'))),
  ];
  console.error(row.join('  '));
  return row;
}

function milliseconds(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
