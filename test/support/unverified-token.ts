/** Identity tokens whose signature nobody can verify: enough for what only decodes them. */

/** The moment around which {@link unverifiedToken} is valid, the start of `inProcessRuntime`. */
export const tokenTime: Date = new Date('2026-11-22T08:00:00Z');

/** A token with these claims beside `iss`, `sub`, `aud`, `iat` and `exp`; undefined removes one. */
export function unverifiedToken(
  claims: Readonly<Record<string, unknown>> = {},
  header: unknown = { alg: 'RS256', typ: 'JWT' },
): string {
  const now = tokenTime.getTime() / 1_000;
  const usual = { iss: 'https://issuer.example', sub: 'someone', aud: 'sigstore', iat: now, exp: now + 600 };
  return `${encoded(header)}.${encoded({ ...usual, ...claims })}.c2lnbmF0dXJl`;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
