/**
 * The private Sigstore under load: one process of `boltseal serve --dev` on SQLite, one load generator, both on this
 * machine.
 *
 *     npm run build && npm run bench:serve -- [--only TEXT] [--clients 1,8,32,256] [--runs 3] [--json FILE] [--write]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { type LoadResult, load, quantile } from './serve-load.ts';
import { identity, type Work, works } from './serve-work.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    clients: { type: 'string', default: '1,8,32,256' },
    runs: { type: 'string', default: '3' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

/** A line of the result. */
interface Row {
  readonly work: string;
  readonly clients: number;
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  /** Milliseconds of CPU of the server for a request. */
  readonly cpu: number;
  /** MiB after the run. */
  readonly memory: number;
  readonly stock: string;
  readonly aims: readonly { readonly text: string; readonly reached: boolean }[];
}

const program = fileURLToPath(new URL('../dist/cli/boltseal.cjs', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'boltseal-bench-serve-'));
const rows: Row[] = [];
let peak = 0;
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
const config = join(folder, 'boltseal.yaml');
// The bench is one subject from one address, and wants to see the server's limits and not these.
await writeFile(config, 'limits: {certificates-per-minute: 0}\nlogging: {requests: false, level: warn}\n');
const server = spawn(
  options.node,
  [program, 'serve', '--dev', '--config', config, '--data', join(folder, 'data'), '--listen', '127.0.0.1:0'],
  { env: { ...env, BOLTSEAL_PASSWORD: '' }, stdio: ['ignore', 'pipe', 'pipe'] },
);
try {
  const base = await announced();
  const token = await identityToken(base);
  for (const work of works.filter(({ name }) => name.includes(options.only))) {
    await run(work, base, token, 8, 500);
    for (const clients of options.clients.split(',').map(Number)) {
      const all: Row[] = [];
      for (let run = 0; run < Number(options.runs); run++)
        all.push(await measured(work, base, token, clients));
      rows.push(middle(all));
    }
  }
  peak = await memory('VmHWM');
} finally {
  server.kill('SIGTERM');
  await once(server, 'exit');
  await rm(folder, { recursive: true, force: true });
}
report();

/** The run with the median rate. */
function middle(all: readonly Row[]): Row {
  const sorted = [...all].sort((a, b) => a.rate - b.rate);
  return sorted[Math.floor(sorted.length / 2)] as Row;
}

async function announced(): Promise<string> {
  for await (const line of createInterface({ input: server.stderr })) {
    const url = /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (url === undefined) continue;
    server.stderr.resume();
    return url;
  }
  throw new Error('the server did not start');
}

async function identityToken(base: string): Promise<string> {
  const child = spawn(options.node, [program, 'token', '--url', base, '--email', identity], { env });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return Buffer.concat(chunks).toString().trim();
}

async function run(
  work: Work,
  base: string,
  token: string,
  clients: number,
  count: number,
): Promise<LoadResult> {
  const result = await load(new URL(base), work.requests(base, token, count), clients, work.status);
  if (result.unexpected !== undefined) throw new Error(`${work.name}: ${result.unexpected}`);
  return result;
}

async function measured(work: Work, base: string, token: string, clients: number): Promise<Row> {
  const requests = work.requests(base, token, work.count(clients));
  const before = await cpuTime();
  const result = await load(new URL(base), requests, clients, work.status);
  const cpu = ((await cpuTime()) - before) / result.requests;
  if (result.unexpected !== undefined) throw new Error(`${work.name}: ${result.unexpected}`);
  const rate = (result.requests / result.wall) * 1000;
  const p50 = quantile(result.times, 0.5);
  const aim = work.aims[clients];
  const row: Row = {
    work: work.name,
    clients,
    rate,
    p50,
    p99: quantile(result.times, 0.99),
    cpu,
    memory: await memory('VmRSS'),
    stock: work.stock[clients] ?? '',
    aims: [
      ...(aim?.rate === undefined ? [] : [{ text: `≥ ${aim.rate}/s`, reached: rate >= aim.rate }]),
      ...(aim?.p50 === undefined ? [] : [{ text: `p50 ≤ ${aim.p50} ms`, reached: p50 <= aim.p50 }]),
    ],
  };
  process.stderr.write(`${work.name}, ${clients}: ${rate.toFixed(0)}/s, p50 ${p50.toFixed(1)} ms\n`);
  return row;
}

/** Milliseconds of user and system time of the server; Linux counts them in hundredths of a second. */
async function cpuTime(): Promise<number> {
  const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function memory(field: string): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s*(\\d+)`).exec(status)?.[1]) / 1024;
}

async function report(): Promise<void> {
  const header = ['work', 'clients', 'rate', 'p50 ms', 'p99 ms', 'CPU ms', 'MiB', 'stock stack', 'aims'];
  const cells = rows.map((row) => [
    row.work,
    String(row.clients),
    `${row.rate.toFixed(0)}/s`,
    row.p50.toFixed(1),
    row.p99.toFixed(1),
    row.cpu.toFixed(2),
    row.memory.toFixed(0),
    row.stock,
    row.aims.map(({ text, reached }) => `${text} ${reached ? 'PASS' : 'MISS'}`).join(', '),
  ]);
  const memoryAim = `The largest memory of the whole run was ${peak.toFixed(0)} MiB (aim: 250, ${peak <= 250 ? 'PASS' : 'MISS'}).`;
  const markdown = [
    '## The private Sigstore under load',
    `\`${commandLine('npm run bench:serve --')}\`: ${circumstances(new Date())}. \`boltseal serve --dev\` on SQLite by Node ${process.version}, one process; the load generator is another process on the same machine, its requests are made beforehand. Each line is the run with the median rate of ${options.runs}. CPU is the server’s, for a request. The stock stack is Fulcio with a Trillian CT log, Rekor v1 on Trillian, rekor-tiles on POSIX files and timestamp-server, measured earlier on two shared cores.`,
    table(header, cells),
    memoryAim,
  ].join('\n\n');
  process.stdout.write(`${markdown}\n`);
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify({ rows, peak }, null, 2));
  if (options.write) await writeSection('serve', markdown);
}
