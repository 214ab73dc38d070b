/** Runs the guides: every `sh` block, in order, one shell for each page. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { needPrograms, runProgram } from '../support/programs.ts';
import { type Block, guideScript, parseBlocks } from './guide.ts';
import { makeGuideWorld } from './guide-world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const guides = (await readdir(join(root, 'docs', 'guide'))).sort().map((name) => `docs/guide/${name}`);
// The blocks are for the shells of Linux and macOS.
const skip = process.platform === 'win32' ? 'there is no bash to rely on' : false;

for (const path of ['README.md', ...guides]) {
  test(path, { skip, timeout: 240_000 }, async (t) => {
    const markdown = await readFile(join(root, path), 'utf8');
    const blocks = parseBlocks(markdown, path).filter(({ language }) => language === 'sh');
    assert.ok(blocks.length > 0, 'a guide without a block that is run');
    const runnable: Block[] = [];
    for (const block of blocks) {
      if (block.needs.length === 0) runnable.push(block);
      else {
        await t.test(`${block.place} needs ${block.needs.join(', ')}`, (t) => {
          if (needPrograms(t, ...block.needs) !== undefined) runnable.push(block);
        });
      }
    }
    const world = await makeGuideWorld(t, markdown);
    const script = guideScript(runnable);
    const file = join(world.env['HOME'] ?? '', 'guide.sh');
    await writeFile(file, script.text);
    const { stdout } = await runProgram('bash', [file], {
      cwd: world.folder,
      env: world.env,
      timeout: 200_000,
    });
    for (const block of runnable) {
      await t.test(block.place, () => {
        const outcome = script.outcome(block, stdout);
        assert.ok(outcome !== undefined, 'not reached: a block before it failed');
        assert.ok(outcome.passed, `${block.text}\n--- printed:\n${outcome.output}`);
      });
    }
  });
}

test('every link between pages leads somewhere', async () => {
  const folders = ['.', 'examples', 'docs', 'docs/guide', 'docs/decisions', 'docs/reference'];
  const pages = new Map<string, string>();
  for (const folder of folders) {
    for (const name of await readdir(join(root, folder))) {
      const path = posix.join(folder, name);
      if (name.endsWith('.md')) pages.set(path, await readFile(join(root, path), 'utf8'));
    }
  }
  const broken: string[] = [];
  for (const [path, text] of pages) {
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : posix.join(posix.dirname(path), file);
      const headings =
        pages
          .get(target)
          ?.match(/^#+ .*$/gm)
          ?.map(slug) ?? [];
      const exists = file === '' || existsSync(join(root, target));
      if (!exists || (anchor !== undefined && !headings.includes(anchor))) broken.push(`${path}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

/** The anchor of a heading, as GitHub makes it. */
function slug(heading: string): string {
  const words = heading.replace(/^#+ /, '').toLowerCase();
  return words.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

test('the runner notices a block that fails, a wrong exit code and an unknown option', async () => {
  const page = (text: string): readonly Block[] => parseBlocks(text, 'page.md');
  for (const [text, expected] of [
    ['```sh\ntrue\nfalse | cat\n```\n```sh\ntrue\n```', [false, undefined]],
    ['```sh\necho "$UNSET_VARIABLE"\n```', [false]],
    ['```sh exit=3\nexit 3\n```\n```sh exit=3\ntrue\n```', [true, false]],
    ['```sh exit=1\nfalse\ntrue\n```', [true]],
    ['- In a list:\n\n  ```sh\n  false\n  ```\n', [false]],
    [
      '```sh\nexport A=1\nmkdir -p x && cd x\n```\n```sh\ntest "$A" = 1\ntest "$(basename "$PWD")" = x\n```',
      [true, true],
    ],
  ] as const) {
    const blocks = page(text);
    const script = guideScript(blocks);
    const { stdout } = await runProgram('bash', ['-c', script.text]);
    assert.deepEqual(
      blocks.map((block) => script.outcome(block, stdout)?.passed),
      expected,
      text,
    );
  }
  for (const text of [
    '```sh exit=zero\n```',
    '```sh needs=unheard-of\n```',
    '```sh skip\n```',
    '```text exit=1\n```',
    '```\n```',
    '```sh\ntrue',
  ]) {
    assert.throws(() => page(text), /^Error: page\.md:1: /, text);
  }
});
