/** Flags: looking around, and what commands have in common. */

export const generalFlags = {
  // ---- triangulate
  type: {
    type: 'enum',
    values: ['signature', 'attestation', 'sbom', 'digest', 'referrers'],
    default: 'signature',
    group: 'Output',
    help: 'What to locate: a tag of cosign’s, the image itself by digest, or the tag that lists referrers.',
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

  'attestation-output': {
    name: 'output',
    type: 'enum',
    short: 'o',
    values: ['cosign', 'text', 'json'],
    default: 'cosign',
    group: 'Output',
    help: 'cosign and text: the signed envelopes, one a line, as cosign prints them; json: the whole report.',
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
