/** Keys in Azure Key Vault. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

/** `azurekms://VAULT_HOST/KEY[/VERSION]`, as cosign writes it. */
export const azureKeys: KeyProvider = lazyProvider(
  {
    name: 'azurekms',
    form: 'azurekms://VAULT_HOST/KEY[/VERSION]',
    summary:
      'Azure Key Vault or Managed HSM. Credentials are what DefaultAzureCredential finds: AZURE_CLIENT_ID and its siblings, ' +
      'a managed identity, az login …',
    owns: (reference) => reference.startsWith('azurekms://'),
  },
  async () => (await import('./azurekms-keys.ts')).azurePlace,
);
