import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Evidence } from '../verify/verdict.ts';
import { summaryMarkdown } from './summary.ts';
import { boltsealCommand, cosignCommand, type Verifiable } from './verify-commands.ts';

const reference = `ghcr.io/acme/app@sha256:${'a1'.repeat(32)}`;

/** The part of an evidence that is shown. */
function evidenceOf(subject: string, logIndex?: bigint, log = 'https://rekor.sigstore.dev'): Evidence {
  return {
    signedBy: { kind: 'certificate', identity: { subject, issuer: 'https://issuer.example' } },
    material: { times: [], logEntries: logIndex === undefined ? [] : [{ log, logIndex }] },
  } as unknown as Evidence;
}

const verifiable = (evidence: Evidence, more: Partial<Verifiable> = {}): Verifiable => ({
  references: [reference],
  evidence,
  trustedRoot: undefined,
  annotations: {},
  signatureRepository: undefined,
  ...more,
});

test('a public log entry has a page, another has its log', () => {
  const summary = (evidence: Evidence): string =>
    summaryMarkdown({ title: 'T', rows: [{ reference, evidence, verified: '' }], commands: [] });
  assert.ok(summary(evidenceOf('a', 7n)).includes('[7](https://search.sigstore.dev/?logIndex=7)'));
  assert.match(
    summary(evidenceOf('a', 7n, 'https://log.example')),
    /7 in <code>https:\/\/log\.example<\/code>/,
  );
  assert.match(summary(evidenceOf('a')), /\| none \| no \|/);
});

test('nothing of what strangers wrote is Markdown or HTML_fail', () => {
  const hostile = '</code><img src=x onerror=y>|`[a](javascript:b) **c** \n| d | \u202e';
  const text = summaryMarkdown({
    title: hostile,
    rows: [{ reference, evidence: evidenceOf(hostile), verified: hostile }],
    commands: [{ title: hostile, command: 'echo "```"\necho ````' }],
    note: hostile,
  });
  const [before = ''] = text.split('`````sh');
  for (const part of ['<img', '](java', '**c', '\u202e', '|`']) assert.ok(!before.includes(part), part);
  assert.equal(before.match(/^\|/gm)?.length, 3, 'head, rule and one line');
  assert.ok(text.includes('`````sh\necho "```"\necho ````\n`````'), 'no fence in it closes the block');
});

test('many images are counted, and a summary is never larger than GitHub takes', () => {
  const rows = Array.from({ length: 1_000 }, () => ({ reference, evidence: evidenceOf('a'), verified: '' }));
  assert.match(summaryMarkdown({ title: 'T', rows, commands: [] }), /… and 800 more\./);
  const command = 'x'.repeat(2_000_000);
  assert.match(
    summaryMarkdown({ title: 'T', rows, commands: [{ title: 'c', command }] }),
    /^### T\n\n1000 images\.\n$/,
  );
});

test('commands are read by a shell as they are meant', { skip: process.platform === 'win32' }, () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
      (subject) => {
        const command = boltsealCommand(verifiable(evidenceOf(subject)));
        const words = execFileSync('sh', ['-c', `npx() { printf '%s\\0' "$@"; }; ${command}`])
          .toString()
          .split('\0');
        assert.deepEqual(words.slice(0, 7), [
          ...['boltseal', 'verify', '--certificate-identity', subject, '--certificate-oidc-issuer'],
          ...['https://issuer.example', '--insecure-ignore-tlog'],
        ]);
      },
    ),
    { numRuns: 30 },
  );
});

test('cosign is asked only for what it can read', () => {
  const annotations = { env: 'production', pair: 'a=b', list: 'a,b', both: 'a,b=c' };
  const what = verifiable(evidenceOf('a', 1n), {
    annotations,
    signatureRepository: 'ghcr.io/acme/signatures',
  });
  assert.match(
    cosignCommand(what),
    /^COSIGN_REPOSITORY=ghcr\.io\/acme\/signatures cosign verify .* -a env=production ghcr/,
  );
  assert.match(
    boltsealCommand(what),
    / --signature-repository ghcr\.io\/acme\/signatures -a env=production -a pair=a=b -a list=a,b ghcr/,
  );
});
