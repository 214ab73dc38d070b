/** What a TUF repository can do, and what it is made of. */
import type { TufMemory, TufVersions } from './memory.ts';
import type { RoleKeys, TufRole } from './metadata.ts';
import type { TufSigners } from './signing.ts';
import type { TufStorage } from './storage.ts';
import type { TufTarget } from './targets-list.ts';

/** What `openTufRepository` needs. Times are milliseconds. */
export interface TufRepositoryOptions {
  readonly storage: TufStorage;
  /** Where it is remembered what was public; in `storage` unless told. */
  readonly memory?: TufMemory | undefined;
  /**
   * Snapshot and timestamp must be there always. The first start also needs targets, and root unless `firstRoot` is
   * given; later these may be kept elsewhere.
   */
  readonly signers: TufSigners;
  /** How many keys of root and of targets must sign, at the first start; 1 unless told. */
  readonly thresholds?: { readonly root?: number; readonly targets?: number } | undefined;
  /** The first root, made and signed where the root keys are (see `createFirstRoot`). */
  readonly firstRoot?: Uint8Array | undefined;
  /** How long after it was signed metadata expires. */
  readonly expires: Readonly<Record<TufRole, number>>;
  /** How often the timestamp is signed again. */
  readonly resignEvery: number;
  /** How long files that newer metadata does not name are kept for clients that are just reading; a week unless told. */
  readonly keepSuperseded?: number | undefined;
}

/** A file to be served. */
export interface TufFile {
  readonly bytes: Uint8Array;
  /** Whether its name never stands for other bytes. */
  readonly isImmutable: boolean;
}

/** How a repository is. */
export interface TufStatus {
  readonly versions: TufVersions;
  readonly expires: Readonly<Record<TufRole, Date>>;
  /** Until the metadata of each role expires; negative afterwards. */
  readonly daysToExpiry: Readonly<Record<TufRole, number>>;
  /** Whether enough keys are at hand to sign for each role. */
  readonly canSign: Readonly<Record<TufRole, boolean>>;
}

/** What became of targets. */
export type TargetsResult =
  | { readonly status: 'unchanged' | 'published' }
  /** The keys of the targets role are not at hand: `draft` must be signed where they are, and then installed. */
  | { readonly status: 'unsigned'; readonly draft: Uint8Array };

/** New keys for some of the roles. */
export interface TufRotation {
  /** Roles that are not named keep their keys. */
  readonly roles: Partial<Readonly<Record<TufRole, RoleKeys>>>;
  /** Those of the new keys' signers that are at hand. */
  readonly signers?: TufSigners | undefined;
}

/** What became of a rotation. */
export type RotationResult =
  | { readonly status: 'installed'; readonly version: number }
  | {
      readonly status: 'unsigned';
      /** The next root. It must be signed where the root keys are, and then installed. */
      readonly draft: Uint8Array;
      /** How many more root keys of the current and of the next root must sign. */
      readonly missing: { readonly current: number; readonly next: number };
    };

/**
 * A TUF repository. Its methods run one after another, in the order in which they are called. On a shared storage any
 * number of processes may have one open: each begins with what the others have published.
 */
export interface TufRepository {
  /** A file that clients may have, by its name: `1.root.json`, `timestamp.json`, `targets/HASH.name`. */
  file(name: string): TufFile | undefined;
  /** The same, and it finds what another process has just published. When that cannot be found out, what is known. */
  find(name: string): Promise<TufFile | undefined>;
  status(): TufStatus;
  /**
   * Makes `targets`, and nothing else, what clients find; does nothing when that is so already. Throws `ERR_INTERNAL`
   * for names that cannot be published, `ERR_FILE_WRITE`, and what signers throw; then clients see what they saw.
   */
  setTargets(targets: readonly TufTarget[]): Promise<TargetsResult>;
  /**
   * Publishes targets metadata that was signed elsewhere, for exactly these targets. Throws `ERR_TUF_METADATA_INVALID`
   * when it is for others, not newer, or not signed by enough keys.
   */
  installTargets(metadata: Uint8Array, targets: readonly TufTarget[]): Promise<void>;
  /**
   * Gives roles new keys, in a root that is one version newer. It is signed by every root key at hand, old and new; when
   * that is not enough nothing changes, and the draft is handed out. Snapshot and timestamp must be able to sign with
   * the new keys at once. Throws `ERR_SERVER_CONFIG` when they cannot, and as {@link setTargets}.
   */
  rotate(rotation: TufRotation): Promise<RotationResult>;
  /**
   * Publishes a root that was signed elsewhere; `signers` are those of new keys. Throws `ERR_TUF_METADATA_INVALID` when
   * it is not the next version, or not signed by enough keys of the current and of the new root, else as {@link rotate}.
   */
  installRoot(metadata: Uint8Array, signers?: TufSigners): Promise<void>;
  /**
   * Signs again what would otherwise grow old or expire, if the keys are at hand, removes what is superseded for long,
   * and warns (`tuf.expiry`) of what is going to expire. To be called every hour or so. Throws as {@link setTargets}.
   */
  tend(): Promise<TufStatus>;
}
