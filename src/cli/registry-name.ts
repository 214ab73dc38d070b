/** The argument of `login` and `logout`. */
import { BoltsealError } from '../core/errors.ts';
import { dockerHubRegistry, isRegistryName } from '../formats/reference.ts';
import { quoted } from './values.ts';

const dockerHub: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
  'https://index.docker.io/v1/',
]);

/** The registry that a person means, as it stands in references. Throws `ERR_REFERENCE_INVALID`. */
export function registryName(text: string): string {
  if (dockerHub.has(text)) return dockerHubRegistry;
  const name = text.toLowerCase();
  if (isRegistryName(name)) return name;
  throw new BoltsealError('ERR_REFERENCE_INVALID', `${quoted(text)} is not the name of a registry`, {
    hint: 'Give the host alone, such as ghcr.io or registry.example.com:5000.',
  });
}
