/** Signing and attesting: images, signatures, and the proof that a stranger accepts them. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestHex, digestOf } from '../core/digest.ts';
import { hex } from '../core/encoding.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type Attestation,
  type ImageSignature,
  type SignedManifest,
  type SignImageOptions,
  type SignOutcome,
  signImages,
} from '../flows/sign-image.ts';
import type { Annotations } from '../formats/oci.ts';
import { predicateOf, predicateTypeOf } from '../formats/predicate-type.ts';
import { createRegistryClient } from '../registry/client.ts';
import { compareBuilt } from './built.ts';
import type { ActionContext } from './context.ts';
import { actionCredentials } from './credentials.ts';
import { listImages } from './images.ts';
import type { ModeResult } from './mode.ts';
import type { RunInfo } from './run-info.ts';
import { type SigningSetup, signingSetup } from './signer.ts';
import { type StrangerOptions, type StrangerReport, verifyAsStranger } from './stranger.ts';
import type { Toolkit } from './toolkit.ts';
import { boltsealCommand, cosignCommand, type Verifiable } from './verify-commands.ts';

/**
 * Signs, or attests, every image, and verifies what was made. Images that fail do not stop the others. Throws what is
 * wrong before anything is signed: `ERR_USAGE`, `ERR_DIGEST_MISMATCH`, what loading trust and choosing services throw.
 */
export async function signMode(context: ActionContext): Promise<ModeResult> {
  const { settings, runtime, toolkit, signal } = context;
  const attestation = settings.mode === 'attest' ? await readAttestation(context) : undefined;
  const { references, built } = await listImages(settings);
  const credentials = actionCredentials(context, references);
  const registry = createRegistryClient(runtime, { credentials });
  warnOfTags(references, toolkit);
  if (built.length > 0) await compareBuilt(built, registry, context);
  const signing = await signingSetup(context, references);
  const options: SignImageOptions = {
    ...signing,
    registry,
    signal,
    attestation,
    annotations: attestation === undefined ? annotationsOf(context) : undefined,
    recursive: settings.recursive,
    format: attestation === undefined ? formatFor(context, signing) : 'bundle',
    signatureRepository: settings.signatureRepository,
  };
  const outcomes = await toolkit.group(attestation ? 'Attesting' : 'Signing', async () => {
    const made = await signImages(references, options, runtime, (outcome) => tell(context, outcome));
    signal.throwIfAborted();
    return made;
  });
  const signed = outcomes.flatMap((one) => ('signed' in one ? [one.signed] : []));
  const failures = outcomes.flatMap((one) => ('error' in one ? [one.error] : []));
  const all = signed.flat();
  const bundles = await writeBundles(context, all);
  const predicateTypes = attestation && [attestation.predicateType];
  const { reports, problem } = settings.verify
    ? await lookAsStranger(context, all, { credentials, trust: signing.trust, predicateTypes })
    : { reports: [], problem: undefined };
  return {
    title: `${attestation ? 'Attested' : 'Signed'} with Boltseal`,
    failures: problem === undefined ? failures : [...failures, problem],
    bundles,
    ...describe(context, signed, reports, attestation?.predicateType),
    publicKey: (await signing.key?.catch(() => undefined))?.publicKey.spki,
  };
}

function warnOfTags(references: readonly string[], toolkit: Toolkit): void {
  const tags = references.filter((reference) => !reference.includes('@'));
  if (tags.length === 0) return;
  const more = tags.length > 3 ? ` and ${tags.length - 3} more` : '';
  toolkit.warning(
    `${tags.slice(0, 3).join(', ')}${more}: a tag can move. What is signed is the digest that it has now, which may not be what was built. Give digest, as the build step puts it out.`,
  );
}

/** Verifies what was made. A failure is told beside what was signed, which is stored all the same. */
async function lookAsStranger(
  context: ActionContext,
  signed: readonly SignedManifest[],
  options: StrangerOptions,
): Promise<{ readonly reports: readonly StrangerReport[]; readonly problem: BoltsealError | undefined }> {
  if (signed.length === 0) return { reports: [], problem: undefined };
  const { toolkit } = context;
  return toolkit.group('Verifying as a stranger', async () => {
    try {
      const reports = await verifyAsStranger(context, signed, options);
      for (const { reference, isAnonymous } of reports)
        toolkit.info(`verified ${reference} ${how(isAnonymous)}`);
      return { reports, problem: undefined };
    } catch (error) {
      const message = 'what was signed and stored cannot be verified by a stranger';
      return { reports: [], problem: wrapError(error, 'ERR_INTERNAL', message) };
    }
  });
}

function how(isAnonymous: boolean): string {
  return isAnonymous
    ? 'as a stranger, without credentials'
    : 'with a new connection; strangers may not read it';
}

/** The annotations of the inputs, and those of the run that no input replaces. */
function annotationsOf({ settings, run }: ActionContext): Annotations {
  return settings.workflowAnnotations
    ? { ...runAnnotations(run), ...settings.annotations }
    : settings.annotations;
}

function runAnnotations({ repository, workflow, url, commit, actor }: RunInfo): Annotations {
  return { repository, workflow, run: url, commit, actor };
}

