/** What is in a signature, for people. Everything in it was written by strangers, so that every value is escaped. */
import {
  type BrokenPart,
  type BundleInspection,
  type CertificateInspection,
  type ContentInspection,
  isBroken,
  type LogEntryInspection,
  type Part,
  type SignatureInspection,
  type SignerInspection,
  type TimestampInspection,
} from '../../flows/inspection.ts';
import { inline, type Style, visible } from '../style.ts';

/** A line with a label before it, or a whole line. */
type Row = readonly [label: string, value: string] | string;

/** A text by a stranger, within its line and without colours of its own. */
function told(text: string): string {
  return inline(text.replaceAll('\u001b', '\\u{1b}'));
}

/** Most items of a list of anyone's length that are shown; `--output json` has all. */
const shownItems = 20;

const kindNames: Readonly<Record<BundleInspection['kind'], string>> = {
  bundle: 'Sigstore bundle',
  'blob-bundle': 'cosign blob bundle',
  envelope: 'DSSE envelope',
  'signature-manifest': 'manifest of a .sig tag',
  'downloaded-signature': 'signature of a .sig tag',
};

/** The text of an inspection, with a final line break. */
export function inspectionText(inspection: BundleInspection, style: Style): string {
  const { kind, version, mediaType, problem, signatures } = inspection;
  const title = version === undefined ? kindNames[kind] : `${kindNames[kind]}, version ${version}`;
  const lines = [
    `${style.bold(title)}${mediaType === undefined ? '' : `  ${style.dim(told(mediaType))}`}`,
    style.yellow('Nothing of this was verified: it is what the file says, and anyone can write a file.'),
  ];
  if (problem !== undefined) lines.push(style.red(`Verifiers refuse it: ${brokenText({ broken: problem })}`));
  if (signatures.length === 0) lines.push('', 'It has no signature.');
  for (const [index, signature] of signatures.entries()) {
    if (signatures.length > 1) lines.push('', style.bold(`Signature ${index + 1} of ${signatures.length}`));
    lines.push(
      ...(isBroken(signature) ? ['', ...rows([broken(signature)], style)] : signatureLines(signature, style)),
    );
  }
  return `${visible(lines.join('\n'))}\n`;
}

function signatureLines(signature: SignatureInspection, style: Style): readonly string[] {
  const { content, signer, logEntries, timestamps } = signature;
  return [
    ...section('What was signed', content, contentRows, style),
    ...section('Who signed', signer, (one) => signerRows(one, style), style),
    ...numbered('Log entry', logEntries, logEntryRows, style),
    ...numbered('Timestamp', timestamps, timestampRows, style),
  ];
}

function section<T extends object>(
  title: string,
  part: Part<T>,
  describe: (part: T) => readonly Row[],
  style: Style,
): readonly string[] {
  return [
    '',
    `${style.bold(title)} ${style.dim('(not verified)')}`,
    ...rows(isBroken(part) ? [broken(part)] : describe(part), style),
  ];
}

/** A section for each item, or one line that says there is none. */
function numbered<T extends object>(
  title: string,
  items: readonly Part<T>[],
  describe: (item: T) => readonly Row[],
  style: Style,
): readonly string[] {
  if (items.length === 0) return ['', `${style.bold(title)}: none`];
  return items.flatMap((item, index) =>
    section(items.length === 1 ? title : `${title} ${index + 1} of ${items.length}`, item, describe, style),
  );
}

function rows(list: readonly Row[], style: Style): readonly string[] {
  const width = Math.max(0, ...list.map((row) => (typeof row === 'string' ? 0 : row[0].length)));
  return list.map((row) => {
    if (typeof row === 'string') return `  ${row}`;
    const [label, value] = row;
    return `  ${style.dim(label.padEnd(width))}  ${label === 'broken' ? style.red(value) : value}`;
  });
}

function broken(part: BrokenPart): Row {
  return ['broken', brokenText(part)];
}

function brokenText({ broken: { code, message } }: BrokenPart): string {
  return `${told(message)} (${code})`;
}

/** The value of a part, or why there is none. */
function orBroken<T extends object>(part: Part<T>, text: (part: T) => string): string {
  return isBroken(part) ? `broken: ${brokenText(part)}` : text(part);
}

