/** Guides as programs: the `sh` blocks of a Markdown page, and one bash script of all of them. */
import { randomUUID } from 'node:crypto';
import type { ProgramName } from '../support/programs.ts';

/** A fenced block of a page. */
export interface Block {
  /** `docs/guide/x.md:12`: the line of the fence. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** What the info string of an `sh` block says beside the language. */
  readonly exit: number;
  readonly needs: readonly ProgramName[];
}

interface Fence {
  /** The line that ends the block. */
  readonly close: string;
  readonly indent: string;
  readonly info: string;
  readonly line: number;
  readonly text: string[];
}

/** What a guide calls a program, and which one that is. */
const programs: Readonly<Record<string, ProgramName>> = {
  cosign: 'cosign3',
  crane: 'crane',
  skopeo: 'skopeo',
};

/**
 * The fenced blocks of `markdown`. Those of the language `sh` may say `exit=12` (how the block ends; 0 unless told) and
 * `needs=cosign` (a real program it runs); anything else is an error, so that a typing mistake does not skip a check.
 */
export function parseBlocks(markdown: string, path: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: Fence | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    if (open === undefined) {
      // In a list a block is indented, and its text by as much.
      const [, indent = '', marks, info = ''] = /^( *)(`{3,})(.*)$/.exec(line) ?? [];
      if (marks !== undefined) open = { close: indent + marks, indent, info, line: index + 1, text: [] };
    } else if (line.trimEnd() === open.close) {
      blocks.push(block(`${path}:${open.line}`, open.info, open.text.join('\n')));
      open = undefined;
    } else open.text.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: the block is not closed`);
  return blocks;
}

function block(place: string, info: string, text: string): Block {
  const [language = '', ...options] = info.trim().split(/\s+/);
  if (language === '') throw new Error(`${place}: a block needs a language (sh is run, text and ts are not)`);
  let exit = 0;
  const needs: ProgramName[] = [];
  for (const option of options) {
    const [name, value = ''] = option.split('=');
    const program = programs[value];
    if (language !== 'sh') throw new Error(`${place}: only sh blocks have options`);
    if (name === 'exit' && /^[1-9]\d{0,2}$/.test(value)) exit = Number(value);
    else if (name === 'needs' && program !== undefined) needs.push(program);
    else throw new Error(`${place}: the option ${option} is not known`);
  }
  return { place, language, text, exit, needs };
}

/** A script of blocks, and how to read what it printed. */
export interface GuideScript {
  readonly text: string;
  /** What the block printed, and whether it ended as it should. Of a block never reached, undefined. */
  outcome(block: Block, printed: string): { readonly output: string; readonly passed: boolean } | undefined;
}

/**
 * One script that runs `blocks` in order in one shell, so that variables and files of one are there for the next, and
 * stops where one does not end as it should. Standard error goes where standard output goes, in order.
 */
export function guideScript(blocks: readonly Block[]): GuideScript {
  // Nothing that a block prints can look like a marker.
  const mark = randomUUID();
  const parts = blocks.map(({ text, exit }, index) => {
    const body =
      exit === 0
        ? text
        : // In a shell of its own, because the first failing command ends it.
          `code=0\nset +e\n( set -e\n${text}\n)\ncode=$?\nset -e\n` +
          `if [ "$code" != ${exit} ]; then echo "the block ended with $code and not with ${exit}"; exit 1; fi`;
    return `echo "${mark} begin ${index}"\n${body}\necho "${mark} end ${index}"`;
  });
  return {
    // What a guide starts in the background must not outlive it, however it ends: whoever runs it waits for its output.
    text: `set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\nexec 2>&1\n${parts.join('\n')}\n`,
    outcome(block, printed) {
      const index = blocks.indexOf(block);
      const begun = printed.split(`${mark} begin ${index}\n`)[1];
      if (begun === undefined) return undefined;
      const end = begun.indexOf(`${mark} end ${index}\n`);
      return { output: end === -1 ? begun : begun.slice(0, end), passed: end !== -1 };
    },
  };
}
