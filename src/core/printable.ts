/** Text from outside for one line of a message: no control characters, bounded, and nothing that looks like a token. */
export function printable(text: string): string {
  return text
    .replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .slice(0, 300)
    .replace(/(?<!sha256:)(?<!sha512:)(?<![0-9a-f])[A-Za-z0-9_\-.+/=]{48,}/g, '…');
}
