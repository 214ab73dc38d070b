/** What is mutated: bundles of every kind made here, and what real programs wrote. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { vector, vectorImage } from '../../vectors/vectors.ts';
import { build } from './build.ts';
import type { Original } from './mutator.ts';
import { newRecipes } from './recipes.ts';
import type { Artifact, TrialSigner } from './trial.ts';

/** Bundles of every kind that is made here. */
export function madeOriginals(): readonly Original[] {
  return newRecipes().map((recipe) => ({ name: recipe.name, recipe, trial: build(recipe) }));
}

/** A vector, and what it is verified with. */
interface VectorCase {
  readonly file: string;
  readonly root: string;
  readonly artifact: Artifact;
  readonly signer: TrialSigner;
  readonly logEntries: number;
}

const blob: Artifact = { kind: 'bytes', bytes: new Uint8Array(Buffer.from('hello blob')) };
const image = digest(vectorImage.slice(7));
const dev = identity('dev@example.com', 'http://127.0.0.1:5115');
const lab = identity('dev@lab.test', 'http://127.0.0.1:5301');

function digest(hex: string): Artifact {
  return { kind: 'digest', sha256: new Uint8Array(Buffer.from(hex, 'hex')) };
}

function identity(subject: string, issuer: string): TrialSigner {
  return { kind: 'identity', subject: { kind: 'exact', value: subject }, issuer };
}

function key(file: string): TrialSigner {
  return { kind: 'key', key: vector(file) };
}

const own = 'trust/trusted-root-private-full.json';
const labRoot = 'services/trusted-root.json';
const signing = key('keys/signing.pub');
const labImage = digest('c586388789387b74893912bed176d267955a59fb5c8a9de9cd131b05db1f8fa4');

/** Every vector that is a Sigstore bundle. */
const vectorCases: readonly VectorCase[] = [
  { file: 'blob-keyless-rekor1.bundle.json', root: own, artifact: blob, signer: dev, logEntries: 1 },
  { file: 'blob-keyless-rekor2.bundle.json', root: own, artifact: blob, signer: dev, logEntries: 1 },
  { file: 'keyless-sc-v1.bundle.json', root: own, artifact: image, signer: dev, logEntries: 1 },
  { file: 'keyless-sc-v1-notsa.bundle.json', root: own, artifact: image, signer: dev, logEntries: 1 },
  { file: 'key-tlog-sc-v1.bundle.json', root: own, artifact: image, signer: signing, logEntries: 1 },
  { file: 'key-tlog-sc-v2.bundle.json', root: own, artifact: image, signer: signing, logEntries: 1 },
  { file: 'blob-bundle-c2-new.json', root: own, artifact: blob, signer: signing, logEntries: 0 },
  { file: 'blob-bundle-c3.json', root: own, artifact: blob, signer: signing, logEntries: 0 },
  { file: 'attest-blob-c3.json', root: own, artifact: blob, signer: signing, logEntries: 0 },
  {
    file: 'c3-odd-annotations.bundle.json',
    root: own,
    artifact: digest('cfb9fbd954f1031ed93e96c90f3177978d8149071b7b0723c72b6a4fa18755c3'),
    signer: key('c3-odd-annotations.pub'),
    logEntries: 0,
  },
  { file: 'c3-sign-notlog-oci11.layer1.json', root: own, artifact: image, signer: signing, logEntries: 0 },
  {
    file: 'attest/attest-custom-new.layer1.json',
    root: own,
    artifact: image,
    signer: signing,
    logEntries: 0,
  },
  {
    file: 'attest/attest-httpsexamplecommyv1-new.layer1.json',
    root: own,
    artifact: image,
    signer: signing,
    logEntries: 0,
  },
  {
    file: 'attest/attest-slsaprovenance1-new.layer1.json',
    root: own,
    artifact: image,
    signer: signing,
    logEntries: 0,
  },
  {
    file: 'byo-cert.bundle.json',
    root: own,
    artifact: image,
    signer: identity('byo@example.com', 'x'),
    logEntries: 0,
  },
  {
    file: 'services/keyless-v1.bundle.0.json',
    root: labRoot,
    artifact: labImage,
    signer: lab,
    logEntries: 1,
  },
  {
    file: 'services/sg-v1.b.json',
    root: labRoot,
    artifact: digest('bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b'),
    signer: lab,
    logEntries: 1,
  },
  {
    file: 'services/kms.bundle.0.json',
    root: labRoot,
    artifact: labImage,
    signer: key('services/cosign.pub'),
    logEntries: 0,
  },
  { file: 'services/hsm.bundle.0.json', root: labRoot, artifact: labImage, signer: signing, logEntries: 0 },
];

const rootCache = new Map<string, Uint8Array>();

function rootOf(file: string): Uint8Array {
  const root = rootCache.get(file) ?? vector(file);
  rootCache.set(file, root);
  return root;
}

/** The vectors in the repository that are Sigstore bundles; whether each is accepted is for the verifiers to say. */
export function vectorOriginals(): readonly Original[] {
  return vectorCases.map(({ file, root, artifact, signer, logEntries }) => ({
    name: file,
    trial: { bundle: vector(file), root: rootOf(root), artifact, signer, logEntries },
  }));
}

/**
 * Cases of a folder in the layout of `tools/conformance.ts`: one folder each, with a bundle and what differs from the
 * defaults.
 */
export function folderOriginals(
  folder: string,
  defaults: { readonly root: Uint8Array; readonly signer: TrialSigner },
): readonly Original[] {
  const read = (...names: readonly string[]): Uint8Array | undefined => {
    try {
      return new Uint8Array(readFileSync(join(folder, ...names)));
    } catch {
      return undefined;
    }
  };
  const shared = read('a.txt') ?? new Uint8Array(0);
  const text = (bytes: Uint8Array | undefined): string | undefined =>
    bytes && Buffer.from(bytes).toString().trim();
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const pem = read(name, 'key.pub');
      const { signer } = defaults;
      const subject = text(read(name, 'identity'));
      const issuer = text(read(name, 'issuer'));
      const who: TrialSigner =
        pem !== undefined
          ? { kind: 'key', key: pem }
          : subject !== undefined && issuer !== undefined
            ? identity(subject, issuer)
            : signer;
      return {
        name,
        trial: {
          bundle: read(name, 'bundle.sigstore.json') ?? new Uint8Array(0),
          root: read(name, 'trusted_root.json') ?? defaults.root,
          artifact: { kind: 'bytes' as const, bytes: read(name, 'artifact') ?? shared },
          signer: who,
          logEntries: 1,
        },
      };
    });
}
