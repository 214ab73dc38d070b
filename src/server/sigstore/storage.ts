/** Where a private Sigstore keeps what grows: its logs and its TUF repository, in the data folder or in PostgreSQL. */
import type { Runtime } from '../../core/runtime.ts';
import type { SigstoreConfig } from '../config/config.ts';
import { readSecret } from '../config/secret.ts';
import type { LogStorage } from '../log/storage.ts';
import { folderTufStorage, type TufStorage } from '../tuf/storage.ts';
import type { DataFolder } from './folder.ts';

/** The stores, and their end. */
export interface SigstoreStorage {
  readonly logs: LogStorage;
  readonly tuf: TufStorage;
  close(): Promise<void>;
}

/**
 * Opens the stores. A folder is locked until they are closed; a database is shared. Throws `ERR_SERVER_DATA` when the
 * folder is in use, `ERR_SERVER_CONFIG`, and `ERR_SERVER_BUSY` when the database cannot be reached.
 */
export async function openStorage(
  runtime: Pick<Runtime, 'env'>,
  config: SigstoreConfig,
  folder: DataFolder,
): Promise<SigstoreStorage> {
  if (config.storage.type === 'sqlite') {
    const { sqliteStorage } = await import('../log/storage/sqlite.ts');
    const logs = await sqliteStorage({ folder: folder.logs });
    return { logs, tuf: folderTufStorage(folder.tuf), close: () => logs.close() };
  }
  const { connections } = config.storage;
  const url = await databaseUrl(config.storage.url, runtime);
  const [{ postgresStorage }, { postgresTufStorage }] = await Promise.all([
    import('../log/storage/postgres.ts'),
    import('../tuf/postgres-storage.ts'),
  ]);
  const logs = await postgresStorage({ url, connections });
  try {
    const tuf = await postgresTufStorage({ url });
    const close = async (): Promise<void> => {
      await logs.close();
      await tuf.close();
    };
    return { logs, tuf, close };
  } catch (error) {
    await logs.close();
    throw error;
  }
}

async function databaseUrl(url: string, { env }: Pick<Runtime, 'env'>): Promise<string> {
  return /^postgres(?:ql)?:\/\//.test(url) ? url : readSecret(url, env, 'the URL of the database');
}
