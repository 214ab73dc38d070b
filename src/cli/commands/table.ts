/** The one table of commands. Adding a command is one file beside this one and one entry here. */
import type { CommandSpec } from '../command.ts';
import { registryFlags, signingFlags, verificationFlags } from '../flags.ts';

const oneImage = { name: 'IMAGE', min: 1, max: 1, complete: 'image' } as const;
const images = { name: 'IMAGE', min: 1, max: Number.POSITIVE_INFINITY, complete: 'image' } as const;

const oneFile = { name: 'FILE', min: 1, max: 1, complete: 'file' } as const;

const passwords =
  'The password of a key comes from BOLTSEAL_PASSWORD or COSIGN_PASSWORD (set and empty is an empty password), else it is ' +
  'asked for on the terminal, else all of standard input is the password.';

const keylessHelp =
  'Without --key the signature is keyless: an identity token (of the CI system, of --identity-token, or of signing in) ' +
  'becomes a certificate that lives for minutes, and the signature is recorded in a log and timestamped. The services are ' +
  'those of the instance that `boltseal initialize` chose, else of the public Sigstore.';

const imageReferences =
  'IMAGE is a reference such as ghcr.io/acme/app@sha256:…, ghcr.io/acme/app:1.2 or busybox, or oci:DIR[:TAG] for an OCI ' +
  'image layout on disk.';

