/** GitHub's language service for workflows, which checks them as the editor on github.com does. */
import { randomUUID } from 'node:crypto';
import { registerHooks } from 'node:module';
import type { ActionsMetadataProvider, validate as Validate } from '@actions/languageservice';

// Its package imports JSON without saying so, as bundlers allow and Node.js does not.
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    return resolved.url.endsWith('.json') ? { ...resolved, importAttributes: { type: 'json' } } : resolved;
  },
});

const { validate } = await import('@actions/languageservice');

type Document = Parameters<typeof Validate>[0];

/** What is wrong with a workflow or an `action.yml`, each with its line. */
export async function problemsOf(
  path: string,
  text: string,
  actionsMetadataProvider: ActionsMetadataProvider,
): Promise<readonly string[]> {
  const isAction = path.endsWith('action.yml');
  // By its address it remembers a document, also when that has another text by now.
  const uri = `file:///${randomUUID()}/${isAction ? '' : '.github/workflows/'}${path.split('/').at(-1)}`;
  const found = await validate(documentOf(uri, text), { actionsMetadataProvider });
  return found.map(({ message, range }) => `${path}:${range.start.line + 1}: ${message}`);
}

interface Position {
  readonly line: number;
  readonly character: number;
}

function documentOf(uri: string, text: string): Document {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const positionAt = (offset: number): Position => {
    const line = starts.findLastIndex((start) => start <= offset);
    return { line, character: offset - (starts[line] ?? 0) };
  };
  const offsetAt = ({ line, character }: Position): number => (starts[line] ?? text.length) + character;
  const document: Omit<Document, 'getLineRange' | 'getEOLCharacters'> = {
    uri,
    languageId: 'yaml',
    version: 1,
    lineCount: starts.length,
    getText: (range) => (range ? text.slice(offsetAt(range.start), offsetAt(range.end)) : text),
    positionAt,
    offsetAt,
  };
  // What else a document has is for editors.
  return document as Document;
}
