/** Flags: a private Sigstore, its tokens and its logs. */

export const serverFlags = {
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
} as const;
