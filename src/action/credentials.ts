/** Who the action is at registries. */
import { BoltsealError } from '../core/errors.ts';
import { parseReference } from '../formats/reference.ts';
import type { Credential, CredentialSource } from '../registry/credentials/credential.ts';
import { storedCredentials } from '../registry/credentials/stored.ts';
import type { ActionContext } from './context.ts';

/**
 * Credentials in this order: those of the inputs, for the registry of the images and no other; what docker and podman have
 * stored; the token of the run, for the container registry of the same GitHub. Throws `ERR_USAGE` for inputs that are of
 * no use alone, or for images in several registries, because it cannot be told which one is meant.
 */
export function actionCredentials(
  context: Pick<ActionContext, 'settings' | 'run' | 'runtime'>,
  references: readonly string[],
): CredentialSource {
  const { settings, run, runtime } = context;
  const given = givenCredential(settings);
  const registries = new Set(
    references.map(parseReference).flatMap((one) => (one.kind === 'registry' ? [one.registry] : [])),
  );
  if (given !== undefined && registries.size > 1) {
    throw new BoltsealError(
      'ERR_USAGE',
      'registry-username is given, and the images are in several registries',
      { hint: 'Log in to each with docker/login-action instead.' },
    );
  }
  const stored = storedCredentials(runtime);
  const token = settings.githubToken;
  const own = containerRegistry(run.server);
  return async (registry, repository, options) => {
    if (given !== undefined && registries.has(registry)) return given;
    const found = await stored(registry, repository, options);
    if (found !== undefined || token === undefined || registry !== own) return found;
    // The registry looks at the token alone.
    return { kind: 'basic', username: run.actor || 'token', password: token, origin: 'github-token' };
  };
}

/**
 * The container registry of a GitHub: `ghcr.io`, or `containers.` before the host of an enterprise's own.
 * {@link https://docs.github.com/en/enterprise-server@3.18/packages/working-with-a-github-packages-registry/working-with-the-container-registry}
 */
export function containerRegistry(server: string): string {
  const host = URL.canParse(server) ? new URL(server).host : 'github.com';
  return host === 'github.com' ? 'ghcr.io' : `containers.${host}`;
}

function givenCredential({
  registryUsername: username,
  registryPassword: password,
}: ActionContext['settings']): Credential | undefined {
  if (username === undefined && password === undefined) return undefined;
  if (username !== undefined && password !== undefined) {
    return { kind: 'basic', username, password, origin: 'registry-username' };
  }
  throw new BoltsealError('ERR_USAGE', 'registry-username and registry-password are only of use together', {
    hint: 'Does the secret for the other one exist? One that does not is empty.',
  });
}