/** Every command, in the order of help. */
export const commands: readonly CommandSpec[] = [
  {
    name: 'sign',
    summary: 'sign images and store the signatures beside them',
    description: [
      'Signs the digest of each IMAGE, with a key or with an identity, stores the signature beside the image without losing ' +
        'anyone else’s, verifies it as a stranger would, and prints the command that verifies it.',
      keylessHelp,
      imageReferences,
      passwords,
    ],
    args: images,
    flags: [
      ...signingFlags,
      'annotations',
      'recursive',
      'format',
      'new-bundle-format',
      'identity',
      'upload',
      'dry-run',
      'output',
      'output-signature',
      'output-payload',
      'bundle',
      'signature-repository',
      ...registryFlags,
    ],
    cosign: ['sign', 'token', 'registry'],
    examples: [
      { text: 'Sign by digest.', command: 'boltseal sign --key cosign.key ghcr.io/acme/app@sha256:…' },
      {
        text: 'Sign a multi-platform image and each of its platforms, with annotations.',
        command: 'boltseal sign --key cosign.key -r -a env=prod -a build=42 ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'The key and its password from variables; nothing on disk.',
        command: 'boltseal sign --key env://SIGNING_KEY ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Keyless: with the identity of the CI job, or of the person who signs in.',
        command: 'boltseal sign ghcr.io/acme/app@sha256:…',
      },
    ],
    load: () => import('./sign.ts'),
  },
  {
    name: 'verify',
    summary: 'verify the signatures of images',
    description: [
      'Reads the signatures of each IMAGE wherever signers put them, in both formats, and succeeds when every image has ' +
        'at least one by the key or the identity that is asked for, and that names this very digest. An attestation is not ' +
        'a signature.',
      'A keyless signature must have a certificate of a trusted authority for exactly that identity, a certificate ' +
        'transparency proof, a log entry, and a proven time at which the certificate was valid.',
      'Standard output is what cosign prints. --output json gives a report with a reason for each signature; --explain ' +
        'gives it for people.',
      imageReferences,
    ],
    args: images,
    flags: [
      ...verificationFlags,
      'required-annotations',
      'check-claims',
      'payload',
      'signature',
      'given-bundle',
      'local-image',
      'signature-repository',
      'verify-output',
      'explain',
      ...registryFlags,
    ],
    cosign: ['verify', 'token', 'registry'],
    examples: [
      {
        text: 'Verify with a public key.',
        command: 'boltseal verify --key cosign.pub ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Keyless: signed by the release workflow of a GitHub repository.',
        command:
          'boltseal verify --repo acme/app --workflow release.yml --ref refs/heads/main ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Keyless: signed by a person.',
        command:
          'boltseal verify --certificate-identity dev@example.com --certificate-oidc-issuer https://accounts.google.com ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Only signatures that were made for production count.',
        command: 'boltseal verify --key cosign.pub -a env=prod ghcr.io/acme/app:1.2',
      },
      {
        text: 'See where signatures were looked for, and why each was accepted or refused.',
        command: 'boltseal verify --key cosign.pub --explain ghcr.io/acme/app:1.2',
      },
      {
        text: 'An OCI image layout on disk.',
        command: 'boltseal verify --key cosign.pub oci:build/image',
      },
    ],
    load: () => import('./verify.ts'),
  },
  {
    name: 'attest',
    summary: 'say something about images, signed, and store it beside them',
    description: [
      'Signs a statement about the digest of each IMAGE, with a key or with an identity: the file of --predicate, such as a ' +
        'bill of materials, the report of a scan, or the provenance of a build. It is stored beside the image without losing ' +
        'anyone else’s, and verified as a stranger would.',
      '--type says what the file is. JSON is signed as it stands in the file; of the type custom, which is the default, the ' +
        'file may be any text. An attestation is no signature of the image.',
      keylessHelp,
      imageReferences,
      passwords,
    ],
    args: images,
    flags: [
      ...signingFlags,
      'predicate',
      'predicate-type',
      'recursive',
      'format',
      'new-bundle-format',
      'upload',
      'dry-run',
      'output',
      'bundle',
      'signature-repository',
      ...registryFlags,
    ],
    cosign: ['attest', 'token', 'registry'],
    examples: [
      {
        text: 'A bill of materials.',
        command:
          'boltseal attest --key cosign.key --predicate sbom.spdx.json --type spdxjson ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'The report of a scan, from standard input.',
        command:
          'boltseal attest --key cosign.key --predicate - --type vuln ghcr.io/acme/app@sha256:… < scan.json',
      },
      {
        text: 'Keyless, of a type of your own.',
        command:
          'boltseal attest --predicate review.json --type https://acme.example/review/v1 ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Signed and printed, and stored nowhere.',
        command:
          'boltseal attest --key cosign.key --no-upload --predicate note.txt ghcr.io/acme/app@sha256:…',
      },
    ],
    load: () => import('./attest.ts'),
  },
  {
    name: 'verify-attestation',
    summary: 'verify the attestations of images',
    description: [
      'Reads the attestations of each IMAGE wherever signers put them, in bundles and under cosign’s .att tag, and succeeds ' +
        'when every image has at least one of --type by the key or the identity that is asked for, and that names this very ' +
        'digest. A signature is not an attestation.',
      'Standard output is what cosign prints: the envelope of each attestation that was accepted, one a line. --output json ' +
        'gives a report with a reason for each attestation; --explain gives it for people.',
      imageReferences,
    ],
    args: images,
    flags: [
      ...verificationFlags,
      'required-predicate-type',
      'check-claims',
      'local-image',
      'signature-repository',
      'attestation-output',
      'explain',
      ...registryFlags,
    ],
    cosign: ['verifyAttestation', 'token', 'registry'],
    examples: [
      {
        text: 'A bill of materials, with a public key.',
        command: 'boltseal verify-attestation --key cosign.pub --type spdxjson ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'Keyless: by the release workflow of a GitHub repository.',
        command:
          'boltseal verify-attestation --repo acme/app --workflow release.yml --ref refs/heads/main --type slsaprovenance1 ghcr.io/acme/app@sha256:…',
      },
      {
        text: 'The statement itself.',
        command:
          'boltseal verify-attestation --key cosign.pub --type spdxjson ghcr.io/acme/app@sha256:… | jq -r .payload | base64 -d',
      },
    ],
    load: () => import('./verify-attestation.ts'),
  },
  {
    name: 'sign-blob',
    summary: 'sign a file',
    description: [
      'Signs FILE (or standard input, -), with a key or with an identity, and writes a Sigstore bundle with everything that ' +
        'verifies it. The file itself is not in it.',
      keylessHelp,
      passwords,
    ],
    args: oneFile,
    flags: [...signingFlags, 'in-toto', 'blob-bundle', 'blob-signature', 'output-certificate', 'output'],
    cosign: ['signBlob', 'token'],
    examples: [
      { text: 'Keyless.', command: 'boltseal sign-blob --bundle app.tgz.sigstore.json app.tgz' },
      {
        text: 'With a key, recorded nowhere.',
        command: 'boltseal sign-blob --key cosign.key --bundle app.tgz.sigstore.json app.tgz',
      },
      {
        text: 'An attestation: an in-toto statement in a signed envelope.',
        command: 'boltseal sign-blob --in-toto --bundle build.sigstore.json statement.json',
      },
    ],
    load: () => import('./sign-blob.ts'),
  },
  {
    name: 'verify-blob',
    summary: 'verify the signature of a file',
    description: [
      'Succeeds when the bundle holds a signature of FILE, or an attestation about it, by the key or the identity that is ' +
        'asked for. FILE may be - for standard input, or sha256: and a digest.',
      'Bundles of cosign’s older format are read too.',
    ],
    args: oneFile,
    flags: [...verificationFlags, 'given-bundle', 'blob-signature-input', 'output'],
    cosign: ['verify', 'token'],
    examples: [
      {
        text: 'Keyless.',
        command:
          'boltseal verify-blob --bundle app.tgz.sigstore.json --repo acme/app --workflow release.yml app.tgz',
      },
      {
        text: 'With a key.',
        command: 'boltseal verify-blob --bundle app.tgz.sigstore.json --key cosign.pub app.tgz',
      },
    ],
    load: () => import('./verify-blob.ts'),
  },
  {
    name: 'generate-key-pair',
    summary: 'make a key pair for signing',
    description: [
      'Writes an encrypted private key (readable by you alone) and its public key. cosign reads both. Files that exist ' +
        'are overwritten only after a yes.',
      'With a PLACE the pair is kept there and not in a file: github://OWNER/REPO or github://ORG (Actions secrets), ' +
        'gitlab://PROJECT (CI/CD variables), k8s://NAMESPACE/NAME (a secret). The names are cosign’s, what is stored is read ' +
        'back, and cosign.pub is written. A pair that is there already is replaced only after a yes.',
      'With --kms, or with the PLACE of such a key, the private key is made in a key management service or token and never ' +
        'leaves it. The public key is written, and the reference to exactly this key is printed; a key that is there already ' +
        'is used as it is.',
      passwords,
    ],
    args: { name: 'PLACE', min: 0, max: 1 },
    flags: ['kms', 'key-type', 'output-key-prefix', 'yes', 'output'],
    examples: [
      { text: 'cosign.key and cosign.pub in this folder.', command: 'boltseal generate-key-pair' },
      {
        text: 'A key in AWS KMS, and cosign.pub.',
        command: 'boltseal generate-key-pair --kms awskms:///alias/release',
      },
      {
        text: 'A pair in the secrets of a repository, where workflows sign with it.',
        command: 'boltseal generate-key-pair github://acme/app',
      },
      {
        text: 'A pair in a secret of the cluster that kubectl uses.',
        command: 'boltseal generate-key-pair k8s://signing/cosign',
      },
      {
        text: 'release.key and release.pub, of type Ed25519.',
        command: 'boltseal generate-key-pair --output-key-prefix release --key-type ed25519',
      },
    ],
    load: () => import('./generate-key-pair.ts'),
  },
  {
    name: 'init github',
    summary: 'set a repository up to sign its images',
    description: [
      'Makes a key pair in memory, stores it in the Actions secrets of REPOSITORY (OWNER/REPO, or ORG), reads back that each ' +
        'secret is there, and writes the public key and a workflow that builds, pushes and signs. Nothing that exists is ' +
        'replaced without a yes. The password is that of COSIGN_PASSWORD, or made at random.',
      'GITHUB_TOKEN must be a token that may write secrets; that of `gh auth token` will do. GITHUB_HOST names an enterprise ' +
        'server. With --keyless there is no key and nothing is stored: the workflow signs with its own identity.',
    ],
    args: { name: 'REPOSITORY', min: 1, max: 1 },
    flags: ['keyless', 'key-type', 'output-key-prefix', 'workflow-file', 'init-dry-run', 'yes', 'output'],
    examples: [
      {
        text: 'In a checkout of acme/app: secrets, cosign.pub and .github/workflows/sign.yml.',
        command: 'GITHUB_TOKEN=$(gh auth token) boltseal init github acme/app',
      },
      { text: 'Only look, and print the workflow.', command: 'boltseal init github --dry-run acme/app' },
      { text: 'Without a key.', command: 'boltseal init github --keyless acme/app' },
    ],
    load: () => import('./init-github.ts'),
  },
  {
    name: 'pkcs11-tool list-tokens',
    summary: 'list the tokens of a PKCS#11 module',
    description: ['Lists the tokens that a PKCS#11 module has, with the number of the slot each is in.'],
    flags: ['module-path', 'output'],
    examples: [
      {
        text: 'Those of SoftHSM.',
        command: 'boltseal pkcs11-tool list-tokens --module-path /usr/lib/softhsm/libsofthsm2.so',
      },
    ],
    load: () => import('./pkcs11-tool-list-tokens.ts'),
  },
  {
    name: 'pkcs11-tool list-keys-uris',
    summary: 'list the keys of a PKCS#11 token',
    description: [
      'Lists the private keys of a token, each with the URI that --key takes. The PIN comes from COSIGN_PKCS11_PIN, or is ' +
        'asked for; it is not in the URIs.',
    ],
    flags: ['module-path', 'slot-id', 'output'],
    examples: [
      {
        text: 'The keys of the token in a slot.',
        command:
          'boltseal pkcs11-tool list-keys-uris --module-path /usr/lib/softhsm/libsofthsm2.so --slot-id 5',
      },
    ],
    load: () => import('./pkcs11-tool-list-keys-uris.ts'),
  },
  {
    name: 'import-key-pair',
    summary: 'encrypt an existing private key for signing',
    description: [
      'Reads a plain private key in PEM (RSA, EC or PKCS #8) and writes it as an encrypted private key and a public key ' +
        'that cosign reads too.',
      passwords,
    ],
    flags: ['import-key', 'import-output-key-prefix', 'yes', 'long-output'],
    examples: [
      {
        text: 'import-cosign.key and import-cosign.pub from a key made with openssl.',
        command: 'boltseal import-key-pair --key openssl.pem',
      },
    ],
    load: () => import('./import-key-pair.ts'),
  },
  {
    name: 'public-key',
    summary: 'print the public key of a key',
    description: ['Prints the public key of --key in PEM, byte for byte what cosign.pub holds.', passwords],
    flags: ['key', 'allow-http-key', 'outfile', 'output'],
    cosign: ['token'],
    examples: [
      { text: 'To standard output.', command: 'boltseal public-key --key cosign.key' },
      { text: 'To a file.', command: 'boltseal public-key --key env://SIGNING_KEY --outfile cosign.pub' },
    ],
    load: () => import('./public-key.ts'),
  },
  {
    name: 'tree',
    summary: 'show what is attached to an image',
    description: [
      'Lists everything that refers to IMAGE: signatures of both formats, attestations, SBOMs and whatever other tools ' +
        'attached.',
      imageReferences,
    ],
    args: oneImage,
    flags: ['signature-repository', 'output', ...registryFlags],
    cosign: ['tree', 'registry'],
    examples: [{ text: 'What is attached?', command: 'boltseal tree ghcr.io/acme/app:1.2' }],
    load: () => import('./tree.ts'),
  },
  {
    name: 'triangulate',
    summary: 'print where the signatures of an image are kept',
    description: [
      'Prints the reference of the .sig tag of IMAGE, whether or not it exists.',
      imageReferences,
    ],
    args: oneImage,
    flags: ['type', 'signature-repository', 'output', ...registryFlags],
    cosign: ['registry'],
    examples: [{ text: 'The tag of the signatures.', command: 'boltseal triangulate ghcr.io/acme/app:1.2' }],
    load: () => import('./triangulate.ts'),
  },
  {
    name: 'download signature',
    summary: 'print the signatures of an image',
    description: [
      'Prints every signature of IMAGE as one line of JSON each: a Sigstore bundle as it is stored, an older signature ' +
        'as cosign prints it. Nothing is verified.',
      imageReferences,
    ],
    args: oneImage,
    flags: ['signature-repository', 'output', ...registryFlags],
    cosign: ['registry'],
    examples: [{ text: 'All signatures.', command: 'boltseal download signature ghcr.io/acme/app:1.2' }],
    load: () => import('./download-signature.ts'),
  },
  {
    name: 'bundle create',
    summary: 'make a bundle of a signature and what belongs to it',
    description: [
      'Makes a Sigstore bundle (version 0.3, as cosign 3 writes it) of a signature that somebody made without one: with ' +
        'whoever signed, a timestamp, and the log entry that --rekor-url finds. The signature must verify, and timestamp ' +
        'and log entry must be about it. Who signed is not judged: `boltseal verify-blob` does that.',
    ],
    flags: [
      'bundle-artifact',
      'bundle-signature',
      'bundle-attestation',
      'old-bundle',
      'bundle-certificate',
      'key',
      'allow-http-key',
      'bundle-timestamp',
      'bundle-rekor-url',
      'ignore-tlog',
      'bundle-out',
      'output',
    ],
    cosign: ['token'],
    examples: [
      {
        text: 'A signature by a key pair, made without a log.',
        command:
          'boltseal bundle create --artifact app.tar --signature app.sig --key cosign.pub --ignore-tlog --out app.bundle.json',
      },
      {
        text: 'What cosign wrote before there were bundles, with its log entry.',
        command:
          'boltseal bundle create --artifact app.tar --bundle app.cosign.bundle --rekor-url https://rekor.sigstore.dev --out app.bundle.json',
      },
    ],
    load: () => import('./bundle-create.ts'),
  },
  {
    name: 'bundle upgrade',
    summary: 'make a bundle of version 0.3 of an older one',
    description: [
      'Rewrites BUNDLE, a Sigstore bundle of version 0.1 or 0.2 or cosign’s older blob bundle, as version 0.3, which is ' +
        'what registries and newer clients take. What that version has no place for is named. Where it needs an inclusion ' +
        'proof that is not there, the log is asked that --rekor-url names.',
    ],
    args: { name: 'BUNDLE', min: 0, max: 1, complete: 'file' },
    flags: ['upgraded-bundle', 'bundle-rekor-url', 'bundle-out', 'output'],
    examples: [
      {
        text: 'A bundle of version 0.2.',
        command: 'boltseal bundle upgrade app.bundle.json --out app.v3.bundle.json',
      },
      {
        text: 'One without inclusion proof: the log has it.',
        command:
          'boltseal bundle upgrade app.bundle.json --rekor-url https://rekor.sigstore.dev --out app.v3.bundle.json',
      },
    ],
    load: () => import('./bundle-upgrade.ts'),
  },
  {
    name: 'bundle inspect',
    summary: 'say what is in a bundle',
    description: [
      'Says in words what BUNDLE holds: what was signed, who signed, its log entries and timestamps. Nothing is verified. ' +
        'What is broken is told in its place, and the rest is still shown.',
      'BUNDLE is a file, or - for standard input: a Sigstore bundle of any version, cosign’s older blob bundle, a DSSE ' +
        'envelope, the manifest of a .sig tag, or the lines of `boltseal download signature`.',
    ],
    args: { name: 'BUNDLE', min: 1, max: 1, complete: 'file' },
    flags: ['print-payload', 'output'],
    examples: [
      { text: 'Who signed, when, and what?', command: 'boltseal bundle inspect app.bundle.json' },
      {
        text: 'The statement that was signed.',
        command: 'boltseal bundle inspect --payload app.bundle.json',
      },
    ],
    load: () => import('./bundle-inspect.ts'),
  },
  {
    name: 'initialize',
    summary: 'choose the Sigstore to use',
    description: [
      'Asks the TUF repository of a Sigstore whom to trust and which services sign, verifies all of it, keeps it, and makes ' +
        'that Sigstore the one that signing and verifying use from now on. Without flags it is the public one, which is also ' +
        'in use when none was ever chosen. When it fails, nothing has changed.',
      'A repository is never trusted because of its address: --root names its first root metadata, as a file that came on a ' +
        'way you trust, or as a URL with --root-checksum. Without --root the mirror must be a copy of the public repository.',
      'What is kept is in ~/.sigstore/boltseal, or the folder that BOLTSEAL_TRUST_DIR names. It is asked for again once a day; ' +
        'while the repository cannot be reached, what is kept serves until it expires.',
    ],
    flags: ['mirror', 'root', 'root-checksum', 'output'],
    cosign: ['initialize'],
    examples: [
      { text: 'The public Sigstore (again).', command: 'boltseal initialize' },
      {
        text: 'A private one, whose root came with the machine.',
        command: 'boltseal initialize --mirror https://sigstore.example.com/tuf --root root.json',
      },
      {
        text: 'One whose checksum you were told.',
        command:
          'boltseal initialize --mirror https://sigstore.example.com/tuf --root https://sigstore.example.com/tuf/1.root.json --root-checksum 1f3a…',
      },
    ],
    load: () => import('./initialize.ts'),
  },
  {
    name: 'trust export',
    summary: 'write what is trusted to a file, for machines without a network',
    description: [
      'Writes the verified trusted root of the Sigstore in use, as it was published, and says where it came from and how old it ' +
        'is. Such a file is all that verification needs, here and with cosign: --trusted-root FILE. It is pinned: a key that is ' +
        'replaced later is not in it, so export it again from time to time.',
    ],
    flags: ['out', 'signing-config-out', 'offline', 'output'],
    examples: [
      { text: 'For an air-gapped machine.', command: 'boltseal trust export --out trusted_root.json' },
      {
        text: 'With the services to sign with.',
        command: 'boltseal trust export --out trusted_root.json --signing-config signing_config.json',
      },
    ],
    load: () => import('./trust-export.ts'),
  },
  {
    name: 'trusted-root create',
    summary: 'make a trusted root of single services',
    description: [
      'Writes a trusted root: the certificate authorities, logs and timestamp authorities that signatures are verified with. ' +
        'It is what cosign makes of the same flags, byte for byte.',
      'A period of validity begins where a chain does unless it is given: a certificate authority’s with the root, a timestamp ' +
        'authority’s with the certificate that signs.',
    ],
    flags: [
      'root-fulcio',
      'root-ctfe',
      'root-rekor',
      'root-tsa',
      'with-default-services',
      'default-fulcio',
      'default-ctfe',
      'default-rekor',
      'default-tsa',
      'offline',
      'out',
      'output',
      'old-certificate-chain',
      'fulcio-uri',
      'ctfe-key',
      'ctfe-url',
      'ctfe-start-time',
      'ctfe-end-time',
      'rekor-key',
      'old-rekor-url',
      'rekor-start-time',
      'rekor-end-time',
      'timestamp-certificate-chain',
      'timestamp-uri',
    ],
    examples: [
      {
        text: 'A private certificate authority and log.',
        command:
          'boltseal trusted-root create --fulcio url=https://ca.example.com,certificate-chain=ca.pem --rekor url=https://rekor.example.com,public-key=rekor.pub,start-time=2026-01-01T00:00:00Z --out trusted_root.json',
      },
      {
        text: 'The public Sigstore, and a timestamp authority of your own.',
        command:
          'boltseal trusted-root create --with-default-services --tsa url=https://tsa.example.com/api/v1/timestamp,certificate-chain=tsa.pem --out trusted_root.json',
      },
    ],
    load: () => import('./trusted-root-create.ts'),
  },
  {
    name: 'signing-config create',
    summary: 'make a signing config of single services',
    description: [
      'Writes a signing config: the services that sign, and how many logs and timestamp authorities are asked. It is what ' +
        'cosign makes of the same flags, byte for byte. Without any service it says that nothing is logged.',
    ],
    flags: [
      'config-fulcio',
      'oidc-providers',
      'config-rekor',
      'rekor-config',
      'config-tsa',
      'tsa-config',
      'with-default-services',
      'with-default-rekor-v2',
      'default-fulcio',
      'default-oidc',
      'default-rekor',
      'default-tsa',
      'offline',
      'out',
      'output',
    ],
    examples: [
      {
        text: 'A private log, for signatures with keys.',
        command:
          'boltseal signing-config create --rekor url=https://rekor.example.com,api-version=1,start-time=2026-01-01T00:00:00Z,operator=example.com --rekor-config ANY --out signing_config.json',
      },
      { text: 'No log at all.', command: 'boltseal signing-config create --out none.json' },
    ],
    load: () => import('./signing-config-create.ts'),
  },
  {
    name: 'login',
    summary: 'store the credentials of a registry',
    description: [
      'Checks a user name and password with REGISTRY and stores them where docker does: in its credential helper when one ' +
        'is configured, else in its config file. What is not given is asked for on the terminal. Without REGISTRY, Docker Hub ' +
        'is meant.',
    ],
    args: { name: 'REGISTRY', min: 0, max: 1 },
    flags: [
      'username',
      'password',
      'password-stdin',
      'registry-cacert',
      'registry-client-cert',
      'registry-client-key',
      'registry-server-name',
      'registry-auth-realm',
      'allow-http-registry',
      'allow-insecure-registry',
      'output',
    ],
    examples: [
      {
        text: 'In a script.',
        command: 'printf %s "$TOKEN" | boltseal login ghcr.io --username acme --password-stdin',
      },
    ],
    load: () => import('./login.ts'),
  },
  {
    name: 'logout',
    summary: 'forget the credentials of a registry',
    description: [
      'Removes what `login`, docker or podman stored for REGISTRY in docker’s configuration; without REGISTRY, for Docker Hub.',
    ],
    args: { name: 'REGISTRY', min: 0, max: 1 },
    flags: ['output'],
    examples: [{ text: 'Forget a registry.', command: 'boltseal logout ghcr.io' }],
    load: () => import('./logout.ts'),
  },
  {
    name: 'demo',
    summary: 'sign, verify and tamper on this machine, explained, and clean up',
    description: [
      'Starts a small registry on this machine, puts an image into it, makes a key pair, signs, verifies, tampers and shows ' +
        'the refusal. Everything is removed at the end.',
    ],
    flags: ['image', 'output', ...registryFlags],
    examples: [
      { text: 'The whole, in a few seconds.', command: 'boltseal demo' },
      { text: 'With a copy of an image of yours.', command: 'boltseal demo --image busybox:latest' },
    ],
    load: () => import('./demo.ts'),
  },
  {
    name: 'version',
    summary: 'print the version',
    description: ['Prints the versions of Boltseal and of the Node.js that runs it.'],
    flags: ['output', 'version-json'],
    examples: [
      { text: 'For people.', command: 'boltseal version' },
      { text: 'For programs.', command: 'boltseal version --output json' },
    ],
    load: () => import('./version.ts'),
  },
  {
    name: 'env',
    summary: 'print the environment variables that are understood',
    description: [
      'Lists the variables that Boltseal reads and their values now. Passwords and tokens are hidden unless asked for.',
    ],
    flags: ['show-descriptions', 'show-sensitive-values', 'output'],
    examples: [{ text: 'What is set?', command: 'boltseal env --no-show-descriptions' }],
    load: () => import('./env.ts'),
  },
  {
    name: 'serve',
    summary: 'run a private Sigstore',
    description: [
      'Runs a certificate authority (Fulcio), transparency logs (Rekor v1, Rekor v2, CT), a timestamp authority and the TUF ' +
        'repository with what clients trust, in one process. The first start makes everything in the data folder; later ' +
        'starts go on with it. It prints how to point clients at it, and runs until it is told to end (no --timeout holds ' +
        'unless one is given).',
      'Key files are encrypted. Their passphrase comes from BOLTSEAL_PASSWORD or COSIGN_PASSWORD, or the setting ' +
        '`keys.password`, else it is asked for on the terminal; with --dev it is empty unless given.',
    ],
    flags: ['data', 'config', 'listen', 'public-url', 'dev', 'output'],
    isEndless: true,
    examples: [
      {
        text: 'To try it: with an issuer of identity tokens and a registry.',
        command: 'boltseal serve --dev --data sigstore-dev',
      },
      {
        text: 'For production, as boltseal.yaml says.',
        command: 'boltseal serve --config boltseal.yaml',
      },
    ],
    load: () => import('./serve.ts'),
  },
  {
    name: 'serve rotate',
    summary: 'replace a key of a private Sigstore, and retire the old one',
    description: [
      'Makes a new key (and certificate or log) for KIND, retires the old one, and publishes both: what was signed before ' +
        'still verifies. The server must not be running on the data folder meanwhile; on PostgreSQL, start its other ' +
        'processes again afterwards with the new data folder.',
      'KIND is ca, tsa, ct, rekor or rekor2, or a role of the TUF repository: tuf-root, tuf-targets or tuf-online.',
    ],
    args: {
      name: 'KIND',
      min: 1,
      max: 1,
      values: ['ca', 'tsa', 'ct', 'rekor', 'rekor2', 'tuf-root', 'tuf-targets', 'tuf-online'],
    },
    flags: ['data', 'config', 'public-url', 'output'],
    examples: [
      { text: 'A new log for Rekor v1.', command: 'boltseal serve rotate rekor --config boltseal.yaml' },
    ],
    load: () => import('./serve-rotate.ts'),
  },
  {
    name: 'log verify',
    summary: 'audit a transparency log from outside',
    description: [
      'Reads a whole log and believes nothing: its checkpoint must be signed by --key, the hash of every entry must be what ' +
        'its tiles say, every tile what the one above it says, and the root that of the checkpoint. With --checkpoint or ' +
        '--state it must also have everything that it had before. Prints the verified checkpoint.',
      'LOG is the URL or folder below which `checkpoint` and `tile/` are: a static CT log, or any log of C2SP tlog-tiles; of ' +
        'Rekor v2 the URL of the service does too.',
    ],
    args: { name: 'LOG', min: 1, max: 1 },
    flags: ['log-key', 'origin', 'checkpoint', 'state', 'output'],
    isEndless: true,
    examples: [
      {
        text: 'All of a log.',
        command: 'boltseal log verify --key rekor2.pub https://sigstore.example.com/rekor2',
      },
      {
        text: 'Every night: that it only ever grows.',
        command: 'boltseal log verify --key ct.pub --state ct.checkpoint https://sigstore.example.com/ct',
      },
    ],
    load: () => import('./log-verify.ts'),
  },
  {
    name: 'log submit',
    summary: 'log signatures that were deferred, and store them',
    description: [
      'Finishes what `boltseal sign --defer-log FILE` left while a log could not be reached: each signature is logged, ' +
        'verified, and stored beside its image, or written as the bundle of its file. What fails stays in FILE; when all ' +
        'is done FILE is removed. It may be run again at any time.',
      'A log of Rekor v1 signs the time of submission, which must lie within the ten minutes of a keyless certificate; a ' +
        'log of Rekor v2 may be much later, because the timestamp proves when it was signed.',
    ],
    args: oneFile,
    flags: [
      'log',
      'consent',
      'rekor-version',
      'signing-config',
      'rekor-url',
      'trusted-root',
      'output',
      ...registryFlags,
    ],
    examples: [{ text: 'Finish.', command: 'boltseal log submit deferred.json' }],
    load: () => import('./log-submit.ts'),
  },
  {
    name: 'token',
    summary: 'print an identity token of a development Sigstore',
    description: [
      'Asks the issuer of a Sigstore that was started with `boltseal serve --dev` for an identity token and prints it, and ' +
        'nothing else. That issuer believes everyone: its tokens are for trying things out.',
      'cosign takes such a token with --identity-token.',
    ],
    flags: ['url', 'email', 'subject', 'audience', 'claim', 'expires-in', 'output'],
    examples: [
      {
        text: 'A token of a person.',
        command: 'boltseal token --url http://127.0.0.1:5200 --email dev@example.com',
      },
      {
        text: 'A token as a CI system would issue it.',
        command:
          'boltseal token --url http://127.0.0.1:5200 --subject repo:acme/app:ref:refs/heads/main --claim ref=refs/heads/main',
      },
    ],
    load: () => import('./token.ts'),
  },
  {
    name: 'conformance sign-bundle',
    summary: 'sign a file by the protocol of the Sigstore conformance tests',
    description: [
      'What the conformance tests of Sigstore call. `boltseal sign-blob` is the command for people; this one takes the same ' +
        'flags.',
    ],
    args: oneFile,
    flags: [...signingFlags, 'in-toto', 'blob-bundle', 'blob-signature', 'output-certificate', 'output'],
    examples: [
      {
        text: 'As the tests call it.',
        command: 'boltseal conformance sign-bundle --identity-token TOKEN --bundle a.sigstore.json a.txt',
      },
    ],
    load: () => import('./conformance-sign-bundle.ts'),
  },
  {
    name: 'conformance verify-bundle',
    summary: 'verify a bundle by the protocol of the Sigstore conformance tests',
    description: [
      'What the conformance tests of Sigstore call. Nothing is asked over the network: without --trusted-root the trusted ' +
        'root of the instance at hand is used, which is the public one unless another was chosen. A log entry is required ' +
        'with a key too.',
    ],
    args: oneFile,
    flags: [
      'given-bundle',
      'certificate-identity',
      'certificate-oidc-issuer',
      'key',
      'trusted-root',
      'output',
    ],
    examples: [
      {
        text: 'As the tests call it.',
        command:
          'boltseal conformance verify-bundle --bundle a.sigstore.json --certificate-identity dev@example.com --certificate-oidc-issuer https://accounts.google.com a.txt',
      },
    ],
    load: () => import('./conformance-verify-bundle.ts'),
  },
  {
    name: 'completion',
    summary: 'print a completion script for a shell',
    description: [
      'Prints a script that completes commands, flags, their values and files. It needs no other program, and Boltseal does ' +
        'not run while you type.',
    ],
    args: { name: 'SHELL', min: 1, max: 1, values: ['bash', 'zsh', 'fish'] },
    flags: [],
    examples: [
      { text: 'bash, for this session.', command: 'source <(boltseal completion bash)' },
      { text: 'zsh, for good.', command: `boltseal completion zsh > "\${fpath[1]}/_boltseal"` },
      {
        text: 'fish, for good.',
        command: 'boltseal completion fish > ~/.config/fish/completions/boltseal.fish',
      },
    ],
    load: () => import('./completion.ts'),
  },
  {
    name: 'help',
    summary: 'explain a command',
    description: ['Prints the help of a command, the same as its --help.'],
    args: { name: 'COMMAND', min: 0, max: 2, complete: 'command' },
    flags: [],
    examples: [{ text: 'How do I sign?', command: 'boltseal help sign' }],
    load: () => import('./help.ts'),
  },
];
