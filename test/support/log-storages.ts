/** The storages a log can be kept in, each as a place of its own that tests open and open again. */
import type { TestContext } from 'node:test';
import { postgresStorage } from '../../src/server/log/storage/postgres.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import type { LogStorage } from '../../src/server/log/storage.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type Releases, temporaryDirectory } from './temporary.ts';

/** An empty place for logs. */
export interface LogPlace {
  /** Opens it. Who opens closes. */
  open(): Promise<LogStorage>;
}

/** One kind of storage. */
export interface StorageKind {
  readonly name: 'sqlite' | 'postgres';
  /** A new place, or undefined, with the test skipped, when a program is missing. */
  place(t: Pick<TestContext, 'skip'> & Releases): Promise<LogPlace | undefined>;
}

/**
 * Both kinds. All PostgreSQL places are schemas of one server, which is started when the first is asked for and ended by
 * `releases`.
 */
export function storageKinds(releases: Releases): readonly StorageKind[] {
  let server: Promise<PostgresServer | undefined> | undefined;
  let count = 0;
  // A release that is registered inside a test runs when that test is over, and the server serves many.
  const ends: (() => Promise<void>)[] = [];
  releases.after(async () => {
    for (const end of ends) await end();
  });
  return [
    {
      name: 'sqlite',
      async place(t) {
        const folder = await temporaryDirectory(t);
        return { open: () => sqliteStorage({ folder }) };
      },
    },
    {
      name: 'postgres',
      async place(t) {
        server ??= startPostgres(t, { after: (end) => ends.push(end) });
        const url = (await server)?.url;
        if (url === undefined) {
          t.skip('skipped: no PostgreSQL');
          return undefined;
        }
        const schema = `place_${++count}`;
        return { open: () => postgresStorage({ url, schema }) };
      },
    },
  ];
}
