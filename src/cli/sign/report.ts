/** What was signed, told to people and to programs. */
import { base64 } from '../../core/encoding.ts';
import { shellWord } from '../../core/shell-word.ts';
import type { ImageSignature, SignedManifest, SignOutcome } from '../../flows/sign-image.ts';
import { withoutPassword } from '../../formats/reference.ts';
import type { CommandContext } from '../command.ts';
import { errorDocument } from '../report-error.ts';
import { materialDocument, signerDocument } from '../verify/evidence-document.ts';
import { verifyWords } from '../verify-words.ts';

/** How a command tells of what it made. */
export interface SigningWords {
  /** What was done to the images. */
  readonly done: 'signed' | 'attested';
  /** The name of the command that verifies it, and its flags beside those that say who signed. */
  readonly verify: readonly [command: string, ...flags: readonly string[]];
}

/** Prints each signature of one image with where it is, and the command that verifies it. */
export function printSigned(
  signed: readonly SignedManifest[],
  { done, verify: [command, ...wanted] }: SigningWords,
  { flags, output }: CommandContext,
): void {
  const { style } = output;
  for (const { reference, signatures } of signed) {
    output.say(`${style.green(done)} ${reference}`);
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
  const words = ['boltseal', command, ...verifyWords(signature.evidence, flags)];
  const elsewhere = flags.get('signature-repository');
  if (elsewhere !== undefined) words.push('--signature-repository', elsewhere);
  output.say(`verify with: ${[...words, ...wanted, first.reference].map(shellWord).join(' ')}`);
}

const placeNames: Readonly<Record<string, string>> = {
  'referrers-api': 'referrer',
  'fallback-tag': 'referrer, listed in the fallback tag,',
  'signature-tag': '.sig tag',
  'attestation-tag': '.att tag',
  file: 'file',
};

/** One image of the document of a command. `describe` tells of one signature what not every command does. */
export function outcomeDocument(
  outcome: SignOutcome,
  done: SigningWords['done'],
  describe: (signature: ImageSignature) => object,
): object {
  const reference = withoutPassword(outcome.reference);
  if ('error' in outcome) return { reference, error: errorDocument(outcome.error) };
  return { reference, [done]: outcome.signed.map((one) => manifestDocument(one, describe)) };
}

function manifestDocument(
  { reference, descriptor, signatures }: SignedManifest,
  describe: (signature: ImageSignature) => object,
): object {
  return {
    reference,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    signatures: signatures.map((one) => {
      const { format, stored, signature, payload, bundle, evidence, deferredBy } = one;
      return {
        format,
        ...(deferredBy === undefined ? {} : { deferred: errorDocument(deferredBy) }),
        ...(stored === undefined ? {} : { place: stored.place, manifest: stored.manifest }),
        ...signerDocument(evidence.signedBy),
        ...materialDocument(evidence.material),
        ...describe(one),
        signature: base64(signature),
        payload: base64(payload),
        ...(bundle === undefined ? {} : { bundle: base64(bundle) }),
      };
    }),
  };
}
