/**
 * The GitHub Action beside cosign 3: the action signs an image in a registry and verifies it as a stranger; cosign only
 * signs it. Installing cosign is not counted. Both run as a step would, with everything in variables.
 *
 *     npm run build && npm run bench:action -- [--runs N] [--latency 0,20,50] [--only TEXT] [--trace] [--write]
 */
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ServerProcess, startServer } from '../test/support/server-process.ts';
import { type Cost, findMeter, measure, type Step } from './measure.ts';
import { type Door, openDoor, startPlace } from './places.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { median, ratio } from './statistics.ts';
import { boltsealVersion, cosignVersion, openWorkbench } from './workbench.ts';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '11' },
    latency: { type: 'string', default: '0,20,50' },
    only: { type: 'string', default: '' },
    trace: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const runs = Math.max(1, Number(options.runs));
const latencies = options.latency.split(',').map(Number);
const action = fileURLToPath(new URL('../dist/action/boltseal-action.cjs', import.meta.url));
const entry = fileURLToPath(new URL('../src/cli/entry.ts', import.meta.url));
if (!existsSync(action)) throw new Error(`${action} is not there: run npm run build first`);

/** A private Sigstore whose services answer as late as the registry. */
interface Sigstore {
  readonly trustedRoot: string;
  readonly signingConfig: string;
  /** The variables of a job with `id-token: write`. */
  readonly identity: Readonly<Record<string, string>>;
  renewToken(): Promise<void>;
  close(): Promise<void>;
}

/** One kind of work. */
interface Job {
  readonly name: string;
  /** What cosign does, where that does not go without saying. */
  readonly rival?: string;
  readonly ours: (reference: string, sigstore: Sigstore) => Step;
  readonly theirs: (reference: string, sigstore: Sigstore) => readonly Step[];
}

interface Sample extends Cost {
  readonly requests: number;
}

const meter = findMeter();
const bench = await openWorkbench();
const key = await readFile(bench.privateKey, 'utf8');
const password = bench.env['COSIGN_PASSWORD'] ?? '';

/** The action with these inputs, as the runner starts it. */
function step(inputs: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): Step {
  const variables = {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_EVENT_NAME: 'push',
    GITHUB_OUTPUT: join(bench.folder, 'output'),
    GITHUB_STEP_SUMMARY: join(bench.folder, 'summary'),
    RUNNER_TEMP: bench.folder,
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    ),
    ...env,
  };
  return withVariables(variables, { command: process.execPath, args: [action] });
}

function withVariables(variables: Readonly<Record<string, string>>, { command, args }: Step): Step {
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return { command: 'env', args: [...words, command, ...args] };
}

const jobs: readonly Job[] = [
  {
    name: 'key pair, as a bundle',
    ours: (images) => step({ images, key, password, format: 'bundle' }),
    theirs: (reference) => [withVariables({}, bench.cosignSign('new', [reference]))],
  },
  {
    name: 'key pair, in both formats',
    rival: 'two calls, one for each format',
    ours: (images) => step({ images, key, password }),
    theirs: (reference) =>
      (['new', 'old'] as const).map((format) => withVariables({}, bench.cosignSign(format, [reference]))),
  },
  {
    name: 'keyless, as a bundle',
    ours: (images, { trustedRoot, signingConfig, identity }) =>
      step(
        { images, format: 'bundle', 'trusted-root': trustedRoot, 'signing-config': signingConfig },
        identity,
      ),
    theirs: (reference, { trustedRoot, signingConfig, identity }) => {
      const files = ['--trusted-root', trustedRoot, '--signing-config', signingConfig];
      return [withVariables(identity, bench.cosign(['sign', '--yes', ...files, reference]))];
    },
  },
];
const chosen = jobs.filter(({ name }) => name.includes(options.only));

const place = await startPlace('fallback tag', latencies);
const rows: string[][] = [];
try {
  for (const door of place.doors) {
    const sigstore = await startSigstore(door.latency);
    try {
      for (const job of chosen) rows.push(await runJob(job, door, sigstore));
    } finally {
      await sigstore.close();
    }
  }
  const report = await describe();
  console.log(report);
  if (options.write) await writeSection('action', report);
} finally {
  await place.stop();
  await bench.close();
}

