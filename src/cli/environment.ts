/** The environment variables that are read beside those of flags, and those of cosign that mean nothing here. */

/** One variable. */
export interface Variable {
  readonly name: string;
  /** What it does, in one sentence. */
  readonly help: string;
  readonly secret?: boolean;
}

/** Variables that no flag stands for. */
export const variables: readonly Variable[] = [
  {
    name: 'BOLTSEAL_PASSWORD',
    help: 'The password of the private key. Set and empty, it is the empty password.',
    secret: true,
  },
  {
    name: 'COSIGN_PASSWORD',
    help: 'The same; asked after BOLTSEAL_PASSWORD.',
    secret: true,
  },
  {
    name: 'DOCKER_CONFIG',
    help: 'The folder of docker’s config.json with credentials; ~/.docker by default.',
  },
  { name: 'REGISTRY_AUTH_FILE', help: 'Podman’s file with credentials.' },
  { name: 'XDG_RUNTIME_DIR', help: 'Its containers/auth.json is podman’s other file with credentials.' },
  { name: 'HTTPS_PROXY', help: 'The proxy for https requests. https_proxy is read too.' },
  { name: 'HTTP_PROXY', help: 'The proxy for http requests. http_proxy is read too.' },
  { name: 'NO_PROXY', help: 'Hosts that are reached without a proxy. no_proxy is read too.' },
  { name: 'NODE_EXTRA_CA_CERTS', help: 'A PEM file of certificate authorities that Node.js trusts too.' },
  { name: 'NO_COLOR', help: 'When not empty, nothing is coloured.' },
];
