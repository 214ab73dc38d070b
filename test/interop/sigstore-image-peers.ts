/** The clients of a private Sigstore as signers and verifiers of images, with an identity or with a key that is logged. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SerializedBundle } from '@sigstore/bundle';
import { verify as npmVerify } from 'sigstore';
import { encodePem } from '../../src/formats/pem.ts';
import { parseTrustedRoot } from '../../src/formats/trusted-root.ts';
import type { ProgramResult } from '../support/programs.ts';
import { type PushedManifest, pushSmallImage } from '../support/small-image.ts';
import type { Attempt } from './peers.ts';
import { type LogVersion, npmTrust, signingConfigOf } from './sigstore-peers.ts';
import { email, initialized, type SigstoreSession } from './sigstore-session.ts';

/** Who signs images. */
export type ImageSigner = 'Boltseal' | 'cosign 3' | 'cosign 2';

/** How a signature is stored. */
export type Storage = 'both formats' | 'bundle' | 'cosign format';

/** Who a signature is by. */
export type Who = 'identity' | 'key';

/** One way in which a client signs an image. */
export interface ImageSigning {
  readonly signer: ImageSigner;
  readonly storage: Storage;
  readonly log: LogVersion;
}

/** Every way that there is, of identities and of keys. cosign 2 writes no bundles for images, and knows no Rekor v2. */
export const imageSignings: readonly ImageSigning[] = [
  { signer: 'Boltseal', storage: 'both formats', log: 'Rekor v1' },
  { signer: 'Boltseal', storage: 'cosign format', log: 'Rekor v1' },
  { signer: 'cosign 3', storage: 'bundle', log: 'Rekor v1' },
  { signer: 'cosign 3', storage: 'cosign format', log: 'Rekor v1' },
  { signer: 'cosign 2', storage: 'cosign format', log: 'Rekor v1' },
  { signer: 'Boltseal', storage: 'bundle', log: 'Rekor v2' },
  { signer: 'cosign 3', storage: 'bundle', log: 'Rekor v2' },
];

/** Who verifies images; the last two the bundle of an image. */
export const imageVerifierNames = [
  'Boltseal',
  'cosign 3',
  'cosign 2',
  'skopeo',
  'sigstore-go',
  'npm sigstore',
] as const;

/** One of {@link imageVerifierNames}. */
export type ImageVerifierName = (typeof imageVerifierNames)[number];

/** What signatures are made with, and what verifiers that know annotations ask for. */
const annotation = 'env=prod';

/** A new image, which nobody signed, in the registry of the Sigstore. */
export function newImage({ server }: SigstoreSession): Promise<PushedManifest> {
  const number = ++images;
  return pushSmallImage(server, `sigstore/image${number}`, { content: `image ${number}\n` });
}

let images = 0;

/** A key pair of the session: the paths of both halves. */
export function keyPair(session: SigstoreSession): Promise<{ readonly key: string; readonly pub: string }> {
  const made =
    keyPairs.get(session) ??
    (async () => {
      const prefix = join(session.folder, 'pair');
      await session.clients.boltseal.must(['generate-key-pair', '--output-key-prefix', prefix], noPassword);
      return { key: `${prefix}.key`, pub: `${prefix}.pub` };
    })();
  keyPairs.set(session, made);
  return made;
}

const keyPairs = new WeakMap<SigstoreSession, ReturnType<typeof keyPair>>();
const noPassword = { COSIGN_PASSWORD: '' };

/** cosign's flags for the services of the Sigstore, as cosign 2 needs them, and cosign 3 for its older format. */
export function serviceFlags({ server: { url } }: SigstoreSession): readonly string[] {
  const stamps = ['--timestamp-server-url', `${url}/api/v1/timestamp`];
  return ['--yes', '--fulcio-url', url, '--rekor-url', `${url}/rekor`, ...stamps];
}

/** cosign 3's own flags for its older format. */
export const olderFormat = ['--new-bundle-format=false', '--use-signing-config=false'] as const;

/** By whom an image is signed, and with what. */
export interface Signing {
  readonly who: Who;
  /** Whose identity; that of {@link email} unless told. */
  readonly token?: string;
  /** Of each `name=value`; {@link annotation} unless told. */
  readonly annotations?: readonly string[];
}

