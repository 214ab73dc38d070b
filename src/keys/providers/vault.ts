/** Keys in the transit engine of HashiCorp Vault and of OpenBao. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

const settings =
  'token from the variable or ~/.vault-token, engine at TRANSIT_SECRET_ENGINE_PATH (transit). /VERSION is not cosign’s: it ' +
  'pins one version.';

/** `hashivault://KEY[/VERSION]`; cosign knows it without a version. */
export const vaultKeys: KeyProvider = lazyProvider(
  {
    name: 'hashivault',
    form: 'hashivault://KEY[/VERSION]',
    summary: `The transit engine of HashiCorp Vault: VAULT_ADDR, VAULT_NAMESPACE, VAULT_TOKEN, VAULT_CACERT; ${settings}`,
    owns: (reference) => reference.startsWith('hashivault://'),
  },
  async () => (await import('./vault-keys.ts')).vaultPlace,
);

/** `openbao://KEY[/VERSION]`; cosign knows it without a version. */
export const openBaoKeys: KeyProvider = lazyProvider(
  {
    name: 'openbao',
    form: 'openbao://KEY[/VERSION]',
    summary: `The transit engine of OpenBao: BAO_ADDR, BAO_NAMESPACE, BAO_TOKEN, BAO_CACERT, or those of Vault; ${settings}`,
    owns: (reference) => reference.startsWith('openbao://'),
  },
  async () => (await import('./vault-keys.ts')).vaultPlace,
);
