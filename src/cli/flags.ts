/**
 * The one table of flags. Parsing, environment names, help, completion and the reference pages are made from it;
 * a command only lists which of them it takes.
 */

/** The headings under which help lists flags, in order. */
export const flagGroups = [
  'Key',
  'Identity',
  'Signature',
  'Log',
  'Verification',
  'Trust',
  'Services',
  'Older spellings',
  'Login',
  'Private Sigstore',
  'Server',
  'Output',
  'Registry',
  'Every command',
] as const;

/** One heading of {@link flagGroups}. */
export type FlagGroup = (typeof flagGroups)[number];

/**
 * How the text of a flag becomes a value. `strings` are split at commas, `texts` are taken as they are. A duration is written as Go writes it (`1m30s`); its value is milliseconds. */
export type FlagType = 'boolean' | 'string' | 'strings' | 'texts' | 'integer' | 'duration' | 'enum';

/** What the table says of one flag. */
export interface FlagSpec {
  /** The long name, when it differs from the key of the table (two commands may give one name two meanings). */
  readonly name?: string;
  readonly type: FlagType;
  readonly short?: string;
  /** Other long names, kept for scripts. */
  readonly aliases?: readonly string[];
  /** Other words for values of an `enum` flag, lower case; they are taken in any case. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** What an `enum` flag may be. */
  readonly values?: readonly string[];
  /** The value when nobody gives one. Durations are milliseconds. */
  readonly default?: boolean | string | number;
  /** How help names the value. */
  readonly value?: string;
  /** Smallest and largest `integer`. */
  readonly range?: readonly [number, number];
  readonly group: FlagGroup;
  readonly help: string;
  /** Further environment variables, asked after `BOLTSEAL_<FLAG>` and before `COSIGN_<FLAG>`. */
  readonly env?: readonly string[];
  /** No environment variable sets this flag. */
  readonly noEnv?: boolean;
  /** What a shell offers for the value. */
  readonly complete?: 'file' | 'directory' | 'image';
  /** The value is never printed. */
  readonly secret?: boolean;
}

