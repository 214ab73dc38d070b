/** A verification told in full: for people (`--explain`) and for programs (`--output json`). */
import { VerificationError, type VerificationReport, type VerifyOutcome } from '../../flows/verify-image.ts';
import { withoutPassword } from '../../formats/reference.ts';
import type { EntityOrigin } from '../../verify/entity.ts';
import type { Evidence, Refusal } from '../../verify/verdict.ts';
import { errorDocument } from '../report-error.ts';
import { inline, type Style, visible } from '../style.ts';

/** The report of an outcome, of a refusal too; undefined when it never came to looking. */
export function reportOf(outcome: VerifyOutcome): VerificationReport | undefined {
  if ('report' in outcome) return outcome.report;
  return outcome.error instanceof VerificationError ? outcome.error.report : undefined;
}

/** Where was looked, what was found, why each was accepted or refused. */
export function explain(outcome: VerifyOutcome, style: Style): string {
  const report = reportOf(outcome);
  const lines = [style.bold(report?.reference ?? withoutPassword(outcome.reference))];
  if (report === undefined) {
    lines.push('  signatures were not looked for');
  } else {
    lines.push('  looked at');
    for (const { place, where, found, others = [], error } of report.places) {
      const beside = others.length === 0 ? '' : `, and ${others.length} that are no signatures`;
      const result =
        error === undefined ? `${found} found${beside}` : style.red(`${error.message} (${error.code})`);
      lines.push(`    ${place}  ${where}: ${result}`);
    }
    for (const evidence of report.accepted) lines.push(...acceptedLines(evidence, style));
    for (const refusal of report.refused) lines.push(...refusedLines(refusal, style));
  }
  return `${visible(lines.join('\n'))}\n`;
}

function acceptedLines(
  { entity, claim, annotations, signedBy, claimsChecked }: Evidence,
  style: Style,
): readonly string[] {
  const pairs = Object.entries(annotations).map(([name, value]) => inline(`${name}=${value}`));
  return [
    `  ${style.green('accepted')} ${originText(entity.origin)}`,
    `    signed by the key ${signedBy.hint}${signedBy.hash === 'pure' ? '' : `, over ${signedBy.hash}`}`,
    `    type ${claim.type}`,
    ...(claimsChecked ? [] : [`    ${style.yellow('what it says was not compared with the image')}`]),
    ...(pairs.length === 0 ? [] : [`    annotations ${pairs.join(', ')}`]),
  ];
}

function refusedLines({ origin, error }: Refusal, style: Style): readonly string[] {
  return [
    `  ${style.red('refused')} ${originText(origin)}`,
    `    ${error.message} (${error.code})`,
    ...(error.hint === undefined ? [] : [`    hint: ${error.hint}`]),
  ];
}

function originText({ format, place, manifest, content }: EntityOrigin): string {
  const carrier = manifest === undefined || manifest === content ? '' : ` in ${manifest}`;
  return `${format === 'bundle' ? 'bundle' : 'cosign signature'} ${content}${carrier} (${place})`;
}

/** One image of the document `boltseal.verify/1`. */
export function verificationDocument(outcome: VerifyOutcome): object {
  const report = reportOf(outcome);
  return {
    reference: withoutPassword(outcome.reference),
    verified: 'report' in outcome,
    ...(report === undefined ? {} : reportDocument(report)),
    ...('error' in outcome ? { error: errorDocument(outcome.error) } : {}),
  };
}

function reportDocument({ reference, digest, places, accepted, refused }: VerificationReport): object {
  return {
    image: reference,
    digest,
    places: places.map(({ place, where, found, error }) => ({
      place,
      where,
      found,
      ...(error === undefined ? {} : { error: errorDocument(error) }),
    })),
    accepted: accepted.map(({ entity, claim, annotations, claimsChecked, signedBy }) => ({
      ...entity.origin,
      type: claim.type,
      ...(claim.dockerReference === undefined ? {} : { dockerReference: claim.dockerReference }),
      annotations,
      claimsChecked,
      signedBy,
    })),
    refused: refused.map(({ origin, error }) => ({ ...origin, ...errorDocument(error) })),
  };
}
