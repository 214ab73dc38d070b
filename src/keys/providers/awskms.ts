/** Keys in AWS KMS. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

/** `awskms://[ENDPOINT]/KEY`: a key ID, its ARN, or an alias, as cosign writes them. */
export const awsKeys: KeyProvider = lazyProvider(
  {
    name: 'awskms',
    form: 'awskms://[ENDPOINT]/KEY',
    summary:
      'AWS KMS: KEY is a key ID, an ARN or alias/NAME. Credentials and region as for every AWS tool (AWS_PROFILE, AWS_REGION …).',
    owns: (reference) => reference.startsWith('awskms://'),
  },
  async () => (await import('./awskms-keys.ts')).awsPlace,
);
