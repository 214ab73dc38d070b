/**
 * Templates of certificate contents: the part of Go's text/template that Fulcio's configuration uses. Dots, `index`,
 * string literals, and `if eq … else … end`; everything else is refused when the configuration is read.
 *
 *     {{ .url }}/{{ .job_workflow_ref }}
 *     refs/{{ if eq .ref_type "branch" }}heads/{{ else }}tags/{{ end }}{{ .ref }}
 *     {{ index . "oidc.circleci.com/vcs-ref" }}
 *
 * {@link https://pkg.go.dev/text/template}
 */
import { BoltsealError } from '../../core/errors.ts';

/** Values by name. */
export type TemplateValues = ReadonlyMap<string, string>;

/** A template that was read. Throws `ERR_TOKEN_REFUSED` when a `.name` has no value. */
export type Template = (values: TemplateValues) => string;

type Expression = (values: TemplateValues) => string | boolean;

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly when: Expression; readonly nodes: readonly Node[] }[];
      readonly otherwise: readonly Node[];
    };

/**
 * Reads a template. Without `{{` it is the name of one value. `what` names it in errors. With `empty` refused, the
 * template throws `ERR_TOKEN_REFUSED` also for a value that is there and empty. Throws `ERR_SERVER_CONFIG` for what is
 * not understood.
 */
export function parseTemplate(
  source: string,
  what: string,
  empty: 'allowed' | 'refused' = 'allowed',
): Template {
  const fill = (value: string): string => {
    if (value !== '' || empty === 'allowed') return value;
    throw new BoltsealError('ERR_TOKEN_REFUSED', `the token has an empty claim in ${what}`);
  };
  if (!source.includes('{{')) {
    return (values) => fill(claimOf(values, source));
  }
  const parts = splitActions(source, what);
  const reader = { parts, at: 0, what };
  const nodes = readNodes(reader, 0);
  if (reader.at < parts.length)
    throw unreadable(what, `{{ ${parts[reader.at]?.text ?? ''} }} closes nothing`);
  return (values) => render(nodes, values, fill);
}

function claimOf(values: TemplateValues, name: string): string {
  const value = values.get(name);
  if (value !== undefined) return value;
  throw new BoltsealError(
    'ERR_TOKEN_REFUSED',
    `the token has no claim ${JSON.stringify(name.slice(0, 100))}`,
  );
}

function unreadable(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', `${what} is not a template that is understood: ${why}`, {
    hint: 'A template may have {{ .claim }}, {{ index . "claim" }}, and {{ if eq .claim "text" }} … {{ else }} … {{ end }}.',
  });
}

interface Part {
  readonly isAction: boolean;
  readonly text: string;
}

