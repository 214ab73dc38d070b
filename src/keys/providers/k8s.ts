/** Keys in secrets of Kubernetes. */
import { BoltsealError } from '../../core/errors.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { openPrivateKey } from '../private-key.ts';
import type { KeyContext, KeyProvider } from '../provider.ts';

const scheme = 'k8s://';

/** `k8s://NAMESPACE/NAME`: a secret with the data keys `cosign.key`, `cosign.password` and `cosign.pub`. */
export const kubernetesKeys: KeyProvider = {
  name: 'k8s',
  form: 'k8s://NAMESPACE/NAME',
  summary:
    'A secret of Kubernetes with the data keys cosign.key, cosign.password and cosign.pub; generate-key-pair makes one, ' +
    'immutable where the cluster can. The cluster is that of kubectl: KUBECONFIG, else ~/.kube/config, else the one that this runs in.',
  owns: (reference) => reference.startsWith(scheme),
  async loadSigner(reference, context) {
    const [what, key, password] = await read(reference, context, 'cosign.key', 'cosign.password');
    const source = password === undefined ? context.password : async () => [password];
    return await openPrivateKey(required(key, what), source, what, context.derivation);
  },
  async loadVerificationKeys(reference, context) {
    const [what, key] = await read(reference, context, 'cosign.pub');
    return [parsePublicKey(required(key, what), what)];
  },
  async openStore(reference, context) {
    const { openKubernetesPlace, parseSecretName } = await import('../secrets/kubernetes.ts');
    return await openKubernetesPlace(parseSecretName(reference.slice(scheme.length)), context);
  },
};

type Found = Uint8Array | undefined;

/** How `name` is called in errors, its bytes, and those of `other`. */
async function read(
  reference: string,
  context: KeyContext,
  name: string,
  other = '',
): Promise<readonly [what: string, value: Found, other: Found]> {
  const { parseSecretName, readSecret } = await import('../secrets/kubernetes.ts');
  const data = await readSecret(parseSecretName(reference.slice(scheme.length)), context);
  return [`${name} of ${data.what}`, data.get(name), data.get(other)];
}

function required(value: Found, what: string): Uint8Array {
  if (value !== undefined) return value;
  throw new BoltsealError('ERR_KEY_NOT_FOUND', `there is no ${what}`, {
    hint: 'Is it the right secret? Those of cosign have the data keys cosign.key, cosign.password and cosign.pub.',
  });
}
