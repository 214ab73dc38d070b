/**
 * docs/reference/interop.md, written from what the tests observed. Each test file owns a section; in a normal run it
 * asserts that the committed section says what was observed, and with `BOLTSEAL_WRITE_INTEROP=1` it writes it.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const path = fileURLToPath(new URL('../../docs/reference/interop.md', import.meta.url));

/** The sections in their order: identifier and heading. */
const sections = {
  matrix: 'Who verifies whom',
  together: 'Several signatures on one image',
  refusals: 'What is refused',
  keys: 'Keys',
  cli: 'Command lines',
  output: 'What `verify` prints',
  attestations: 'Attestations',
  tools: 'Other commands and programs',
  busybox: 'A real image',
  signers: 'Many signers at once',
  sigstore: 'With identities, against a private Sigstore',
  identities: 'Images signed with identities',
  workflows: 'Identities of workflows',
  later: 'Signed first, logged later',
  bundles: 'Bundles made of parts and of older bundles',
} as const;

/** The identifier of a section. */
export type SectionId = keyof typeof sections;

const introduction = `# Interoperability

<!-- Made by the tests in test/interop from what they observe; do not edit. To write it again:
BOLTSEAL_WRITE_INTEROP=1 node --test --test-concurrency=1 "test/interop/*.test.ts" -->

What Boltseal, cosign, skopeo, sigstore-go and npm sigstore make of one another's signatures. Every line is a test that
runs the real programs: cosign 3, cosign 2, skopeo 1, the examples of sigstore-go, npm sigstore, oras 1,
docker-registry 2 and crane's registry. What does not work is tested as well, so that this page changes when a program
does.`;

/** Compares a section with the page, or writes it into the page. */
export async function checkSection(id: SectionId, content: string): Promise<void> {
  const page = await readFile(path, 'utf8').catch(() => '');
  const written = sectionsOf(page);
  if (process.env['BOLTSEAL_WRITE_INTEROP'] === '1') {
    written.set(id, content.trim());
    await writeFile(path, render(written));
    return;
  }
  assert.equal(
    written.get(id),
    content.trim(),
    'docs/reference/interop.md does not say what was observed; see its first lines for how to write it again',
  );
}

function sectionsOf(page: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, id = '', content = ''] of page.matchAll(
    /<!-- (\w+) -->\n\n([\s\S]*?)\n\n<!-- end of \1 -->/g,
  )) {
    found.set(id, content);
  }
  return found;
}

function render(written: ReadonlyMap<string, string>): string {
  const blocks = Object.entries(sections).flatMap(([id, heading]) => {
    const content = written.get(id);
    return content === undefined
      ? []
      : [`## ${heading}\n\n<!-- ${id} -->\n\n${content}\n\n<!-- end of ${id} -->`];
  });
  return `${[introduction, ...blocks].join('\n\n')}\n`;
}

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

/** Remarks below a table, numbered as they are first needed. */
export function numbered(): { note(reason: string): string; list(): string } {
  const reasons: string[] = [];
  return {
    note(reason) {
      if (!reasons.includes(reason)) reasons.push(reason);
      return `(${reasons.indexOf(reason) + 1})`;
    },
    list: () => reasons.map((reason, index) => `${index + 1}. ${reason}.`).join('\n'),
  };
}

/** What the tests of one file observed, in the order in which the rows were declared. */
export interface Observations {
  /** Declares a row before its test runs, so that the order does not depend on which test ends first. */
  expect(what: string): { observed(outcome: string): void };
  /** The rows; throws when a declared row was never observed. */
  rows(): readonly (readonly [what: string, outcome: string])[];
}

/** A new, empty list of observations. */
export function observations(): Observations {
  const found = new Map<string, string | undefined>();
  return {
    expect(what) {
      assert.ok(!found.has(what), `two rows are called: ${what}`);
      found.set(what, undefined);
      return { observed: (outcome) => void found.set(what, outcome) };
    },
    rows: () =>
      [...found].map(([what, outcome]) => {
        assert.ok(outcome !== undefined, `nothing was observed: ${what}`);
        return [what, outcome] as const;
      }),
  };
}
