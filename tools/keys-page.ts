/** The reference page of keys: the table of providers, and what was tried with each. */
import { keyProviders } from '../src/keys/reference.ts';

/** What a page is made of. */
export interface PageTools {
  table(head: readonly string[], rows: readonly (readonly string[])[]): string;
  code(text: string): string;
}

/** What the keys of one scheme were tried against in tests; a double is a program of ours that speaks the protocol. */
const proofs: Readonly<Record<string, string>> = {
  stdin: 'cosign 2 and 3, skopeo: keys of each sign and verify with the others',
  env: 'as standard input',
  http: 'a web server in the tests',
  file: 'cosign 2 and 3, skopeo: keys of each sign and verify with the others',
  awskms:
    'moto, an AWS server that is not ours, over TLS by the real SDK; cosign 3 signs and verifies with the same keys there, ' +
    'in both directions. moto was corrected where it differs from AWS: it signs digests twice, and with disabled keys. ' +
    'Ed25519 only against a double: moto has none.',
  azurekms: 'a double, by Microsoft’s own SDK, credentials included',
  gcpkms: 'a double, by Google’s own SDK over REST, credentials included',
  hashivault:
    'a double, which hvac, a client of Vault that is not ours, drives as well: each signs with keys that the other made',
  openbao: 'a double, the same as for Vault',
  pkcs11:
    'SoftHSM 2, with keys made here and by OpenSC’s pkcs11-tool: P-256, P-384, P-521, RSA, Ed25519, and a key that wants its ' +
    'PIN for each signature; cosign 3 verifies the signatures. No hardware was tried.',
  k8s:
    'a double of the Kubernetes API that Debian’s kubectl and cosign 3 speak to as well: what each stores, the others read; ' +
    'cosign signs and verifies with pairs that were stored here, and the other way round',
  github:
    'a double, which compares every request with GitHub’s own OpenAPI description and opens the sealed boxes; cosign 3 ' +
    'stores in the same double, and its requests are the same. The boxes were opened by libsodium.',
  gitlab: 'a double; cosign 3 stores, signs and verifies through the same one, in both directions',
  plugin:
    'programs of the tests, which cosign 3 starts as well: it asks them the same, and each verifies what the other signed',
};

const services: readonly (readonly string[])[] = [
  ['P-256', 'yes', 'yes', 'yes', 'yes'],
  ['P-384', 'yes', 'yes', 'yes', 'yes'],
  ['P-521', 'yes', 'yes', '–', 'yes'],
  ['Ed25519', 'up to 4 KiB', '–', 'up to 64 KiB', 'up to 16 MiB'],
  ['RSA 2048, 3072, 4096', 'yes', 'yes', 'with PKCS1 and SHA256 in its algorithm', 'yes'],
];

const packages: readonly (readonly string[])[] = [
  ['`awskms://`', '`npm install @aws-sdk/client-kms`'],
  ['`azurekms://`', '`npm install @azure/keyvault-keys @azure/identity`'],
  ['`gcpkms://`', '`npm install @google-cloud/kms`'],
  ['`hashivault://`, `openbao://`', 'none'],
  ['`pkcs11:`', '`npm install pkcs11js`, which is compiled there: it needs Python and a C++ compiler'],
];

