/** Textual encodings of keys and certificates. {@link https://www.rfc-editor.org/rfc/rfc7468} */
import { base64, fromBase64, fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** One encapsulated block. */
export interface PemBlock {
  /** What stands between `BEGIN` and the dashes: `PUBLIC KEY`. */
  readonly label: string;
  /** RFC 1421 headers as written, one per line; modern blocks have none. */
  readonly headers: readonly string[];
  readonly der: Uint8Array;
}

const begin = /^-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----[ \t]*$/;

/**
 * Every PEM block of `bytes`, in order; an empty list when there is none. Text outside of blocks is ignored, as RFC
 * 7468 section 5.2 allows; line ends and widths are free; the base64 itself is strict. At most `limits.pemBlocks`
 * blocks and `maxBytes` bytes. Throws `ERR_LIMIT_EXCEEDED` or `ERR_ENCODING_INVALID` naming `what`.
 * {@link https://www.rfc-editor.org/rfc/rfc7468#section-3}
 */
export function parsePem(bytes: Uint8Array, what: string, maxBytes: number = limits.keyBytes): PemBlock[] {
  if (bytes.length > maxBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${bytes.length} bytes; the limit is ${maxBytes}`,
    );
  }
  const lines = fromUtf8(bytes, what)
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/);
  const blocks: PemBlock[] = [];
  for (let index = 0; index < lines.length; index++) {
    const label = begin.exec(lines[index] ?? '')?.[1];
    if (label === undefined) continue;
    const end = lines.findIndex((line, at) => at > index && line.trimEnd() === `-----END ${label}-----`);
    if (end < 0)
      throw new BoltsealError('ERR_ENCODING_INVALID', `${what} has no line -----END ${label}-----`);
    if (blocks.length === limits.pemBlocks) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has more than ${limits.pemBlocks} PEM blocks`);
    }
    blocks.push(parseBlock(label, lines.slice(index + 1, end), what));
    index = end;
  }
  return blocks;
}

function parseBlock(label: string, lines: readonly string[], what: string): PemBlock {
  const headers = lines.filter((line) => line.includes(':'));
  const body = lines
    .filter((line) => !line.includes(':'))
    .join('')
    .replace(/[ \t]/g, '');
  return { label, headers, der: fromBase64(body, `the body of ${label} in ${what}`) };
}

/** One PEM block as Go and OpenSSL write it: 64 columns, `\n`, a final newline. */
export function encodePem(label: string, der: Uint8Array): string {
  const body = base64(der);
  let text = `-----BEGIN ${label}-----\n`;
  for (let start = 0; start < body.length; start += 64) text += `${body.slice(start, start + 64)}\n`;
  return `${text}-----END ${label}-----\n`;
}
