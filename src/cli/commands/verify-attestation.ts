import { base64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { VerifyOutcome } from '../../flows/verify-image.ts';
import { predicateTypeOf } from '../../formats/predicate-type.ts';
import { signPredicateType } from '../../formats/statement.ts';
import type { CommandContext, Flags } from '../command.ts';
import { signerOptions } from '../verification-options.ts';
import { printAttestations } from '../verify/cosign-output.ts';
import { reportOf, verificationDocument } from '../verify/report.ts';
import { verifyAndReport, warnOfClaims } from '../verify/run.ts';

/** Verifies that each image has an attestation of a type, and prints what cosign prints. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const predicateType = wantedType(context.flags);
  const signer = await signerOptions(context);
  warnOfClaims(context, 'attestation');
  return verifyAndReport(context, {
    what: 'attestation',
    signer,
    options: { predicateTypes: [predicateType] },
    print: (outcomes) => print(outcomes, predicateType, context),
  });
}

function wantedType(flags: Flags): string {
  const type = predicateTypeOf(flags.get('required-predicate-type'));
  if (type !== signPredicateType) return type;
  throw new BoltsealError('ERR_USAGE', `${type} is the type of signatures`, {
    hint: '`boltseal verify` verifies them, in every place and format.',
  });
}

function print(outcomes: readonly VerifyOutcome[], predicateType: string, context: CommandContext): void {
  const { flags, output } = context;
  if (flags.get('attestation-output') === 'json') {
    const images = outcomes.map((outcome) =>
      verificationDocument(outcome, ({ entity }) => ({ payload: base64(entity.payload) })),
    );
    output.document('boltseal.verify-attestation/1', { predicateType, images });
    return;
  }
  for (const outcome of outcomes) {
    const report = 'error' in outcome ? undefined : reportOf(outcome);
    if (report !== undefined) printAttestations(outcome.reference, report, output);
  }
}