/** One pair that does not count, and the pairs that do. Each job of each run has an image of its own. */
async function runJob(job: Job, door: Door, sigstore: Sigstore): Promise<string[]> {
  const ours: Sample[] = [];
  const theirs: Sample[] = [];
  for (let run = 0; run <= runs; run++) {
    await sigstore.renewToken();
    const images = await bench.images(place, 2);
    const [a = '', b = ''] = images.map(({ path }) => `${door.host}/${path}`);
    const pair = [
      await sampleOf([job.ours(a, sigstore)], door, run),
      await sampleOf(job.theirs(b, sigstore), door, run),
    ] as const;
    if (run === 0) continue;
    ours.push(pair[0]);
    theirs.push(pair[1]);
  }
  const both = (read: (sample: Sample) => number | undefined): string =>
    [ours, theirs].map((all) => Math.round(median(all.map((one) => read(one) ?? Number.NaN)))).join(' / ');
  const times = (read: (sample: Sample) => number | undefined): number =>
    ratio(
      ...([ours, theirs].map((all) => all.map((one) => read(one) ?? Number.NaN)) as [number[], number[]]),
    );
  const wall = times(({ wall }) => wall);
  const requests = times(({ requests }) => requests);
  console.error(
    `${job.name}, ${door.latency} ms: wall ${wall.toFixed(2)} ×, requests ${requests.toFixed(2)} ×`,
  );
  return [
    job.name,
    `${door.latency} ms`,
    `${runs}`,
    both(({ requests }) => requests),
    both(({ wall }) => wall),
    `${wall.toFixed(2)} ×`,
    both(({ cpu }) => cpu),
    both(({ memory }) => memory),
    `requests < 1 ${requests < 1 ? 'PASS' : 'MISS'}, wall < 1 ${wall < 1 ? 'PASS' : 'MISS'}`,
  ];
}

async function sampleOf(steps: readonly Step[], door: Door, run: number): Promise<Sample> {
  await door.reset();
  const cost = await measure(meter, steps, bench.env, bench.folder);
  const { requests } = await door.report();
  if (options.trace && run === runs) {
    const [first] = requests;
    for (const { start, end = Number.NaN, status, method, path } of requests) {
      const at = [start, end].map((time) => (time - (first?.start ?? 0)).toFixed(1).padStart(7)).join(' … ');
      console.error(`  ${at} ms  ${status}  ${method.padEnd(4)} ${path.slice(0, 100)}`);
    }
  }
  return { ...cost, requests: requests.length };
}

async function startSigstore(latency: number): Promise<Sigstore> {
  const port = await freePort();
  const direct = `http://127.0.0.1:${port}`;
  const door = await openDoor(`127.0.0.1:${port}`, latency);
  const server: ServerProcess = await startServer({
    path: process.execPath,
    announces: /http:\/\/127\.0\.0\.1:(\d+)/,
    readyPath: '/readyz',
    env: { BOLTSEAL_PASSWORD: '' },
    arguments: (folder) => [
      ...[entry, 'serve', '--dev', '--data', join(folder, 'data')],
      ...['--listen', `127.0.0.1:${port}`, '--public-url', `http://${door.host}`],
    ],
  });
  const at = (name: string): string => join(bench.folder, `${latency}-${name}`);
  const root = at('root.json');
  await writeFile(root, Buffer.from(await (await fetch(`${direct}/tuf/1.root.json`)).arrayBuffer()));
  const [trustedRoot, signingConfig] = [at('trusted_root.json'), at('signing_config.json')];
  await bench.run(bench.boltseal(['initialize', '--mirror', `${direct}/tuf`, '--root', root]));
  const out = ['--out', trustedRoot, '--signing-config', signingConfig];
  await bench.run(bench.boltseal(['trust', 'export', ...out]));
  const token = at('token');
  const { server: tokens, url } = await serveToken(() => readFile(token, 'utf8'));
  return {
    trustedRoot,
    signingConfig,
    identity: { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of the job' },
    renewToken: () =>
      bench.run(
        bench.boltseal(['token', '--url', direct, '--email', 'dev@example.com', '--output-file', token]),
      ),
    close: async () => {
      tokens.close();
      tokens.closeAllConnections();
      await server.stop();
      await door.close();
    },
  };
}

/** What GitHub answers to a job that asks for its identity token. */
async function serveToken(read: () => Promise<string>): Promise<{ server: Server; url: string }> {
  const server = createServer((_, response) => {
    read().then((token) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ count: 1, value: token.trim() }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}/token?api-version=2.0` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function describe(): Promise<string> {
  const { size } = await stat(action);
  return [
    '## The action beside cosign',
    `\`${commandLine('npm run bench:action --')}\`: ${circumstances(new Date())}. Boltseal ${await boltsealVersion()} by Node ` +
      `${process.version}, as the action’s one file of ${Math.round(size / 1000)} kB; cosign ${cosignVersion()}. Measured: ${meter.description}. ` +
      'The action signs one image and verifies it as a stranger; cosign signs it, and nothing more. Each cell is the ' +
      'action / cosign, a median over the runs; a number with × is the median of the ratios of the pairs. The registry is ' +
      'docker-registry; it and a private Sigstore are behind proxies that add the latency to each request. Requests are ' +
      'those to the registry.',
    table(['work', 'added', 'runs', 'requests', 'wall ms', 'wall', 'CPU ms', 'MiB', 'aims'], rows),
    chosen
      .filter(({ rival }) => rival !== undefined)
      .map(({ name, rival }) => `- ${name}: cosign runs ${rival}.`)
      .join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}
