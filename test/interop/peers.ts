/** The programs that sign and verify one another's signatures, each behind the same two calls. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { isBoltsealError } from '../../src/core/errors.ts';
import { signImage, verifyImages } from '../../src/flows/index.ts';
import { parsePublicKey } from '../../src/keys/index.ts';
import type { SignatureFormat } from '../../src/verify/index.ts';
import { needPrograms, type ProgramResult, runProgram } from '../support/programs.ts';
import { type KeyFiles, type Laboratory, openLaboratory, type TestImage } from './laboratory.ts';

/** What came of signing or verifying: whether the program was content, and what it said. */
export interface Attempt {
  readonly ok: boolean;
  readonly message: string;
}

/** What is signed or verified, and with what. */
export interface Task {
  readonly image: TestImage;
  readonly key: KeyFiles;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A program that signs and verifies. */
export interface Peer {
  readonly name: PeerName;
  /** Whether it can sign annotations. */
  readonly annotates: boolean;
  /** Signs the image and, of an index, everything in it. */
  sign(task: Task & { readonly format: SignatureFormat }): Promise<Attempt>;
  /** Verifies the image and, of an index, every platform; content only when all are signed. */
  verify(task: Task): Promise<Attempt>;
}

/** Who takes part. */
export type PeerName = 'Boltseal' | 'cosign 3' | 'cosign 2' | 'skopeo';

/** Every {@link PeerName}. */
export const peerNames: readonly PeerName[] = ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'];

/** The programs that peers and registries need. */
export const peerPrograms = ['cosign3', 'cosign2', 'skopeo', 'oras', 'docker-registry', 'crane'] as const;

/** The programs' paths. */
export type PeerPaths = Readonly<Record<(typeof peerPrograms)[number], string>>;

/** A laboratory with its peers. */
export interface Session {
  readonly lab: Laboratory;
  readonly peers: Readonly<Record<PeerName, Peer>>;
  readonly paths: PeerPaths;
}

/**
 * To be called once at the top of a test file. The function returned gives every test the same laboratory, which ends
 * after the last of them; or it skips the test because a program is missing, and gives undefined.
 */
export function useSession(): (t: Pick<TestContext, 'skip'>) => Promise<Session | undefined> {
  const releases: (() => Promise<void>)[] = [];
  after(async () => {
    for (const release of releases.reverse()) await release();
  });
  let opened: Promise<Laboratory> | undefined;
  return async (t) => {
    const paths = needPrograms(t, ...peerPrograms);
    if (paths === undefined) return undefined;
    opened ??= openLaboratory({ after: (release) => void releases.push(release) });
    const lab = await opened;
    return { lab, peers: peersOf(paths, lab), paths };
  };
}

/** All peers, working in `lab`. */
export function peersOf(paths: PeerPaths, lab: Laboratory): Readonly<Record<PeerName, Peer>> {
  return {
    Boltseal: boltseal(lab),
    'cosign 3': cosign3(paths.cosign3, lab),
    'cosign 2': cosign2(paths.cosign2, lab),
    skopeo: skopeo(paths.skopeo, lab),
  };
}

/** The references of an image and, of an index, of its platforms. */
export function referencesOf({ image, platforms }: TestImage): string[] {
  return [image, ...platforms].map(({ reference }) => reference);
}

function boltseal(lab: Laboratory): Peer {
  return {
    name: 'Boltseal',
    annotates: true,
    async sign({ image, key, annotations, format }) {
      const signer = key.signer();
      try {
        await signImage(image.image.reference, { signer, annotations, format, recursive: true }, lab.runtime);
        return { ok: true, message: '' };
      } catch (error) {
        return failedAttempt(error);
      }
    },
    async verify({ image, key, annotations }) {
      const keys = [parsePublicKey(await readFile(key.public), key.public)];
      const outcomes = await verifyImages(referencesOf(image), { keys, annotations }, lab.runtime);
      const failed = outcomes.find((outcome) => 'error' in outcome);
      return failed === undefined || !('error' in failed)
        ? { ok: true, message: '' }
        : failedAttempt(failed.error);
    },
  };
}

/** An error as an attempt: its code, and the code of what led to it. */
function failedAttempt(error: unknown): Attempt {
  if (!isBoltsealError(error)) throw error;
  const cause = isBoltsealError(error.cause) ? ` ${error.cause.code}: ${error.cause.message}` : '';
  return { ok: false, message: `${error.code}: ${error.message}${cause}` };
}

/** Arguments with which cosign 3 signs in a format and logs nowhere. */
export function cosign3SignArguments(lab: Laboratory, format: SignatureFormat): readonly string[] {
  return format === 'bundle'
    ? ['--signing-config', lab.signingConfig, '--trusted-root', lab.trustedRoot]
    : ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
}

function cosign3(path: string, lab: Laboratory): Peer {
  return {
    ...cosign(path, lab),
    name: 'cosign 3',
    sign: (task) => cosignSign(path, lab, task, cosign3SignArguments(lab, task.format)),
  };
}

function cosign2(path: string, lab: Laboratory): Peer {
  return {
    ...cosign(path, lab),
    name: 'cosign 2',
    sign: (task) => cosignSign(path, lab, task, ['--tlog-upload=false']),
  };
}

function cosign(path: string, lab: Laboratory): Pick<Peer, 'annotates' | 'verify'> {
  return {
    annotates: true,
    verify: async (task) => attempt(await runProgram(path, cosignVerifyArguments(task), { env: lab.env })),
  };
}

/** Arguments with which cosign 2 and 3 verify without a log. */
export function cosignVerifyArguments({ image, key, annotations = {} }: Task): readonly string[] {
  const wanted = Object.entries(annotations).flatMap(([name, value]) => ['-a', `${name}=${value}`]);
  return ['verify', '--key', key.public, '--insecure-ignore-tlog', ...wanted, ...referencesOf(image)];
}

async function cosignSign(
  path: string,
  lab: Laboratory,
  { image, key, annotations = {} }: Task,
  how: readonly string[],
): Promise<Attempt> {
  const signed = Object.entries(annotations).flatMap(([name, value]) => ['-a', `${name}=${value}`]);
  const args = ['sign', '--yes', '--recursive', '--key', key.private, ...how, ...signed];
  return attempt(await runProgram(path, [...args, image.image.reference], { env: lab.env }));
}

function skopeo(path: string, lab: Laboratory): Peer {
  return {
    name: 'skopeo',
    annotates: false,
    async sign({ image, key }) {
      const registries = await sigstoreRegistries(lab, image.host);
      const policy = await lab.file(
        'accept-anything.json',
        '{"default":[{"type":"insecureAcceptAnything"}]}',
      );
      // Copying an image onto itself, with a tag, signs it where it is.
      const args = ['--registries.d', registries, '--policy', policy, 'copy', '--all', '--preserve-digests'];
      const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
      const sign = [
        '--sign-by-sigstore-private-key',
        key.private,
        '--sign-passphrase-file',
        lab.passwordFile,
      ];
      const places = [`docker://${image.image.reference}`, `docker://${image.repository}:signed`];
      return attempt(await runProgram(path, [...args, ...insecure, ...sign, ...places]));
    },
    async verify({ image, key }) {
      const { reference } = image.image;
      const verified =
        image.platforms.length === 0 ? [reference] : image.platforms.map((one) => one.reference);
      for (const one of verified) {
        const result = await skopeoCopy(path, lab, one, key, image.host);
        if (result.code !== 0) return attempt(result);
      }
      return { ok: true, message: '' };
    },
  };
}

/** Lets skopeo really copy an image into a folder, under a policy that wants a signature of `key`. */
export async function skopeoCopy(
  path: string,
  lab: Laboratory,
  reference: string,
  key: KeyFiles,
  host: string,
  options: readonly string[] = [],
  signedIdentity: Readonly<Record<string, string>> = { type: 'matchRepository' },
): Promise<ProgramResult> {
  const requirement = { type: 'sigstoreSigned', keyPath: key.public, signedIdentity };
  const policy = { default: [{ type: 'reject' }], transports: { docker: { [host]: [requirement] } } };
  const folder = await mkdtemp(join(lab.folder, 'copy-'));
  const policyFile = await lab.file(`${folder.slice(lab.folder.length + 1)}.json`, JSON.stringify(policy));
  return runProgram(path, [
    '--registries.d',
    await sigstoreRegistries(lab, host),
    '--policy',
    policyFile,
    'copy',
    ...options,
    '--src-tls-verify=false',
    `docker://${reference}`,
    `dir:${join(folder, 'image')}`,
  ]);
}

/** A folder that tells skopeo to look for signatures, and to write them, in a registry's `.sig` tags. */
export async function sigstoreRegistries(lab: Laboratory, ...hosts: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(lab.folder, 'registries-'));
  const docker = Object.fromEntries(hosts.map((host) => [host, { 'use-sigstore-attachments': true }]));
  await writeFile(join(folder, 'registries.yaml'), JSON.stringify({ docker }));
  return folder;
}

function attempt({ code, stderr }: ProgramResult): Attempt {
  return { ok: code === 0, message: stderr.trim() };
}
