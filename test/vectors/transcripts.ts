/** Reads the recorded exchanges with the real services: `data/services/transcripts.md`. */
import { fromUtf8 } from '../../src/core/encoding.ts';
import { vector } from './vectors.ts';

/** One recorded exchange. */
export interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  /** The request's body, empty when there was none. */
  readonly request: string;
  readonly status: number;
  /** Response headers by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The response's body; a binary one is shown as the recorder wrote it. */
  readonly response: string;
}

/** Every recorded exchange by its name. */
export function transcripts(): ReadonlyMap<string, Exchange> {
  const text = fromUtf8(vector('services/transcripts.md'), 'transcripts.md');
  const found = new Map<string, Exchange>();
  for (const section of text.split(/^## /m).slice(1)) {
    const match =
      /^(?<name>[^\n]+)\n(?<method>[A-Z]+) (?<url>\S+)\n(?<request>[\s\S]*?)\n?-> (?<status>\d+)\n(?<headers>\{[^\n]*\})\n(?<response>[\s\S]*)$/.exec(
        section,
      );
    const groups = match?.groups;
    if (groups === undefined)
      throw new Error(`a section of transcripts.md is not understood: ${section.slice(0, 80)}`);
    const { name = '', method = '', url = '', request = '', status, headers = '{}', response = '' } = groups;
    found.set(name, {
      name,
      method,
      url,
      request,
      status: Number(status),
      headers: JSON.parse(headers) as Record<string, string>,
      response: response.replace(/\n\n?$/, ''),
    });
  }
  return found;
}
