/**
 * Verifies many images at once with every key that is trusted, and prints a line for each.
 *
 *     node verify-many.ts cosign.pub,next.pub ghcr.io/you/app:v1 ghcr.io/you/worker:v1
 *
 * Tokens, connections and what was learnt about each registry are shared; one image that fails does not stop the others.
 */
import {
  createRegistryClient,
  distinctSignatures,
  loadVerificationKeys,
  storedCredentials,
  verifyImages,
} from 'boltseal';
import { createRuntime } from 'boltseal/node';

const [trusted = 'cosign.pub', ...images] = process.argv.slice(2);
const runtime = createRuntime({ env: process.env });

// While keys are being replaced, the old and the new one are both trusted.
const keys = await Promise.all(trusted.split(',').map((key) => loadVerificationKeys(key, { runtime })));
const outcomes = await verifyImages(
  images,
  {
    keys: keys.flat(),
    registry: createRegistryClient(runtime, { credentials: storedCredentials(runtime) }),
    // All of it together may take this long.
    signal: AbortSignal.timeout(60_000),
  },
  runtime,
);

for (const outcome of outcomes) {
  if ('error' in outcome) {
    console.log(`refused  ${outcome.reference}  ${outcome.error.code}`);
    process.exitCode = 1;
  } else {
    // A signature that is stored in both of cosign's formats is one signature.
    const signatures = distinctSignatures(outcome.report.accepted).length;
    console.log(`verified ${outcome.report.reference}  ${signatures} signature(s)`);
  }
}
