/** Providers whose code is loaded when one of their references is used. */
import type { KeyProvider } from '../provider.ts';

/** What is known of a provider without its code. */
export type ProviderRow = Pick<KeyProvider, 'name' | 'form' | 'summary' | 'owns'>;

/** The code of a provider that can do everything. */
export type KeyPlace = Required<Pick<KeyProvider, 'loadSigner' | 'generate' | 'loadVerificationKeys'>>;

/** A provider that is its row, and whose code `load` imports. */
export function lazyProvider(row: ProviderRow, load: () => Promise<KeyPlace>): KeyProvider {
  return {
    ...row,
    loadSigner: async (...given) => (await load()).loadSigner(...given),
    generate: async (...given) => (await load()).generate(...given),
    loadVerificationKeys: async (...given) => (await load()).loadVerificationKeys(...given),
  };
}
