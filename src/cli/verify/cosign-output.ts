/** What cosign prints after a verification: standard output byte for byte, standard error in its words where they are true. */
import { goJson, isJsonObject, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { distinctSignatures, type VerificationReport } from '../../flows/verify-image.ts';
import { formatReference, parseReference } from '../../formats/reference.ts';
import type { Evidence } from '../../verify/verdict.ts';
import type { CommandContext } from '../command.ts';

/** An empty line, the array of all signatures in one line. */
export function cosignArray(reference: string, report: VerificationReport): string {
  return `\n[${elements(reference, report).join(',')}]\n`;
}

/** One signature a line. */
export function cosignLines(reference: string, report: VerificationReport): string {
  return elements(reference, report)
    .map((element) => `${element}\n`)
    .join('');
}

function elements(reference: string, report: VerificationReport): readonly string[] {
  return distinctSignatures(report.accepted).map((evidence) =>
    evidence.entity.origin.format === 'cosign'
      ? payloadElement(evidence)
      : bundleElement(reference, evidence),
  );
}

/** Of the older format cosign prints the payload. */
function payloadElement({ entity }: Evidence): string {
  const payload = parseJson(entity.payload, { what: 'the payload', maxBytes: limits.payloadBytes });
  const { critical = null, optional = null } = isJsonObject(payload) ? payload : {};
  return goMap({ critical, optional });
}

/** Of a bundle cosign prints the same shape, filled from the image as it was named and from the statement. */
function bundleElement(reference: string, { claim, digest, annotations }: Evidence): string {
  return goMap({
    critical: {
      identity: { 'docker-reference': normalized(reference) },
      image: { 'docker-manifest-digest': digest },
      type: claim.type,
    },
    optional: annotations,
  });
}

/**
 * JSON as Go writes a map: keys in order of their bytes. It is written member by member, because JavaScript moves keys
 * that look like numbers to the front. {@link https://pkg.go.dev/encoding/json#Marshal}
 */
function goMap(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goMap).join(',')}]`;
  if (!isJsonObject(value)) return goJson(value);
  const members = Object.entries(value)
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([key, member]) => `${goJson(key)}:${goMap(member ?? null)}`);
  return `{${members.join(',')}}`;
}

/** The reference as cosign writes it: with registry and namespace, and with the digest alone where both are given. */
function normalized(text: string): string {
  const reference = parseReference(text);
  const { tag, ...rest } = reference;
  return formatReference(reference.digest === undefined ? reference : rest);
}

/** The block that cosign prints on standard error, with the checks that were really made. */
export function printChecks(
  reference: string,
  report: VerificationReport,
  { flags, output }: CommandContext,
): void {
  const isKey = report.accepted.every(({ signedBy }) => signedBy.kind === 'key');
  const checks = [
    isKey
      ? 'The signatures were verified against the specified public key'
      : 'The code-signing certificate was verified using trusted certificate authority certificates',
  ];
  if (report.accepted.every(({ material }) => material.logEntries.length > 0))
    checks.unshift('Existence of the claims in the transparency log was verified offline');
  if (report.accepted.every(({ claimsChecked }) => claimsChecked))
    checks.unshift('The cosign claims were validated');
  if (flags.get('required-annotations').length > 0)
    checks.unshift('The specified annotations were verified.');
  output.say(`\nVerification for ${reference} --`);
  output.say('The following checks were performed on each of these signatures:');
  for (const check of checks) output.say(`  - ${check}`);
}