/**
 * The cosign format has a place for entries of logs that sign a time, as Rekor v1 does. Where there are none, a keyless
 * signature in that format could not be verified.
 */
function formatFor(
  { settings, toolkit }: ActionContext,
  { fitsLayers = true, key }: SigningSetup,
): SignImageOptions['format'] {
  const { format } = settings;
  if (fitsLayers || format === 'bundle') return format;
  const reason = 'the log speaks Rekor v2, whose entries the cosign format (.sig) cannot hold';
  if (key !== undefined) {
    toolkit.warning(`${reason}: signatures in that format are not logged`);
    return format;
  }
  if (format === 'both') return 'bundle';
  throw new BoltsealError('ERR_USAGE', `${reason}: nobody could verify such a signature`, {
    hint: 'Use format: bundle.',
  });
}

async function readAttestation({ settings, runtime }: ActionContext): Promise<Attestation> {
  const { predicate, predicateType } = settings;
  if (predicate === undefined || predicateType === undefined) {
    const missing = predicate === undefined ? 'predicate' : 'predicate-type';
    throw new BoltsealError('ERR_USAGE', `mode: attest needs ${missing}`, {
      hint: 'predicate is a JSON file, and predicate-type says what it is, such as spdxjson or cyclonedx.',
    });
  }
  if (Object.keys(settings.annotations).length > 0 || settings.workflowAnnotations) {
    throw new BoltsealError('ERR_USAGE', 'an attestation has no annotations', {
      hint: 'What is to be said is its predicate. Leave annotations out.',
    });
  }
  return {
    predicateType: predicateTypeOf(predicateType),
    predicate: predicateOf(predicateType, await readPredicate(predicate), runtime.now()),
  };
}

async function readPredicate(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > limits.predicateBytes) {
      throw new BoltsealError(
        'ERR_LIMIT_EXCEEDED',
        `the predicate ${path} has ${size} bytes; the limit is ${limits.predicateBytes}`,
      );
    }
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof BoltsealError) throw cause;
    throw new BoltsealError('ERR_FILE_READ', `the predicate ${path} cannot be read`, {
      cause,
      hint: 'Paths are relative to the workspace. Did a step of this job write it?',
    });
  }
}

function tell({ toolkit }: ActionContext, outcome: SignOutcome): void {
  if ('error' in outcome) {
    toolkit.info(`failed: ${outcome.reference}`);
    return;
  }
  for (const { reference, signatures } of outcome.signed) {
    toolkit.info(`signed ${reference}`);
    for (const { format, stored, evidence } of signatures) {
      if (stored !== undefined) toolkit.info(`  ${format} in ${stored.place} ${stored.manifest}`);
      for (const entry of evidence.material.logEntries)
        toolkit.info(`  log entry ${entry.logIndex} in ${entry.log}`);
    }
  }
}

/** Writes each bundle to a file of the job, named by its digest. */
async function writeBundles(
  { runtime }: ActionContext,
  signed: readonly SignedManifest[],
): Promise<readonly string[]> {
  const bundles = signed.flatMap(({ signatures }) => signatures.flatMap(({ bundle }) => bundle ?? []));
  if (bundles.length === 0) return [];
  const folder = join(runtime.env['RUNNER_TEMP'] || tmpdir(), `boltseal-${hex(runtime.random(8))}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await Promise.all(
      bundles.map(async (bundle) => {
        const path = join(folder, `${digestHex(digestOf(bundle))}.sigstore.json`);
        await writeFile(path, bundle);
        return path;
      }),
    );
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_WRITE', `the bundles cannot be written to ${folder}`, { cause });
  }
}

function describe(
  { settings }: ActionContext,
  images: readonly (readonly SignedManifest[])[],
  verified: readonly StrangerReport[],
  predicateType: string | undefined,
): Pick<ModeResult, 'rows' | 'references' | 'logIndexes' | 'commands'> {
  const reports = new Map(verified.map(({ reference, isAnonymous }) => [reference, how(isAnonymous)]));
  const all = images.flat();
  const signatures = all.flatMap((one) => one.signatures);
  const rows = all.flatMap(({ reference, signatures: [first] }) =>
    first === undefined
      ? []
      : [{ reference, evidence: first.evidence, verified: reports.get(reference) ?? '' }],
  );
  const references = images.flatMap(([top]) => top?.reference ?? []);
  const [first] = signatures;
  return {
    rows,
    references,
    logIndexes: signatures.flatMap(({ evidence }) =>
      evidence.material.logEntries.map(({ logIndex }) => `${logIndex}`),
    ),
    commands: first === undefined ? [] : commandsFor(settings, references, first, predicateType),
  };
}

function commandsFor(
  settings: ActionContext['settings'],
  references: readonly string[],
  { evidence }: ImageSignature,
  predicateType: string | undefined,
): ModeResult['commands'] {
  const { trustedRoot, annotations, signatureRepository } = settings;
  const what: Verifiable = {
    references,
    evidence,
    trustedRoot: trustedRoot?.startsWith('{') ? 'trusted_root.json' : trustedRoot,
    annotations,
    signatureRepository,
    predicateType,
  };
  return [
    { title: 'Verify with Boltseal', command: boltsealCommand(what) },
    { title: 'Verify with cosign', command: cosignCommand(what) },
  ];
}
