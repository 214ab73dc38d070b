/** What cosign prints after a verification: standard output byte for byte, standard error in its words where they are true. */
import { fromUtf8 } from '../../core/encoding.ts';
import { goJson, isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { distinctSignatures, type VerificationReport } from '../../flows/verify-image.ts';
import { timestampJson } from '../../formats/cosign-layer.ts';
import { encodeEnvelope } from '../../formats/dsse.ts';
import { type FulcioExtensionName, fulcioExtensionOid } from '../../formats/fulcio-extensions.ts';
import { formatReference, parseReference } from '../../formats/reference.ts';
import { rekorBundleJson } from '../../formats/rekor-bundle.ts';
import type { SignedEntity } from '../../verify/entity.ts';
import type { Evidence, SignedBy } from '../../verify/verdict.ts';
import type { CommandContext } from '../command.ts';
import type { Output } from '../output.ts';
import { inline } from '../style.ts';

/** What cosign says of the workflow in a certificate: the extension, its member on standard output, its words. */
const workflowFacts: readonly (readonly [name: FulcioExtensionName, member: string, words: string])[] = [
  ['github-workflow-trigger', 'githubWorkflowTrigger', 'GitHub Workflow Trigger'],
  ['github-workflow-sha', 'githubWorkflowSha', 'GitHub Workflow SHA'],
  ['github-workflow-name', 'githubWorkflowName', 'GitHub Workflow Name'],
  ['github-workflow-repository', 'githubWorkflowRepository', 'GitHub Workflow Repository'],
  ['github-workflow-ref', 'githubWorkflowRef', 'GitHub Workflow Ref'],
];

/** An empty line, the array of all signatures in one line. */
function cosignArray(reference: string, accepted: readonly Evidence[]): string {
  const elements = accepted.map((evidence) =>
    isBundle(evidence) ? bundleElement(reference, evidence) : payloadElement(evidence),
  );
  return `\n[${elements.join(',')}]\n`;
}

/** One signature a line; of the older format cosign prints the payload as it was signed. */
function cosignLine(reference: string, evidence: Evidence): string {
  return isBundle(evidence)
    ? bundleElement(reference, evidence)
    : fromUtf8(evidence.entity.payload, 'the payload');
}

function isBundle({ entity }: Evidence): boolean {
  return entity.origin.format === 'bundle';
}

/** Of the older format cosign prints the payload, with what stands beside it among what was signed. */
function payloadElement(evidence: Evidence): string {
  const { payload } = evidence.entity;
  const document = parseJson(payload, { what: 'the payload', maxBytes: limits.payloadBytes });
  const { critical = null, optional = null } = isJsonObject(document) ? document : {};
  const beside = Object.entries(verifiedMembers(evidence));
  const signed = Object.entries(isJsonObject(optional) ? optional : {});
  const members = new Map([
    ...signed.map(([name, value]): [string, string] => [name, goMap(value ?? null)]),
    ...beside.map(([name, value]): [string, string] => [name, goJson(value ?? null)]),
  ]);
  return goMembers([
    ['critical', goMap(critical)],
    ['optional', beside.length === 0 ? goMap(optional) : goMembers([...members])],
  ]);
}

/**
 * What cosign tells of certificate, log entry and timestamp. It does so of those that it did not look at, too; here only
 * what was verified is told, because whoever reads it takes it for true.
 */
function verifiedMembers({ entity, signedBy, material }: Evidence): JsonObject {
  const [entry] = material.logEntries.length === 0 ? [] : entity.material.logEntries;
  const isStamped = material.times.some(({ source }) => source === 'timestamp');
  const [timestamp] = isStamped ? entity.material.timestamps : [];
  return {
    ...(signedBy.kind === 'certificate' ? identityMembers(signedBy) : {}),
    ...(entry === undefined ? {} : { Bundle: rekorBundleJson(entry) }),
    ...(timestamp === undefined ? {} : { RFC3161Timestamp: timestampJson(timestamp) }),
  };
}

/** A fact of a workflow is there twice: by its name, and by the object identifier of its extension. */
function identityMembers({ identity }: Extract<SignedBy, { kind: 'certificate' }>): JsonObject {
  const { subject, issuer, extensions } = identity;
  const members: Record<string, Json> = { Subject: subject };
  if (issuer !== '') {
    members['Issuer'] = issuer;
    members[fulcioExtensionOid('issuer')] = issuer;
  }
  for (const [name, member] of workflowFacts) {
    const text = extensions[name] ?? '';
    if (text === '') continue;
    members[member] = text;
    members[fulcioExtensionOid(name)] = text;
  }
  return members;
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
  return goMembers(Object.entries(value).map(([name, member]) => [name, goMap(member ?? null)]));
}

/** An object of members that are JSON already. */
function goMembers(members: readonly (readonly [name: string, json: string])[]): string {
  const sorted = members.toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${sorted.map(([name, json]) => `${goJson(name)}:${json}`).join(',')}}`;
}

/** The reference as cosign writes it: with registry and namespace, and with the digest alone where both are given. */
function normalized(text: string): string {
  const reference = parseReference(text);
  const { tag, ...rest } = reference;
  return formatReference(reference.digest === undefined ? reference : rest);
}

/**
 * What cosign prints of an image that was verified, each signature once: on standard error the checks that were really
 * made, on standard output the signatures, as one array or, as `text`, one a line.
 */
export function printVerified(
  reference: string,
  report: VerificationReport,
  { flags, output }: CommandContext,
  form: 'cosign' | 'text',
): void {
  const accepted = distinctSignatures(report.accepted);
  printChecks(reference, accepted, flags.get('required-annotations').length > 0, output);
  if (form === 'cosign') {
    output.data(cosignArray(reference, accepted));
    return;
  }
  for (const evidence of accepted) {
    if (!isBundle(evidence)) printCertificate(evidence.signedBy, output);
    output.data(`${cosignLine(reference, evidence)}\n`);
  }
}

/**
 * What cosign prints of the attestations of an image: each envelope as one line, once when it is there in both formats.
 * One that is stored by itself is printed as it is stored, unless it would be more than a line.
 */
export function printAttestations(reference: string, report: VerificationReport, output: Output): void {
  const accepted = distinctSignatures(report.accepted);
  printChecks(reference, accepted, false, output);
  for (const { entity } of accepted) output.data(`${envelopeLine(entity)}\n`);
}

function envelopeLine({ storedEnvelope, payload, payloadType, signature }: SignedEntity): string {
  const stored = storedEnvelope && fromUtf8(storedEnvelope, 'the envelope');
  if (stored !== undefined && /^[ -~]*$/.test(stored)) return stored;
  const envelope = encodeEnvelope({ payload, payloadType, signatures: [{ signature }] });
  return fromUtf8(envelope, 'the envelope');
}

function printChecks(
  reference: string,
  accepted: readonly Evidence[],
  hasAnnotations: boolean,
  output: Output,
): void {
  const isKey = accepted.every(({ signedBy }) => signedBy.kind === 'key');
  const checks = [
    isKey
      ? 'The signatures were verified against the specified public key'
      : 'The code-signing certificate was verified using trusted certificate authority certificates',
  ];
  if (accepted.every(({ material }) => material.logEntries.length > 0))
    checks.unshift('Existence of the claims in the transparency log was verified offline');
  if (accepted.every(({ claimsChecked }) => claimsChecked))
    checks.unshift('The cosign claims were validated');
  if (hasAnnotations) checks.unshift('The specified annotations were verified.');
  output.say(`\nVerification for ${reference} --`);
  output.say('The following checks were performed on each of these signatures:');
  for (const check of checks) output.say(`  - ${check}`);
}

/** In the form `text` cosign tells who signed beside standard output. */
function printCertificate(signedBy: SignedBy, output: Output): void {
  if (signedBy.kind !== 'certificate') return;
  const { subject, issuer, extensions } = signedBy.identity;
  const facts = workflowFacts.map(([name, , words]) => [words, extensions[name] ?? ''] as const);
  output.say(`Certificate subject: ${inline(subject)}`);
  for (const [words, text] of [['Certificate issuer URL', issuer] as const, ...facts]) {
    if (text !== '') output.say(`${words}: ${inline(text)}`);
  }
}
