/** The clients of a private Sigstore as signers and verifiers of blobs, each behind the same two calls. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Bundle, bundleFromJSON, type SerializedBundle } from '@sigstore/bundle';
import {
  DSSEBundleBuilder,
  FulcioSigner,
  MessageSignatureBundleBuilder,
  RekorWitness,
  TSAWitness,
  type Witness,
} from '@sigstore/sign';
import { verify as npmVerify } from 'sigstore';
import type { Attempt } from './peers.ts';
import { email, initialized, type SigstoreSession } from './sigstore-session.ts';

/** Who signs and verifies. */
export const blobPeerNames = ['Boltseal', 'cosign 3', 'cosign 2', 'sigstore-go', 'npm sigstore'] as const;

/** One of {@link blobPeerNames}. */
export type BlobPeerName = (typeof blobPeerNames)[number];

/** The logs that a bundle's entry can be in. */
export const logVersions = ['Rekor v1', 'Rekor v2'] as const;

/** One of {@link logVersions}. */
export type LogVersion = (typeof logVersions)[number];

/** What is signed: a file, or a statement about one in an envelope. */
export const contents = ['blob', 'DSSE'] as const;

/** One of {@link contents}. */
export type Content = (typeof contents)[number];

/** A file and a bundle over it, by path. */
export interface SignedBlob {
  readonly blob: string;
  readonly bundle: string;
}

/** A client. */
export interface BlobPeer {
  /** Undefined: the client cannot sign this. Throws when it can and fails. */
  sign(session: SigstoreSession, log: LogVersion, content: Content): Promise<SignedBlob | undefined>;
  verify(session: SigstoreSession, content: Content, signed: SignedBlob): Promise<Attempt>;
}

/** The predicate type of statements here. */
const predicateType = 'https://example.com/predicate/v1';
const payloadType = 'application/vnd.in-toto+json';
let files = 0;

async function newBlob(session: SigstoreSession): Promise<{ blob: string; bundle: string; text: string }> {
  const number = ++files;
  const text = `blob ${number}\n`;
  const blob = await session.file(`blob-${number}`, text);
  return { blob, bundle: join(session.folder, `blob-${number}.bundle`), text };
}

/** The signing configuration that an instance publishes for a log, as a file. */
export function signingConfigOf(session: SigstoreSession, log: LogVersion): Promise<string> {
  return session.target(
    log === 'Rekor v1' ? 'signing_config.v0.2.json' : 'signing_config_rekor_v2.v0.2.json',
  );
}

function identityFlags(session: SigstoreSession): readonly string[] {
  return ['--certificate-identity', email, '--certificate-oidc-issuer', session.server.url];
}

/** The command of a cosign that signs this. */
async function signingWords(session: SigstoreSession, content: Content): Promise<readonly string[]> {
  if (content === 'blob') return ['sign-blob'];
  const predicate = await session.file('predicate', '{"answer":42}');
  return ['attest-blob', '--type', predicateType, '--predicate', predicate];
}

async function statement(blob: string): Promise<string> {
  const { createHash } = await import('node:crypto');
  const sha256 = createHash('sha256')
    .update(await readFile(blob))
    .digest('hex');
  return JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'blob', digest: { sha256 } }],
    predicateType,
    predicate: { answer: 42 },
  });
}

const boltseal: BlobPeer = {
  async sign(session, log, content) {
    const { blob, bundle } = await newBlob(session);
    await initialized(session);
    const signed =
      content === 'blob'
        ? [blob]
        : ['--in-toto', await session.file(`${basename(bundle)}.statement`, await statement(blob))];
    const version = log === 'Rekor v1' ? [] : ['--rekor-version', '2'];
    const token = { SIGSTORE_ID_TOKEN: await session.server.token(email) };
    await session.clients.boltseal.must(['sign-blob', '--bundle', bundle, ...version, ...signed], token);
    return { blob, bundle };
  },
  async verify(session, _content, { blob, bundle }) {
    await initialized(session);
    const args = ['verify-blob', '--bundle', bundle, ...identityFlags(session), blob];
    const { code, stdout, stderr } = await session.clients.boltseal.run(args);
    return { ok: code === 0, message: stdout + stderr };
  },
};

const cosign3: BlobPeer = {
  async sign(session, log, content) {
    const { blob, bundle } = await newBlob(session);
    const cosign = session.clients.cosign3;
    await initialized(session);
    const token = { SIGSTORE_ID_TOKEN: await session.server.token(email) };
    // Rekor v1 and the timestamp authority are what this Sigstore offers: no flag says so.
    const config = log === 'Rekor v1' ? [] : ['--signing-config', await signingConfigOf(session, log)];
    const words = await signingWords(session, content);
    await cosign.must([...words, '--yes', '--bundle', bundle, ...config, blob], token);
    return { blob, bundle };
  },
  async verify(session, content, { blob, bundle }) {
    await initialized(session);
    const words = content === 'blob' ? ['verify-blob'] : ['verify-blob-attestation', '--type', predicateType];
    const args = [...words, '--bundle', bundle, ...identityFlags(session), blob];
    const { code, stdout, stderr } = await session.clients.cosign3.run(args);
    return { ok: code === 0, message: stdout + stderr };
  },
};