const table = {
  // ---- keys
  key: {
    type: 'string',
    value: 'REF',
    group: 'Key',
    complete: 'file',
    help: 'The key: a file, env://NAME, - for standard input, or another reference: k8s://…, pkcs11:…, awskms://… (docs/reference/keys.md).',
  },
  'import-key': {
    name: 'key',
    type: 'string',
    short: 'k',
    value: 'FILE',
    group: 'Key',
    complete: 'file',
    help: 'The PEM file with the private key to import: RSA, EC or PKCS #8, not encrypted; - for standard input.',
  },
  kms: {
    type: 'string',
    value: 'REF',
    group: 'Key',
    help: 'Make the key where it stays: awskms://…, azurekms://…, gcpkms://…, hashivault://…, openbao://…, or the scheme of a plugin.',
  },
  'key-type': {
    type: 'enum',
    values: ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-2048', 'rsa-3072', 'rsa-4096'],
    synonyms: {
      'p-256': 'ecdsa-p256',
      'p-384': 'ecdsa-p384',
      'p-521': 'ecdsa-p521',
      ed25519: 'ed25519',
      'rsa-2048': 'rsa-2048',
      'rsa-3072': 'rsa-3072',
      'rsa-4096': 'rsa-4096',
    },
    default: 'ecdsa-p256',
    group: 'Key',
    help: 'The type of the new key; P-256, P-384, P-521 and RSA-2048 are understood too.',
  },
  'output-key-prefix': {
    type: 'string',
    default: 'cosign',
    value: 'PREFIX',
    group: 'Key',
    complete: 'file',
    help: 'The files are PREFIX.key and PREFIX.pub.',
  },
  'import-output-key-prefix': {
    name: 'output-key-prefix',
    short: 'o',
    type: 'string',
    default: 'import-cosign',
    value: 'PREFIX',
    group: 'Key',
    complete: 'file',
    help: 'The files are PREFIX.key and PREFIX.pub.',
  },
  keyless: {
    type: 'boolean',
    default: false,
    group: 'Key',
    help: 'The workflow signs with its own identity, and there is no key.',
  },
  'workflow-file': {
    type: 'string',
    default: '.github/workflows/sign.yml',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Where the workflow is written.',
  },
  'init-dry-run': {
    name: 'dry-run',
    type: 'boolean',
    default: false,
    group: 'Output',
    help: 'Show what would be stored and written. Nothing is.',
  },
  'module-path': {
    type: 'string',
    value: 'FILE',
    group: 'Key',
    complete: 'file',
    env: ['BOLTSEAL_PKCS11_MODULE_PATH', 'COSIGN_PKCS11_MODULE_PATH'],
    help: 'The PKCS#11 module: the shared library that came with the token.',
  },
  'slot-id': {
    type: 'integer',
    value: 'NUMBER',
    group: 'Key',
    help: 'The slot of the token; not needed when there is one token.',
  },
  outfile: {
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Write the public key to FILE and not to standard output.',
  },
  'allow-http-key': {
    type: 'boolean',
    default: false,
    group: 'Key',
    help: 'Allow a public key to be fetched from an http:// or https:// address.',
  },

  // ---- who signs without a key
  'identity-token': {
    type: 'string',
    value: 'TOKEN',
    group: 'Identity',
    complete: 'file',
    secret: true,
    help: 'The identity token to sign with: a file, - for standard input, or the token itself, which other users of the machine may then see.',
  },
  'oidc-client-id': {
    type: 'string',
    default: 'sigstore',
    value: 'ID',
    group: 'Identity',
    help: 'The client that the issuer of identity tokens knows this program as, when a person signs in.',
  },
  'oidc-client-secret-file': {
    type: 'string',
    value: 'FILE',
    group: 'Identity',
    complete: 'file',
    help: 'The file with the secret of --oidc-client-id, for issuers that want one.',
  },
  'oidc-provider': {
    type: 'string',
    value: 'NAME',
    group: 'Identity',
    help: 'Take the token from this provider and no other: filesystem, envvar, github-actions, gitlab-ci, buildkite-agent, spiffe, google-impersonate or google-workload-identity.',
  },
  'oidc-redirect-url': {
    type: 'string',
    value: 'URL',
    group: 'Identity',
    help: 'Where the browser comes back to after signing in, on this machine, for issuers that know one address only: http://localhost:PORT/PATH.',
  },
  'oidc-disable-ambient-providers': {
    type: 'boolean',
    default: false,
    group: 'Identity',
    help: 'Do not look for a token in the environment: ask a person.',
  },
  'fulcio-auth-flow': {
    type: 'enum',
    values: ['normal', 'device', 'token', 'client_credentials'],
    group: 'Identity',
    help: 'How to get the token: normal opens a browser, device shows a code for another device, token asks nobody, client_credentials signs in as --oidc-client-id.',
  },

  // ---- what is signed
  annotations: {
    type: 'strings',
    short: 'a',
    aliases: ['annotation'],
    value: 'KEY=VALUE',
    group: 'Signature',
    help: 'Sign KEY=VALUE with the image. May be repeated.',
  },
  'required-annotations': {
    name: 'annotations',
    type: 'strings',
    short: 'a',
    aliases: ['annotation'],
    value: 'KEY=VALUE',
    group: 'Verification',
    help: 'Accept only signatures over KEY=VALUE. May be repeated.',
  },
  recursive: {
    type: 'boolean',
    short: 'r',
    default: false,
    group: 'Signature',
    help: 'Sign a multi-platform image and every platform image in it.',
  },
  format: {
    type: 'enum',
    values: ['bundle', 'cosign', 'both'],
    default: 'both',
    group: 'Signature',
    help: 'What to write: a Sigstore bundle (cosign 3), cosign’s older .sig tag (cosign 2, podman, skopeo), or both.',
  },
  'new-bundle-format': {
    type: 'boolean',
    group: 'Signature',
    help: 'cosign’s way to write --format bundle (true) or --format cosign (false).',
  },
  'signing-config': {
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'Accepted when FILE names no log and no timestamp authority, which is how cosign 3 is told not to log.',
  },
  identity: {
    type: 'string',
    aliases: ['sign-container-identity'],
    value: 'REFERENCE',
    group: 'Signature',
    help: 'The docker reference to write into the .sig payload, in place of the image’s own.',
  },
  upload: {
    type: 'boolean',
    default: true,
    group: 'Signature',
    help: 'Store the signature beside the image; --no-upload only makes the files asked for.',
  },
  'dry-run': {
    type: 'boolean',
    default: false,
    group: 'Signature',
    help: 'Show what would be signed and where it would be stored. Nothing is signed or stored.',
  },
  'output-signature': {
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the signature of the .sig format, in base64, to FILE.',
  },
  'output-payload': {
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the payload of the .sig format to FILE.',
  },
  bundle: {
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the Sigstore bundle to FILE.',
  },
  yes: {
    type: 'boolean',
    short: 'y',
    default: false,
    group: 'Key',
    help: 'Overwrite files that exist, and replace keys that are stored, without asking.',
  },
  'signature-repository': {
    type: 'string',
    value: 'REPOSITORY',
    group: 'Registry',
    env: ['COSIGN_REPOSITORY'],
    help: 'Keep signatures in REPOSITORY and not beside the image.',
  },

  // ---- what is verified
  'check-claims': {
    type: 'boolean',
    default: true,
    group: 'Verification',
    help: 'Compare what was signed with the image. Turned off, a signature of another image is accepted too.',
  },
  payload: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'With --signature: the payload that was signed.',
  },
  signature: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'Verify this signature (base64) over --payload, and none of the registry.',
  },
  'given-bundle': {
    name: 'bundle',
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'Verify the signature in this Sigstore bundle, and none of the registry.',
  },
  'local-image': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'IMAGE is the path of an OCI layout on disk, as if it were written oci:PATH.',
  },
  'signature-digest-algorithm': {
    type: 'enum',
    values: ['sha256', 'sha384', 'sha512'],
    group: 'Verification',
    help: 'Accept only signatures over this hash. By default SHA-256 and the hash of the curve are accepted.',
  },
  explain: {
    type: 'boolean',
    default: false,
    group: 'Output',
    help: 'Print where was looked, what was found, and why each signature was accepted or refused.',
  },

  // ---- logs and timestamps
  log: {
    type: 'enum',
    values: ['none', 'public', 'private'],
    group: 'Log',
    help: 'Record the signature in a transparency log: none, a private one, or public, which consents to publishing what a public log shows. By default keyless signatures are recorded and those with a key are not.',
  },
  'tlog-upload': {
    type: 'boolean',
    group: 'Log',
    help: 'cosign’s way to record in a log (true) or in none (false).',
  },
  consent: {
    name: 'yes',
    type: 'boolean',
    short: 'y',
    default: false,
    group: 'Log',
    help: 'Agree that a public log publishes what it shows, of a private repository too.',
  },
  timestamp: {
    type: 'boolean',
    group: 'Log',
    help: 'Have the signature timestamped. By default it is when it is keyless or recorded in a log.',
  },
  'rekor-version': {
    type: 'enum',
    values: ['1', '2'],
    group: 'Log',
    help: 'Record only in logs that speak this version of Rekor’s API. By default the signing configuration decides.',
  },
  'defer-log': {
    type: 'string',
    value: 'FILE',
    group: 'Log',
    complete: 'file',
    help: 'Keep what must be logged in FILE, for `boltseal log submit FILE` to finish later, when the log cannot be reached now.',
  },

  // ---- who must have signed
  'certificate-identity': {
    type: 'string',
    aliases: ['cert-identity', 'cert-email', 'certificate-email'],
    value: 'TEXT',
    group: 'Verification',
    help: 'Who must have signed: the email address, URI or user name in the certificate, exactly.',
  },
  'certificate-identity-regexp': {
    type: 'string',
    value: 'REGEXP',
    group: 'Verification',
    help: 'A regular expression for it, anchored: ^…$.',
  },
  'certificate-oidc-issuer': {
    type: 'string',
    aliases: ['cert-oidc-issuer'],
    value: 'URL',
    group: 'Verification',
    help: 'Who must have vouched for the signer: the issuer of the identity token, exactly.',
  },
  'certificate-oidc-issuer-regexp': {
    type: 'string',
    value: 'REGEXP',
    group: 'Verification',
    help: 'A regular expression for it, anchored: ^…$.',
  },
  'certificate-github-workflow-trigger': {
    type: 'string',
    value: 'EVENT',
    group: 'Verification',
    help: 'The event that must have started the GitHub workflow, such as push.',
  },
  'certificate-github-workflow-sha': {
    type: 'string',
    value: 'COMMIT',
    group: 'Verification',
    help: 'The commit that the GitHub workflow must have run at.',
  },
  'certificate-github-workflow-name': {
    type: 'string',
    value: 'NAME',
    group: 'Verification',
    help: 'The name that the GitHub workflow must have.',
  },
  'certificate-github-workflow-repository': {
    type: 'string',
    value: 'OWNER/NAME',
    group: 'Verification',
    help: 'The repository that the GitHub workflow must have run in.',
  },
  'certificate-github-workflow-ref': {
    type: 'string',
    value: 'REF',
    group: 'Verification',
    help: 'The ref that the GitHub workflow must have run at, such as refs/heads/main.',
  },
  repo: {
    type: 'string',
    value: 'OWNER/NAME',
    group: 'Verification',
    help: 'A workflow of this GitHub repository must have signed; stands for identity and issuer.',
  },
  workflow: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    help: 'With --repo: the file of the workflow in .github/workflows, such as release.yml.',
  },
  ref: {
    type: 'string',
    value: 'REF',
    group: 'Verification',
    help: 'With --repo: the ref that the workflow must have run at, such as refs/tags/v1.2 or refs/heads/main.',
  },
  'insecure-ignore-tlog': {
    type: 'boolean',
    aliases: ['private-infrastructure'],
    group: 'Verification',
    help: 'Require no log entry. With an identity, a timestamp must then prove when it was signed, or the certificate must be valid still. With a key that is the default unless --trusted-root is given.',
  },
  'insecure-ignore-sct': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'Require no proof that the certificate is in a certificate transparency log.',
  },
  'use-signed-timestamps': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'Require a timestamp of a trusted timestamp authority.',
  },

  // ---- what is trusted, and who signs
  'trusted-root': {
    type: 'string',
    value: 'FILE',
    group: 'Trust',
    complete: 'file',
    help: 'Trust the authorities and logs in this trusted root, and no others. By default those of the instance that `boltseal initialize` chose, else of the public Sigstore.',
  },
  offline: {
    type: 'boolean',
    default: false,
    group: 'Trust',
    help: 'Ask nothing over the network about what is trusted: use what is at hand, however old.',
  },
  'fulcio-url': {
    type: 'string',
    value: 'URL',
    group: 'Trust',
    help: 'The certificate authority to ask, instead of that of the signing config.',
  },
  'rekor-url': {
    type: 'string',
    value: 'URL',
    group: 'Trust',
    help: 'The log to record in, one that speaks Rekor v1, instead of those of the signing config.',
  },
  'timestamp-server-url': {
    type: 'string',
    value: 'URL',
    group: 'Trust',
    help: 'The timestamp authority to ask, instead of those of the signing config.',
  },
  'oidc-issuer': {
    type: 'string',
    value: 'URL',
    group: 'Trust',
    help: 'The issuer of identity tokens to sign in with, instead of that of the signing config.',
  },

  // ---- files
  'blob-bundle': {
    name: 'bundle',
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Write the Sigstore bundle to FILE; - is standard output.',
  },
  'blob-signature': {
    name: 'output-signature',
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the signature alone to FILE, in base64.',
  },
  'output-certificate': {
    type: 'string',
    aliases: ['output-cert'],
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the certificate of a keyless signature to FILE, PEM.',
  },
  'in-toto': {
    type: 'boolean',
    default: false,
    group: 'Signature',
    help: 'FILE is an in-toto statement: sign it in an envelope, which makes an attestation about its subjects.',
  },
  'blob-signature-input': {
    name: 'signature',
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'The signature alone: a file, or its base64 text. Only of use with --key.',
  },

  // ---- bundle create, upgrade, inspect
  'bundle-artifact': {
    name: 'artifact',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'The file that was signed, or sha256: and its digest. Of an attestation it must be a subject.',
  },
  'bundle-attestation': {
    name: 'attestation',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'The signed attestation: a DSSE envelope.',
  },
  'bundle-signature': {
    name: 'signature',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'The signature, in base64 or as it is; - for standard input.',
  },
  'old-bundle': {
    name: 'bundle',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'A blob bundle of an older cosign, with signature, signer and log entry.',
  },
  'bundle-certificate': {
    name: 'certificate',
    type: 'string',
    aliases: ['cert'],
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'The certificate of whoever signed: PEM, as cosign writes it in base64, or DER.',
  },
  'bundle-timestamp': {
    name: 'rfc3161-timestamp',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'A timestamp of the signature: the response of an authority, or cosign’s JSON around it.',
  },
  'ignore-tlog': {
    type: 'boolean',
    default: false,
    group: 'Signature',
    help: 'The signature was recorded in no log: none is asked, whatever --rekor-url says.',
  },
  'bundle-rekor-url': {
    name: 'rekor-url',
    type: 'string',
    value: 'URL',
    group: 'Signature',
    help: 'The log (Rekor v1) that the entry of the signature is looked up in. None is asked without it.',
  },
  'upgraded-bundle': {
    name: 'bundle',
    type: 'string',
    value: 'FILE',
    group: 'Signature',
    complete: 'file',
    help: 'The bundle, in place of the argument.',
  },
  'bundle-out': {
    name: 'out',
    type: 'string',
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Write the bundle to FILE and not to standard output.',
  },
  'print-payload': {
    name: 'payload',
    type: 'boolean',
    default: false,
    group: 'Output',
    noEnv: true,
    help: 'Print the payload that was signed, byte for byte, and nothing else.',
  },

  // ---- initialize, trust
  mirror: {
    type: 'string',
    value: 'URL',
    group: 'Trust',
    help: 'The TUF repository of the Sigstore to use; that of the public one unless given.',
  },
  root: {
    type: 'string',
    value: 'FILE',
    group: 'Trust',
    complete: 'file',
    help: 'The first root metadata of that repository: a file that came on a way you trust, or a URL with --root-checksum.',
  },
  'root-checksum': {
    type: 'string',
    value: 'SHA256',
    group: 'Trust',
    help: 'The SHA-256 that the root must have, from whoever runs the Sigstore; or sha512: and SHA-512.',
  },
  out: {
    type: 'string',
    noEnv: true,
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Write to FILE and not to standard output.',
  },
  'signing-config-out': {
    name: 'signing-config',
    type: 'string',
    noEnv: true,
    value: 'FILE',
    group: 'Output',
    complete: 'file',
    help: 'Also write the signing config, which says which services sign, to FILE.',
  },

  // ---- trusted-root create, signing-config create
  'root-fulcio': {
    name: 'fulcio',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A certificate authority: url=URL,certificate-chain=FILE, and if you like start-time=TIME, end-time=TIME. May be repeated.',
  },
  'root-ctfe': {
    name: 'ctfe',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A certificate transparency log: url=URL,public-key=FILE,start-time=TIME, and if you like end-time=TIME, origin=NAME. May be repeated.',
  },
  'root-rekor': {
    name: 'rekor',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A transparency log: url=URL,public-key=FILE,start-time=TIME, and if you like end-time=TIME; of Rekor v2 also origin=HOST. May be repeated.',
  },
  'root-tsa': {
    name: 'tsa',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A timestamp authority: url=URL,certificate-chain=FILE, and if you like start-time=TIME, end-time=TIME. May be repeated.',
  },
  'config-fulcio': {
    name: 'fulcio',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A certificate authority: url=URL,api-version=N,start-time=TIME,operator=NAME, and if you like end-time=TIME. May be repeated.',
  },
  'oidc-providers': {
    name: 'oidc-provider',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'An issuer of identity tokens to sign in with, written like --fulcio. May be repeated.',
  },
  'config-rekor': {
    name: 'rekor',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A transparency log, written like --fulcio; api-version is 1 or 2. May be repeated.',
  },
  'rekor-config': {
    type: 'string',
    value: 'ANY|ALL|EXACT:N',
    group: 'Services',
    help: 'In how many of the logs a signature is recorded.',
  },
  'config-tsa': {
    name: 'tsa',
    type: 'texts',
    noEnv: true,
    value: 'SPEC',
    group: 'Services',
    help: 'A timestamp authority, written like --fulcio. May be repeated.',
  },
  'tsa-config': {
    type: 'string',
    value: 'ANY|ALL|EXACT:N',
    group: 'Services',
    help: 'How many of the timestamp authorities are asked.',
  },
  'with-default-services': {
    type: 'boolean',
    default: false,
    group: 'Services',
    help: 'Begin with the services of the Sigstore in use: the one that was initialised, else the public one.',
  },
  'with-default-rekor-v2': {
    type: 'boolean',
    default: false,
    group: 'Services',
    help: 'The same, with its logs that speak Rekor v2.',
  },
  'default-fulcio': {
    type: 'boolean',
    default: true,
    group: 'Services',
    help: 'With default services: --no-default-fulcio leaves the certificate authorities out.',
  },
  'default-ctfe': {
    type: 'boolean',
    default: true,
    group: 'Services',
    help: 'With default services: --no-default-ctfe leaves the certificate transparency logs out.',
  },
  'default-oidc': {
    type: 'boolean',
    default: true,
    group: 'Services',
    help: 'With default services: --no-default-oidc leaves the issuers of identity tokens out.',
  },
  'default-rekor': {
    type: 'boolean',
    default: true,
    group: 'Services',
    help: 'With default services: --no-default-rekor leaves the transparency logs out.',
  },
  'default-tsa': {
    type: 'boolean',
    default: true,
    group: 'Services',
    help: 'With default services: --no-default-tsa leaves the timestamp authorities out.',
  },
  'old-certificate-chain': {
    name: 'certificate-chain',
    type: 'texts',
    noEnv: true,
    value: 'FILE',
    group: 'Older spellings',
    complete: 'file',
    help: 'A certificate authority: its chain. --fulcio says more. May be repeated, as may all of these.',
  },
  'fulcio-uri': {
    type: 'texts',
    noEnv: true,
    value: 'URL',
    group: 'Older spellings',
    help: 'The URL of the authority of the --certificate-chain at the same place.',
  },
  'ctfe-key': {
    type: 'texts',
    noEnv: true,
    value: 'FILE',
    group: 'Older spellings',
    complete: 'file',
    help: 'A certificate transparency log: its public key. --ctfe says more.',
  },
  'ctfe-url': {
    type: 'texts',
    noEnv: true,
    value: 'URL',
    group: 'Older spellings',
    help: 'The URL of the log of the --ctfe-key at the same place.',
  },
  'ctfe-start-time': {
    type: 'texts',
    noEnv: true,
    value: 'TIME',
    group: 'Older spellings',
    help: 'Since when that log signs with that key; 1970 unless given.',
  },
  'ctfe-end-time': {
    type: 'texts',
    noEnv: true,
    value: 'TIME',
    group: 'Older spellings',
    help: 'Until when it did.',
  },
  'rekor-key': {
    type: 'texts',
    noEnv: true,
    value: 'FILE[,HOST]',
    group: 'Older spellings',
    complete: 'file',
    help: 'A transparency log: its public key, and of Rekor v2 its host name. --rekor says more.',
  },
  'old-rekor-url': {
    name: 'rekor-url',
    type: 'texts',
    noEnv: true,
    value: 'URL',
    group: 'Older spellings',
    help: 'The URL of the log of the --rekor-key at the same place.',
  },
  'rekor-start-time': {
    type: 'texts',
    noEnv: true,
    value: 'TIME',
    group: 'Older spellings',
    help: 'Since when that log signs with that key; 1970 unless given.',
  },
  'rekor-end-time': {
    type: 'texts',
    noEnv: true,
    value: 'TIME',
    group: 'Older spellings',
    help: 'Until when it did.',
  },
  'timestamp-certificate-chain': {
    type: 'texts',
    noEnv: true,
    value: 'FILE',
    group: 'Older spellings',
    complete: 'file',
    help: 'A timestamp authority: its chain. --tsa says more.',
  },
  'timestamp-uri': {
    type: 'texts',
    noEnv: true,
    value: 'URL',
    group: 'Older spellings',
    help: 'The URL of the authority of the --timestamp-certificate-chain at the same place.',
  },

  // ---- triangulate
  type: {
    type: 'enum',
    values: ['signature', 'attestation', 'sbom', 'digest', 'referrers'],
    default: 'signature',
    group: 'Output',
    help: 'What to locate: a tag of cosign’s, the image itself by digest, or the tag that lists referrers.',
  },

  // ---- login
  username: {
    type: 'string',
    short: 'u',
    value: 'NAME',
    group: 'Login',
    noEnv: true,
    help: 'The user name.',
  },
  password: {
    type: 'string',
    short: 'p',
    value: 'PASSWORD',
    group: 'Login',
    noEnv: true,
    secret: true,
    help: 'The password or access token. Other users of the machine may see it; --password-stdin is safer.',
  },
  'password-stdin': {
    type: 'boolean',
    default: false,
    group: 'Login',
    noEnv: true,
    help: 'Read the password from standard input.',
  },

  // ---- token
  url: {
    type: 'string',
    value: 'URL',
    group: 'Private Sigstore',
    help: 'Where the private Sigstore is, such as http://127.0.0.1:5200.',
  },
  email: {
    type: 'string',
    value: 'ADDRESS',
    group: 'Private Sigstore',
    help: 'The verified email address that the token is about.',
  },
  subject: {
    type: 'string',
    value: 'TEXT',
    group: 'Private Sigstore',
    help: 'What the token is about when it is no person; beside --email it is its sub.',
  },
  audience: {
    type: 'string',
    default: 'sigstore',
    value: 'TEXT',
    group: 'Private Sigstore',
    help: 'Whom the token is for.',
  },
  claim: {
    type: 'strings',
    value: 'NAME=VALUE',
    group: 'Private Sigstore',
    help: 'A further claim. May be repeated. A VALUE that is JSON (true, 42, {"a":1}, "42") is that; anything else is text.',
  },
  'expires-in': {
    type: 'duration',
    default: 3_600_000,
    value: 'DURATION',
    group: 'Private Sigstore',
    help: 'How long the token is valid: 1s to 24h.',
  },

  // ---- env
  'show-descriptions': {
    type: 'boolean',
    default: true,
    group: 'Output',
    noEnv: true,
    help: 'Say what each variable is for.',
  },
  'show-sensitive-values': {
    type: 'boolean',
    default: false,
    group: 'Output',
    noEnv: true,
    help: 'Show passwords and tokens.',
  },

  // ---- demo
  image: {
    type: 'string',
    value: 'IMAGE',
    group: 'Signature',
    complete: 'image',
    help: 'Run the demonstration on a copy of this image: a reference, or oci:PATH for an OCI layout on disk.',
  },

  // ---- output
  output: {
    type: 'enum',
    short: 'o',
    values: ['text', 'json'],
    default: 'text',
    group: 'Output',
    help: 'How to print the result.',
  },
  'version-json': {
    name: 'json',
    type: 'boolean',
    default: false,
    group: 'Output',
    noEnv: true,
    help: 'The same as --output json.',
  },
  'long-output': {
    name: 'output',
    type: 'enum',
    values: ['text', 'json'],
    default: 'text',
    group: 'Output',
    help: 'How to print the result.',
  },
  'verify-output': {
    name: 'output',
    type: 'enum',
    short: 'o',
    values: ['cosign', 'text', 'json'],
    default: 'cosign',
    group: 'Output',
    help: 'cosign: the JSON array that cosign prints; text: its elements, one a line; json: the whole report.',
  },

  // ---- serve
  data: {
    type: 'string',
    value: 'DIR',
    group: 'Server',
    complete: 'directory',
    help: 'The folder of a private Sigstore: its keys, logs and trust root. Made when it is not there.',
  },
  config: {
    type: 'string',
    value: 'FILE',
    group: 'Server',
    complete: 'file',
    help: 'The configuration file, YAML; see the reference of settings.',
  },
  listen: {
    type: 'string',
    value: 'HOST:PORT',
    group: 'Server',
    help: 'Where to listen; 127.0.0.1:5200 unless the configuration says otherwise. Port 0 takes a free one.',
  },
  'public-url': {
    type: 'string',
    value: 'URL',
    group: 'Server',
    help: 'What clients put in front of every path, when that is not where the server listens.',
  },
  dev: {
    type: 'boolean',
    default: false,
    group: 'Server',
    noEnv: true,
    help: 'Add an issuer of identity tokens that believes everyone, and a registry. Never for production.',
  },

  // ---- log verify
  'log-key': {
    name: 'key',
    type: 'string',
    value: 'REF',
    group: 'Verification',
    complete: 'file',
    help: 'The public key of the log: a file, env://NAME, - for standard input, or a verifier key NAME+HASH+KEY.',
  },
  origin: {
    type: 'string',
    value: 'TEXT',
    group: 'Verification',
    help: 'The origin that the checkpoint must have; with a verifier key it is the name of the key unless given.',
  },
  checkpoint: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'An earlier checkpoint of the log: the log must have grown from it.',
  },
  state: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'Compare with the checkpoint in FILE when there is one, and keep the verified checkpoint there for the next time.',
  },

  // ---- registry
  'registry-username': {
    type: 'string',
    value: 'NAME',
    group: 'Registry',
    help: 'The user name for the registry of the image.',
  },
  'registry-password': {
    type: 'string',
    value: 'PASSWORD',
    group: 'Registry',
    secret: true,
    help: 'The password for the registry of the image. Prefer the variable: arguments can be seen by others.',
  },
  'registry-token': {
    type: 'string',
    value: 'TOKEN',
    group: 'Registry',
    secret: true,
    help: 'The bearer token for the registry of the image.',
  },
  'registry-cacert': {
    type: 'string',
    value: 'FILE',
    group: 'Registry',
    complete: 'file',
    help: 'Trust the certificate authorities of this PEM file too.',
  },
  'registry-client-cert': {
    type: 'string',
    value: 'FILE',
    group: 'Registry',
    complete: 'file',
    help: 'The client certificate to show to the registry, PEM.',
  },
  'registry-client-key': {
    type: 'string',
    value: 'FILE',
    group: 'Registry',
    complete: 'file',
    help: 'The private key of --registry-client-cert, PEM.',
  },
  'registry-server-name': {
    type: 'string',
    value: 'NAME',
    group: 'Registry',
    help: 'The name that the certificate of the registry must be for, when it is not its host name.',
  },
  'registry-auth-realm': {
    type: 'strings',
    value: 'HOST',
    group: 'Registry',
    help: 'Also hand credentials to this token service, when the registry names it. May be repeated.',
  },
  'allow-http-registry': {
    type: 'boolean',
    default: false,
    group: 'Registry',
    help: 'Allow plain HTTP to registries that are not on this machine.',
  },
  'allow-insecure-registry': {
    type: 'boolean',
    default: false,
    group: 'Registry',
    help: 'Do not check the certificates of registries. Only for testing; --registry-cacert is the safe way.',
  },

  // ---- every command
  timeout: {
    type: 'duration',
    short: 't',
    default: 180_000,
    value: 'DURATION',
    group: 'Every command',
    help: 'The time the whole command may take, such as 90s or 5m; 0 is no limit.',
  },
  'output-file': {
    type: 'string',
    value: 'FILE',
    group: 'Every command',
    complete: 'file',
    help: 'Write to FILE what would go to standard output.',
  },
  quiet: {
    type: 'boolean',
    short: 'q',
    default: false,
    group: 'Every command',
    help: 'Print nothing for people but errors.',
  },
  verbose: {
    type: 'boolean',
    short: 'd',
    default: false,
    group: 'Every command',
    help: 'Print what is being done, each request, and where errors come from.',
  },
  help: {
    type: 'boolean',
    short: 'h',
    default: false,
    noEnv: true,
    group: 'Every command',
    help: 'Show help.',
  },
} as const;

