/** Keys in tokens that speak PKCS#11: hardware security modules, smart cards, SoftHSM. */
import type { KeyProvider } from '../provider.ts';
import { lazyProvider } from './lazy.ts';

/** `pkcs11:…`, a PKCS#11 URI. */
export const pkcs11Keys: KeyProvider = lazyProvider(
  {
    name: 'pkcs11',
    form: 'pkcs11:token=…;object=…?module-path=…',
    summary:
      'A key in a token: the token by token, serial, model, manufacturer or slot-id, the key by object (its label) or id, the ' +
      'module by module-path or COSIGN_PKCS11_MODULE_PATH. The PIN comes from pin-source (a file), COSIGN_PKCS11_PIN, pin-value, ' +
      'or is asked for; a wrong one is never tried twice. Needs the package pkcs11js.',
    owns: (reference) => reference.startsWith('pkcs11:'),
  },
  async () => (await import('./pkcs11-keys.ts')).pkcs11Place,
);
