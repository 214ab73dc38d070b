/** Logs and authorities of a trusted root, as flags of `trusted-root create` name them. */
import { readFile } from 'node:fs/promises';
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, parsePemCertificates } from '../formats/certificate.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import {
  type TrustedAuthority,
  type TrustedLog,
  type TrustedLogFields,
  trustedAuthority,
  trustedLog,
} from '../formats/trusted-root.ts';
import type { Flags } from './command.ts';
import { flagName } from './flags.ts';
import { parseSpec, specPeriod, specUrl } from './service-spec.ts';

/** Kinds of logs, with the flags for them: one for all of a log, or one for each part, matched by their order. */
const logFlags = {
  rekor: {
    spec: 'root-rekor',
    key: 'rekor-key',
    url: 'old-rekor-url',
    start: 'rekor-start-time',
    end: 'rekor-end-time',
  },
  ctfe: {
    spec: 'root-ctfe',
    key: 'ctfe-key',
    url: 'ctfe-url',
    start: 'ctfe-start-time',
    end: 'ctfe-end-time',
  },
} as const;

/** The logs that flags name. Throws `ERR_USAGE`, `ERR_FILE_READ` and what reading keys throws. */
export async function givenLogs(flags: Flags, kind: keyof typeof logFlags): Promise<readonly TrustedLog[]> {
  const names = logFlags[kind];
  const { key, url, start, end } = names;
  const specs = flags.get(names.spec);
  refuseBoth(flags, names.spec, [key, url, start, end]);
  if (specs.length > 0) return Promise.all(specs.map((text) => logOfSpec(text, `--${flagName(names.spec)}`)));
  const keys = flags.get(key);
  for (const id of [url, start, end]) {
    if (flags.get(id).length <= keys.length) continue;
    throw new BoltsealError('ERR_USAGE', `there are more --${flagName(id)} than --${key}`);
  }
  return Promise.all(
    keys.map((text, index) => {
      const [path = '', origin] = kind === 'rekor' ? split(text) : [text];
      const from = flags.get(start)[index] ?? '1970-01-01T00:00:00Z';
      return log(
        flags.get(url)[index] ?? '',
        path,
        origin,
        period(from, flags.get(end)[index], `--${start}`),
      );
    }),
  );
}

function split(text: string): string[] {
  const comma = text.indexOf(',');
  return comma === -1 ? [text] : [text.slice(0, comma), text.slice(comma + 1)];
}

async function logOfSpec(text: string, source: string): Promise<TrustedLog> {
  const spec = parseSpec(text, source, {
    required: ['url', 'public-key', 'start-time'],
    optional: ['end-time', 'origin'],
  });
  const validFor = period(spec['start-time'], spec['end-time'], source);
  return log(specUrl(spec.url, source), spec['public-key'], spec.origin, validFor);
}

function period(start: string, end: string | undefined, source: string): TrustedLogFields['validFor'] {
  const { start: from = new Date(0), ...rest } = specPeriod(start, end, source);
  return { start: from, ...rest };
}

async function log(
  baseUrl: string,
  path: string,
  origin: string | undefined,
  validFor: TrustedLogFields['validFor'],
): Promise<TrustedLog> {
  const publicKey = parsePublicKey(await read(path), path);
  if (publicKey.type === 'ed25519' && origin === undefined) {
    throw new BoltsealError('ERR_USAGE', `the log with the key ${path} has an Ed25519 key and no origin`, {
      hint: 'Of Rekor v2 it is the host name: add origin=HOST. Without it no entry of the log would verify.',
    });
  }
  return trustedLog({ baseUrl, publicKey, validFor, origin });
}

/** Kinds of authorities, with the flags for them. */
const authorityFlags = {
  fulcio: { spec: 'root-fulcio', chain: 'old-certificate-chain', url: 'fulcio-uri' },
  tsa: { spec: 'root-tsa', chain: 'timestamp-certificate-chain', url: 'timestamp-uri' },
} as const;

/** The authorities that flags name. Throws `ERR_USAGE`, `ERR_FILE_READ` and what reading certificates throws. */
export async function givenAuthorities(
  flags: Flags,
  kind: keyof typeof authorityFlags,
): Promise<readonly TrustedAuthority[]> {
  const { spec, chain, url } = authorityFlags[kind];
  refuseBoth(flags, spec, [chain, url]);
  const specs = flags.get(spec);
  if (specs.length > 0) {
    return Promise.all(specs.map((text) => authorityOfSpec(text, kind, `--${flagName(spec)}`)));
  }
  const chains = flags.get(chain);
  if (flags.get(url).length > chains.length) {
    throw new BoltsealError('ERR_USAGE', `there are more --${url} than --${flagName(chain)}`);
  }
  return Promise.all(
    chains.map(async (path, index) => {
      const certificates = await readChain(path, kind);
      const start = certificates.at(-1)?.notBefore;
      return authority(flags.get(url)[index] ?? '', certificates, start === undefined ? {} : { start });
    }),
  );
}

async function authorityOfSpec(
  text: string,
  kind: keyof typeof authorityFlags,
  source: string,
): Promise<TrustedAuthority> {
  const spec = parseSpec(text, source, {
    required: ['url', 'certificate-chain'],
    optional: ['start-time', 'end-time'],
  });
  const certificates = await readChain(spec['certificate-chain'], kind);
  const since = (kind === 'tsa' ? certificates[0] : certificates.at(-1))?.notBefore.toISOString();
  const validFor = specPeriod(spec['start-time'] ?? since, spec['end-time'], source);
  return authority(specUrl(spec.url, source), certificates, validFor);
}

function authority(
  uri: string,
  certificates: readonly Certificate[],
  validFor: TrustedAuthority['validFor'],
): TrustedAuthority {
  return trustedAuthority(
    uri,
    certificates.map(({ der }) => der),
    validFor,
  );
}

async function readChain(path: string, kind: keyof typeof authorityFlags): Promise<readonly Certificate[]> {
  const certificates = parsePemCertificates(await read(path), path);
  if (kind === 'tsa' && (certificates.length < 2 || certificates[0]?.basicConstraints?.ca === true)) {
    throw new BoltsealError('ERR_USAGE', `${path} is no chain of a timestamp authority`, {
      hint: 'It begins with the certificate that signs timestamps, and ends with the root.',
    });
  }
  return certificates;
}

type PartFlag =
  | (typeof logFlags)[keyof typeof logFlags]['key' | 'url' | 'start' | 'end']
  | (typeof authorityFlags)[keyof typeof authorityFlags]['chain' | 'url'];

function refuseBoth(
  flags: Flags,
  spec: 'root-rekor' | 'root-ctfe' | 'root-fulcio' | 'root-tsa',
  parts: readonly PartFlag[],
): void {
  const part = parts.find((id) => flags.get(id).length > 0);
  if (flags.get(spec).length === 0 || part === undefined) return;
  throw new BoltsealError(
    'ERR_USAGE',
    `--${flagName(spec)} and --${flagName(part)} are two ways to say the same, and only one may be used`,
  );
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `cannot read ${path}`, { cause });
  }
}
