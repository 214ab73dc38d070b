/** Users of a kubeconfig with an `auth-provider`, which kubectl replaced by `exec` and still reads. */
import { isJsonObject, type Json } from '../../core/json.ts';
import type { Runtime } from '../../core/runtime.ts';
import { incomplete, type KubeconfigEntry } from './kubeconfig.ts';

/** A token that expires within these milliseconds is as good as expired. */
const margin = 10_000;

/**
 * The identity token of the `oidc` provider. It is not renewed here: that would have to write the new one into the
 * kubeconfig, which kubectl does. Throws `ERR_KEY_ACCESS` when it is expired, and for every other provider.
 * {@link https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-kubectl}
 */
export function idTokenOf({ fields }: KubeconfigEntry, { now }: Pick<Runtime, 'now'>): string {
  const provider = fields['auth-provider'];
  const { name, config } = isJsonObject(provider) ? provider : {};
  if (name !== 'oidc') {
    throw incomplete(
      'its user signs in with a provider that is no longer part of Kubernetes',
      'Write the kubeconfig anew with the tool of your cloud, which uses exec.',
    );
  }
  const token = isJsonObject(config) ? config['id-token'] : undefined;
  if (typeof token === 'string' && (expiryOf(token) ?? 0) > now().getTime() + margin) return token;
  throw incomplete(
    'the identity token of its user is expired or missing',
    'Renew it with any command: kubectl version',
  );
}

/** Milliseconds at which a JWT expires; undefined when it does not say. Nothing of it is trusted: the cluster checks it. */
function expiryOf(token: string): number | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Json;
    const exp = isJsonObject(claims) ? claims['exp'] : undefined;
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