/** The first of `items` as rows, and how many more there are. */
function shown<T>(items: readonly T[], row: (item: T, index: number) => readonly Row[]): readonly Row[] {
  const rest = items.length - shownItems;
  return [
    ...items.slice(0, shownItems).flatMap(row),
    ...(rest > 0 ? [`and ${rest} more; --output json shows all`] : []),
  ];
}

function contentRows(content: ContentInspection): readonly Row[] {
  if (content.kind === 'file') {
    const { digest, signature } = content;
    return [
      digest === undefined ? ['a file', 'its digest is not said'] : ['a file', told(digest)],
      signatureRow(signature),
    ];
  }
  const { payloadType, payloadBytes, payloadDigest } = content;
  const payload: readonly Row[] = [
    ['payload type', told(payloadType)],
    ['payload', `${payloadBytes} bytes, ${payloadDigest}`],
  ];
  if (content.kind === 'image') return [...payload, ...claimRows(content), signatureRow(content.signature)];
  const { statement, signatures } = content;
  return [
    ...payload,
    ...(statement === undefined ? [] : statementRows(statement)),
    ...signatures.flatMap(({ signature, keyId }): readonly Row[] => [
      signatureRow(signature),
      ...(keyId === undefined ? [] : [['key id', told(keyId)] as const]),
    ]),
  ];
}

function signatureRow(signature: string): Row {
  return ['signature', `${Buffer.from(signature, 'base64').length} bytes, ${signature}`];
}

function claimRows({ claim }: ContentInspection & { readonly kind: 'image' }): readonly Row[] {
  if (claim === undefined) return [];
  if (isBroken(claim)) return [['claim', `broken: ${brokenText(claim)}`]];
  return [
    ['image', `${told(claim.dockerReference)} ${claim.digest}`],
    ['type', told(claim.type)],
    ...annotationRows(claim.annotations),
  ];
}

function statementRows(
  statement: NonNullable<(ContentInspection & { readonly kind: 'envelope' })['statement']>,
): readonly Row[] {
  if (isBroken(statement)) return [['statement', `broken: ${brokenText(statement)}`]];
  const { type, predicateType, subjects } = statement;
  return [
    ['statement', told(type)],
    ['predicate type', told(predicateType)],
    ...shown(subjects, ({ name, digests, annotations }) => [
      ['subject', [...(name === undefined ? [] : [told(name)]), ...digests].join(' ')],
      ...annotationRows(annotations),
    ]),
  ];
}

function annotationRows(annotations: Readonly<Record<string, string>>): readonly Row[] {
  return shown(Object.entries(annotations), ([name, value]) => [['annotation', told(`${name}=${value}`)]]);
}

function signerRows(signer: SignerInspection, style: Style): readonly Row[] {
  if (signer.kind === 'unnamed') return ['It does not say.'];
  if (signer.kind === 'key') {
    const { type, hint } = signer;
    return [
      ['a key', type ?? 'which is not in here'],
      hint === undefined ? ['hint', 'none'] : ['hint', `${told(hint)} (of cosign and Boltseal: SHA-256)`],
    ];
  }
  const [leaf, ...authorities] = signer.certificates;
  return [
    ...(leaf === undefined ? ['a chain without certificates'] : certificateRows(leaf)),
    ...authorities.flatMap((certificate, index) => [
      style.dim(`certificate ${index + 2} of ${signer.certificates.length}`),
      ...certificateRows(certificate),
    ]),
  ];
}

