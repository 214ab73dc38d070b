/** The `Link` header of paged answers. {@link https://www.rfc-editor.org/rfc/rfc8288#section-3} */
import { BoltsealError } from '../core/errors.ts';

/**
 * The URL of the next page, or undefined on the last one. It must stay on the path of `current`: pages of a list are
 * nowhere else. Throws `ERR_REGISTRY_RESPONSE` otherwise.
 */
export function nextPage(link: string | null, current: URL, what: string): URL | undefined {
  if (link === null) return undefined;
  for (const match of link
    .slice(0, 16_384)
    .matchAll(/<([^>]*)>((?:\s*;\s*[^\s=,;]+\s*=\s*(?:"[^"]*"|[^\s",;]*))*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?=\s*(?:;|$)))/i.test(match[2] ?? ''))
      continue;
    const target = match[1] ?? '';
    const url = URL.canParse(target, current.href) ? new URL(target, current) : undefined;
    // Behind a proxy the registry may write its own URL with another scheme or host; only path and query are used.
    if (url === undefined || url.pathname !== current.pathname) {
      throw new BoltsealError(
        'ERR_REGISTRY_RESPONSE',
        `${what}: the next page is not a page of the same list`,
      );
    }
    return new URL(`${url.pathname}${url.search}`, current);
  }
  return undefined;
}