/** Text and actions in turn. `{{-` and `-}}` take away the white space beside them. */
function splitActions(source: string, what: string): readonly Part[] {
  const parts: Part[] = [];
  let rest = source;
  let trimNext = false;
  for (;;) {
    const start = rest.indexOf('{{');
    let text = start === -1 ? rest : rest.slice(0, start);
    if (trimNext) text = text.trimStart();
    if (start === -1) {
      if (text !== '') parts.push({ isAction: false, text });
      return parts;
    }
    // A closing mark may stand in a string literal.
    const match = /^\{\{(-\s)?((?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`}]|\}(?!\}))*?)(\s-)?\}\}/s.exec(
      rest.slice(start),
    );
    if (match === null) throw unreadable(what, '{{ has no }}');
    const [whole, trimBefore, action = '', trimAfter] = match;
    if (trimBefore !== undefined) text = text.trimEnd();
    if (text !== '') parts.push({ isAction: false, text });
    parts.push({ isAction: true, text: action.trim() });
    trimNext = trimAfter !== undefined;
    rest = rest.slice(start + whole.length);
  }
}

interface Reader {
  readonly parts: readonly Part[];
  at: number;
  readonly what: string;
}

const deepest = 8;

/** Nodes up to an `else` or `end`, which is left for the caller. */
function readNodes(reader: Reader, depth: number): readonly Node[] {
  if (depth > deepest) throw unreadable(reader.what, 'its conditions are nested too deep');
  const nodes: Node[] = [];
  for (;;) {
    const part = reader.parts[reader.at];
    if (part === undefined || (part.isAction && /^(?:else\b|end$)/.test(part.text))) return nodes;
    reader.at++;
    if (!part.isAction) nodes.push({ kind: 'text', text: part.text });
    else if (/^if\b/.test(part.text)) nodes.push(readCondition(reader, part.text.slice(2), depth));
    else nodes.push({ kind: 'value', value: parseExpression(part.text, reader.what) });
  }
}

function readCondition(reader: Reader, first: string, depth: number): Node {
  const branches: { when: Expression; nodes: readonly Node[] }[] = [];
  let condition: string | undefined = first;
  let otherwise: readonly Node[] = [];
  for (;;) {
    const nodes = readNodes(reader, depth + 1);
    if (condition === undefined) otherwise = nodes;
    else branches.push({ when: parseExpression(condition, reader.what), nodes });
    const closing = reader.parts[reader.at++]?.text;
    if (closing === undefined) throw unreadable(reader.what, '{{ if }} has no {{ end }}');
    if (closing === 'end') return { kind: 'if', branches, otherwise };
    const next = /^else(?:\s+if\b(.*))?$/s.exec(closing);
    if (next === null || condition === undefined) {
      throw unreadable(reader.what, `{{ ${closing} }} is not understood`);
    }
    condition = next[1];
  }
}

function render(nodes: readonly Node[], values: TemplateValues, fill: (value: string) => string): string {
  let text = '';
  for (const node of nodes) {
    if (node.kind === 'text') text += node.text;
    else if (node.kind === 'value') text += fill(String(node.value(values)));
    else {
      const branch = node.branches.find(({ when }) => isTrue(when(values)));
      text += render(branch?.nodes ?? node.otherwise, values, fill);
    }
  }
  return text;
}

/** As Go decides: false and the empty text are not. */
function isTrue(value: string | boolean): boolean {
  return value !== false && value !== '';
}

/** `.name`, `index . "name"`, `eq a b …`, a literal, or one of them in parentheses. */
function parseExpression(source: string, what: string): Expression {
  const tokens = [...source.matchAll(/"(?:[^"\\]|\\.)*"|`[^`]*`|[()]|[^\s()"`]+|["`]/gs)].map(
    ([token]) => token,
  );
  const cursor = { tokens, at: 0 };
  const expression = readCall(cursor, what);
  if (cursor.at < tokens.length) throw unreadable(what, `{{ ${source.trim()} }} is not understood`);
  return expression;
}

interface TokenCursor {
  readonly tokens: readonly string[];
  at: number;
}

function readCall(cursor: TokenCursor, what: string): Expression {
  const [word] = cursor.tokens.slice(cursor.at, cursor.at + 1);
  if (word === 'index') {
    const [dot, name] = cursor.tokens.slice(cursor.at + 1, cursor.at + 3);
    cursor.at += 3;
    const key = name === undefined ? undefined : literal(name);
    if (dot !== '.' || key === undefined) throw unreadable(what, 'index needs a dot and a name in quotes');
    // Go's index of a map without the key is its zero value, whatever `missingkey` says.
    return (values) => values.get(key) ?? '';
  }
  if (word === 'eq') {
    cursor.at++;
    const operands: Expression[] = [];
    while (cursor.at < cursor.tokens.length && cursor.tokens[cursor.at] !== ')') {
      operands.push(readOperand(cursor, what));
    }
    const [first, ...others] = operands;
    if (first === undefined || others.length === 0) throw unreadable(what, 'eq needs two values');
    return (values) => {
      const value = first(values);
      return others.some((other) => other(values) === value);
    };
  }
  return readOperand(cursor, what);
}

function readOperand(cursor: TokenCursor, what: string): Expression {
  const token = cursor.tokens[cursor.at++];
  if (token === undefined) throw unreadable(what, 'a value is missing');
  if (token === '(') {
    const inner = readCall(cursor, what);
    if (cursor.tokens[cursor.at++] !== ')') throw unreadable(what, 'a ( is not closed');
    return inner;
  }
  const text = literal(token);
  if (text !== undefined) return () => text;
  const name = /^\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(token)?.[1];
  if (name === undefined) throw unreadable(what, `${token} is not understood`);
  return (values) => claimOf(values, name);
}

/** The text of a quoted token, or undefined when it is none. */
function literal(token: string): string | undefined {
  if (token.length > 1 && token.startsWith('`')) return token.slice(1, -1);
  if (!token.startsWith('"')) return undefined;
  try {
    return JSON.parse(token) as string;
  } catch {
    return undefined;
  }
}