const cosign2: BlobPeer = {
  async sign(session, log, content) {
    if (log === 'Rekor v2') return undefined;
    const { blob, bundle } = await newBlob(session);
    await initialized(session);
    const { url } = session.server;
    const words = await signingWords(session, content);
    const flags = ['--yes', '--new-bundle-format', '--bundle', bundle, '--fulcio-url', url];
    const services = ['--rekor-url', `${url}/rekor`, '--timestamp-server-url', `${url}/api/v1/timestamp`];
    const token = ['--identity-token', await session.server.token(email)];
    await session.clients.cosign2.must([...words, ...flags, ...services, ...token, blob]);
    return { blob, bundle };
  },
  async verify(session, content, { blob, bundle }) {
    await initialized(session);
    const words = content === 'blob' ? ['verify-blob'] : ['verify-blob-attestation', '--type', predicateType];
    const trust = ['--trusted-root', await session.target('trusted_root.json'), '--new-bundle-format'];
    const args = [...words, '--bundle', bundle, ...trust, ...identityFlags(session), blob];
    const { code, stdout, stderr } = await session.clients.cosign2.run(args);
    return { ok: code === 0, message: stdout + stderr };
  },
};

const sigstoreGo: BlobPeer = {
  async sign(session, log, content) {
    const { blob, bundle } = await newBlob(session);
    const signed =
      content === 'blob' ? blob : await session.file(`${basename(bundle)}.statement`, await statement(blob));
    const flags = [
      ...['-id-token', await session.server.token(email), '-rekor', '-tsa'],
      ...['-signing-config', await signingConfigOf(session, log)],
      ...['-trusted-root', await session.target('trusted_root.json')],
      ...(content === 'blob' ? [] : ['-in-toto']),
    ];
    const { stdout } = await session.clients['sigstore-go-signing'].must([...flags, signed]);
    // Before the bundle it says which key it made.
    await writeFile(bundle, stdout.slice(stdout.indexOf('{')));
    return { blob, bundle };
  },
  async verify(session, _content, { blob, bundle }) {
    const args = [
      ...['-artifact', blob, '-expectedIssuer', session.server.url, '-expectedSAN', email],
      ...['-trustedrootJSONpath', await session.target('trusted_root.json'), bundle],
    ];
    const { code, stdout, stderr } = await session.clients['sigstore-go-verification'].run(args);
    return { ok: code === 0, message: stdout + stderr };
  },
};

const npmSigstore: BlobPeer = {
  async sign(session, log, content) {
    const { blob, bundle, text } = await newBlob(session);
    const { url } = session.server;
    const token = await session.server.token(email);
    const signer = new FulcioSigner({
      fulcioBaseURL: url,
      identityProvider: { getToken: async () => token },
    });
    const witnesses: Witness[] = [
      new RekorWitness(
        log === 'Rekor v1'
          ? { rekorBaseURL: `${url}/rekor`, majorApiVersion: 1 }
          : { rekorBaseURL: `${url}/rekor2`, majorApiVersion: 2 },
      ),
      new TSAWitness({ tsaBaseURL: url }),
    ];
    const made: Bundle =
      content === 'blob'
        ? await new MessageSignatureBundleBuilder({ signer, witnesses }).create({ data: Buffer.from(text) })
        : await new DSSEBundleBuilder({ signer, witnesses }).create({
            data: Buffer.from(await statement(blob)),
            type: payloadType,
          });
    const { bundleToJSON } = await import('@sigstore/bundle');
    await writeFile(bundle, JSON.stringify(bundleToJSON(made)));
    return { blob, bundle };
  },
  async verify(session, content, { blob, bundle }) {
    const serialized = JSON.parse(await readFile(bundle, 'utf8')) as SerializedBundle;
    const options = {
      ...(await npmTrust(session)),
      certificateIssuer: session.server.url,
      certificateIdentityEmail: email,
    };
    try {
      bundleFromJSON(serialized);
      if (content === 'blob') await npmVerify(serialized, await readFile(blob), options);
      else await npmVerify(serialized, options);
      return { ok: true, message: '' };
    } catch (error) {
      return { ok: false, message: String(error) };
    }
  },
};

/** Every client. */
export const blobPeers: Readonly<Record<BlobPeerName, BlobPeer>> = {
  Boltseal: boltseal,
  'cosign 3': cosign3,
  'cosign 2': cosign2,
  'sigstore-go': sigstoreGo,
  'npm sigstore': npmSigstore,
};

/** The options by which npm sigstore knows the Sigstore. */
export async function npmTrust(
  session: SigstoreSession,
): Promise<Record<'tufMirrorURL' | 'tufRootPath' | 'tufCachePath', string>> {
  const tufCachePath = join(session.folder, 'npm-tuf');
  await mkdir(tufCachePath, { recursive: true });
  return { tufMirrorURL: `${session.server.url}/tuf`, tufRootPath: session.rootFile, tufCachePath };
}
