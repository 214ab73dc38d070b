/** The client of a timestamp authority. */
import { BoltsealError } from '../core/errors.ts';
import type { ServiceOptions, ServiceRuntime } from './service-request.ts';

/** Has `message` timestamped by the authority whose whole URL is `url`: TimeStampResp DER. */
export async function requestTimestamp(
  _url: string,
  _message: Uint8Array,
  _runtime: ServiceRuntime,
  _options: ServiceOptions = {},
): Promise<Uint8Array> {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
