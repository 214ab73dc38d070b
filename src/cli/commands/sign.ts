import { base64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell-word.ts';
import type { SignedManifest, SignOutcome } from '../../flows/sign-image.ts';
import type { DeferredSignature } from '../../formats/deferred-log.ts';
import { parseReference, withoutPassword } from '../../formats/reference.ts';
import type { CommandContext, Flags } from '../command.ts';
import { addDeferred, deferredParts } from '../deferred-file.ts';
import { type FileToWrite, writeFiles } from '../files.ts';
import { annotationsOf, imageOptions } from '../image-options.ts';
import { reportFailures } from '../outcomes.ts';
import { startProgress } from '../progress.ts';
import { errorDocument } from '../report-error.ts';
import { keptElsewhere, type SigningSetup, signingSetup } from '../signing-options.ts';
import { materialDocument, signerDocument } from '../verify/evidence-document.ts';
import { verifyWords } from '../verify-words.ts';

type Format = 'bundle' | 'cosign' | 'both';

/** Signs each image, and prints how to verify it. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, flags, output } = context;
  const asked = formatOf(flags);
  const annotations = annotationsOf(flags, 'annotations');
  checkFiles(context, asked);
  for (const reference of args) warnOfTag(reference, context);
  if (flags.get('dry-run')) return showPlan(context, asked);

  const runtime = await context.runtime();
  const signing = await signingSetup(context);
  const format = formatFor(asked, signing, context);
  const { signImages } = await import('../../flows/sign-image.ts');
  const options = {
    ...(await imageOptions(context)),
    signer: signing.signer,
    recorder: signing.recorder,
    layerRecorder: signing.layerRecorder,
    trust: signing.trust,
    deferral: signing.deferral,
    annotations,
    format,
    recursive: flags.get('recursive'),
    identity: flags.get('identity'),
    upload: flags.get('upload'),
  };
  const progress = startProgress(context, 'signed', args.length);
  const outcomes = await signImages(args, options, runtime, () => progress.step()).finally(() =>
    progress.end(),
  );
  await writeAsked(flags, outcomes);
  await keepDeferred(flags, outcomes);
  const keyReference = await keptElsewhere(signing);
  if (output.json) {
    const key = keyReference === undefined ? {} : { keyReference };
    output.document('boltseal.sign/1', { ...key, images: outcomes.map(outcomeDocument) });
  } else {
    for (const outcome of outcomes)
      if ('signed' in outcome) printSigned(outcome.signed, context, annotations);
    const isSigned = outcomes.some((outcome) => 'signed' in outcome);
    if (keyReference !== undefined && isSigned) output.say(`signed with: ${shellWord(keyReference)}`);
  }
  if (!signing.isKeyless) await signing.signer;
  return reportFailures(
    outcomes.map((outcome) => ('error' in outcome ? outcome : {})),
    context,
  );
}

/** `--format`, or what cosign’s flag says; a contradiction is an error. */
function formatOf(flags: Flags): Format {
  const bundleFormat = flags.get('new-bundle-format');
  if (bundleFormat === undefined) return flags.get('format');
  const format = bundleFormat ? 'bundle' : 'cosign';
  if (!flags.given('format') || flags.get('format') === format) return format;
  throw new BoltsealError(
    'ERR_USAGE',
    `--new-bundle-format=${bundleFormat} contradicts --format ${flags.get('format')}`,
    { hint: 'Leave --new-bundle-format out.' },
  );
}

/**
 * The cosign format has a place for log entries with a signed time, as Rekor v1 makes them. Where there are none, a
 * keyless signature in that format could not be verified, and is not made.
 */
function formatFor(
  asked: Format,
  { fitsLayers, isKeyless }: SigningSetup,
  { flags, output }: CommandContext,
): Format {
  if (fitsLayers || asked === 'bundle') return asked;
  const reason = 'the log speaks Rekor v2, whose entries the cosign format (.sig) cannot hold';
  if (asked === 'cosign' && isKeyless) {
    throw new BoltsealError('ERR_USAGE', `${reason}: nobody could verify such a signature`, {
      hint: 'Use --format bundle, or --rekor-version 1 where there is such a log.',
    });
  }
  if (!isKeyless) {
    output.warn(`${reason}: signatures in that format are not logged`);
    return asked;
  }
  const isAsked = flags.given('format') || flags.given('new-bundle-format');
  if (isAsked) output.warn(`${reason}: only bundles are made`);
  return 'bundle';
}

/** A file holds one signature, of one format: anything else is refused before anything is signed. */
function checkFiles({ args, flags, output }: CommandContext, format: Format): void {
  const files = ['bundle', 'output-signature', 'output-payload'] as const;
  const asked = files.filter((id) => flags.get(id) !== undefined);
  const [first] = asked;
  if (first === undefined) {
    if (flags.get('upload') || flags.get('dry-run') || output.json) return;
    throw new BoltsealError('ERR_USAGE', 'with --no-upload, the signature would go nowhere', {
      hint: 'Give --bundle FILE, --output-signature FILE or --output json.',
    });
  }
  if (args.length > 1 || flags.get('recursive')) {
    throw new BoltsealError(
      'ERR_USAGE',
      `--${first} takes the signature of one image, and several are signed`,
      {
        hint: 'Sign them one by one, or use --output json, which has all of it.',
      },
    );
  }
  const wrong = asked.find((id) => format === (id === 'bundle' ? 'cosign' : 'bundle'));
  if (wrong !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--${wrong} is of the other format than --format ${format}`, {
      hint: 'Use --format both, which is the default.',
    });
  }
}

function warnOfTag(text: string, { output, flags }: CommandContext): void {
  const reference = parseReference(text);
  if (reference.kind === 'layout' || reference.digest !== undefined || flags.get('dry-run')) return;
  output.warn(`${text} names a tag, which can move; what is signed is the digest that it has now`);
}

async function showPlan(context: CommandContext, format: Format): Promise<undefined> {
  const { listManifests, openImage, pinned } = await import('../../flows/image.ts');
  const { args, flags, output, signal } = context;
  const runtime = await context.runtime();
  const options = { ...(await imageOptions(context)), recursive: flags.get('recursive'), signal };
  const planned: { reference: string; signs: string[]; signatures: string }[] = [];
  for (const reference of args) {
    const image = await openImage(reference, options, runtime);
    const manifests = await listManifests(image, options);
    const signs = manifests.map(({ digest }) => pinned(image, digest));
    planned.push({ reference, signs, signatures: image.signatures.name });
  }
  if (output.json) return void output.document('boltseal.sign-plan/1', { format, images: planned });
  for (const { reference, signs, signatures } of planned) {
    output.data(
      `${reference}: would sign, in ${format === 'both' ? 'both formats' : `the ${format} format`}, stored in ${signatures}\n`,
    );
    for (const one of signs) output.data(`  ${one}\n`);
  }
}

/** Signatures whose log could not be reached go into the file of `--defer-log`. */
async function keepDeferred(flags: Flags, outcomes: readonly SignOutcome[]): Promise<void> {
  const path = flags.get('defer-log');
  const elsewhere = flags.get('signature-repository');
  const deferred = outcomes.flatMap((outcome): DeferredSignature[] =>
    'error' in outcome
      ? []
      : outcome.signed.flatMap(({ reference, signatures }) =>
          signatures
            .filter(({ deferredBy }) => deferredBy !== undefined)
            .map(({ format, payload, evidence, ...made }) => ({
              format,
              reference,
              ...(elsewhere === undefined ? {} : { signatureRepository: elsewhere }),
              payload,
              ...deferredParts({ ...made, material: evidence.entity.material }),
            })),
        ),
  );
  if (path !== undefined && deferred.length > 0) await addDeferred(path, deferred);
}

async function writeAsked(flags: Flags, outcomes: readonly SignOutcome[]): Promise<void> {
  const signatures = outcomes.flatMap((outcome) =>
    'signed' in outcome ? outcome.signed.flatMap((one) => one.signatures) : [],
  );
  const bundle = signatures.find((one) => one.format === 'bundle')?.bundle;
  const simple = signatures.find((one) => one.format === 'cosign');
  const files: FileToWrite[] = [];
  const add = (path: string | undefined, content: Uint8Array | undefined, mode: number): void => {
    if (path !== undefined && content !== undefined) files.push({ path, content, mode });
  };
  add(flags.get('bundle'), bundle, 0o600);
  add(flags.get('output-signature'), simple && Buffer.from(base64(simple.signature)), 0o644);
  add(flags.get('output-payload'), simple?.payload, 0o644);
  if (files.length > 0) await writeFiles(files);
}

function printSigned(
  signed: readonly SignedManifest[],
  { flags, output }: CommandContext,
  annotations: Readonly<Record<string, string>>,
): void {
  const { style } = output;
  for (const { reference, signatures } of signed) {
    output.say(`${style.green('signed')} ${reference}`);
    for (const { format, stored, evidence, deferredBy } of signatures) {
      const where =
        stored !== undefined
          ? `${placeNames[stored.place]} ${stored.manifest}`
          : deferredBy === undefined
            ? 'not stored'
            : `not stored: the log cannot be reached (${deferredBy.message})`;
      output.say(style.dim(`  ${format.padEnd(6)}  ${where}`));
      for (const entry of evidence.material.logEntries) {
        output.say(style.dim(`  ${''.padEnd(6)}  log entry ${entry.logIndex} in ${entry.log}`));
      }
    }
  }
  const [first] = signed;
  const [signature] = first?.signatures ?? [];
  if (signed.some(({ signatures }) => signatures.some(({ deferredBy }) => deferredBy !== undefined))) {
    output.warn(
      `nobody accepts these signatures before they are logged; finish them with: boltseal log submit ${flags.get('defer-log')}`,
    );
    return;
  }
  if (first === undefined || signature === undefined || !flags.get('upload')) return;
  const words = ['boltseal', 'verify', ...verifyWords(signature.evidence, flags)];
  const elsewhere = flags.get('signature-repository');
  if (elsewhere !== undefined) words.push('--signature-repository', elsewhere);
  for (const [name, value] of Object.entries(annotations)) words.push('-a', `${name}=${value}`);
  output.say(`verify with: ${[...words, first.reference].map(shellWord).join(' ')}`);
}

const placeNames: Readonly<Record<string, string>> = {
  'referrers-api': 'referrer',
  'fallback-tag': 'referrer, listed in the fallback tag,',
  'signature-tag': '.sig tag',
  file: 'file',
};

function outcomeDocument(outcome: SignOutcome): object {
  const reference = withoutPassword(outcome.reference);
  if ('error' in outcome) return { reference, error: errorDocument(outcome.error) };
  return { reference, signed: outcome.signed.map(manifestDocument) };
}

function manifestDocument({ reference, descriptor, signatures }: SignedManifest): object {
  return {
    reference,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    signatures: signatures.map(({ format, stored, signature, payload, bundle, evidence, deferredBy }) => ({
      format,
      ...(deferredBy === undefined ? {} : { deferred: errorDocument(deferredBy) }),
      ...(stored === undefined ? {} : { place: stored.place, manifest: stored.manifest }),
      ...signerDocument(evidence.signedBy),
      ...materialDocument(evidence.material),
      annotations: evidence.annotations,
      signature: base64(signature),
      payload: base64(payload),
      ...(bundle === undefined ? {} : { bundle: base64(bundle) }),
    })),
  };
}
