/** SPIFFE: a JWT-SVID from the agent on this machine. */

import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';
import { callGrpc } from '../grpc.ts';
import { firstField, lengthDelimited } from '../protobuf.ts';
import type { IdentitySource } from '../source.ts';

const socketVariable = 'SPIFFE_ENDPOINT_SOCKET';
/** Where an agent of SPIRE listens unless told otherwise. */
const usualSocket = 'unix:///tmp/spire-agent/public/api.sock';

/**
 * The Workload API at `SPIFFE_ENDPOINT_SOCKET`. Other than cosign this does not look for a socket below `/tmp`, where
 * whoever comes first can put one.
 * {@link https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md#6-jwt-svid-profile}
 */
export const spiffeSource: IdentitySource = {
  name: 'spiffe',
  summary: 'the Workload API of SPIFFE',
  needs: `${socketVariable} must name the socket of the agent; of SPIRE that is usually ${usualSocket}`,
  isPresent: async ({ runtime: { env } }) => (env[socketVariable] ?? '') !== '',
  async getToken(query) {
    const path = socketPath(query.runtime.env[socketVariable] ?? '');
    const answer = await callGrpc({
      socket: path,
      path: '/SpiffeWorkloadAPI/FetchJWTSVID',
      // Agents refuse what does not say that it means them: no page in a browser can send it.
      headers: { 'workload.spiffe.io': 'true' },
      // message JWTSVIDRequest { repeated string audience = 1; string spiffe_id = 2; }
      message: lengthDelimited(1, Buffer.from(query.audience)),
      signal: query.signal,
      who: 'the SPIFFE agent',
    });
    if (answer.status !== 0) throw refused(answer.status, answer.message);
    return readToken(answer.body);
  },
};

/** {@link https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md#4-locating-the-endpoint} */
function socketPath(text: string): string {
  // cosign takes a bare path.
  if (text.startsWith('/')) return text;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'unix:' && url.host === '' && url.pathname.startsWith('/')) {
    return decodeURIComponent(url.pathname);
  }
  throw new BoltsealError('ERR_IDENTITY_PROVIDER', `${socketVariable} does not name a Unix socket`, {
    hint: `Write unix:///PATH, such as ${usualSocket}. An agent that listens on TCP is not supported.`,
  });
}

/** message JWTSVIDResponse { repeated JWTSVID svids = 1; }, message JWTSVID { string spiffe_id = 1; string svid = 2; … } */
function readToken(message: Uint8Array): string {
  // The first is the workload’s default identity.
  const svid = firstField(message, 1);
  const token = svid === undefined ? undefined : firstField(svid, 2);
  if (token !== undefined && token.length > 0) return fromUtf8(token, 'the JWT-SVID');
  throw new BoltsealError('ERR_IDENTITY_PROVIDER', 'the SPIFFE agent answered without a JWT-SVID');
}

/** {@link https://github.com/grpc/grpc/blob/master/doc/statuscodes.md} */
function refused(status: number, message: string): BoltsealError {
  const isUnregistered = status === 7;
  const said = message === '' ? '' : `: ${printable(message)}`;
  return new BoltsealError(
    'ERR_IDENTITY_PROVIDER',
    `the SPIFFE agent gave no JWT-SVID (status ${status}${said})`,
    {
      hint: isUnregistered
        ? 'No identity is registered for this workload: see `spire-server entry show`.'
        : undefined,
    },
  );
}
