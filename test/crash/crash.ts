/**
 * Crash tests of the logs: writers are killed (-9) at random moments under load, and after every kill the log is opened
 * and audited by everything that was ever released.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NoteSigner } from '../../src/formats/checkpoint.ts';
import { noteSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { openLog } from '../../src/server/log/engine.ts';
import type { TransparencyLog } from '../../src/server/log/log.ts';
import { postgresStorage } from '../../src/server/log/storage/postgres.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import type { LogStorage } from '../../src/server/log/storage.ts';
import type { PostgresServer } from '../support/postgres.ts';
import { Auditor, type AuditSummary } from './audit.ts';
import type { WriterOptions } from './writer.ts';

const origin = 'crash.example.com';

/** What a run of kills came to. */
export interface CrashSummary extends AuditSummary {
  /** Kills of writers. */
  readonly kills: number;
  /** Kills of the database server. */
  readonly serverKills: number;
}

/** How a run goes. */
export interface CrashOptions {
  /** A folder for everything. */
  readonly folder: string;
  readonly kills: number;
  /** Called after every audit. */
  readonly onAudit?: (kill: number, summary: AuditSummary) => void;
}

interface World {
  readonly folder: string;
  readonly keyFile: string;
  readonly key: NoteSigner;
  readonly auditor: Auditor;
}

function createWorld(folder: string): World {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyFile = join(folder, 'key.pem');
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const key = noteSigner(origin, localSigner(createPrivateKey(readFileSync(keyFile)), 'the key'));
  return { folder, keyFile, key, auditor: new Auditor(key.verifier, origin) };
}

/** A writer that runs, and the file of what it released. */
interface Writer {
  readonly child: ChildProcess;
  readonly released: string;
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<string>;
}

function startWriter(world: World, name: string, storage: WriterOptions['storage'], pins: string): Writer {
  const released = join(world.folder, `released-${name}`);
  const { keyFile } = world;
  const options: WriterOptions = { storage, keyFile, origin, pins, released, name, concurrency: 24 };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let printed = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-4_000);
  });
  const ended = new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(`${signal ?? code} ${printed}`));
  });
  return { child, released, ended };
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Waits until a writer releases more than it has. Throws when it ends instead, or nothing comes for 30 seconds. */
async function progress(writer: Writer): Promise<void> {
  const before = sizeOf(writer.released);
  const deadline = Date.now() + 30_000;
  while (sizeOf(writer.released) <= before) {
    if (writer.child.exitCode !== null || writer.child.signalCode !== null) {
      assert.fail(`a writer ended: ${await writer.ended}`);
    }
    assert.ok(Date.now() < deadline, 'a writer made no progress for 30 seconds');
    await sleep(2);
  }
}

async function kill(writer: Writer): Promise<void> {
  writer.child.kill('SIGKILL');
  const how = await writer.ended;
  assert.match(how, /^SIGKILL/, `a writer ended by itself: ${how}`);
}

/** Opens the log as the next process would, and audits it. */
async function audit(world: World, storage: LogStorage): Promise<AuditSummary> {
  let log: TransparencyLog | undefined;
  try {
    log = await openLog(createRuntime(), { storage, id: 'log', origin, key: world.key });
    return await world.auditor.check(log);
  } finally {
    await log?.close();
    await storage.close();
  }
}

/** Kills one writer after the other on one SQLite folder. */
export async function crashSqlite({ folder, kills, onAudit }: CrashOptions): Promise<CrashSummary> {
  const world = createWorld(folder);
  const data = join(folder, 'data');
  const pins = join(folder, 'pins');
  let summary: AuditSummary = { entries: 0, answers: 0, checkpoints: 0 };
  for (let number = 1; number <= kills; number++) {
    const writer = startWriter(world, `w${number}`, { sqlite: data }, pins);
    // Now and then it dies while it opens the log that the one before it left behind.
    if (number % 10 === 5) await sleep(100 + Math.random() * 250);
    else {
      await progress(writer);
      await sleep(Math.random() * 120);
    }
    await kill(writer);
    world.auditor.readReleased(writer.released);
    summary = await audit(world, await sqliteStorage({ folder: data }));
    onAudit?.(number, summary);
  }
  assert.ok(summary.answers > kills, 'the writers wrote');
  return { ...summary, kills, serverKills: 0 };
}

/** How a run on PostgreSQL goes. */
export interface PostgresCrashOptions extends CrashOptions {
  readonly server: PostgresServer;
  /** How many write at once. */
  readonly writers: number;
  /** After so many kills of writers the server is killed too. */
  readonly serverEvery: number;
}

/** Kills one of several writers on one PostgreSQL log; the others must go on. Now and then it kills the server. */
export async function crashPostgres(options: PostgresCrashOptions): Promise<CrashSummary> {
  const { folder, kills, server, onAudit } = options;
  const world = createWorld(folder);
  const storage = { postgres: server.url, schema: 'crash' };
  let started = 0;
  const start = (): Writer => {
    const name = `w${++started}`;
    return startWriter(world, name, storage, join(folder, 'pins', name));
  };
  const writers = Array.from({ length: options.writers }, start);
  const everyReleased = new Set(writers.map(({ released }) => released));
  const auditNow = async (): Promise<AuditSummary> => {
    // What was released before the log is read must be in it.
    for (const path of everyReleased) world.auditor.readReleased(path);
    return audit(world, await postgresStorage({ url: server.url, schema: 'crash' }));
  };
  let summary: AuditSummary = { entries: 0, answers: 0, checkpoints: 0 };
  let serverKills = 0;
  try {
    for (let number = 1; number <= kills; number++) {
      const victim = Math.floor(Math.random() * writers.length);
      await progress(writers[victim] as Writer);
      await sleep(Math.random() * 60);
      await kill(writers[victim] as Writer);
      const others = writers.filter((_, place) => place !== victim);
      // Takeover: everyone else still gets entries in.
      await Promise.all(others.map(progress));
      writers[victim] = start();
      everyReleased.add((writers[victim] as Writer).released);
      if (number % options.serverEvery === 0) {
        serverKills++;
        await server.kill();
        await server.start();
        await Promise.all(others.map(progress));
      }
      summary = await auditNow();
      onAudit?.(number, summary);
    }
  } finally {
    for (const { child } of writers) child.kill('SIGKILL');
    await Promise.all(writers.map(({ ended }) => ended));
  }
  summary = await auditNow();
  assert.ok(summary.answers > kills, 'the writers wrote');
  return { ...summary, kills, serverKills };
}
