/**
 * What does not work between the programs, and why. Everything that is not listed here must work; everything that is
 * listed must still fail as it says, so that a repaired program shows up as a failing test.
 */
import type { SignatureFormat } from '../../src/verify/index.ts';
import type { KeyName, RegistryName } from './laboratory.ts';
import type { PeerName } from './peers.ts';
import type { ImageSigning, ImageVerifierName, Who } from './sigstore-image-peers.ts';
import type { BlobPeerName, Content, LogVersion } from './sigstore-peers.ts';

/** One combination of the matrix. */
export interface Cell {
  readonly signer: PeerName;
  readonly verifier: PeerName;
  readonly format: SignatureFormat;
  readonly registry: RegistryName;
  readonly key: KeyName;
  readonly shape: 'single' | 'multi-arch';
  readonly annotated: boolean;
}

/** Cells that fail: those whose every value is in the list of that name, where there is one. */
export interface KnownFailure {
  /** The signing, or the verification of what was signed. */
  readonly step: 'sign' | 'verify';
  readonly signers?: readonly PeerName[];
  readonly verifiers?: readonly PeerName[];
  readonly formats?: readonly SignatureFormat[];
  readonly keys?: readonly KeyName[];
  /** What the program must say: by the name of the program that fails. */
  readonly says: Readonly<Partial<Record<PeerName, RegExp>>>;
  /** Whose fault it is: a program's defect, or something that a program or format is not made for. */
  readonly kind: 'defect of cosign 3' | 'limit of cosign 2' | 'limit of skopeo';
  /** For the page. */
  readonly reason: string;
}

/** Every known failure, in the order in which the page numbers them. */
export const knownFailures: readonly KnownFailure[] = [
  {
    step: 'verify',
    verifiers: ['cosign 2'],
    formats: ['bundle'],
    says: { 'cosign 2': /no signatures found/ },
    kind: 'limit of cosign 2',
    reason:
      'its `verify` reads only `.sig` tags. Boltseal’s default, `--format both`, writes the cosign format beside the bundle for it.',
  },
  {
    step: 'verify',
    verifiers: ['skopeo'],
    formats: ['bundle'],
    says: { skopeo: /A signature was required, but no signature exists/ },
    kind: 'limit of skopeo',
    reason: 'it and podman read only `.sig` tags. `--format both` serves them as well.',
  },
  {
    step: 'verify',
    signers: ['cosign 3'],
    verifiers: ['cosign 3', 'cosign 2', 'skopeo'],
    keys: ['P-384'],
    says: {
      'cosign 3':
        /could not verify envelope: accepted signatures do not match threshold|invalid signature when validating ASN\.1 encoded signature/,
      'cosign 2': /invalid signature when validating ASN\.1 encoded signature/,
      skopeo: /cryptographic signature verification failed/,
    },
    kind: 'defect of cosign 3',
    reason:
      'with P-384 and P-521 keys it signs over SHA-384 and SHA-512, and verifies over SHA-256 unless told ' +
      '`--signature-digest-algorithm`; the others always verify over SHA-256. Boltseal signs over SHA-256 and accepts both.',
  },
  {
    step: 'sign',
    signers: ['cosign 3'],
    formats: ['bundle'],
    keys: ['Ed25519'],
    says: { 'cosign 3': /could not verify envelope/ },
    kind: 'defect of cosign 3',
    reason:
      'it signs with Ed25519ph, verifies with Ed25519, and so refuses to publish its own bundle. Bundles that Boltseal makes with Ed25519 keys it verifies.',
  },
  {
    step: 'verify',
    signers: ['cosign 3'],
    formats: ['cosign'],
    keys: ['Ed25519'],
    says: {
      Boltseal: /ERR_VERIFY_SIGNATURE/,
      'cosign 3': /no matching signatures/,
      'cosign 2': /no matching signatures/,
      skopeo: /cryptographic signature verification failed/,
    },
    kind: 'defect of cosign 3',
    reason:
      'in the cosign format it publishes the Ed25519ph signature, which nobody verifies, not even itself.',
  },
];

