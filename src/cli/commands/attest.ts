import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Attestation, ImageSignature, SignOutcome } from '../../flows/sign-image.ts';
import { encodeEnvelope, inTotoPayloadType } from '../../formats/dsse.ts';
import { predicateOf, predicateTypeOf } from '../../formats/predicate-type.ts';
import { readWhole } from '../blob-input.ts';
import type { CommandContext } from '../command.ts';
import { writeFiles } from '../files.ts';
import { type Format, formatOf } from '../sign/format.ts';
import { showPlan, warnOfTag } from '../sign/plan.ts';
import { signAndReport } from '../sign/run.ts';

/** Attests something about each image, and prints how to verify it. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, flags } = context;
  const format = formatOf(flags);
  checkDestinations(context, format);
  const attestation = await readAttestation(context);
  for (const reference of args) warnOfTag(reference, context);
  if (flags.get('dry-run')) return showPlan(context, format, 'attest');
  const { predicateType } = attestation;
  return signAndReport(context, format, {
    schema: 'boltseal.attest/1',
    done: 'attested',
    ending: '.att',
    options: { attestation },
    verify: ['verify-attestation', '--type', flags.get('predicate-type')],
    describe: () => ({ predicateType }),
    write: (outcomes) => writeAsked(context, outcomes),
  });
}

/** The statement but for its subject. Throws what reading the file and its type throws. */
async function readAttestation(context: CommandContext): Promise<Attestation> {
  const { flags } = context;
  const path = flags.get('predicate');
  if (path === undefined) {
    throw new BoltsealError('ERR_USAGE', 'what is said about the image is missing: --predicate FILE', {
      hint: 'FILE is an SBOM, the report of a scan, or the provenance of a build; --type says which.',
    });
  }
  const other = (['key', 'identity-token'] as const).find((id) => path === '-' && flags.get(id) === '-');
  if (other !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--predicate and --${other} are both standard input`);
  }
  const word = flags.get('predicate-type');
  const predicateType = predicateTypeOf(word);
  const file = await readWhole(path, 'the predicate', limits.predicateBytes, context);
  const runtime = await context.runtime();
  return { predicateType, predicate: predicateOf(word, file, runtime.now()) };
}

/** A file holds one attestation, and a bundle: anything else is refused before anything is signed. */
function checkDestinations({ args, flags }: CommandContext, format: Format): void {
  if (flags.get('bundle') === undefined) return;
  if (args.length > 1 || flags.get('recursive')) {
    throw new BoltsealError(
      'ERR_USAGE',
      '--bundle takes the attestation of one image, and several are attested',
      {
        hint: 'Attest them one by one, or use --output json, which has all of it.',
      },
    );
  }
  if (format === 'cosign') {
    throw new BoltsealError('ERR_USAGE', '--bundle is of the other format than --format cosign', {
      hint: 'Use --format both, which is the default.',
    });
  }
}

/** The file of `--bundle`, and of what is stored nowhere else the envelopes on standard output, as cosign prints them. */
async function writeAsked(
  { flags, output }: CommandContext,
  outcomes: readonly SignOutcome[],
): Promise<void> {
  const manifests = outcomes.flatMap((outcome) => ('signed' in outcome ? outcome.signed : []));
  const path = flags.get('bundle');
  const content = manifests.flatMap(({ signatures }) => signatures.flatMap(({ bundle }) => bundle ?? []))[0];
  if (path !== undefined) {
    if (content !== undefined) await writeFiles([{ path, content, mode: 0o600 }]);
    return;
  }
  if (flags.get('upload') || output.json) return;
  for (const { signatures } of manifests) output.data(signatures.slice(0, 1).map(envelopeLine).join(''));
}

function envelopeLine({ payload, signature }: ImageSignature): string {
  const envelope = encodeEnvelope({ payload, payloadType: inTotoPayloadType, signatures: [{ signature }] });
  return `${fromUtf8(envelope, 'the envelope')}\n`;
}
