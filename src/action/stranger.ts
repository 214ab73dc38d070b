/**
 * Verifying what was just signed as somebody would who knows nothing of the signing: with a registry client of its own,
 * without credentials where the registry lets everyone read, and with nothing but the name of the signer.
 */
import { mapConcurrent } from '../core/concurrent.ts';
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { ImageSignature, SignedManifest } from '../flows/sign-image.ts';
import { type VerificationReport, type VerifyImageOptions, verifyImage } from '../flows/verify-image.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { CredentialSource } from '../registry/credentials/credential.ts';
import type { Trust } from '../verify/trust.ts';
import type { ActionContext } from './context.ts';

/** What the verification is told of the signing. */
export interface StrangerOptions {
  /** For registries that do not let everyone read. */
  readonly credentials: CredentialSource;
  readonly trust: Trust | Promise<Trust> | undefined;
  readonly predicateTypes?: readonly string[] | undefined;
}

/** How a manifest was verified. */
export interface StrangerReport {
  readonly reference: string;
  /** Whether nothing was needed to read it: then everyone can verify it. */
  readonly isAnonymous: boolean;
}

/** Milliseconds before another look: a registry may list a moment later what it has taken. */
const waits = [0, 500, 1_500, 4_000] as const;

/** Verifies every manifest. Throws what `verifyImage` throws, and `ERR_ATTACH_CONFLICT` when a new signature is not there. */
export async function verifyAsStranger(
  context: Pick<ActionContext, 'settings' | 'runtime' | 'signal'>,
  signed: readonly SignedManifest[],
  options: StrangerOptions,
): Promise<readonly StrangerReport[]> {
  const { runtime } = context;
  // Where the signatures went says what the registry has; it saves a question whose answer is known.
  const speculativeFallback = signed.some(({ signatures }) =>
    signatures.some(({ stored }) => stored?.place === 'fallback-tag'),
  );
  const anonymous = createRegistryClient(runtime, { speculativeFallback });
  const known = createRegistryClient(runtime, { speculativeFallback, credentials: options.credentials });
  return mapConcurrent(signed, limits.concurrentImages, async ({ reference, signatures }) => {
    const stored = signatures.filter((one) => one.stored !== undefined);
    const required = await requirementsOf(stored, context, options);
    try {
      await untilThere(reference, stored, { ...required, registry: anonymous }, context);
      return { reference, isAnonymous: true };
    } catch (error) {
      if (!needsLogin(error)) throw error;
      await untilThere(reference, stored, { ...required, registry: known }, context);
      return { reference, isAnonymous: false };
    }
  });
}

/** Registries refuse strangers with one of these; some say that there is nothing. */
function needsLogin(error: unknown): boolean {
  return isBoltsealError(
    error,
    'ERR_REGISTRY_UNAUTHORIZED',
    'ERR_REGISTRY_DENIED',
    'ERR_REGISTRY_CREDENTIALS',
    'ERR_REGISTRY_REALM',
    'ERR_IMAGE_NOT_FOUND',
  );
}

async function requirementsOf(
  signatures: readonly ImageSignature[],
  { settings, signal }: Pick<ActionContext, 'settings' | 'signal'>,
  { trust, predicateTypes }: StrangerOptions,
): Promise<VerifyImageOptions> {
  const [first] = signatures;
  const common = {
    signal,
    predicateTypes,
    signatureRepository: settings.signatureRepository,
    annotations: first?.evidence.annotations,
  };
  if (first === undefined) {
    throw new BoltsealError('ERR_SIGNING_FAILED', 'nothing was stored that could be verified');
  }
  // What one of the formats cannot hold cannot be asked of both.
  const least = (count: (one: ImageSignature) => number): number => Math.min(1, ...signatures.map(count));
  const material = {
    trust,
    logEntries: least(({ evidence }) => evidence.material.logEntries.length),
    timestamps: least(
      ({ evidence }) => evidence.material.times.filter(({ source }) => source === 'timestamp').length,
    ),
  };
  const { signedBy } = first.evidence;
  if (signedBy.kind === 'key') return { ...common, ...material, keys: [first.publicKey] };
  const { subject, issuer } = signedBy.identity;
  const exactly = (value: string) => ({ kind: 'exact', value }) as const;
  return {
    ...common,
    ...material,
    identities: [{ subject: exactly(subject), issuer: exactly(issuer) }],
  };
}

/** Verifies until every new signature is among what is accepted, or the waiting is over. */
async function untilThere(
  reference: string,
  signatures: readonly ImageSignature[],
  options: VerifyImageOptions,
  { runtime, signal }: Pick<ActionContext, 'runtime' | 'signal'>,
): Promise<void> {
  let problem: unknown;
  for (const wait of waits) {
    if (wait > 0) await runtime.sleep(wait, signal);
    try {
      const report = await verifyImage(reference, options, runtime);
      const missing = signatures.filter((one) => !isAccepted(one, report));
      if (missing.length === 0) return;
      problem = new BoltsealError(
        'ERR_ATTACH_CONFLICT',
        `a stranger does not find the new ${missing.map(({ format }) => format).join(' and ')} signature of ${reference}`,
        { hint: 'Another writer may have replaced the list of signatures. Sign again.' },
      );
    } catch (error) {
      if (!isBoltsealError(error, 'ERR_NO_SIGNATURES', 'ERR_NO_MATCHING_SIGNATURES')) throw error;
      problem = error;
    }
  }
  throw problem;
}

function isAccepted({ evidence }: ImageSignature, { accepted }: VerificationReport): boolean {
  return accepted.some(({ entity }) => equalBytes(entity.signature, evidence.entity.signature));
}
