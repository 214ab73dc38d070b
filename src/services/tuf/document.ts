/**
 * What is asked of TUF metadata before the TUF library sees it: that it is small, that it has one reading, and that it
 * can expire. The library takes `"expires": "never"` for a time that does not come, counts a key that is listed under
 * two ids twice, and needs a time that grows with the square of the entries of a document: 30 seconds for 10,000.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/#document-formats TUF 1.0.31, 4}
 */
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

/** The roles of a repository, in the order in which a client reads them. */
export const tufRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/** One of {@link tufRoles}. */
export type TufRole = (typeof tufRoles)[number];

/** Most bytes of the metadata of each role. */
export const tufMaxBytes: Readonly<Record<TufRole, number>> = {
  root: limits.tufRootBytes,
  timestamp: limits.tufTimestampBytes,
  snapshot: limits.tufSnapshotBytes,
  targets: limits.tufTargetsBytes,
};

/** The error for metadata that is not what it must be. */
export function invalidMetadata(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_TUF_METADATA_INVALID', `${what} is not valid: ${why}`, { cause });
}

/**
 * The JSON of metadata of `role`, fit for the library. `what` names it in errors. Throws `ERR_TUF_METADATA_INVALID`,
 * `ERR_LIMIT_EXCEEDED` and what `parseJson` throws.
 */
export function readDocument(role: TufRole, bytes: Uint8Array, what: string): JsonObject {
  const document = parseJson(bytes, { what, maxBytes: tufMaxBytes[role] });
  const { signed, signatures } = isJsonObject(document) ? document : {};
  if (!isJsonObject(document) || !isJsonObject(signed) || signed['_type'] !== role) {
    throw invalidMetadata(what, `it is no ${role} metadata`);
  }
  const { version, expires } = signed;
  if (!Number.isSafeInteger(version) || Number(version) < 1) {
    throw invalidMetadata(what, 'its version is no number from 1 on');
  }
  if (typeof expires !== 'string' || !isTime(expires)) {
    throw invalidMetadata(what, 'its expiry is no time such as 2030-01-31T12:00:00Z');
  }
  requireFew(signatures, limits.tufKeys, what, 'signatures');
  for (const name of ['meta', 'targets']) requireFew(signed[name], limits.tufTargets, what, name);
  for (const part of [signed, objectAt(signed, 'delegations')]) {
    for (const name of ['keys', 'roles']) requireFew(part[name], limits.tufKeys, what, name);
  }
  if (role === 'root') requireDistinctKeys(signed, what);
  if (role === 'targets') requireDigests(signed, what);
  return document;
}

/** An impossible day would roll over into the next month. */
function isTime(text: string): boolean {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && time.toISOString().replace('.000Z', 'Z') === text;
}

function requireFew(value: Json | undefined, most: number, what: string, name: string): void {
  if (typeof value !== 'object' || value === null) return;
  const { length } = Object.keys(value);
  if (length <= most) return;
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${length} ${name}; the limit is ${most}`);
}

/** A threshold counts people, and so keys, not the names of keys. */
function requireDistinctKeys({ keys, roles }: JsonObject, what: string): void {
  if (!isJsonObject(keys) || !isJsonObject(roles)) throw invalidMetadata(what, 'it has no keys or no roles');
  for (const role of tufRoles) {
    const { keyids } = objectAt(roles, role);
    if (!Array.isArray(keyids)) throw invalidMetadata(what, `it has no role ${role}`);
    requireFew(keyids, limits.tufKeys, what, `keys of ${role}`);
    const contents = keyids.map((id: Json) => objectAt(objectAt(keys, String(id)), 'keyval')['public']);
    const named = contents
      .filter((content) => content !== undefined)
      .map((content) => String(content).trim());
    if (new Set(named).size !== named.length) {
      throw invalidMetadata(what, `the role ${role} has one key under two names`);
    }
  }
}

/** Without a digest, any file of the right length would do. */
function requireDigests({ targets }: JsonObject, what: string): void {
  const entries = isJsonObject(targets) ? Object.keys(targets) : [];
  for (const name of entries) {
    const hashes = objectAt(objectAt(targets, name), 'hashes');
    if (typeof (hashes['sha256'] ?? hashes['sha512']) === 'string') continue;
    throw invalidMetadata(what, 'a target has neither sha256 nor sha512');
  }
}

function objectAt(value: Json | undefined, name: string): JsonObject {
  const member = isJsonObject(value) ? value[name] : undefined;
  return isJsonObject(member) ? member : {};
}
