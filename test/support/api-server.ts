/** Servers of REST APIs that tests write: in process, or over TLS for real programs. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Fetch } from '../../src/core/runtime.ts';
import {
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
} from '../../src/formats/extensions.ts';
import { encodeName } from '../../src/formats/name.ts';
import { encodePem } from '../../src/formats/pem.ts';
import { respond } from './in-process.ts';
import { type Releases, temporaryDirectory } from './temporary.ts';
import { makeAuthority, makeCertificate, newKey, type TestAuthority } from './test-certificates.ts';

/** A request, read whole. */
export interface ApiRequest {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body as it came, when it is no text. */
  readonly bytes: Uint8Array;
  /** Who the client's certificate says it is. */
  readonly client?: string | undefined;
}

/** An answer; an object is sent as JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

/** The logic of a server. */
export type ApiHandler = (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;

/** A client that reaches `handler` without a socket, as if it were the server of every URL. */
export function apiFetch(handler: ApiHandler): Fetch {
  return async (url, { method, headers, body }) => {
    const { pathname, search, host } = new URL(url);
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
    const answer = await handler({
      method,
      path: `${pathname}${search}`,
      headers: { host, ...headers },
      body: Buffer.from(bytes).toString(),
      bytes,
    });
    return respond({ status: answer.status, headers: headersOf(answer), body: bodyOf(answer) });
  };
}

function headersOf({ headers, body }: ApiAnswer): Record<string, string> {
  return { ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}), ...headers };
}

function bodyOf({ body = '' }: ApiAnswer): string {
  return typeof body === 'object' ? JSON.stringify(body) : body;
}

/** A server that listens, and what its clients need. */
export interface ApiServer {
  /** `https://127.0.0.1:PORT`, or `http://…`. */
  readonly url: string;
  /** The certificate of its authority: PEM, and a file with it. */
  readonly ca: string;
  readonly caFile: string;
  /** A certificate that the server accepts, and its key, in PEM. */
  clientCertificate(commonName: string): { readonly cert: string; readonly key: string };
}

/** Serves `handler` at an address of its own, over TLS unless told. */
export async function serveApi(t: Releases, handler: ApiHandler, scheme = 'https'): Promise<ApiServer> {
  const folder = await temporaryDirectory(t);
  const caFile = join(folder, 'ca.pem');
  const authority = makeAuthority('test server authority', newKey());
  const ca = encodePem('CERTIFICATE', authority.der);
  await writeFile(caFile, ca);
  const own = issue(authority, 'test server', 'serverAuth');
  const server =
    scheme === 'https'
      ? createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false })
      : createPlainServer();
  server.on('request', (incoming, outgoing) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const { method = '', url: path = '' } = incoming;
      const headers = incoming.headers as Record<string, string>;
      const bytes = Buffer.concat(chunks);
      const client = clientOf(incoming.socket as TLSSocket);
      const answer = await handler({ method, path, headers, body: bytes.toString(), bytes, client });
      outgoing.writeHead(answer.status, headersOf(answer));
      outgoing.end(answer.status === 204 ? undefined : bodyOf(answer));
    })().catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : undefined));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca,
    caFile,
    clientCertificate: (commonName) => issue(authority, commonName, 'clientAuth'),
  };
}

function clientOf(socket: TLSSocket): string | undefined {
  const certificate: Partial<PeerCertificate> = socket.authorized ? socket.getPeerCertificate() : {};
  return certificate.subject?.CN as string | undefined;
}

const purposes = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

function issue(
  issuer: TestAuthority,
  commonName: string,
  purpose: keyof typeof purposes,
): Required<Pick<ServerOptions, 'cert' | 'key'>> & { cert: string; key: string } {
  const key = newKey();
  const names = [
    { type: 'ip', value: Uint8Array.of(127, 0, 0, 1) },
    { type: 'dns', value: 'localhost' },
  ] as const;
  const now = Date.now();
  const der = makeCertificate({
    subject: encodeName({ organization: 'world', commonName }),
    key,
    issuer,
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + 86_400_000),
    extensions: [
      encodeBasicConstraints({ ca: false, pathLength: undefined }),
      encodeKeyUsage(['digitalSignature']),
      encodeExtendedKeyUsage([purposes[purpose]]),
      encodeSubjectAltName(names, false),
    ],
  });
  return {
    cert: encodePem('CERTIFICATE', der),
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
