import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { GivenSignature, VerifyOutcome } from '../../flows/verify-image.ts';
import type { CommandContext } from '../command.ts';
import { annotationsOf } from '../image-options.ts';
import { decodeSignature } from '../values.ts';
import { signerOptions } from '../verification-options.ts';
import { printVerified } from '../verify/cosign-output.ts';
import { reportOf, verificationDocument } from '../verify/report.ts';
import { verifyAndReport, warnOfClaims } from '../verify/run.ts';

/** Verifies each image, and prints what cosign prints. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { flags } = context;
  const signer = await signerOptions(context);
  const annotations = annotationsOf(flags, 'required-annotations');
  warnOfClaims(context, 'signature');
  const given = await givenSignatures(context);
  return verifyAndReport(context, {
    what: 'signature',
    signer,
    options: { annotations, given },
    print: (outcomes) => print(outcomes, context),
  });
}

function print(outcomes: readonly VerifyOutcome[], context: CommandContext): void {
  const { flags, output } = context;
  const form = flags.get('verify-output');
  if (form === 'json') {
    output.document('boltseal.verify/1', { images: outcomes.map((one) => verificationDocument(one)) });
    return;
  }
  for (const outcome of outcomes) {
    const report = 'error' in outcome ? undefined : reportOf(outcome);
    if (report !== undefined) printVerified(outcome.reference, report, context, form);
  }
}

/** Signatures given as files, or undefined when those of the registry are meant. */
async function givenSignatures(context: CommandContext): Promise<readonly GivenSignature[] | undefined> {
  const { args, flags } = context;
  const [payload, signature, bundle] = [
    flags.get('payload'),
    flags.get('signature'),
    flags.get('given-bundle'),
  ];
  if ((payload === undefined) !== (signature === undefined)) {
    throw new BoltsealError('ERR_USAGE', '--payload and --signature are only of use together', {
      hint: '`boltseal sign --output-payload FILE --output-signature FILE` writes both.',
    });
  }
  if (args.length > 1 && (bundle !== undefined || payload !== undefined)) {
    throw new BoltsealError(
      'ERR_USAGE',
      'a signature given as a file is of one image, and several are named',
    );
  }
  const given: GivenSignature[] = [];
  if (bundle !== undefined) {
    given.push({ format: 'bundle', bundle: await readInput(bundle, 'bundle', limits.bundleBytes) });
  }
  if (payload !== undefined && signature !== undefined) {
    const text = await readInput(signature, 'signature', limits.keyBytes);
    given.push({
      format: 'cosign',
      payload: await readInput(payload, 'payload', limits.payloadBytes),
      signature: decodeSignature(text),
    });
  }
  return given.length === 0 ? undefined : given;
}

async function readInput(path: string, what: string, maxBytes: number): Promise<Uint8Array> {
  let content: Uint8Array;
  try {
    const { readFile } = await import('node:fs/promises');
    content = await readFile(path);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the ${what} ${path} cannot be read`, { cause });
  }
  if (content.length <= maxBytes) return content;
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the ${what} ${path} has more than ${maxBytes} bytes`);
}
