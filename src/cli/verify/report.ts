/** A verification told in full: for people (`--explain`) and for programs (`--output json`). */
import { VerificationError, type VerificationReport, type VerifyOutcome } from '../../flows/verify-image.ts';
import type { Descriptor } from '../../formats/oci.ts';
import { withoutPassword } from '../../formats/reference.ts';
import { announcedPredicateType } from '../../formats/referrer-manifest.ts';
import { signPredicateType } from '../../formats/statement.ts';
import type { EntityOrigin } from '../../verify/entity.ts';
import type { Evidence, Refusal, SignedBy, VerifiedMaterial } from '../../verify/verdict.ts';
import { errorDocument } from '../report-error.ts';
import { inline, type Style, visible } from '../style.ts';
import { materialDocument, signedByDocument } from './evidence-document.ts';

/** The report of an outcome, of a refusal too; undefined when it never came to looking. */
export function reportOf(outcome: VerifyOutcome): VerificationReport | undefined {
  if ('report' in outcome) return outcome.report;
  return outcome.error instanceof VerificationError ? outcome.error.report : undefined;
}

/** What was looked for. */
export type Wanted = 'signature' | 'attestation';

/** Where was looked, what was found, why each was accepted or refused. */
export function explain(outcome: VerifyOutcome, what: Wanted, style: Style): string {
  const report = reportOf(outcome);
  const lines = [style.bold(report?.reference ?? withoutPassword(outcome.reference))];
  if (report === undefined) {
    lines.push(`  ${what}s were not looked for`);
  } else {
    lines.push('  looked at');
    for (const { place, where, found, others = [], error } of report.places) {
      const no = what === 'signature' ? 'that are no signatures' : 'that are something else';
      const beside = others.length === 0 ? '' : `, and ${others.length} ${no}`;
      const result =
        error === undefined ? `${found} found${beside}` : style.red(`${error.message} (${error.code})`);
      lines.push(`    ${place}  ${where}: ${result}`, ...otherLines(others, what));
    }
    for (const evidence of report.accepted) lines.push(...acceptedLines(evidence, style));
    for (const refusal of report.refused) lines.push(...refusedLines(refusal, style));
  }
  return `${visible(lines.join('\n'))}\n`;
}

/** What else is there, each kind once: an attestation by what it is about. */
function otherLines(others: readonly Descriptor[], what: Wanted): readonly string[] {
  const counts = new Map<string, number>();
  for (const other of others) {
    const predicateType = announcedPredicateType(other);
    const named = predicateType === signPredicateType ? 'signature' : `attestation ${predicateType}`;
    const kind = predicateType === undefined ? (other.artifactType ?? other.mediaType) : named;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const no = what === 'signature' ? 'not a signature' : 'not asked for';
  return [...counts].map(
    ([kind, count]) => `      ${no}: ${inline(kind)}${count === 1 ? '' : ` (${count} times)`}`,
  );
}

function acceptedLines(
  { entity, claim, annotations, signedBy, claimsChecked, material }: Evidence,
  style: Style,
): readonly string[] {
  const pairs = Object.entries(annotations).map(([name, value]) => inline(`${name}=${value}`));
  return [
    `  ${style.green('accepted')} ${originText(entity.origin)}`,
    `    signed by ${signerText(signedBy)}${signedBy.hash === 'pure' ? '' : `, over ${signedBy.hash}`}`,
    ...materialLines(material),
    `    type ${claim.type}`,
    ...(claimsChecked ? [] : [`    ${style.yellow('what it says was not compared with the image')}`]),
    ...(pairs.length === 0 ? [] : [`    annotations ${pairs.join(', ')}`]),
  ];
}

function materialLines({ times, logEntries }: VerifiedMaterial): readonly string[] {
  return [
    ...times.map(
      ({ source, time, authority }) =>
        `    existed at ${time.toISOString()}, says ${source === 'log' ? 'the log' : 'the timestamp authority'} ${inline(authority)}`,
    ),
    ...logEntries.map(({ log, logIndex }) => `    log entry ${logIndex} in ${inline(log)}`),
  ];
}

function signerText(signedBy: SignedBy): string {
  if (signedBy.kind === 'key') return `the key ${signedBy.hint}`;
  const { subject, issuer } = signedBy.identity;
  return `${inline(subject)} (issuer ${inline(issuer)})`;
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
  const cosign = place === 'attestation-tag' ? 'cosign attestation' : 'cosign signature';
  return `${format === 'bundle' ? 'bundle' : cosign} ${content}${carrier} (${place})`;
}

/** One image of the document of a command. `describe` tells of what was accepted what not every command does. */
export function verificationDocument(
  outcome: VerifyOutcome,
  describe?: (evidence: Evidence) => object,
): object {
  const report = reportOf(outcome);
  return {
    reference: withoutPassword(outcome.reference),
    verified: 'report' in outcome,
    ...(report === undefined ? {} : reportDocument(report, describe)),
    ...('error' in outcome ? { error: errorDocument(outcome.error) } : {}),
  };
}

function otherDocument(other: Descriptor): object {
  const predicateType = announcedPredicateType(other);
  return {
    digest: other.digest,
    artifactType: other.artifactType ?? other.mediaType,
    ...(predicateType === undefined ? {} : { predicateType }),
  };
}

function reportDocument(
  { reference, digest, places, accepted, refused }: VerificationReport,
  describe: (evidence: Evidence) => object = ({ annotations }) => ({ annotations }),
): object {
  return {
    image: reference,
    digest,
    places: places.map(({ place, where, found, others = [], error }) => ({
      place,
      where,
      found,
      others: others.map(otherDocument),
      ...(error === undefined ? {} : { error: errorDocument(error) }),
    })),
    accepted: accepted.map((evidence) => ({
      ...evidence.entity.origin,
      type: evidence.claim.type,
      ...(evidence.claim.dockerReference === undefined
        ? {}
        : { dockerReference: evidence.claim.dockerReference }),
      ...describe(evidence),
      claimsChecked: evidence.claimsChecked,
      signedBy: signedByDocument(evidence.signedBy),
      ...materialDocument(evidence.material),
    })),
    refused: refused.map(({ origin, error }) => ({ ...origin, ...errorDocument(error) })),
  };
}
