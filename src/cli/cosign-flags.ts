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

const keylessSigning = 'Signing here is with a key pair: give --key and leave this flag out.';
const keylessVerification =
  'Verification here is with a public key: give --key and leave this flag out. A check that is not made is not promised.';
const noLog = 'Key-pair signatures are recorded in no log and with no timestamp. Leave this flag out.';
const noLogChecked =
  'Log entries and timestamps are not checked when verifying with a key. Leave this flag out.';
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
    name: 'yes',
    type: 'boolean',
    short: 'y',
    accepts: 'any',
    because: 'nothing is asked before signing',
    instead: '',
  },
  {
    name: 'tlog-upload',
    type: 'boolean',
    accepts: ['false'],
    because: 'signing with a key pair records nothing in a log',
    instead: noLog,
  },
  {
    name: 'use-signing-config',
    type: 'boolean',
    accepts: ['false'],
    because: 'no signing config is used',
    instead: noLog,
  },
  {
    name: 'trusted-root',
    type: 'string',
    accepts: 'any',
    because: 'nothing is recorded in a log that it would have to verify',
    instead: '',
  },
  { name: 'fulcio-url', type: 'string', instead: keylessSigning },
  { name: 'fulcio-auth-flow', type: 'string', instead: keylessSigning },
  { name: 'identity-token', type: 'string', instead: keylessSigning },
  { name: 'oidc-client-id', type: 'string', instead: keylessSigning },
  { name: 'oidc-client-secret-file', type: 'string', instead: keylessSigning },
  {
    name: 'oidc-disable-ambient-providers',
    type: 'boolean',
    accepts: 'any',
    because: 'no identity provider is asked when signing with a key',
    instead: keylessSigning,
  },
  { name: 'oidc-issuer', type: 'string', instead: keylessSigning },
  { name: 'oidc-provider', type: 'string', instead: keylessSigning },
  { name: 'oidc-redirect-url', type: 'string', instead: keylessSigning },
  {
    name: 'issue-certificate',
    type: 'boolean',
    accepts: ['false'],
    because: 'no certificate is made',
    instead: keylessSigning,
  },
  {
    name: 'insecure-skip-verify',
    type: 'boolean',
    accepts: 'any',
    because: 'it skipped a check of certificates, and signing with a key has none',
    instead: keylessSigning,
  },
  { name: 'certificate', type: 'string', aliases: ['cert'], instead: keylessSigning },
  { name: 'certificate-chain', type: 'string', aliases: ['cert-chain'], instead: keylessSigning },
  { name: 'output-certificate', type: 'string', aliases: ['output-cert'], instead: keylessSigning },
  { name: 'rekor-url', type: 'string', instead: noLog },
  { name: 'timestamp-client-cacert', type: 'string', instead: noLog },
  { name: 'timestamp-client-cert', type: 'string', instead: noLog },
  { name: 'timestamp-client-key', type: 'string', instead: noLog },
  { name: 'timestamp-server-name', type: 'string', instead: noLog },
  { name: 'timestamp-server-url', type: 'string', instead: noLog },
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

const verify: readonly CosignFlag[] = [
  {
    name: 'insecure-ignore-tlog',
    type: 'boolean',
    accepts: ['true'],
    because: 'verifying with a key asks for no log entry',
    instead: noLogChecked,
  },
  {
    name: 'private-infrastructure',
    type: 'boolean',
    accepts: ['true'],
    because: 'verifying with a key asks for no log entry',
    instead: noLogChecked,
  },
  {
    name: 'insecure-ignore-sct',
    type: 'boolean',
    accepts: 'any',
    because: 'verifying with a key involves no certificate',
    instead: keylessVerification,
  },
  {
    name: 'offline',
    type: 'boolean',
    accepts: 'any',
    because: 'verifying with a key asks no service but the registry of the image',
    instead: noLogChecked,
  },
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
  {
    name: 'use-signed-timestamps',
    type: 'boolean',
    accepts: ['false'],
    because: 'timestamps are not used',
    instead: noLogChecked,
  },
  { name: 'rekor-url', type: 'string', instead: noLogChecked },
  { name: 'trusted-root', type: 'string', instead: noLogChecked },
  { name: 'timestamp-certificate-chain', type: 'string', instead: noLogChecked },
  { name: 'rfc3161-timestamp', type: 'string', instead: noLogChecked },
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
  { name: 'sct', type: 'string', instead: keylessVerification },
  { name: 'ca-roots', type: 'string', instead: keylessVerification },
  { name: 'ca-intermediates', type: 'string', instead: keylessVerification },
  { name: 'certificate', type: 'string', aliases: ['cert'], instead: keylessVerification },
  { name: 'certificate-chain', type: 'string', aliases: ['cert-chain'], instead: keylessVerification },
  {
    name: 'certificate-identity',
    type: 'string',
    aliases: ['cert-identity', 'cert-email'],
    instead: keylessVerification,
  },
  { name: 'certificate-identity-regexp', type: 'string', instead: keylessVerification },
  {
    name: 'certificate-oidc-issuer',
    type: 'string',
    aliases: ['cert-oidc-issuer'],
    instead: keylessVerification,
  },
  { name: 'certificate-oidc-issuer-regexp', type: 'string', instead: keylessVerification },
  { name: 'certificate-github-workflow-name', type: 'string', instead: keylessVerification },
  { name: 'certificate-github-workflow-ref', type: 'string', instead: keylessVerification },
  { name: 'certificate-github-workflow-repository', type: 'string', instead: keylessVerification },
  { name: 'certificate-github-workflow-sha', type: 'string', instead: keylessVerification },
  { name: 'certificate-github-workflow-trigger', type: 'string', instead: keylessVerification },
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

const keys: readonly CosignFlag[] = [
  {
    name: 'kms',
    type: 'string',
    instead:
      'Keys in a key management service are not supported yet. Leave this flag out for a key pair in files.',
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

/** Flags of cosign, understood or refused, by the kind of command that knows them. */
export const cosignFlags: Readonly<
  Record<'registry' | 'sign' | 'verify' | 'tree' | 'keys' | 'token', readonly CosignFlag[]>
> = { registry, sign, verify, tree, keys, token };

/** A key of {@link cosignFlags}. */
export type CosignFlagSet = keyof typeof cosignFlags;
