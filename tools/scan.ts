/** A small scanner of TypeScript: enough to know what is code, what is text, and what is imported. */

/** One import of a module. */
export interface Import {
  readonly specifier: string;
  /** `namespace` also stands for a default import: both need the whole namespace. */
  readonly kind: 'named' | 'namespace' | 'dynamic' | 'bare';
  readonly typeOnly: boolean;
}

/** Every import and re-export of `text`, type-only ones too. */
export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const statics =
    /^\s*(?:import|export)\s+(type\s+)?((?:[\w$*{}\s,]|\bas\b)*?)\s*\bfrom\s*(['"])([^'"\n]+)\3/gm;
  for (const [, type, clause = '', , specifier = ''] of code.matchAll(statics)) {
    const kind = /^\{/.test(clause.trim()) ? 'named' : 'namespace';
    found.push({ specifier, kind, typeOnly: type !== undefined });
  }
  for (const [, , specifier = ''] of code.matchAll(/^\s*import\s*(['"])([^'"\n]+)\1/gm)) {
    found.push({ specifier, kind: 'bare', typeOnly: false });
  }
  for (const [, , specifier = ''] of code.matchAll(/\bimport\s*\(\s*(['"`])([^'"`\n]+)\1/g)) {
    found.push({ specifier, kind: 'dynamic', typeOnly: false });
  }
  return found;
}

/** `text` without comments; strings stay. */
function withoutComments(text: string): string {
  return scan(text, true);
}

/** `text` without comments and without what stands in strings and regular expressions. Code inside `${…}` stays. */
export function codeOnly(text: string): string {
  return scan(text, false);
}

function scan(text: string, keepStrings: boolean): string {
  let out = '';
  let index = 0;
  // One number for each open template literal: how many braces are open in its current ${…}.
  const templates: number[] = [];
  while (index < text.length) {
    const end = endOfToken(text, index, out, templates);
    if (end.kind === 'code') out += text.slice(index, end.index);
    else if (end.kind === 'text') out += keepStrings ? text.slice(index, end.index) : '""';
    else out += text.slice(index, end.index).replace(/[^\n]+/g, ' ');
    index = end.index;
  }
  return out;
}

interface End {
  readonly index: number;
  readonly kind: 'code' | 'text' | 'comment';
}

function endOfToken(text: string, start: number, before: string, templates: number[]): End {
  const two = text.slice(start, start + 2);
  if (two === '//') return { kind: 'comment', index: endOr(text, text.indexOf('\n', start)) };
  if (two === '/*') return { kind: 'comment', index: endOr(text, text.indexOf('*/', start + 2) + 2, 1) };
  const character = text[start];
  if (character === "'" || character === '"') return { kind: 'text', index: endOfQuoted(text, start) };
  if (character === '/' && regexMayStart(before)) return { kind: 'text', index: endOfRegex(text, start) };
  if (character === '`') return { kind: 'text', index: endOfTemplatePart(text, start + 1, templates) };
  const open = templates.length - 1;
  if (open >= 0 && character === '{') templates[open] = (templates[open] ?? 0) + 1;
  if (open >= 0 && character === '}') {
    if (templates[open] === 0) {
      templates.pop();
      return { kind: 'text', index: endOfTemplatePart(text, start + 1, templates) };
    }
    templates[open] = (templates[open] ?? 0) - 1;
  }
  return { kind: 'code', index: start + 1 };
}

function endOr(text: string, index: number, missing = -1): number {
  return index === missing ? text.length : index;
}

function endOfQuoted(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== text[start] && text[index] !== '\n') {
    index += text[index] === '\\' ? 2 : 1;
  }
  return index + 1;
}

/** To the closing backtick, or to the `${` that opens code again. */
function endOfTemplatePart(text: string, start: number, templates: number[]): number {
  let index = start;
  while (index < text.length && text[index] !== '`') {
    if (text[index] === '$' && text[index + 1] === '{') {
      templates.push(0);
      return index + 2;
    }
    index += text[index] === '\\' ? 2 : 1;
  }
  return index + 1;
}

/** A slash divides after a value, and starts a regular expression elsewhere. */
function regexMayStart(before: string): boolean {
  const trimmed = before.trimEnd();
  const last = trimmed.at(-1) ?? '';
  if (/[\w$)\]"']/.test(last)) return /\b(?:return|typeof|case|in|of|await)$/.test(trimmed);
  return true;
}

function endOfRegex(text: string, start: number): number {
  let index = start + 1;
  let inClass = false;
  while (index < text.length && text[index] !== '\n' && (inClass || text[index] !== '/')) {
    if (text[index] === '[') inClass = true;
    else if (text[index] === ']') inClass = false;
    index += text[index] === '\\' ? 2 : 1;
  }
  return index + 1;
}
