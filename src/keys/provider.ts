/** The port of key providers: one for each scheme of a key reference. */
import type { Runtime } from '../core/runtime.ts';
import type { PasswordSource, PublicKey, Signer } from './signer.ts';

/** What loading a key may need from outside. */
export interface KeyContext {
  readonly runtime: Pick<Runtime, 'fetch' | 'env' | 'log'>;
  readonly password: PasswordSource;
  /** True when `password` would read standard input, so that the reference `-` cannot be used for an encrypted key. */
  readonly passwordUsesStdin?: boolean | undefined;
  /** All of standard input, at most `limits.keyBytes`. Called at most once. */
  readonly readStdin: () => Promise<Uint8Array>;
  /** Permits public keys over http and https. */
  readonly allowRemoteKeys?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
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
  /** The public keys that verify what the place's key signs: several when it keeps versions. */
  loadVerificationKeys(reference: string, context: KeyContext): Promise<readonly PublicKey[]>;
}
