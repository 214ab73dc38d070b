/**
 * Signs what a build has just pushed. The private key goes from a secret to memory and never touches the disk.
 *
 *     COSIGN_PRIVATE_KEY=… COSIGN_PASSWORD=… node sign-in-build.ts ghcr.io/you/app@sha256:…
 */
import { createRegistryClient, isBoltsealError, loadSigner, signImage, storedCredentials } from 'boltseal';
import { createRuntime } from 'boltseal/node';

const [image] = process.argv.slice(2);
if (image === undefined) {
  console.error('usage: node sign-in-build.ts IMAGE@DIGEST');
  process.exit(2);
}

const runtime = createRuntime({
  env: process.env,
  // What is worth knowing while it works; nothing is printed unless asked.
  log: ({ level, message }) => {
    if (level === 'warn') console.error(`warning: ${message}`);
  },
});

try {
  const signed = await signImage(
    image,
    {
      // `env://NAME`, the path of a key file, or `openPrivateKey(pem, password)` for a key from anywhere else. The
      // password is in COSIGN_PASSWORD or BOLTSEAL_PASSWORD of the runtime's `env`, unless `password` is given here.
      signer: loadSigner('env://COSIGN_PRIVATE_KEY', { runtime }),
      registry: createRegistryClient(runtime, { credentials: storedCredentials(runtime) }),
      // The index and the image of every platform, for those who pull one of them by its digest.
      recursive: true,
      // Signed together with the digest; whoever verifies may require them.
      annotations: { environment: 'production', commit: process.env['GITHUB_SHA'] ?? 'unknown' },
    },
    runtime,
  );
  // Each signature was read back from the registry and verified before it is here.
  for (const { reference, signatures } of signed) {
    console.log(`signed ${reference} (${signatures.map(({ format }) => format).join(', ')})`);
  }
} catch (error) {
  if (!isBoltsealError(error)) throw error;
  console.error(`${error.code}: ${error.message}`);
  if (error.hint !== undefined) console.error(`  ${error.hint}`);
  process.exitCode = error.exitCode;
}
