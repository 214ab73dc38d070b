/**
 * What a private Sigstore is, beside its keys and its entries: the certificates of its authorities, the origins of its
 * logs, and which of them are retired. One JSON file in the data folder, written whole; nothing in it is secret.
 */
import {
  array,
  isoTimestamp,
  literal,
  maxLength,
  minLength,
  optional,
  pipe,
  regex,
  safeParse,
  strictObject,
  string,
} from 'valibot';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

/** Where a key is: a file below the data folder, or a key reference of the configuration. */
export interface KeyRecord {
  readonly file?: string | undefined;
  readonly reference?: string | undefined;
  /** What exactly that reference meant when the key was taken, where its place has versions. */
  readonly pinned?: string | undefined;
  /** PEM. */
  readonly publicKey: string;
}

/** A certificate or timestamp authority. Times are ISO 8601. */
export interface AuthorityRecord {
  /** `ca-1`. */
  readonly id: string;
  readonly key: KeyRecord;
  /** PEM, from the certificate of {@link key} to the root. */
  readonly chain: string;
  /** Base URL, without a slash at its end. */
  readonly url: string;
  readonly start: string;
  /** When it was retired. */
  readonly end?: string | undefined;
}

/** A log. Times are ISO 8601. */
export interface LogRecord {
  /** `rekor-1`. */
  readonly id: string;
  readonly key: KeyRecord;
  /** First line of checkpoints; of Rekor v1 without ` - ` and the tree ID. */
  readonly origin: string;
  /** Of Rekor v1: decimal, positive, of 63 bits. */
  readonly treeId?: string | undefined;
  /** Base URL, without a slash at its end. */
  readonly url: string;
  readonly start: string;
  /** When it was retired. */
  readonly end?: string | undefined;
}

/** The state of a private Sigstore. */
export interface SigstoreState {
  readonly schema: 'boltseal.sigstore/1';
  readonly created: string;
  readonly organization: string;
  /** What certificates of the two authorities lead to. */
  readonly root: { readonly key: KeyRecord; readonly certificate: string };
  /** Oldest first; the last one has no end and is in use. */
  readonly ca: readonly AuthorityRecord[];
  readonly tsa: readonly AuthorityRecord[];
  readonly ct: readonly LogRecord[];
  readonly rekor: readonly LogRecord[];
  readonly rekor2: readonly LogRecord[];
  /** Keys of the TUF roles, the newest last. There are several only while they are being replaced. */
  readonly tuf: Readonly<Record<TufKeyRole, readonly KeyRecord[]>>;
}

/** What TUF keys are for; `online` signs snapshot and timestamp. */
export const tufKeyRoles = ['root', 'targets', 'online'] as const;

/** One of {@link tufKeyRoles}. */
export type TufKeyRole = (typeof tufKeyRoles)[number];

const text = pipe(string(), maxLength(65_536));
const id = pipe(string(), regex(/^[a-z][a-z0-9]*-[1-9][0-9]{0,5}$/));
const time = pipe(string(), isoTimestamp());
const key = strictObject({
  file: optional(text),
  reference: optional(text),
  pinned: optional(text),
  publicKey: text,
});
const keys = pipe(array(key), minLength(1));
const instance = { id, key, url: text, start: time, end: optional(time) };
const authority = strictObject({ ...instance, chain: text });
const log = strictObject({
  ...instance,
  origin: text,
  treeId: optional(pipe(string(), regex(/^[1-9][0-9]{0,18}$/))),
});
const schema = strictObject({
  schema: literal('boltseal.sigstore/1'),
  created: time,
  organization: text,
  root: strictObject({ key, certificate: text }),
  ca: array(authority),
  tsa: array(authority),
  ct: array(log),
  rekor: array(log),
  rekor2: array(log),
  tuf: strictObject({ root: keys, targets: keys, online: keys }),
});

/** What there may be several of, one in use and the others retired. */
export type InstanceKind = 'ca' | 'tsa' | 'ct' | 'rekor' | 'rekor2';

/** Every {@link InstanceKind}. */
export const instanceKinds: readonly InstanceKind[] = ['ca', 'tsa', 'ct', 'rekor', 'rekor2'];

/** The state that `bytes` are. Throws `ERR_SERVER_DATA` naming `what`. */
export function parseState(bytes: Uint8Array, what: string): SigstoreState {
  const parsed = safeParse(schema, parseJson(bytes, { what, maxBytes: limits.sigstoreStateBytes }));
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const where = issue.path?.map((part) => String(part.key)).join('.') ?? 'it';
    throw new BoltsealError('ERR_SERVER_DATA', `${what} is not valid: ${where}: ${issue.message}`, {
      hint: 'It is written by `boltseal serve` alone. Bring back the file from a backup.',
    });
  }
  const state: SigstoreState = parsed.output;
  for (const kind of instanceKinds) {
    const active = state[kind].filter((record) => record.end === undefined);
    if (active.length !== 1 || state[kind].at(-1) !== active[0]) {
      throw new BoltsealError(
        'ERR_SERVER_DATA',
        `${what} is not valid: ${kind} must have one in use, its last`,
      );
    }
  }
  return state;
}

/** A state as it is stored. */
export function encodeState(state: SigstoreState): Uint8Array {
  return utf8(`${JSON.stringify(state, null, 2)}\n`);
}

/** The one in use. */
export function activeOf<T>(records: readonly T[]): T {
  return records.at(-1) as T;
}
