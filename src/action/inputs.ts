/** The one table of inputs. `action.yml` says the same, and a test compares them. */

/** One input. */
export interface InputSpec {
  readonly name: string;
  /** What it is for, in one or two sentences. */
  readonly description: string;
  /** The value when a workflow does not give it; the runner fills it in. */
  readonly default?: string;
  /**
   * Whether {@link default} is a word that stands for nothing. The runner hands over an input that was not given as its
   * default, and a variable or secret that does not exist as nothing: so the two are told apart, and what was given and is
   * empty is refused. Else it would ask for less than whoever gave it counts on.
   */
  readonly refusesEmpty?: boolean;
  /** Whether its value is a secret. */
  readonly secret?: boolean;
}

const inputTable = [
  {
    name: 'mode',
    description: 'What to do: sign, verify or attest.',
    default: 'sign',
  },
  {
    name: 'images',
    description:
      'Images, one a line, in any registries: NAME, NAME:TAG or NAME@DIGEST. Names without a digest get that of `digest`.',
  },
  {
    name: 'tags',
    description:
      'Image names with tags, as docker/metadata-action puts them out. Names that are the same are signed once.',
  },
  {
    name: 'digest',
    description:
      'The digest of what was built, as docker/build-push-action puts it out. Without it tags are resolved when the action runs.',
    default: 'resolve',
    refusesEmpty: true,
  },
  {
    name: 'metadata-file',
    description:
      'What `docker buildx build --metadata-file` (or bake) wrote, or its content. What was built is signed, after its tags in the registry were compared with it.',
  },
  {
    name: 'key',
    description:
      'The key: the content of cosign.key (to verify: of cosign.pub) from a secret or variable, or a key reference such as env://NAME, awskms://… or a path. Without it the identity of the workflow signs.',
    default: 'keyless',
    refusesEmpty: true,
    secret: true,
  },
  {
    name: 'password',
    description: 'The password of the key.',
    secret: true,
  },
  {
    name: 'annotations',
    description:
      'KEY=VALUE, one a line: signed together with the digest; to verify, required of the signature.',
  },
  {
    name: 'workflow-annotations',
    description: 'Also sign the annotations repository, workflow, run, commit and actor.',
    default: 'false',
  },
  {
    name: 'recursive',
    description: 'For an image of several platforms: sign, or verify, the index and every platform.',
    default: 'false',
  },
  {
    name: 'format',
    description:
      'How signatures are stored: both, bundle (cosign 3) or cosign (the .sig tag that podman, skopeo and cosign 2 read). Attestations are bundles.',
    default: 'both',
  },
  {
    name: 'log',
    description:
      'Transparency log: none, private or public. With auto an identity is logged where the signing configuration says, and a key nowhere. Names of a private repository reach a public log only with `public`.',
    default: 'auto',
    refusesEmpty: true,
  },
  {
    name: 'trusted-root',
    description: 'The trusted root of a private Sigstore: a file, or its content.',
    default: 'default',
    refusesEmpty: true,
  },
  {
    name: 'signing-config',
    description: 'The signing configuration of a private Sigstore: a file, or its content.',
    default: 'default',
    refusesEmpty: true,
  },
  {
    name: 'verify',
    description:
      'After signing, verify as a stranger would: with a new connection and, where the registry allows it, without credentials.',
    default: 'true',
  },
  {
    name: 'predicate',
    description: 'To attest: the predicate, a JSON file.',
  },
  {
    name: 'predicate-type',
    description:
      'To attest: custom, spdxjson, cyclonedx, vuln, openvex, slsaprovenance, slsaprovenance1, link, or a URI. To verify: require an attestation of this type in place of a signature.',
  },
  {
    name: 'certificate-identity',
    description: 'To verify without a key: who must have signed, exactly.',
  },
  {
    name: 'certificate-identity-regexp',
    description: 'The same as a pattern that is anchored at both ends.',
  },
  {
    name: 'certificate-oidc-issuer',
    description: 'To verify without a key: who must have issued the identity, exactly.',
  },
  {
    name: 'certificate-oidc-issuer-regexp',
    description: 'The same as a pattern that is anchored at both ends.',
  },
  {
    name: 'repo',
    description: 'To verify what a workflow of GitHub signed: its repository, OWNER/NAME.',
  },
  {
    name: 'workflow',
    description:
      'With `repo`: the file of the workflow in .github/workflows, or OWNER/NAME/.github/workflows/FILE[@REF] of a reusable one.',
    default: 'any',
    refusesEmpty: true,
  },
  {
    name: 'ref',
    description: 'With `repo`: the ref that was built, in full, such as refs/heads/main.',
    default: 'any',
    refusesEmpty: true,
  },
  {
    name: 'signature-repository',
    description: 'Where signatures are stored and looked for, when not beside the image.',
  },
  {
    name: 'registry-username',
    description: 'The user at the registry of the images. What docker/login-action stored needs no input.',
  },
  {
    name: 'registry-password',
    description: 'The password or token at the registry of the images.',
    secret: true,
  },
  {
    name: 'github-token',
    description:
      'The token for the container registry of GitHub, when nothing is stored for it; the job needs `packages: write`.',
    // An expression, which the runner evaluates.
    default: '\u0024{{ github.token }}',
    secret: true,
  },
  {
    name: 'pull-requests',
    description: 'Also sign in runs for pull requests of the repository itself; those of forks never are.',
    default: 'false',
  },
] as const;

/** The name of an input. */
export type InputName = (typeof inputTable)[number]['name'];

/** Every input, in the order of the documentation. */
export const inputSpecs: readonly (InputSpec & { readonly name: InputName })[] = inputTable;

/** One output of the step. */
export interface OutputSpec {
  readonly name: string;
  readonly description: string;
}

const outputTable = [
  { name: 'digests', description: 'The images that were signed or verified, NAME@DIGEST, one a line.' },
  {
    name: 'bundles',
    description:
      'The files of the Sigstore bundles that were made, one a line; they last as long as the job.',
  },
  { name: 'verify-command', description: 'The command that verifies the images with Boltseal.' },
  { name: 'log-index', description: 'The index of each log entry, one a line.' },
  { name: 'skipped', description: 'Whether nothing was done because of the event: true or false.' },
] as const;

/** The name of an output. */
export type OutputName = (typeof outputTable)[number]['name'];

/** Every output. */
export const outputSpecs: readonly (OutputSpec & { readonly name: OutputName })[] = outputTable;
