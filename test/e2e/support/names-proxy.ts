import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request as sendRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';
import { type Releases, temporaryDirectory } from '../../support/temporary.ts';

/** An HTTP proxy under which names that do not exist lead to servers on this machine. */
export interface NamesProxy {
  readonly url: string;
  /** The variables that make a program use it. */
  readonly env: Readonly<Record<string, string>>;
  /** `CONNECT host:port` and `GET http://…`, in order. */
  readonly seen: string[];
}

/** Starts a proxy that knows `ports` of `host:port`; for every other name it answers 502. */
export async function useNamesProxy(
  releases: Releases,
  ports: Readonly<Record<string, number>>,
): Promise<NamesProxy> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    const url = new URL(incoming.url ?? '');
    const port = ports[`${url.hostname}:${url.port || 80}`];
    if (port === undefined) {
      outgoing.writeHead(502).end();
      return;
    }
    const { method, headers } = incoming;
    const onward = sendRequest({ host: '127.0.0.1', port, method, path: incoming.url, headers });
    onward.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('connect', (incoming, socket: Socket) => {
    seen.push(`CONNECT ${incoming.url}`);
    const port = ports[incoming.url ?? ''];
    if (port === undefined) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  releases.after(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, seen, env: { HTTP_PROXY: url, HTTPS_PROXY: url } };
}

/** A self-signed certificate, which is its own authority, and its key; PEM files and their content. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for `names` (`DNS:…`, `IP:…`) with the openssl command. */
export async function makeCertificate(releases: Releases, ...names: readonly string[]): Promise<Certificate> {
  const folder = await temporaryDirectory(releases);
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=boltseal tests', '-addext', `subjectAltName=${names.join(',')}`];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', keyFile, '-out', certFile, ...subject],
  ]);
  const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')]);
  return { certFile, keyFile, cert, key };
}

/** Puts TLS in front of `port` and returns its own port. */
export async function useTlsFront(releases: Releases, port: number, options: TlsOptions): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTlsServer(options, (socket) => {
    const onward = connect(port, '127.0.0.1');
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('error', () => {
        socket.destroy();
        onward.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  });
  // A client without a certificate; its side of the story is what the test looks at.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  releases.after(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  return (server.address() as AddressInfo).port;
}

/**
 * Starts a TLS server that refuses clients without a certificate of `client` with the alert that says so, as Go's and
 * OpenSSL's servers do and Node's do not; returns its port.
 */
export async function useDemandingServer(
  releases: Releases,
  server: Certificate,
  client: Certificate,
): Promise<number> {
  const child = spawn(
    'openssl',
    [
      ...['s_server', '-accept', '127.0.0.1:0', '-cert', server.certFile, '-key', server.keyFile],
      ...['-Verify', '1', '-verify_return_error', '-CAfile', client.certFile],
    ],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  releases.after(async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    const port = /ACCEPT 127\.0\.0\.1:(\d+)\n/.exec(printed)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error(`openssl s_server did not start: ${printed}`);
}
