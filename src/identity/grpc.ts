/** One gRPC call of one message each way over a Unix socket. {@link https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md} */
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
} from 'node:http2';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** A call. */
export interface GrpcCall {
  /** The path of the socket. */
  readonly socket: string;
  /** `/Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The message, protobuf. */
  readonly message: Uint8Array;
  readonly signal: AbortSignal;
  /** Who is called, for errors. */
  readonly who: string;
}

/** What came back. */
export interface GrpcAnswer {
  /** 0 is success. */
  readonly status: number;
  /** What the other side says about another status. */
  readonly message: string;
  /** The message; empty unless the status is 0. */
  readonly body: Uint8Array;
}

/**
 * Calls. Throws `ERR_SERVICE_NETWORK` when nobody answers within `limits.localAgentTime`, `ERR_SERVICE_RESPONSE` when what
 * answers is not gRPC or says too much.
 */
export async function callGrpc(call: GrpcCall): Promise<GrpcAnswer> {
  call.signal.throwIfAborted();
  const [{ connect }, { connect: connectSocket }] = await Promise.all([
    import('node:http2'),
    import('node:net'),
  ]);
  const session = connect('http://localhost', { createConnection: () => connectSocket(call.socket) });
  try {
    return await exchange(session, call);
  } catch (cause) {
    call.signal.throwIfAborted();
    if (isBoltsealError(cause)) throw cause;
    throw new BoltsealError('ERR_SERVICE_NETWORK', `${call.who} at ${call.socket} cannot be reached`, {
      cause,
    });
  } finally {
    session.destroy();
  }
}

function exchange(session: ClientHttp2Session, call: GrpcCall): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      ...call.headers,
      ':method': 'POST',
      ':path': call.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const limited = AbortSignal.any([call.signal, AbortSignal.timeout(limits.localAgentTime)]);
    const abort = (): void => reject(limited.reason);
    limited.addEventListener('abort', abort, { once: true });
    collect(stream, call)
      .then(resolve, reject)
      .finally(() => limited.removeEventListener('abort', abort));
    stream.end(frame(call.message));
  });
}

/** A message behind its prefix: not compressed, and four bytes of length. */
function frame(message: Uint8Array): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

async function collect(stream: ClientHttp2Stream, call: GrpcCall): Promise<GrpcAnswer> {
  const seen: { headers: IncomingHttpHeaders & IncomingHttpStatusHeader; trailers: IncomingHttpHeaders } = {
    headers: {},
    trailers: {},
  };
  stream.on('response', (headers) => {
    seen.headers = headers;
  });
  stream.on('trailers', (trailers) => {
    seen.trailers = trailers;
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limits.issuerAnswerBytes) throw unexpected(call, 'answers with too much');
    chunks.push(chunk);
  }
  // Without a message the status stands among the headers.
  const { 'grpc-status': text, 'grpc-message': message } = { ...seen.headers, ...seen.trailers };
  if (seen.headers[':status'] !== 200 || typeof text !== 'string' || !/^\d{1,3}$/.test(text)) {
    throw unexpected(call, 'does not speak gRPC');
  }
  const status = Number(text);
  return {
    status,
    message: typeof message === 'string' ? decoded(message) : '',
    body: status === 0 ? unframed(Buffer.concat(chunks), call) : new Uint8Array(),
  };
}

function unframed(bytes: Buffer, call: GrpcCall): Uint8Array {
  if (bytes.length >= 5 && bytes[0] === 0 && bytes.readUInt32BE(1) === bytes.length - 5)
    return bytes.subarray(5);
  throw unexpected(call, 'answers with something else than one message');
}

/** Status messages are percent-encoded. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

function unexpected({ who, socket }: GrpcCall, what: string): BoltsealError {
  return new BoltsealError('ERR_SERVICE_RESPONSE', `${who} at ${socket} ${what}`);
}
