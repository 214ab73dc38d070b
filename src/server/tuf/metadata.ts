/**
 * Metadata of a TUF repository: written, signed, read and checked. The checks are those of `@tufjs/models`, so that what
 * is published was verified by other code than that which made it.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/ TUF 1.0.31}
 */
import { hash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import {
  Metadata,
  MetadataKind,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import { hex, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import type { Signer } from '../../keys/signer.ts';

/** The roles of a repository. */
export const tufRoles = ['root', 'targets', 'snapshot', 'timestamp'] as const;

/** One of {@link tufRoles}. */
export type TufRole = (typeof tufRoles)[number];

/** What the signed part of each role is, parsed. */
export interface SignedParts {
  readonly root: Root;
  readonly targets: Targets;
  readonly snapshot: Snapshot;
  readonly timestamp: Timestamp;
}

/** A file of metadata: its bytes, and what they are. */
export interface TufDocument<Role extends TufRole> {
  readonly bytes: Uint8Array;
  readonly metadata: Metadata<SignedParts[Role]>;
}

const maxBytes: Readonly<Record<TufRole, number>> = {
  root: limits.tufRootBytes,
  targets: limits.tufTargetsBytes,
  snapshot: limits.tufSnapshotBytes,
  timestamp: limits.tufTimestampBytes,
};

/** The keys of one role, and how many of them must sign. */
export interface RoleKeys {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

/** A key as metadata has it, and its id. */
export interface TufKey {
  /** SHA-256 of the key's canonical JSON, hexadecimal. */
  readonly id: string;
  readonly json: JsonObject;
}

/**
 * A key for metadata: ECDSA P-256 or Ed25519, because `Signer` makes no signature of another scheme. Throws
 * `ERR_KEY_UNSUPPORTED`.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/#keytype-ecdsa-sha2-nistp256}
 */
export function tufKey(publicKey: PublicKey): TufKey {
  const json = keyJson(publicKey);
  return { id: hash('sha256', canonicalize(json), 'hex'), json };
}

function keyJson(publicKey: PublicKey): JsonObject {
  switch (publicKey.type) {
    case 'ecdsa-p256':
      return { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: publicKey.pem } };
    case 'ed25519':
      // The 32 bytes of the key are the end of its SubjectPublicKeyInfo (RFC 8410 section 4).
      return {
        keytype: 'ed25519',
        scheme: 'ed25519',
        keyval: { public: hex(publicKey.spki.subarray(-32)) },
      };
    default:
      throw new BoltsealError(
        'ERR_KEY_UNSUPPORTED',
        `a key of type ${publicKey.type} cannot sign TUF metadata`,
        {
          hint: 'Use an ECDSA P-256 or an Ed25519 key.',
        },
      );
  }
}

/** The signed part of metadata, as it is written. */
export type SignedJson = JsonObject & { readonly _type: TufRole };

/** The fields that every kind of metadata has. Milliseconds of the expiry are dropped. */
export function commonFields<Role extends TufRole>(
  role: Role,
  version: number,
  expires: Date,
): {
  readonly _type: Role;
  readonly spec_version: string;
  readonly version: number;
  readonly expires: string;
} {
  return {
    _type: role,
    spec_version: '1.0.31',
    version,
    expires: expires.toISOString().replace(/\.\d{3}Z$/, 'Z'),
  };
}

/** One signature of metadata. */
interface SignatureJson {
  readonly keyid: string;
  readonly sig: string;
}

/**
 * Metadata signed by each of `signers`, once a key: what clients hash and verify is the canonical JSON of `signed`.
 * Throws `ERR_KEY_UNSUPPORTED` and what a signer throws.
 */
export async function signMetadata<Role extends TufRole>(
  signed: SignedJson & { readonly _type: Role },
  signers: readonly Signer[],
): Promise<TufDocument<Role>> {
  return encode(signed._type, signed, await signaturesOf(signed, signers));
}

async function signaturesOf(signed: JsonObject, signers: readonly Signer[]): Promise<SignatureJson[]> {
  const message = utf8(canonicalize(signed));
  const byKey = new Map(signers.map((signer) => [tufKey(signer.publicKey).id, signer]));
  return await Promise.all(
    [...byKey].map(async ([keyid, signer]) => ({ keyid, sig: hex(await signer.sign(message)) })),
  );
}

function encode<Role extends TufRole>(
  role: Role,
  signed: JsonObject,
  signatures: readonly SignatureJson[],
): TufDocument<Role> {
  const bytes = utf8(`${JSON.stringify({ signatures, signed }, null, 1)}\n`);
  return parseMetadata(role, bytes, `the new ${role} metadata`);
}

/**
 * `bytes` with the signatures of `signers` added; an older signature of the same key gives way. This is what is run
 * where an offline key is. Throws `ERR_TUF_METADATA_INVALID`, `ERR_KEY_UNSUPPORTED`, and what parsing and signing throw.
 */
export async function addSignatures<Role extends TufRole>(
  role: Role,
  bytes: Uint8Array,
  signers: readonly Signer[],
): Promise<TufDocument<Role>> {
  const what = `the ${role} metadata to be signed`;
  const document = parseMetadata(role, bytes, what);
  const { signed } = signedOf(bytes, role, what);
  const added = await signaturesOf(signed, signers);
  const kept = Object.values(document.metadata.signatures)
    .map(({ keyID, sig }) => ({ keyid: keyID, sig }))
    .filter(({ keyid }) => !added.some((one) => one.keyid === keyid));
  return encode(role, signed, [...kept, ...added]);
}

function signedOf(
  bytes: Uint8Array,
  role: TufRole,
  what: string,
): { readonly signed: JsonObject; readonly document: JsonObject } {
  const document = parseJson(bytes, { what, maxBytes: maxBytes[role] });
  if (!isJsonObject(document) || !isJsonObject(document['signed']))
    throw invalid(what, 'it has no signed part');
  return { signed: document['signed'], document };
}

/**
 * Reads metadata of `role`; no signature is verified. Throws `ERR_TUF_METADATA_INVALID` and what `parseJson` throws.
 */
export function parseMetadata<Role extends TufRole>(
  role: Role,
  bytes: Uint8Array,
  what: string,
): TufDocument<Role> {
  const { document } = signedOf(bytes, role, what);
  const kinds = {
    root: MetadataKind.Root,
    targets: MetadataKind.Targets,
    snapshot: MetadataKind.Snapshot,
    timestamp: MetadataKind.Timestamp,
  } as const;
  let metadata: Metadata<Root | Targets | Snapshot | Timestamp>;
  try {
    // The overloads want one kind at a time.
    metadata = Metadata.fromJSON(kinds[role] as MetadataKind.Root, document as never);
  } catch (cause) {
    throw invalid(what, 'it does not have the shape of its kind', cause);
  }
  const { version, expires } = metadata.signed;
  if (!Number.isSafeInteger(version) || version < 1) throw invalid(what, 'its version is out of range');
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(expires) || Number.isNaN(Date.parse(expires))) {
    throw invalid(what, 'its expiry is no time');
  }
  return { bytes, metadata: metadata as unknown as Metadata<SignedParts[Role]> };
}

/** The error for metadata that is not what it must be. */
export function invalid(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_TUF_METADATA_INVALID', `${what} is not valid: ${why}`, { cause });
}

/** When metadata expires. */
export function expiryOf(document: TufDocument<TufRole>): Date {
  return new Date(document.metadata.signed.expires);
}

/** How many more keys of `role`, as `root` names them, must sign `document`; 0 when enough have. */
export function missingSignatures(
  root: TufDocument<'root'>,
  role: TufRole,
  document: TufDocument<TufRole>,
): number {
  const { keys, roles } = root.metadata.signed;
  const named = roles[role];
  if (named === undefined) return 1;
  const signed = named.keyIDs.filter((id) => {
    try {
      keys[id]?.verifySignature(document.metadata);
      return keys[id] !== undefined;
    } catch {
      return false;
    }
  });
  return Math.max(0, named.threshold - signed.length);
}

/** Throws `ERR_TUF_METADATA_INVALID` unless enough keys of `role`, as `root` names them, signed `document`. */
export function checkSigned(
  root: TufDocument<'root'>,
  role: TufRole,
  document: TufDocument<TufRole>,
  what: string,
): void {
  const missing = missingSignatures(root, role, document);
  if (missing > 0) {
    throw invalid(what, `${missing} more ${missing === 1 ? 'key' : 'keys'} of the role ${role} must sign it`);
  }
}

/** Those of `signers` whose keys `root` names for `role`, each key once. */
export function signersOf(root: TufDocument<'root'>, role: TufRole, signers: readonly Signer[]): Signer[] {
  const ids = root.metadata.signed.roles[role]?.keyIDs ?? [];
  const byKey = new Map(signers.map((signer) => [tufKey(signer.publicKey).id, signer]));
  return ids.flatMap((id) => byKey.get(id) ?? []);
}

/** How many of its keys must sign for `role`. */
export function thresholdOf(root: TufDocument<'root'>, role: TufRole): number {
  return root.metadata.signed.roles[role]?.threshold ?? 1;
}

/** The keys of a new root: those of `change`, and of `current` for the roles that do not change. */
export function rootJson(
  version: number,
  expires: Date,
  change: Partial<Readonly<Record<TufRole, RoleKeys>>>,
  current?: TufDocument<'root'>,
): SignedJson & { readonly _type: 'root' } {
  const keys: { [id: string]: JsonObject } = {};
  const roles: { [role: string]: JsonObject } = {};
  for (const role of tufRoles) {
    const changed = change[role];
    const old = current?.metadata.signed.roles[role];
    if (changed !== undefined) {
      const ids = addKeys(keys, role, changed);
      roles[role] = { keyids: ids, threshold: changed.threshold };
    } else if (old !== undefined) {
      for (const id of old.keyIDs) {
        const key = current?.metadata.signed.keys[id];
        if (key !== undefined) keys[id] = key.toJSON() as JsonObject;
      }
      roles[role] = { keyids: old.keyIDs, threshold: old.threshold };
    } else throw new BoltsealError('ERR_SERVER_CONFIG', `the TUF role ${role} has no keys`);
  }
  const sorted = Object.fromEntries(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...commonFields('root', version, expires), consistent_snapshot: true, keys: sorted, roles };
}

function addKeys(
  keys: { [id: string]: JsonObject },
  role: TufRole,
  { keys: list, threshold }: RoleKeys,
): string[] {
  const added = list.map(tufKey);
  const ids = [...new Set(added.map(({ id }) => id))];
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > ids.length) {
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `the threshold of the TUF role ${role} is ${threshold}, and it has ${ids.length} keys`,
    );
  }
  for (const { id, json } of added) keys[id] = json;
  return ids;
}

/** Whether two JSON values are the same, whatever the order of their keys. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalize(a) === canonicalize(b);
}