/** The key of a flag in the table. */
export type FlagId = keyof typeof table;

/** The table, in the order of help and reference. */
export const flags: Readonly<Record<FlagId, FlagSpec>> = table;

type Fixed = typeof table;
type Given<S> = S extends { type: 'strings' | 'texts' }
  ? readonly string[]
  : S extends { type: 'boolean' }
    ? boolean
    : S extends { type: 'integer' | 'duration' }
      ? number
      : S extends { type: 'enum'; values: readonly (infer V)[] }
        ? V
        : string;

/** The type of a flag’s value: never undefined where the flag has a default or may be repeated. */
export type FlagValue<Id extends FlagId> = Fixed[Id] extends
  | { default: unknown }
  | { type: 'strings' | 'texts' }
  ? Given<Fixed[Id]>
  : Given<Fixed[Id]> | undefined;

/** Any flag’s value. */
export type AnyFlagValue = boolean | number | string | readonly string[] | undefined;

/** Flags that every command takes. */
export const globalFlags: readonly FlagId[] = ['timeout', 'output-file', 'quiet', 'verbose', 'help'];

/** Flags of every command that talks to a registry. */
export const registryFlags: readonly FlagId[] = [
  'registry-username',
  'registry-password',
  'registry-token',
  'registry-cacert',
  'registry-client-cert',
  'registry-client-key',
  'registry-server-name',
  'registry-auth-realm',
  'allow-http-registry',
  'allow-insecure-registry',
];

