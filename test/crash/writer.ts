/**
 * A process that adds to a log as fast as it can, until it is killed. Whatever it is answered it appends to a file before
 * it goes on, as a server would send it: what is in there was released.
 *
 *     node writer.ts '{"sqlite":"FOLDER", …}'
 */
import { createPrivateKey } from 'node:crypto';
import { openSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { base64, utf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { noteSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { openLog } from '../../src/server/log/engine.ts';
import type { NewEntry } from '../../src/server/log/log.ts';
import { filePin } from '../../src/server/log/pin.ts';
import { postgresStorage } from '../../src/server/log/storage/postgres.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';

/** What a writer is told. */
export interface WriterOptions {
  readonly storage: { readonly sqlite: string } | { readonly postgres: string; readonly schema: string };
  /** A file with the log's private key, PEM. */
  readonly keyFile: string;
  readonly origin: string;
  /** Folder of its pin. */
  readonly pins: string;
  /** What it appends to. */
  readonly released: string;
  /** Distinguishes its entries from those of other writers. */
  readonly name: string;
  /** How many it adds at once. */
  readonly concurrency: number;
}

/** One line of the file of what was released. */
export type Released =
  | { readonly index: number; readonly time: number; readonly hash: string; readonly note: string }
  | { readonly note: string }
  | { readonly failed: string };

function entry(text: string, isPlaceless: boolean): NewEntry {
  return {
    placeless: isPlaceless,
    build: ({ index, time }) => {
      const body = utf8(isPlaceless ? text : `${text} at ${index} ${time}`);
      return { leaf: body, body };
    },
    keys: [text.slice(0, 12)],
  };
}

/** Tries again while the database is away. */
async function retry<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isBoltsealError(error, 'ERR_SERVER_BUSY')) throw error;
      await sleep(20);
    }
  }
}

async function write(options: WriterOptions): Promise<void> {
  const { storage: place, origin, name } = options;
  const released = openSync(options.released, 'a');
  const release = (item: Released): void => {
    writeSync(released, `${JSON.stringify(item)}\n`);
  };
  const signer = localSigner(createPrivateKey(readFileSync(options.keyFile)), 'the key');
  const storage = await retry(() =>
    'sqlite' in place
      ? sqliteStorage({ folder: place.sqlite })
      : postgresStorage({ url: place.postgres, schema: place.schema }),
  );
  const key = noteSigner(origin, signer);
  const pin = filePin(options.pins, 'log');
  const log = await retry(() => openLog(createRuntime(), { storage, id: 'log', origin, key, pin }));
  let count = 0;
  const step = async (): Promise<void> => {
    const number = count++;
    const kind = number % 20;
    if (kind === 19) return release({ note: (await log.head()).checkpoint });
    // Some are entries that others add too, or that were added before.
    const text = kind >= 16 ? `shared ${number % 400}` : `${name} ${number} ${'x'.repeat(number % 900)}`;
    const { index, time, leafHash, head } = await log.add(entry(text, kind < 10 || kind >= 16));
    release({ index, time, hash: base64(leafHash), note: head.checkpoint });
  };
  const worker = async (): Promise<void> => {
    for (;;) await retry(step);
  };
  try {
    await Promise.all(Array.from({ length: options.concurrency }, worker));
  } catch (error) {
    release({ failed: error instanceof Error ? `${error.stack} ${error.cause}` : String(error) });
    process.exit(3);
  }
}

if (process.argv[2] !== undefined) await write(JSON.parse(process.argv[2]) as WriterOptions);
