/** The summary of the job: what was signed or verified, by whom, and how to verify it. */
import { limits } from '../core/limits.ts';
import { encodePem } from '../formats/pem.ts';
import { parseReference, referenceName } from '../formats/reference.ts';
import type { Evidence } from '../verify/verdict.ts';
import { publicKeyFile } from './verify-commands.ts';

/** One line of the table. */
export interface SummaryRow {
  /** `NAME@DIGEST`. */
  readonly reference: string;
  readonly evidence: Evidence;
  /** How it was verified, in words; empty when it was not. */
  readonly verified: string;
}

/** What the summary tells. */
export interface SummaryContent {
  readonly title: string;
  readonly rows: readonly SummaryRow[];
  /** Commands, each with what it is for. */
  readonly commands: readonly { readonly title: string; readonly command: string }[];
  /** The public key of a key pair, SPKI. */
  readonly publicKey?: Uint8Array | undefined;
  /** What must be done before, in one sentence. */
  readonly note?: string | undefined;
}

/** Lines that a table has at most; the others are counted. */
const maxRows = 200;

/** The summary in Markdown. Everything that strangers may have written is escaped. */
export function summaryMarkdown({ title, rows, commands, publicKey, note }: SummaryContent): string {
  const more = rows.length - maxRows;
  const text = [
    `### ${entities(title)}`,
    '',
    '| Image | Digest | Signed by | Log entry | Verified |',
    '| --- | --- | --- | --- | --- |',
    ...rows.slice(0, maxRows).map(tableLine),
    ...(more > 0 ? ['', `… and ${more} more.`] : []),
    ...(note === undefined ? [] : ['', entities(note)]),
    ...commands.flatMap((one) => ['', `${entities(one.title)}:`, '', ...fenced('sh', one.command)]),
    ...(publicKey === undefined ? [] : keyLines(publicKey)),
    '',
  ].join('\n');
  return Buffer.byteLength(text) <= limits.stepSummaryBytes
    ? text
    : `### ${entities(title)}\n\n${rows.length} images.\n`;
}

function tableLine({ reference, evidence, verified }: SummaryRow): string {
  const parsed = parseReference(reference);
  const cells = [
    code(referenceName(parsed)),
    code(parsed.digest ?? ''),
    signer(evidence),
    logEntries(evidence),
    verified === '' ? 'no' : `✅ ${entities(verified)}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function signer({ signedBy }: Evidence): string {
  if (signedBy.kind === 'key') return `key ${code(signedBy.hint)}`;
  const { subject, issuer } = signedBy.identity;
  return `${code(subject)}<br>issuer ${code(issuer)}`;
}

function logEntries({ material }: Evidence): string {
  if (material.logEntries.length === 0) return 'none';
  return material.logEntries
    .map(({ log, logIndex }) => {
      // The public log has a page for each entry.
      const isPublic = log === 'https://rekor.sigstore.dev';
      const index = `${logIndex}`;
      return isPublic
        ? `[${index}](https://search.sigstore.dev/?logIndex=${index})`
        : `${index} in ${code(log)}`;
    })
    .join('<br>');
}

function keyLines(spki: Uint8Array): readonly string[] {
  return [
    '',
    `<details><summary>The public key, ${publicKeyFile}</summary>`,
    '',
    ...fenced('text', encodePem('PUBLIC KEY', spki).trimEnd()),
    '',
    '</details>',
  ];
}

/** A block whose fence nothing in it can close. */
function fenced(language: string, text: string): readonly string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}${language}`, text, fence];
}

function code(text: string): string {
  return `<code>${entities(text)}</code>`;
}

/** `text` as nothing but text: neither Markdown nor HTML, in one line. */
function entities(text: string): string {
  return text
    .replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .replace(/[&<>"'|`*_[\]\\~!#]/g, (character) => `&#${character.charCodeAt(0)};`);
}
