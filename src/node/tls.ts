/** TLS settings of registries and services, made from files: what `--registry-cacert` and its siblings mean. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TlsSettings } from '../core/connection.ts';
import { BoltsealError } from '../core/errors.ts';

export type { TlsSettings };

/** Where {@link readTlsSettings} finds its files. */
export interface TlsFiles {
  readonly caFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly serverName?: string | undefined;
  readonly insecureSkipVerify?: boolean | undefined;
}

const maxPemBytes = 4_194_304;

/** Reads the files of `files`. Throws `ERR_FILE_READ`, `ERR_ENCODING_INVALID` (no PEM), `ERR_LIMIT_EXCEEDED` or `ERR_USAGE`. */
export async function readTlsSettings(files: TlsFiles): Promise<TlsSettings> {
  if ((files.certificateFile === undefined) !== (files.keyFile === undefined)) {
    throw new BoltsealError('ERR_USAGE', 'a client certificate needs its key, and a key its certificate', {
      hint: 'Give both --registry-client-cert and --registry-client-key.',
    });
  }
  const [caCertificates, clientCertificate, clientKey] = await Promise.all([
    readPem(files.caFile, 'CERTIFICATE', 'CA certificates'),
    readPem(files.certificateFile, 'CERTIFICATE', 'client certificate'),
    readPem(files.keyFile, 'PRIVATE KEY', 'client key'),
  ]);
  if (caCertificates !== undefined) readCertificates(caCertificates, files.caFile);
  if (clientCertificate !== undefined && clientKey !== undefined) {
    const [leaf] = readCertificates(clientCertificate, files.certificateFile);
    checkClientKey(leaf, clientKey, files.keyFile);
  }
  const { serverName, insecureSkipVerify } = files;
  return { caCertificates, clientCertificate, clientKey, serverName, insecureSkipVerify };
}

/** Node itself leaves out what it cannot read, and the server's certificate is then untrusted for no visible reason. */
function readCertificates(pem: string, path = ''): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length > 0) return blocks.map((block) => new X509Certificate(block));
  } catch {
    // What OpenSSL says of it helps nobody.
  }
  throw new BoltsealError('ERR_ENCODING_INVALID', `${path} holds a damaged certificate`, {
    hint: 'See which one with: openssl crl2pkcs7 -nocrl -certfile FILE | openssl pkcs7 -print_certs -noout',
  });
}

/** Nothing of the key is shown, nor what OpenSSL says of it. */
function checkClientKey(leaf: X509Certificate | undefined, pem: string, path = ''): void {
  let belongs: boolean;
  try {
    belongs = leaf?.checkPrivateKey(createPrivateKey(pem)) ?? false;
  } catch {
    throw new BoltsealError('ERR_ENCODING_INVALID', `${path} holds no private key that can be read`, {
      hint: 'An encrypted key must be decrypted first: openssl pkey -in FILE -out plain.pem',
    });
  }
  if (belongs) return;
  throw new BoltsealError('ERR_USAGE', `the key in ${path} does not belong to the client certificate`, {
    hint: 'The first certificate of --registry-client-cert must be that of --registry-client-key.',
  });
}

async function readPem(path: string | undefined, label: string, what: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the ${what} in ${path} cannot be read`, {
      cause,
      hint: 'Is the path right, and may the user that runs this read it?',
    });
  }
  if (content.length > maxPemBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the ${what} in ${path} is larger than ${maxPemBytes} bytes`,
    );
  }
  const text = content.toString('utf8');
  if (!text.includes(`${label}-----`)) {
    throw new BoltsealError('ERR_ENCODING_INVALID', `${path} holds no PEM ${label.toLowerCase()}`, {
      hint: `The file must contain a block that starts with -----BEGIN ${label}-----.`,
    });
  }
  return text;
}

/** What `node:https` is told for `settings`. `env` may name more roots (`NODE_EXTRA_CA_CERTS`). */
export interface TlsConnectOptions {
  readonly ca?: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/**
 * `settings` as options of `node:tls`. Extra certificates are added to the default roots unless they are to be the only
 * ones, so that one setting serves a private registry and public services at once.
 */
export async function tlsConnectOptions(
  settings: TlsSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<TlsConnectOptions> {
  const { caCertificates, onlyCaCertificates } = settings;
  const defaults = caCertificates === undefined || onlyCaCertificates === true ? [] : await defaultRoots(env);
  return {
    ...(caCertificates === undefined ? {} : { ca: [...defaults, caCertificates] }),
    ...(settings.clientCertificate === undefined ? {} : { cert: settings.clientCertificate }),
    ...(settings.clientKey === undefined ? {} : { key: settings.clientKey }),
    ...(settings.serverName === undefined ? {} : { servername: settings.serverName }),
    ...(settings.insecureSkipVerify === true ? { rejectUnauthorized: false } : {}),
  };
}

async function defaultRoots(env: Readonly<Record<string, string | undefined>>): Promise<readonly string[]> {
  const tls = process.getBuiltinModule('node:tls');
  // Node 20 does not have it; there, certificates of NODE_EXTRA_CA_CERTS must be added by hand.
  if (typeof tls.getCACertificates === 'function') return tls.getCACertificates('default');
  const extra = env['NODE_EXTRA_CA_CERTS'];
  const roots = [...tls.rootCertificates];
  if (extra !== undefined && extra !== '') {
    const text = await readFile(extra, 'utf8').catch(() => '');
    if (text !== '') roots.push(text);
  }
  return roots;
}
