/**
 * What an entry costs as a log grows: added to the engine on SQLite, with the inclusion proof that its answer has.
 *
 *     npm run bench:growth -- [--sizes 10000,100000,1000000] [--write]
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { noteSigner } from '../src/formats/note-keys.ts';
import { newPrivateKey } from '../src/keys/generate.ts';
import { localSigner } from '../src/keys/local-signer.ts';
import { createRuntime } from '../src/node/runtime.ts';
import { openLog } from '../src/server/log/engine.ts';
import type { NewEntry } from '../src/server/log/log.ts';
import { sqliteStorage } from '../src/server/log/storage/sqlite.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,100000,1000000' },
    write: { type: 'boolean', default: false },
  },
});
const sizes = options.sizes.split(',').map(Number);
/** Entries measured at each size, so many at once. */
const sample = 5_000;
const together = 64;
/** A Rekor entry has about so many bytes. */
const bodyBytes = 900;

const folder = await mkdtemp(join(tmpdir(), 'boltseal-growth-'));
const storage = await sqliteStorage({ folder });
const signer = localSigner(await newPrivateKey('ecdsa-p256'), 'the bench key');
const origin = 'bench.example.com';
const key = noteSigner(origin, signer);
const log = await openLog(createRuntime(), { storage, id: 'growth', origin, key });

function entry(): NewEntry {
  const body = randomBytes(bodyBytes);
  return { placeless: true, keys: [body.toString('hex', 0, 32)], build: () => ({ leaf: body, body }) };
}

async function add(count: number, width: number, prove: boolean): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const { index, head } = await log.add(entry());
      if (prove) await log.inclusionProof(index, head.size);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

const rows: string[][] = [];
let size = 0;
for (const target of sizes) {
  await add(target - size, 1_024, false);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await add(sample, together, true);
  const wall = performance.now() - start;
  const used = process.cpuUsage(cpu);
  size = target + sample;
  const { rss } = process.memoryUsage();
  const bytes = (await stat(join(folder, 'growth.sqlite'))).size;
  rows.push([
    String(target),
    ((used.user + used.system) / sample).toFixed(0),
    ((wall * 1000) / sample).toFixed(0),
    (rss / 1_048_576).toFixed(0),
    (bytes / size).toFixed(0),
  ]);
  process.stderr.write(`${rows.at(-1)?.join(' ')}\n`);
}
await log.close();
await storage.close();
await rm(folder, { recursive: true, force: true });

const markdown = [
  '## What an entry costs as a log grows',
  `\`${commandLine('npm run bench:growth --')}\`: ${circumstances(new Date())}. The log engine on SQLite by Node ${process.version}, without HTTP and signatures of clients: ${sample} entries of ${bodyBytes} bytes at each size, ${together} at once, each with its inclusion proof.`,
  table(['entries', 'CPU µs', 'wall µs', 'MiB', 'bytes on disk'], rows),
].join('\n\n');
process.stdout.write(`${markdown}\n`);
if (options.write) await writeSection('growth', markdown);