/** The entry that says a cell fails in this step, if there is one. */
export function knownFailureOf(step: KnownFailure['step'], cell: Cell): KnownFailure | undefined {
  const has = <T>(list: readonly T[] | undefined, value: T): boolean => list?.includes(value) ?? true;
  return knownFailures.find(
    (known) =>
      known.step === step &&
      has(known.signers, cell.signer) &&
      (step === 'sign' || has(known.verifiers, cell.verifier)) &&
      has(known.formats, cell.format) &&
      has(known.keys, cell.key),
  );
}

/** One combination of the files that are signed with identities; without `verifier` the signing itself. */
export interface BlobCell {
  readonly signer: BlobPeerName;
  readonly verifier?: BlobPeerName;
  readonly log: LogVersion;
  readonly content: Content;
}

/** What the program says that fails, and why it does, for the page. */
export interface KnownReason {
  readonly says: RegExp;
  readonly reason: string;
}

const blobFailures: readonly (KnownReason & { fits(cell: BlobCell): boolean })[] = [
  {
    fits: ({ signer, verifier, log, content }) =>
      signer === 'npm sigstore' && verifier === undefined && log === 'Rekor v2' && content === 'DSSE',
    says: /invalid type, must be hashedrekord|TLOG_CREATE_ENTRY_ERROR/,
    reason:
      'npm sigstore sends entries of the kind `dsse`, which Rekor v2 dropped and no Go client can read; `rekor2: {allow-dsse: true}` takes them',
  },
  {
    fits: ({ verifier, log }) => verifier === 'cosign 2' && log === 'Rekor v2',
    says: /nil value|unable to verify/i,
    reason: 'cosign 2 does not know Rekor v2',
  },
];

/** Why a cell of files fails, if it does. */
export function knownBlobFailure(cell: BlobCell): KnownReason | undefined {
  return blobFailures.find(({ fits }) => fits(cell));
}

/** How an image is signed, with an identity or with a key that is logged. */
export type LoggedSigning = ImageSigning & { readonly who: Who };

const imageFailures: readonly (KnownReason & {
  readonly verifiers: readonly ImageVerifierName[];
  fits(signing: LoggedSigning): boolean;
})[] = [
  {
    verifiers: ['cosign 2'],
    fits: ({ storage }) => storage === 'bundle',
    says: /no signatures found/,
    reason: '`verify` of cosign 2 reads only `.sig` tags',
  },
  {
    verifiers: ['skopeo'],
    fits: ({ storage }) => storage === 'bundle',
    says: /A signature was required, but no signature exists/,
    reason: 'skopeo and podman read only `.sig` tags',
  },
  {
    verifiers: ['skopeo'],
    fits: ({ signer, storage, who }) =>
      signer === 'cosign 3' && storage === 'cosign format' && who === 'identity',
    says: /certificate signed by unknown authority/,
    reason:
      '**Defect of cosign 3:** in its older format it leaves the intermediate certificate out, and skopeo, which knows the root, cannot get from one to the other. Boltseal writes it',
  },
  {
    verifiers: ['cosign 2', 'skopeo'],
    fits: ({ storage, log }) => storage === 'both formats' && log === 'Rekor v2',
    says: /signature not found in transparency log|missing dev\.sigstore\.cosign\/bundle annotation/,
    reason:
      'The cosign format has no place for entries of Rekor v2: with a key Boltseal signs in it without a log, and says so. `--rekor-version 1`, where there is such a log, or `--format bundle` decides',
  },
];

/** Why a verifier refuses an image that was signed so, if it does. */
export function knownImageFailure(
  verifier: ImageVerifierName,
  signing: LoggedSigning,
): KnownReason | undefined {
  return imageFailures.find(({ verifiers, fits }) => verifiers.includes(verifier) && fits(signing));
}
