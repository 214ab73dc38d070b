/** The `WWW-Authenticate` header. {@link https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1} */
import { BoltsealError } from '../core/errors.ts';

/** One challenge: a scheme and its parameters, both by lower-case name. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const maxHeaderLength = 16_384;
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;

/**
 * The challenges of a header, which may hold several, with commas between challenges, between parameters, and in
 * quoted strings. Throws `ERR_REGISTRY_RESPONSE` for a header that does not follow the grammar.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > maxHeaderLength) throw malformed(`is longer than ${maxHeaderLength} characters`);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = skip(header, 0, /[\s,]*/y);
  while (at < header.length) {
    const word = match(header, at, token);
    if (word === '') throw malformed(`cannot be read from its character ${at + 1} on`);
    at += word.length;
    const equals = /[ \t]*=[ \t]*/y;
    const afterEquals = skip(header, at, equals);
    const current = challenges.at(-1);
    if (afterEquals > at && current !== undefined && isParameterStart(header, afterEquals)) {
      const value = readValue(header, afterEquals);
      // Of two parameters of one name neither can be trusted to be the one another program reads.
      if (current.parameters.has(word.toLowerCase())) throw malformed(`repeats the parameter ${word}`);
      current.parameters.set(word.toLowerCase(), value.text);
      at = value.end;
    } else {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      at = skipToken68(header, at);
    }
    at = skip(header, at, /[\s,]*/y);
  }
  return challenges;
}

function isParameterStart(header: string, at: number): boolean {
  return header[at] === '"' || match(header, at, token) !== '';
}

function readValue(header: string, start: number): { text: string; end: number } {
  if (header[start] !== '"') {
    // Some registries leave the quotes out around URLs, which are no tokens; they end at a comma or white space.
    const text = match(header, start, /[^\s,"]+/y);
    return { text, end: start + text.length };
  }
  let text = '';
  for (let at = start + 1; at < header.length; at++) {
    const char = header[at];
    if (char === '"') return { text, end: at + 1 };
    text += char === '\\' ? (header[++at] ?? '') : char;
  }
  throw malformed('has a quoted string without end');
}

/** Skips the credentials-like blob that a scheme such as Negotiate may have instead of parameters. */
function skipToken68(header: string, at: number): number {
  const blob = /[ \t]+[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
  return skip(header, at, blob);
}

function match(text: string, at: number, pattern: RegExp): string {
  const sticky = new RegExp(pattern.source, 'y');
  sticky.lastIndex = at;
  return sticky.exec(text)?.[0] ?? '';
}

function skip(text: string, at: number, pattern: RegExp): number {
  return at + match(text, at, pattern).length;
}

function malformed(why: string): BoltsealError {
  return new BoltsealError('ERR_REGISTRY_RESPONSE', `the WWW-Authenticate header of the registry ${why}`);
}
