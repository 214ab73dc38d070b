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
  hashivault: 'a double',
  openbao: 'a double, the same as for Vault',
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
];

/** The page, block by block. */
export function keysPage({ table, code }: PageTools): readonly string[] {
  return [
    'A key is named by a reference, wherever a command takes `--key` and wherever the library takes one. References are ' +
      'those of cosign.',
    table(
      ['Reference', '', 'Signs', 'Makes keys'],
      keyProviders.map(({ form, summary, loadSigner, generate }) => [
        code(form),
        summary,
        loadSigner === undefined ? '' : 'yes',
        generate === undefined ? '' : 'yes',
      ]),
    ),
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
      'either way.',
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
