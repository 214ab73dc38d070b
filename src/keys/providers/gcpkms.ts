/** Keys in Google Cloud KMS. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

/** `gcpkms://projects/…/cryptoKeys/KEY[/cryptoKeyVersions/VERSION]`, as cosign writes it. */
export const gcpKeys: KeyProvider = lazyProvider(
  {
    name: 'gcpkms',
    form: 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/V]',
    summary:
      'Google Cloud KMS. Credentials are the application default ones: GOOGLE_APPLICATION_CREDENTIALS, ' +
      'gcloud auth application-default login, or the service account of the machine.',
    owns: (reference) => reference.startsWith('gcpkms://'),
  },
  async () => (await import('./gcpkms-keys.ts')).gcpPlace,
);
