/**
 * Verifies one image and prints the reference to deploy: by digest, so that what is deployed is what was verified.
 *
 *     node verify-before-deploy.ts ghcr.io/you/app:v1 cosign.pub
 *
 * Ends with the exit codes of `boltseal verify`: 10 no signature, 11 no such image, 12 none accepted …
 */
import {
  createRegistryClient,
  isBoltsealError,
  loadVerificationKeys,
  storedCredentials,
  VerificationError,
  verifyImage,
} from 'boltseal';
import { createRuntime } from 'boltseal/node';

const [image, key = 'cosign.pub'] = process.argv.slice(2);
if (image === undefined) {
  console.error('usage: node verify-before-deploy.ts IMAGE [KEY]');
  process.exit(2);
}

// The library reads nothing from the process by itself: proxies, DOCKER_CONFIG and `env://` keys come from this `env`.
const runtime = createRuntime({ env: process.env });

try {
  const verified = await verifyImage(
    image,
    {
      // A promise is welcome: the key is loaded while the registry is asked.
      keys: loadVerificationKeys(key, { runtime }),
      // Logins of docker and podman; without `credentials` the registry is asked anonymously.
      registry: createRegistryClient(runtime, { credentials: storedCredentials(runtime) }),
      // Only what was signed for production may be deployed there.
      annotations: { environment: 'production' },
    },
    runtime,
  );
  console.log(verified.reference);
} catch (error) {
  if (!isBoltsealError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  // Where it looked, and why each signature was refused.
  if (error instanceof VerificationError) {
    for (const { where, found } of error.report.places) console.error(`  ${where}: ${found} found`);
    for (const { origin, error: reason } of error.report.refused) {
      console.error(`  ${origin.content}: ${reason.message}`);
    }
  }
  if (error.hint !== undefined) console.error(`  ${error.hint}`);
  process.exitCode = error.exitCode;
}