/** Signs an image. Throws when it fails. */
export async function signImage(
  session: SigstoreSession,
  reference: string,
  { signer, storage, log }: ImageSigning,
  { who, token, annotations = [annotation] }: Signing,
): Promise<void> {
  await initialized(session);
  const { key } = await keyPair(session);
  const isKey = who === 'key';
  const identity = isKey ? '' : (token ?? (await session.server.token(email)));
  const env = isKey ? noPassword : { SIGSTORE_ID_TOKEN: identity };
  const pairs = annotations.flatMap((pair) => ['-a', pair]);
  const words = ['sign', ...(isKey ? ['--key', key] : []), ...pairs];
  const { boltseal, cosign3, cosign2 } = session.clients;
  if (signer === 'Boltseal') {
    const format = storage === 'cosign format' ? ['--format', 'cosign'] : [];
    const version = log === 'Rekor v2' ? ['--rekor-version', '2'] : [];
    const logged = isKey ? ['--log', 'private'] : [];
    await boltseal.must([...words, ...format, ...version, ...logged, reference], env);
  } else if (signer === 'cosign 2') {
    await cosign2.must([...words, ...serviceFlags(session), reference], env);
  } else if (storage === 'cosign format') {
    await cosign3.must([...words, ...olderFormat, ...serviceFlags(session), reference], env);
  } else {
    const config = log === 'Rekor v2' ? ['--signing-config', await signingConfigOf(session, log)] : [];
    await cosign3.must([...words, '--yes', ...config, reference], env);
  }
}

/** What a verifier is asked for. */
export interface Expected {
  readonly who: Who;
  /** An identity that did not sign, or a key. */
  readonly isOther?: boolean;
}

/**
 * Verifies an image in the strictest way that a client has: by whom, with a log entry and a timestamp. Undefined for a
 * client that verifies bundles when the image has none.
 */
export async function verifyImage(
  session: SigstoreSession,
  verifier: ImageVerifierName,
  image: PushedManifest,
  expected: Expected,
): Promise<Attempt | undefined> {
  await initialized(session);
  return verifiers[verifier](session, image, expected);
}

type Verify = (
  session: SigstoreSession,
  image: PushedManifest,
  expected: Expected,
) => Promise<Attempt | undefined>;

const verifiers: Readonly<Record<ImageVerifierName, Verify>> = {
  Boltseal: async (session, image, expected) => {
    // With a key cosign wants a log entry unless told otherwise; here it has to be asked for.
    const log = expected.who === 'key' ? ['--insecure-ignore-tlog=false'] : [];
    const words = ['verify', ...(await whoFlags(session, expected)), ...log, '-a', annotation];
    return attempt(
      await session.clients.boltseal.run([...words, '--use-signed-timestamps', image.reference]),
    );
  },
  'cosign 3': async (session, image, expected) => {
    const words = ['verify', ...(await whoFlags(session, expected)), '-a', annotation];
    return attempt(await session.clients.cosign3.run([...words, '--use-signed-timestamps', image.reference]));
  },
  'cosign 2': async (session, image, expected) => {
    const words = ['verify', ...(await whoFlags(session, expected)), '-a', annotation];
    const services = ['--rekor-url', `${session.server.url}/rekor`, '--use-signed-timestamps'];
    return attempt(await session.clients.cosign2.run([...words, ...services, image.reference]));
  },
  skopeo: verifyWithSkopeo,
  'sigstore-go': async (session, image, expected) => {
    const bundle = await bundleOf(session, image);
    if (bundle === undefined) return undefined;
    const { who, other } = await sought(session, expected);
    const signer =
      expected.who === 'key'
        ? ['-publicKey', who, '-requireCTlog=false']
        : ['-expectedIssuer', session.server.url, '-expectedSAN', who];
    const file = await session.file(`${image.digest.slice(7)}${other}.bundle`, bundle);
    const digest = ['-artifact-digest', image.digest.slice('sha256:'.length)];
    const trust = ['-trustedrootJSONpath', await session.target('trusted_root.json')];
    const client = session.clients['sigstore-go-verification'];
    return attempt(await client.run([...digest, ...signer, ...trust, file]));
  },
  'npm sigstore': async (session, image, expected) => {
    const bundle = await bundleOf(session, image);
    if (bundle === undefined) return undefined;
    const { who } = await sought(session, expected);
    const pem = expected.who === 'key' ? await readFile(who, 'utf8') : '';
    const signer =
      expected.who === 'key'
        ? { keySelector: () => pem }
        : { certificateIssuer: session.server.url, certificateIdentityEmail: who };
    try {
      const options = { ...(await npmTrust(session)), ...signer, timestampThreshold: 1 };
      await npmVerify(JSON.parse(bundle) as SerializedBundle, options);
      return { ok: true, message: '' };
    } catch (error) {
      return { ok: false, message: String(error) };
    }
  },
};

