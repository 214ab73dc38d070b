/** Addresses of servers in variables such as `GITHUB_HOST`. */
import { BoltsealError } from '../../core/errors.ts';

/**
 * The address in the variable `source`: a URL, or a host that is reached with https. Throws `ERR_USAGE` when it is neither,
 * or has a user name, password, query or fragment; it is not shown then.
 */
export function serverOf(text: string, source: string): URL {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  const isPlain =
    url !== undefined &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    `${url.username}${url.password}${url.search}${url.hash}` === '';
  if (isPlain) return url;
  throw new BoltsealError('ERR_USAGE', `the variable ${source} does not hold the address of a server`, {
    hint: 'It is a host such as git.example.com, or a URL such as https://git.example.com.',
  });
}
