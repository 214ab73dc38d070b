/**
 * Flags of cosign that Boltseal has no use for. A script that sets one to what Boltseal does anyway keeps working; any
 * other value is refused with the way to go, because a flag that is silently ignored is a lie.
 */

/** What is known about one flag of cosign. */
export interface CosignFlag {
  readonly name: string;
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  readonly aliases?: readonly string[];
  /** Values (booleans as `true`, `false`) that say what happens anyway; `any` when every value does. */
  readonly accepts?: readonly string[] | 'any';
  /** Why an accepted value changes nothing. */
  readonly because?: string;
  /** What to do when the value is refused. */
  readonly instead: string;
}

const ownCertificate =
  'A certificate of your own cannot be used for signing: give --key, or neither for a certificate of the instance.';
const inBundle = 'The bundle holds the certificate: --bundle FILE, then `boltseal bundle inspect FILE`.';
const serviceTls =
  'Services are trusted by the certificates of the system, and those of NODE_EXTRA_CA_CERTS.';
const inRoot =
  'Trust comes from a trusted root: `boltseal trusted-root create` makes one of keys and certificates, for --trusted-root.';
const besideSignature =
  'What comes with a signature is read from where it is stored. `boltseal bundle create` makes one bundle of parts.';
const offlineProof = 'log entries are verified by the proofs that come with signatures; no log is asked';
const hardware = 'Hardware keys on PIV tokens are not supported. Use a key file or env://NAME.';

const registry: readonly CosignFlag[] = [
  {
    name: 'k8s-keychain',
    type: 'boolean',
    accepts: ['false'],
    because: 'the credentials of docker and podman are used',
    instead: 'Use `boltseal login`, or --registry-username and --registry-password.',
  },
  {
    name: 'attachment-tag-prefix',
    type: 'string',
    instead: 'Signatures are stored where every verifier looks. --signature-repository moves them elsewhere.',
  },
];

const sign: readonly CosignFlag[] = [
  {
    name: 'use-signing-config',
    type: 'boolean',
    accepts: 'any',
    because: 'services are those of --signing-config, of the flags for single services, or of the instance',
    instead: '',
  },
  {
    name: 'issue-certificate',
    type: 'boolean',
    accepts: ['false'],
    because: 'a key signs without a certificate',
    instead: 'Leave --key out for a certificate.',
  },
  {
    name: 'insecure-skip-verify',
    type: 'boolean',
    accepts: 'any',
    because: 'it does nothing in cosign either; a new certificate is always checked',
    instead: '',
  },
  { name: 'certificate', type: 'string', aliases: ['cert'], instead: ownCertificate },
  { name: 'certificate-chain', type: 'string', aliases: ['cert-chain'], instead: ownCertificate },
  { name: 'output-certificate', type: 'string', aliases: ['output-cert'], instead: inBundle },
  { name: 'timestamp-client-cacert', type: 'string', instead: serviceTls },
  { name: 'timestamp-client-cert', type: 'string', instead: serviceTls },
  { name: 'timestamp-client-key', type: 'string', instead: serviceTls },
  { name: 'timestamp-server-name', type: 'string', instead: serviceTls },
  {
    name: 'record-creation-timestamp',
    type: 'boolean',
    accepts: ['false'],
    because: 'the same signature is the same bytes',
    instead: 'The time of signing is not written into the .sig manifest. Use -a signed-at=TIME to sign it.',
  },
  {
    name: 'payload',
    type: 'string',
    instead: 'The payload is made from the image. --identity and -a set what it says.',
  },
  {
    name: 'attachment',
    type: 'string',
    instead: 'Sign what is attached by its own digest: boltseal sign IMAGE@sha256:…',
  },
  {
    name: 'registry-referrers-mode',
    type: 'string',
    accepts: ['legacy', 'oci-1-1'],
    because: 'bundles are always referrers and .sig tags never are; --format chooses between them',
    instead: 'Use --format bundle, cosign or both.',
  },
];

/** Flags of cosign's `attest`. */
const attest: readonly CosignFlag[] = [
  ...sign.filter(({ name }) => !['payload', 'attachment'].includes(name)),
  {
    name: 'replace',
    type: 'boolean',
    accepts: ['false'],
    because: 'an attestation is added to those that are there',
    instead: 'Nothing that somebody signed is removed here. Verifiers accept the newest beside older ones.',
  },
  {
    name: 'rekor-entry-type',
    type: 'string',
    accepts: ['dsse'],
    because: 'envelopes are logged as such, where the log is of Rekor v1',
    instead: 'Leave it out: the log keeps the hash of an attestation, and not the attestation.',
  },
  {
    name: 'statement',
    type: 'string',
    instead:
      'The subject is the image: give the predicate alone, --predicate FILE. `boltseal sign-blob --in-toto` signs a statement as it is.',
  },
];