/** The identity, or the path of the public key, that is asked for. */
async function sought(
  session: SigstoreSession,
  { who, isOther = false }: Expected,
): Promise<{ readonly who: string; readonly other: string }> {
  const other = isOther ? '-other' : '';
  if (who === 'identity') return { who: isOther ? 'other@example.com' : email, other };
  return { who: isOther ? otherKey : (await keyPair(session)).pub, other };
}

/** The public key of a pair that signs nothing here. */
const otherKey = join(import.meta.dirname, '../vectors/data/keys/signing.pub');

async function whoFlags(session: SigstoreSession, expected: Expected): Promise<readonly string[]> {
  const { who } = await sought(session, expected);
  if (expected.who === 'key') return ['--key', who];
  return ['--certificate-identity', who, '--certificate-oidc-issuer', session.server.url];
}

function attempt({ code, stderr }: ProgramResult): Attempt {
  return { ok: code === 0, message: stderr.trim() };
}

/** The bundle of an image that has one signature; undefined when that is in the cosign format alone. */
async function bundleOf(
  { clients }: SigstoreSession,
  { reference }: PushedManifest,
): Promise<string | undefined> {
  const { stdout } = await clients.boltseal.must(['download', 'signature', reference]);
  return stdout.split('\n').find((line) => line.includes('"mediaType":"application/vnd.dev.sigstore.bundle'));
}

/** Lets skopeo really copy an image, under a policy that wants a logged signature by whom is expected. */
async function verifyWithSkopeo(
  session: SigstoreSession,
  image: PushedManifest,
  expected: Expected,
): Promise<Attempt> {
  const { server, clients, folder } = session;
  const { who } = await sought(session, expected);
  const trust = await skopeoTrust(session);
  const { caPath, rekorPublicKeyPath } = trust;
  const signer =
    expected.who === 'key'
      ? { keyPath: who }
      : { fulcio: { caPath, oidcIssuer: server.url, subjectEmail: who } };
  const signedIdentity = { type: 'matchRepository' };
  const rule = { type: 'sigstoreSigned', ...signer, rekorPublicKeyPath, signedIdentity };
  const policy = { default: [{ type: 'reject' }], transports: { docker: { [server.host]: [rule] } } };
  const number = ++copies;
  const file = await session.file(`policy-${number}.json`, JSON.stringify(policy));
  const flags = ['--registries.d', trust.registries, '--policy', file, 'copy', '--src-tls-verify=false'];
  const places = [`docker://${image.reference}`, `dir:${join(folder, `copy-${number}`)}`];
  return attempt(await clients.skopeo.run([...flags, ...places]));
}

let copies = 0;

/** The files by which skopeo knows the Sigstore: its root certificate, its log, and where signatures are. */
function skopeoTrust(session: SigstoreSession): Promise<SkopeoTrust> {
  const made = skopeoTrusts.get(session) ?? writeSkopeoTrust(session);
  skopeoTrusts.set(session, made);
  return made;
}

interface SkopeoTrust {
  readonly caPath: string;
  readonly rekorPublicKeyPath: string;
  /** A folder. */
  readonly registries: string;
}

const skopeoTrusts = new WeakMap<SigstoreSession, Promise<SkopeoTrust>>();

async function writeSkopeoTrust(session: SigstoreSession): Promise<SkopeoTrust> {
  const trust = parseTrustedRoot(await readFile(await session.target('trusted_root.json')));
  const root = trust.certificateAuthorities[0]?.chain.at(-1);
  const log = trust.tlogs.find(({ baseUrl }) => baseUrl.endsWith('/rekor'));
  if (root === undefined || log === undefined) throw new Error('the trusted root is not complete');
  const registries = join(session.folder, 'registries.d');
  await mkdir(registries, { recursive: true });
  const docker = { [session.server.host]: { 'use-sigstore-attachments': true } };
  await writeFile(join(registries, 'registries.yaml'), JSON.stringify({ docker }));
  return {
    caPath: await session.file('ca-root.pem', encodePem('CERTIFICATE', root)),
    rekorPublicKeyPath: await session.file('rekor.pub', encodePem('PUBLIC KEY', log.key)),
    registries,
  };
}
