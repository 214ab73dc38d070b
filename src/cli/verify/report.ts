/** A verification told in full: for people (`--explain`) and for programs (`--output json`). */
import { VerificationError, type VerificationReport, type VerifyOutcome } from '../../flows/verify-image.ts';
import type { Descriptor } from '../../formats/oci.ts';
import { withoutPassword } from '../../formats/reference.ts';
import { announcedPredicateType } from '../../formats/referrer-manifest.ts';
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
      lines.push(`    ${place}  ${where}: ${result}`, ...otherLines(others));
    }
    for (const evidence of report.accepted) lines.push(...acceptedLines(evidence, style));
    for (const refusal of report.refused) lines.push(...refusedLines(refusal, style));
  }
  return `${visible(lines.join('\n'))}\n`;
}

/** What else is there, each kind once: an attestation by what it is about. */
function otherLines(others: readonly Descriptor[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const other of others) {
    const predicateType = announcedPredicateType(other);
    const kind =
      predicateType === undefined ? (other.artifactType ?? other.mediaType) : `attestation ${predicateType}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(
    ([kind, count]) => `      not a signature: ${inline(kind)}${count === 1 ? '' : ` (${count} times)`}`,
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

function otherDocument(other: Descriptor): object {
  const predicateType = announcedPredicateType(other);
  return {
    digest: other.digest,
    artifactType: other.artifactType ?? other.mediaType,
    ...(predicateType === undefined ? {} : { predicateType }),
  };
}

function reportDocument({ reference, digest, places, accepted, refused }: VerificationReport): object {
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
    accepted: accepted.map(({ entity, claim, annotations, claimsChecked, signedBy, material }) => ({
      ...entity.origin,
      type: claim.type,
      ...(claim.dockerReference === undefined ? {} : { dockerReference: claim.dockerReference }),
      annotations,
      claimsChecked,
      signedBy: signedByDocument(signedBy),
      ...materialDocument(material),
    })),
    refused: refused.map(({ origin, error }) => ({ ...origin, ...errorDocument(error) })),
  };
}
