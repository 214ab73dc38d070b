/** Keys behind plugins: programs `sigstore-kms-NAME` on PATH that keep the keys of `NAME://…`. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

/** `NAME://…` of a scheme that nobody else has: the plugin `sigstore-kms-NAME` keeps the key. It comes after all others. */
export const pluginKeys: KeyProvider = lazyProvider(
  {
    name: 'plugin',
    form: 'NAME://KEY',
    summary:
      'The program sigstore-kms-NAME on PATH keeps the key: any plugin that is made for cosign works. It gets the environment, ' +
      'and its messages are shown.',
    owns: (reference) => /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(reference),
  },
  async () => (await import('./plugin-keys.ts')).pluginPlace,
);