/** Who signs and what records it, for commands that sign. */
export const signingFlags: readonly FlagId[] = [
  'key',
  'identity-token',
  'oidc-issuer',
  'oidc-client-id',
  'oidc-client-secret-file',
  'oidc-provider',
  'oidc-redirect-url',
  'oidc-disable-ambient-providers',
  'fulcio-auth-flow',
  'log',
  'tlog-upload',
  'consent',
  'timestamp',
  'rekor-version',
  'defer-log',
  'signing-config',
  'fulcio-url',
  'rekor-url',
  'timestamp-server-url',
  'trusted-root',
];

/** A flag of {@link identityFlags}. */
export type IdentityFlag = Extract<FlagId, 'repo' | 'workflow' | 'ref' | `certificate-${string}`>;

/** Who must have signed keyless, for commands that verify. */
export const identityFlags: readonly IdentityFlag[] = [
  'certificate-identity',
  'certificate-identity-regexp',
  'certificate-oidc-issuer',
  'certificate-oidc-issuer-regexp',
  'repo',
  'workflow',
  'ref',
  'certificate-github-workflow-name',
  'certificate-github-workflow-ref',
  'certificate-github-workflow-repository',
  'certificate-github-workflow-sha',
  'certificate-github-workflow-trigger',
];

/** Who must have signed and what must stand behind it, for commands that verify. */
export const verificationFlags: readonly FlagId[] = [
  'key',
  'allow-http-key',
  ...identityFlags,
  'trusted-root',
  'offline',
  'insecure-ignore-tlog',
  'insecure-ignore-sct',
  'use-signed-timestamps',
  'signature-digest-algorithm',
];

/** The long name of a flag, without dashes. */
export function flagName(id: FlagId): string {
  return flags[id].name ?? id;
}

/** The environment variables that set a flag, the first that is not empty wins. */
export function flagVariables(id: FlagId): readonly string[] {
  const spec = flags[id];
  if (spec.noEnv) return [];
  const suffix = environmentName(flagName(id));
  return [`BOLTSEAL_${suffix}`, ...(spec.env ?? []), `COSIGN_${suffix}`];
}

/** `registry-token` as `REGISTRY_TOKEN`. */
export function environmentName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
