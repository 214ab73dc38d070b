/** Flags: registries. */

export const registryConnectionFlags = {
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
} as const;
