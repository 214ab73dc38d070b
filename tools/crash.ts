/**
 * The long form of the crash tests: logs whose writers are killed (-9) at random moments under load, and their database
 * too, audited after every kill by everything that was ever released.
 *
 *     node tools/crash.ts [--kills 200] [--storage sqlite|postgres|both] [--writers 3] [--write]
 *
 * Prints one line for every tenth of the run and a summary; ends with 1 when anything was lost. `--write` puts
 * the summary into bench/RESULTS.md.
 */
import { parseArgs } from 'node:util';
import { circumstances, commandLine, writeSection } from '../bench/results.ts';
import { type CrashOptions, type CrashSummary, crashPostgres, crashSqlite } from '../test/crash/crash.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    storage: { type: 'string', default: 'both' },
    writers: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);

const ends: (() => Promise<void>)[] = [];
const releases = { after: (end: () => Promise<void>) => void ends.unshift(end) };

function optionsIn(folder: string): CrashOptions {
  return {
    folder,
    kills,
    onAudit: (kill, summary) => {
      if (kill % Math.max(1, Math.floor(kills / 10)) === 0)
        console.log(`kill ${kill}: ${JSON.stringify(summary)}`);
    },
  };
}

async function runPostgres(): Promise<CrashSummary> {
  const skip = (message?: string): never => {
    throw new Error(message);
  };
  const server = await startPostgres({ skip }, releases);
  if (server === undefined) throw new Error('no PostgreSQL');
  const options = optionsIn(await temporaryDirectory(releases));
  return crashPostgres({ ...options, server, writers: Number(values.writers), serverEvery: 10 });
}

const runs: Readonly<Record<string, () => Promise<CrashSummary>>> = {
  sqlite: async () => crashSqlite(optionsIn(await temporaryDirectory(releases))),
  postgres: runPostgres,
};

const lines: string[] = [];
try {
  for (const [name, run] of Object.entries(runs)) {
    if (values.storage !== 'both' && values.storage !== name) continue;
    const started = Date.now();
    const summary = await run();
    const seconds = Math.round((Date.now() - started) / 1_000);
    lines.push(
      `${name}: ${summary.kills} writers and ${summary.serverKills} servers killed in ${seconds} s; ${summary.answers} answers and ` +
        `${summary.checkpoints} checkpoints released, all of them of the final log of ${summary.entries} entries`,
    );
    console.log(lines.at(-1));
  }
} finally {
  for (const end of ends) await end();
}
if (values.write) {
  const intro = `\`${commandLine('node tools/crash.ts')}\`: ${circumstances(new Date())}. Writers add entries as fast as they can and are killed with SIGKILL at random moments; PostgreSQL has ${values.writers} writers on one log, and every tenth time its server is killed with all its processes. After every kill everything that was released (answers with index, time and proof, checkpoints) is compared with the log.`;
  const list = lines.map((line) => `- ${line}.`).join('\n');
  await writeSection('crash', ['## Killed two hundred times', intro, list].join('\n\n'));
}
