/** Configuration files: from YAML to a {@link SigstoreConfig}, with the line of everything that is wrong. */
import { dirname, isAbsolute, join } from 'node:path';
import { type getDotPath, safeParse } from 'valibot';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { nearest } from '../../core/nearest.ts';
import { type Problem, problemsOf } from './check.ts';
import type { SigstoreConfig } from './config.ts';
import { describe, type Entries, entriesOf, type Kind } from './kinds.ts';
import { configOf, fileSchema, settings } from './settings.ts';

/** How many problems are told at once. */
const mostProblems = 10;

/**
 * The configuration in a file: YAML 1.2, of which JSON is a part. `name` is its path: relative paths in it are relative
 * to its folder. Nothing after a colon is as if the setting were not there. Throws `ERR_SERVER_CONFIG` with the line and
 * name of everything that is wrong and without any value, `ERR_LIMIT_EXCEEDED`, and `ERR_ENCODING_INVALID`.
 */
export function parseConfig(bytes: Uint8Array, name: string): SigstoreConfig {
  if (bytes.length > limits.serverConfigBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the configuration ${name} has more than ${limits.serverConfigBytes} bytes`,
    );
  }
  const file = readYaml(fromUtf8(bytes, `the configuration ${name}`), name);
  const result = safeParse(fileSchema, file.value);
  if (!result.success) {
    const problems = result.issues.map((issue): Problem => {
      const path = (issue.path ?? []).map((item) => item.key as string | number);
      return { path, message: messageOf(issue, path) };
    });
    throw invalid(name, file, problems);
  }
  const config = configOf(result.output, (path) => locate(path, name));
  const problems = [...unusedStorage(file.value), ...problemsOf(config)];
  if (problems.length > 0) throw invalid(name, file, problems);
  return config;
}

/** The configuration of an empty file. */
export function defaultConfig(): SigstoreConfig {
  return parseConfig(new Uint8Array(0), 'boltseal.yaml');
}

interface File {
  readonly value: unknown;
  lineOf(path: readonly (string | number)[]): number;
}

function readYaml(text: string, name: string): File {
  const lines = new LineCounter();
  // Its own messages quote the file, in which there may be a secret.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'silent',
  });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const what = error.code.toLowerCase().replaceAll('_', ' ');
    throw notYaml(name, `line ${lines.linePos(error.pos[0]).line}: ${what}`);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: limits.serverConfigAliases });
  } catch {
    throw notYaml(name, 'an alias without an anchor, or too many aliases');
  }
  return {
    value: withoutNothing(value) ?? {},
    lineOf: (path) => lines.linePos(offsetOf(document, path)).line,
  };
}

/** `value` without keys that have no value. */
function withoutNothing(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNothing);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null);
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutNothing(one)]));
}

/** Where the key of a setting starts, or of the nearest thing around it that is in the file. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const last = path[depth - 1];
    const around = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const pair = isMap(around)
      ? around.items.find(({ key }) => isScalar(key) && key.value === last)
      : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, depth), true);
    const range = (node as { range?: readonly number[] | null } | undefined)?.range;
    if (range?.[0] !== undefined) return range[0];
  }
  return 0;
}

type Issue = Parameters<typeof getDotPath>[0];

function messageOf(issue: Issue, path: readonly (string | number)[]): string {
  if (issue.type !== 'strict_object' || issue.path === undefined) return issue.message;
  if (issue.expected !== 'never') {
    // The shape is right and something is missing in it, or it is no map at all.
    return issue.received === 'undefined' && issue.expected !== 'Object' ? 'is missing' : issue.message;
  }
  const near = nearest(String(path.at(-1)), Object.keys(siblingsOf(path)));
  return `is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`;
}

/** The settings that may stand where `path` ends. */
function siblingsOf(path: readonly (string | number)[]): Entries {
  let entries: Entries = settings;
  let isChosen = false;
  for (const part of path.slice(0, -1)) {
    // Below a list stands an index, and below a map a name of the operator's choice.
    const kind: Kind<unknown> | undefined = isChosen ? undefined : entries[part];
    isChosen = kind !== undefined && ['list', 'map'].includes(describe(kind).type);
    if (kind !== undefined) entries = entriesOf(kind) ?? {};
  }
  return entries;
}

/** These settings are gone once the type is known. */
function unusedStorage(value: unknown): readonly Problem[] {
  const { storage } = value as { readonly storage?: Readonly<Record<string, unknown>> };
  if (storage === undefined || storage['type'] === 'postgres') return [];
  return ['url', 'connections']
    .filter((name) => storage[name] !== undefined)
    .map((name) => ({ path: ['storage', name], message: 'means nothing without type: postgres' }));
}

/** A path of the file as one of the process; what has a scheme stays. */
function locate(path: string, name: string): string {
  if (path === '' || isAbsolute(path) || /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/|pkcs11:)/.test(path)) return path;
  return join(dirname(name), path);
}

function notYaml(name: string, place: string): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', `the configuration ${name} is not YAML: ${place}`, {
    hint: 'Indent with spaces, and put text with special characters into quotes.',
  });
}

function invalid(name: string, file: File, problems: readonly Problem[]): BoltsealError {
  const lines = problems.map(({ path, message }) => {
    const dotted = path.join('.');
    return `line ${file.lineOf(path)}: ${dotted === '' ? 'the file' : dotted} ${message}`;
  });
  const shown = lines.slice(0, mostProblems);
  if (lines.length > shown.length) shown.push(`and ${lines.length - shown.length} more`);
  return new BoltsealError(
    'ERR_SERVER_CONFIG',
    `the configuration ${name} is not valid:\n  ${shown.join('\n  ')}`,
    {
      hint: 'Every setting is described in docs/reference/server-config.md.',
      details: { file: name, problems: shown },
    },
  );
}
