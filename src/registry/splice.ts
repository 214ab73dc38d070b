/**
 * Edits of JSON text that leave every byte alone but the edited ones, so that another tool's entries in a shared list
 * stay exactly as that tool wrote them: unknown fields, key order, number spelling, white space.
 *
 * The text must be well-formed JSON without duplicate keys: it was parsed before.
 */

/** A list that is a member of the top-level object: where it stands, and the text of each element. */
export interface ListText {
  /** The offset after `[`. */
  readonly start: number;
  /** The offset of `]`. */
  readonly end: number;
  readonly elements: readonly string[];
}

/** The list under `key` in the object that `text` is; undefined when there is none or it is `null`. */
export function findList(text: string, key: string): ListText | undefined {
  const member = findMember(text, key);
  if (member === undefined || text[member.start] !== '[') return undefined;
  const elements: string[] = [];
  let at = skipSpace(text, member.start + 1);
  while (at < member.end && text[at] !== ']') {
    const end = skipValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return { start: member.start + 1, end: member.end - 1, elements };
}

/** `text` with the list under `key` holding `elements`; a list that is missing or `null` is made. */
export function replaceList(text: string, key: string, elements: readonly string[]): string {
  const list = findList(text, key);
  const content = elements.join(',');
  if (list !== undefined) return `${text.slice(0, list.start)}${content}${text.slice(list.end)}`;
  const member = findMember(text, key);
  if (member !== undefined) return `${text.slice(0, member.start)}[${content}]${text.slice(member.end)}`;
  const close = text.lastIndexOf('}');
  const isEmpty = text.slice(0, close).trimEnd().endsWith('{');
  return `${text.slice(0, close)}${isEmpty ? '' : ','}${JSON.stringify(key)}:[${content}]${text.slice(close)}`;
}

/** `text` with the member `key`, which must be there, holding the JSON text `value`. */
export function replaceMember(text: string, key: string, value: string): string {
  const member = findMember(text, key);
  return member === undefined ? text : `${text.slice(0, member.start)}${value}${text.slice(member.end)}`;
}

function findMember(text: string, key: string): { start: number; end: number } | undefined {
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length && text[at] === '"') {
    const keyEnd = skipString(text, at);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    if (JSON.parse(text.slice(at, keyEnd)) === key) return { start, end };
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return undefined;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at++;
  return at;
}

function skipString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipValue(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return skipString(text, start);
  if (first !== '{' && first !== '[') {
    let at = start;
    while (at < text.length && !',]} \t\n\r'.includes(text.charAt(at))) at++;
    return at;
  }
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      at = skipString(text, at);
      continue;
    }
    if (char === '{' || char === '[') depth++;
    if (char === '}' || char === ']') depth--;
    at++;
    if (depth === 0) return at;
  }
  return at;
}
