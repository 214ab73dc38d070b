/**
 * What a repository remembers beside its metadata: the versions it made public, so that it never publishes smaller ones,
 * and what may be removed one day.
 */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { type TufRole, tufRoles } from './metadata.ts';
import type { TufFiles } from './storage.ts';

/** The version of each role's metadata. */
export type TufVersions = Readonly<Record<TufRole, number>>;

/** A file that newer metadata does not name any more. */
export interface SupersededFile {
  readonly name: string;
  readonly since: Date;
}

/** What is remembered. */
export interface TufRecord {
  /** What clients may have seen; undefined before the first publication. */
  readonly published: TufVersions | undefined;
  /** What was about to be made public when this was written. */
  readonly next: TufVersions | undefined;
  readonly superseded: readonly SupersededFile[];
}

/**
 * Where the record is kept. In the repository's own folder it finds out that single files were put back; on another
 * disk, also that the whole folder was.
 */
export interface TufMemory {
  read(): Promise<TufRecord | undefined>;
  /** When it resolves, the record survives a loss of power. */
  write(record: TufRecord): Promise<void>;
}

/** The name of the record's file. It is never served. */
export const recordName = 'state.json';

const schema = 'boltseal.tuf/1';
const maxBytes = 1_048_576;

/** A memory in the file `state.json`. */
export function storedTufMemory(storage: Pick<TufFiles, 'read' | 'write'>): TufMemory {
  return {
    async read() {
      const bytes = await storage.read(recordName);
      return bytes === undefined ? undefined : parseRecord(bytes);
    },
    write: (record) => storage.write(recordName, encodeRecord(record)),
  };
}

/** A record as it is stored. */
export function encodeRecord({ published, next, superseded }: TufRecord): Uint8Array {
  const document = {
    schema,
    ...(published === undefined ? {} : { published }),
    ...(next === undefined ? {} : { next }),
    superseded: superseded.map(({ name, since }) => ({ name, since: since.toISOString() })),
  };
  return utf8(`${JSON.stringify(document, null, 1)}\n`);
}

/** Reads a record. Throws `ERR_SERVER_DATA`. */
export function parseRecord(bytes: Uint8Array): TufRecord {
  let value: Json;
  try {
    value = parseJson(bytes, { what: recordName, maxBytes });
  } catch (cause) {
    throw damaged(cause);
  }
  if (!isJsonObject(value) || value['schema'] !== schema) throw damaged();
  const superseded = value['superseded'];
  if (!Array.isArray(superseded)) throw damaged();
  return {
    published: readVersions(value['published']),
    next: readVersions(value['next']),
    superseded: (superseded as readonly Json[]).map(readSuperseded),
  };
}

function readVersions(value: Json | undefined): TufVersions | undefined {
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) throw damaged();
  return Object.fromEntries(tufRoles.map((role) => [role, readVersion(value, role)])) as TufVersions;
}

function readVersion(value: JsonObject, role: TufRole): number {
  const version = value[role];
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) throw damaged();
  return version;
}

function readSuperseded(value: Json): SupersededFile {
  if (!isJsonObject(value)) throw damaged();
  const { name, since } = value;
  if (typeof name !== 'string' || typeof since !== 'string' || Number.isNaN(Date.parse(since)))
    throw damaged();
  return { name, since: new Date(since) };
}

function damaged(cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_SERVER_DATA', `the file ${recordName} of the TUF repository is damaged`, {
    cause,
    hint: 'Bring it back from a backup of the same time as the repository.',
  });
}