function certificateRows(certificate: Part<CertificateInspection>): readonly Row[] {
  if (isBroken(certificate)) return [broken(certificate)];
  const { subjects, subjectName, publicKey, otherExtensions, certificateTimestamps } = certificate;
  const uses = [...certificate.keyUsage, ...certificate.extendedKeyUsage].map(told);
  return [
    ...subjects.map(({ type, value }): Row => ['identity', `${told(value)} (${told(type)})`]),
    ...identityRows(certificate.identity),
    ...(subjectName === '' ? [] : [['subject name', told(subjectName)] as const]),
    ['issued by', told(certificate.issuerName)],
    ['valid', `${shortTime(certificate.notBefore)} to ${shortTime(certificate.notAfter)}`],
    ['serial', certificate.serial],
    ['public key', orBroken(publicKey, ({ type, hint }) => `${type}, SHA-256 ${hint}`)],
    ['may', [...(certificate.isAuthority ? ['be an authority'] : []), ...uses].join(', ')],
    ['signed with', told(certificate.signatureAlgorithm)],
    ['fingerprint', `sha256:${certificate.fingerprint}`],
    ...(isBroken(certificateTimestamps)
      ? [['CT log', `broken: ${brokenText(certificateTimestamps)}`] as const]
      : certificateTimestamps.map(({ logId, time, leafIndex }): Row => {
          const place = leafIndex === undefined ? '' : `, entry ${leafIndex}`;
          return ['CT log', `${logId} at ${shortTime(time)}${place} (SCT)`];
        })),
    ...otherExtensions.map(
      ({ oid, critical, bytes }): Row => [
        'extension',
        `${oid}, ${bytes} bytes${critical ? ', critical' : ''}`,
      ],
    ),
  ];
}

/** Each extension once: that of the issuer is there in two spellings. */
function identityRows(identity: CertificateInspection['identity']): readonly Row[] {
  const seen = new Set<string>();
  return identity.flatMap(({ oid, name = oid, text }): readonly Row[] => {
    const value = text === undefined ? `broken: malformed text (${oid})` : told(text);
    if (seen.has(`${name} ${value}`)) return [];
    seen.add(`${name} ${value}`);
    return [[name === 'issuer' ? 'token issuer' : name === 'subject' ? 'token subject' : name, value]];
  });
}

function logEntryRows(entry: LogEntryInspection): readonly Row[] {
  const { integratedTime, inclusionProof, body } = entry;
  const promise = entry.hasSignedEntryTimestamp
    ? 'with a signed entry timestamp (SET)'
    : 'without a signature for it';
  return [
    ['log', entry.logId],
    ['index', entry.logIndex],
    ['kind', told(`${entry.kind} ${entry.version}`)],
    ['time', integratedTime === undefined ? 'not said' : `${shortTime(integratedTime)}, ${promise}`],
    ...proofRows(inclusionProof),
    ...(isBroken(body)
      ? [['body', `broken: ${brokenText(body)}`] as const]
      : [
          ['about', `${body.digest} (${body.digestOf})`] as const,
          ['', body.namesSignature ? 'names this signature' : 'names another signature'] as const,
          ...(body.namesSigner === undefined
            ? []
            : [['', body.namesSigner ? 'names this signer' : 'names another signer'] as const]),
        ]),
  ];
}

function proofRows(proof: LogEntryInspection['inclusionProof']): readonly Row[] {
  if (proof === undefined) return [['inclusion', 'no proof']];
  const { logIndex, treeSize, rootHash, hashes, checkpoint } = proof;
  const place = `leaf ${logIndex} of a tree of ${treeSize}, a path of ${hashes}`;
  if (isBroken(checkpoint)) {
    return [
      ['inclusion', place],
      ['root', rootHash],
      ['checkpoint', `broken: ${brokenText(checkpoint)}`],
    ];
  }
  return [
    ['inclusion', place],
    ['root', rootHash],
    ['checkpoint', `${told(checkpoint.origin)}, size ${checkpoint.size}`],
    ...(checkpoint.root === rootHash ? [] : [['', `of another root: ${checkpoint.root}`] as const]),
    ...checkpoint.signatures.map(({ name, keyId }): Row => ['', `signature of ${told(name)}, key ${keyId}`]),
  ];
}

function timestampRows(timestamp: TimestampInspection): readonly Row[] {
  const { accuracy, certificates } = timestamp;
  return [
    ['time', `${shortTime(timestamp.time)}${accuracy === undefined ? '' : `, give or take ${accuracy} ms`}`],
    ['authority', told(timestamp.authority)],
    ['serial', timestamp.serial],
    ['policy', timestamp.policy],
    ['certificates', certificates === 0 ? 'none inside' : `${certificates} inside`],
    ['about', timestamp.namesSignature ? 'this signature' : 'another signature'],
  ];
}

/** A time without milliseconds when it has none. */
function shortTime(time: string): string {
  return time.replace('.000Z', 'Z');
}
