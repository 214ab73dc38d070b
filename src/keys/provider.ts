/** The port of key providers: one for each scheme of a key reference. */
import type { Runtime } from '../core/runtime.ts';
import type { KeyDerivation } from '../formats/encrypted-key.ts';
import type { SecretPlace } from './secrets/place.ts';
import type { KeyType, Password, PasswordSource, PublicKey, Signer } from './signer.ts';
import type { TokenPins } from './token-pins.ts';

/** What the loading of a key is told. Only the runtime is needed. */
export interface KeyOptions {
  /** Its `env` holds the variables of `env://NAME` references, and the password when none is given. */
  readonly runtime: Runtime;
  /** The password of an encrypted key, or a function that is called only when the key is encrypted. */
  readonly password?: Password | PasswordSource | undefined;
  /** Whether `password` would read standard input, so that the reference `-` cannot be used for an encrypted key. */
  readonly passwordUsesStdin?: (() => boolean) | undefined;
  /** Reads all of standard input, for the reference `-`; without it that reference is refused. */
  readonly readStdin?: (() => Promise<Uint8Array>) | undefined;
  /** Asks a person for the PIN of the token of this name; without it a PIN comes from the reference or a variable. */
  readonly askPin?: ((token: string) => Promise<string>) | undefined;
  /** Shared by keys that are used together, when several may be in one token. */
  readonly pins?: TokenPins | undefined;
  /** Permits public keys over http and https. */
  readonly allowRemoteKeys?: boolean | undefined;
  /** Shared by keys that are encrypted with one password. */
  readonly derivation?: KeyDerivation | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a provider may need from outside to load a key: {@link KeyOptions} with everything filled in. */
export interface KeyContext {
  readonly runtime: Runtime;
  readonly password: PasswordSource;
  readonly passwordUsesStdin?: (() => boolean) | undefined;
  /** All of standard input, at most `limits.keyBytes`. Called at most once. */
  readonly readStdin: () => Promise<Uint8Array>;
  /** Asks a person for the PIN of the token of this name; absent when nobody can be asked. */
  readonly askPin?: ((token: string) => Promise<string>) | undefined;
  /** Shared by keys that are used together, when several may be in one token. */
  readonly pins?: TokenPins | undefined;
  readonly allowRemoteKeys?: boolean | undefined;
  /** Shared by keys that are encrypted with one password. */
  readonly derivation?: KeyDerivation | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A key that was made where it stays. */
export interface GeneratedKey {
  /** The reference to exactly this key, with its version pinned. */
  readonly reference: string;
  readonly publicKey: PublicKey;
}

/** One kind of place keys live in. */
export interface KeyProvider {
  /** How it is called in lists: `env`. */
  readonly name: string;
  /** What a reference looks like, for help and errors: `env://NAME`. */
  readonly form: string;
  /** One sentence for the reference page. */
  readonly summary: string;
  /** Whether a reference is of this provider. The first provider of the table that says yes has it. */
  owns(reference: string): boolean;
  /** Absent when the place cannot sign. */
  loadSigner?(reference: string, context: KeyContext): Promise<Signer>;
  /**
   * Makes a key in the place, for `generate-key-pair`; `keyType` is the kind that is wanted. Absent when the place cannot.
   * Throws `ERR_KEY_UNSUPPORTED` for a kind that it has not.
   */
  generate?(reference: string, keyType: KeyType, context: KeyContext): Promise<GeneratedKey>;
  /**
   * Looks at a place that keeps secrets and takes a key pair that was made here, for `generate-key-pair`. Absent when the
   * place makes its keys itself, or cannot be written to. `reference` is one that the provider owns.
   */
  openStore?(reference: string, context: KeyContext): Promise<SecretPlace>;
  /** The public keys that verify what the place's key signs: several when it keeps versions. */
  loadVerificationKeys(reference: string, context: KeyContext): Promise<readonly PublicKey[]>;
}
