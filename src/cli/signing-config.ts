/** A signing config as cosign 3 wants it for signing without a log. */
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

/** Members of a signing config, in both spellings of proto JSON, that name a service which would have to be used. */
const services = ['rekorTlogUrls', 'rekor_tlog_urls', 'tsaUrls', 'tsa_urls'] as const;

/**
 * Accepts a signing config that names no log and no timestamp authority, because that is what happens here anyway.
 * Throws `ERR_USAGE` for any other, and what parsing throws.
 */
export function requireNoLogs(bytes: Uint8Array, path: string): void {
  const what = `the signing config ${path}`;
  const config = parseJson(bytes, { what, maxBytes: limits.payloadBytes });
  const mediaType = isJsonObject(config) ? config['mediaType'] : undefined;
  if (!isJsonObject(config) || typeof mediaType !== 'string' || !/signingconfig/.test(mediaType)) {
    throw new BoltsealError('ERR_USAGE', `${path} is no signing config`);
  }
  const named = services.find((name) => {
    const list = config[name];
    return list !== undefined && list !== null && !(Array.isArray(list) && list.length === 0);
  });
  if (named === undefined) return;
  throw new BoltsealError(
    'ERR_USAGE',
    `${what} asks for ${named}, and key-pair signatures are recorded nowhere`,
    {
      hint: 'Leave --signing-config out, or make an empty one: cosign signing-config create --out FILE',
    },
  );
}