/** Flags of cosign's `sign-blob` that its `sign` has not. */
const signBlob: readonly CosignFlag[] = [
  ...sign.filter(({ name }) =>
    [
      'use-signing-config',
      'issue-certificate',
      'insecure-skip-verify',
      'certificate',
      'certificate-chain',
    ].includes(name),
  ),
  {
    name: 'new-bundle-format',
    type: 'boolean',
    accepts: ['true'],
    because: 'a Sigstore bundle is what is written',
    instead: 'Files are signed as Sigstore bundles; --output-signature writes the signature alone.',
  },
  {
    name: 'b64',
    type: 'boolean',
    accepts: ['true'],
    because: 'signatures are written in base64',
    instead: 'Decode the file of --output-signature with base64 -d.',
  },
  {
    name: 'rfc3161-timestamp',
    type: 'string',
    instead: 'The bundle holds the timestamp: --bundle FILE.',
  },
];

const verify: readonly CosignFlag[] = [
  {
    name: 'experimental-oci11',
    type: 'boolean',
    accepts: 'any',
    because: 'referrers are always looked at',
    instead: '',
  },
  {
    name: 'new-bundle-format',
    type: 'boolean',
    accepts: 'any',
    because: 'signatures of both formats are always read',
    instead: '',
  },
  { name: 'rekor-url', type: 'string', accepts: 'any', because: offlineProof, instead: '' },
  { name: 'timestamp-certificate-chain', type: 'string', instead: inRoot },
  { name: 'rfc3161-timestamp', type: 'string', instead: besideSignature },
  {
    name: 'max-workers',
    type: 'string',
    accepts: 'any',
    because: 'images and their signatures are worked on together, within the limits of a registry',
    instead: '',
  },
  {
    name: 'attachment',
    type: 'string',
    instead: 'Verify what is attached by its own digest: boltseal verify IMAGE@sha256:…',
  },
  { name: 'sct', type: 'string', instead: besideSignature },
  { name: 'ca-roots', type: 'string', instead: inRoot },
  { name: 'ca-intermediates', type: 'string', instead: inRoot },
  { name: 'certificate', type: 'string', aliases: ['cert'], instead: besideSignature },
  { name: 'certificate-chain', type: 'string', aliases: ['cert-chain'], instead: inRoot },
];

/** Flags of cosign's `verify-attestation`. */
const verifyAttestation: readonly CosignFlag[] = [
  ...verify.filter(({ name }) => !['attachment'].includes(name)),
  {
    name: 'policy',
    type: 'string',
    instead: 'Policies are not evaluated here: give what is printed, which is verified, to opa or cue.',
  },
];

const tree: readonly CosignFlag[] = [
  {
    name: 'experimental-oci11',
    type: 'boolean',
    accepts: 'any',
    because: 'referrers are always looked at',
    instead: '',
  },
  {
    name: 'registry-referrers-mode',
    type: 'string',
    accepts: ['legacy', 'oci-1-1'],
    because: 'bundles are always referrers and .sig tags never are; --format chooses between them',
    instead: 'Use --format bundle, cosign or both.',
  },
];

const token: readonly CosignFlag[] = [
  {
    name: 'sk',
    type: 'boolean',
    accepts: ['false'],
    because: 'no hardware token is used',
    instead: hardware,
  },
  { name: 'slot', type: 'string', instead: hardware },
];

const initialize: readonly CosignFlag[] = [
  {
    name: 'staging',
    type: 'boolean',
    accepts: ['false'],
    because: 'another Sigstore is named by --mirror and --root',
    instead: 'Name it: --mirror https://tuf-repo-cdn.sigstage.dev, and its root with --root FILE.',
  },
];

/** Flags of cosign, understood or refused, by the kind of command that knows them. */
export const cosignFlags: Readonly<
  Record<
    | 'registry'
    | 'sign'
    | 'attest'
    | 'signBlob'
    | 'verify'
    | 'verifyAttestation'
    | 'tree'
    | 'token'
    | 'initialize',
    readonly CosignFlag[]
  >
> = { registry, sign, attest, signBlob, verify, verifyAttestation, tree, token, initialize };

/** A key of {@link cosignFlags}. */
export type CosignFlagSet = keyof typeof cosignFlags;