/** The page, block by block. */
export function keysPage({ table, code }: PageTools): readonly string[] {
  return [
    'A key is named by a reference: wherever a command takes `--key`, in the input `key` of the action, wherever the library ' +
      'takes one, and for authorities and logs of a private Sigstore ' +
      '([guide](../guide/private-sigstore.md#keys-in-an-hsm-or-a-kms)). References are those of cosign.',
    table(
      ['Reference', '', 'Signs', 'Makes keys'],
      keyProviders.map(({ name, form, summary, loadSigner, generate, openStore }) => [
        code(form),
        summary,
        loadSigner === undefined || name === 'github' ? '' : 'yes',
        generate !== undefined ? 'yes' : openStore !== undefined ? 'stores pairs' : '',
      ]),
    ),
    '## Key pairs in secrets',
    '`boltseal generate-key-pair PLACE` makes a pair in memory and stores it in GitHub, GitLab or Kubernetes, under the names ' +
      'and in the order of cosign; each part is read back, `cosign.pub` is written, and nothing that is empty is stored. A pair ' +
      'that is there is replaced only after a yes. `boltseal init github OWNER/REPO` also writes a workflow ' +
      '([guide](../guide/github-key-pair.md)).',
    table(
      ['Place', 'Password', 'Private key', 'Public key', 'Who may'],
      [
        [
          '`github://`',
          '`COSIGN_PASSWORD`',
          '`COSIGN_PRIVATE_KEY`',
          '`COSIGN_PUBLIC_KEY`',
          'a token that may write Actions secrets',
        ],
        [
          '`gitlab://`',
          '`COSIGN_PASSWORD`',
          '`COSIGN_PRIVATE_KEY`',
          '`COSIGN_PUBLIC_KEY`',
          'a token with the scope `api` of a maintainer',
        ],
        [
          '`k8s://`',
          '`cosign.password`',
          '`cosign.key`',
          '`cosign.pub`',
          'get, to store also create and update, on secrets',
        ],
      ],
    ),
    'The clusters of `k8s://` are those of kubectl: tokens, client certificates, `exec` plugins and the service account of a ' +
      'pod are understood ([what is not](../decisions/0015-kubernetes-without-its-client.md)).',
    '## Keys in tokens',
    'A `pkcs11:` URI (RFC 7512) names token and key; an attribute that is not understood is an error, so that no other key ' +
      'signs than was meant. The token only signs a digest (`CKM_ECDSA`, `CKM_RSA_PKCS`), or with Ed25519 the message. The ' +
      'session ends with the work. A wrong PIN is tried once. Public keys are read without a PIN where the token permits it. ' +
      '`boltseal pkcs11-tool list-tokens` and `list-keys-uris` say what there is.',
    '## Keys behind plugins',
    'A scheme that nobody knows is a program `sigstore-kms-NAME` in a folder of PATH, never in the working folder, and started ' +
      'without a shell. It has two minutes and may print 256 KiB. Its signatures are verified like all others.',
    '## Keys in key management services',
    'The private key never leaves the service; what is sent there is a digest, or with Ed25519 the message. Before anybody ' +
      'gets a signature it is verified here with the public key: a service that signs with another key or hashes twice is an ' +
      'error (`ERR_SIGNING_FAILED`), and nothing is published. Verifying asks for the public key and then needs the service ' +
      'no more; `boltseal public-key --key REF` writes it to a file for those who may not ask.',
    '`boltseal generate-key-pair --kms REF` makes a key, writes its public half to `cosign.pub`, and prints the reference to ' +
      'exactly this key, its version pinned. `sign` prints it too.',
    'The kind of a key is what the service says, never a flag:',
    table(['Kind', 'AWS KMS', 'Azure Key Vault', 'Google Cloud KMS', 'Vault, OpenBao'], services),
    'Signatures are ECDSA or RSA PKCS #1 v1.5 over SHA-256, or Ed25519, as with every other key: what all versions of cosign ' +
      'verify with the public key and no further flag. Services tie P-384 to SHA-384 and P-521 to SHA-512. ECDSA signs the ' +
      'digest as a number, so that a SHA-256 digest with zeros before it gives the signature over SHA-256 there. Keys that ' +
      'can only do something else are refused (`ERR_KEY_UNSUPPORTED`): RSA-PSS, RSA tied to SHA-512, secp256k1, keys that ' +
      'encrypt.',
    'cosign itself, when the key is named by its reference and not by its public key, wants the hash that the service ties ' +
      'to the curve (in Azure also to the size of RSA). Signatures by P-384, P-521 and, in Azure, RSA 3072 and 4096 are for it to be verified with ' +
      'the exported public key. P-256 has no such trap, and is the default. What cosign signs with such keys verifies here ' +
      'either way, and that of RSA with `--signature-digest-algorithm` `sha384` or `sha512`.',
    '### Versions',
    'A reference without a version signs with the newest version that is enabled, and verifies with every one that is: a ' +
      'rotated key still verifies what it signed before. Disabling a version takes its signatures back. In Vault ' +
      '`min_decryption_version` does that. A reference with a version is exactly that one. The keys of AWS KMS have no ' +
      'versions: an alias that is pointed to another key is rotated, and the ARN that `sign` prints names the old one.',
    '### Packages',
    'The SDKs are not installed with Boltseal, and loaded only when a reference needs one. Where one is missing, the error ' +
      'says so with the command. Add `--global` where Boltseal was installed so.',
    table(['Reference', 'Install'], packages),
    'Requests go through the HTTP client of Boltseal: `HTTPS_PROXY`, `NO_PROXY` and `NODE_EXTRA_CA_CERTS` count there too. ' +
      'Plain HTTP is for this machine alone, and TLS is always verified: `AWS_TLS_INSECURE_SKIP_VERIFY` and ' +
      '`VAULT_SKIP_VERIFY` are not heeded. Credentials are found by the SDKs, in the variables and files that every tool of ' +
      'that cloud reads.',
    '### What they may do',
    table(
      ['Service', 'To verify', 'To sign, beside that', 'To make a key, beside that'],
      [
        ['AWS KMS', '`kms:GetPublicKey`', '`kms:Sign`', '`kms:CreateKey`, `kms:CreateAlias`'],
        ['Azure Key Vault', 'get, list', 'sign', 'create'],
        [
          'Google Cloud KMS',
          '`cryptoKeyVersions.viewPublicKey`, `.get`, `.list`',
          '`cryptoKeyVersions.useToSign`',
          '`keyRings.get`, `.create`, `cryptoKeys.create`',
        ],
        [
          'Vault, OpenBao',
          'read on `transit/keys/NAME`',
          'update on `transit/sign/NAME`',
          'create on `transit/keys/NAME`',
        ],
      ],
    ),
    '## What was tried against what',
    'Continuous integration runs these; what says double has not been tried against the service itself.',
    table(
      ['Reference', 'Tried against'],
      keyProviders.flatMap(({ name, form }) => {
        const proof = proofs[name];
        return proof === undefined ? [] : [[code(form), proof]];
      }),
    ),
  ];
}
