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
    name: 'SIGSTORE_ID_TOKEN',
    help: 'The identity token to sign with. The id_tokens of GitLab CI are handed over in it.',
    secret: true,
  },
  {
    name: 'ACTIONS_ID_TOKEN_REQUEST_URL',
    help: 'Where a job of GitHub Actions asks for its identity token. Set by GitHub when the job has id-token: write.',
  },
  {
    name: 'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
    help: 'What the job asks with. Set by GitHub too.',
    secret: true,
  },
  {
    name: 'BUILDKITE_AGENT_ACCESS_TOKEN',
    help: 'What a job of Buildkite asks for its identity token with. Set by the agent.',
    secret: true,
  },
  {
    name: 'BUILDKITE_AGENT_ENDPOINT',
    help: 'Where it asks, when that is not https://agent.buildkite.com/v3.',
  },
  { name: 'BUILDKITE_JOB_ID', help: 'The job of Buildkite. Set by the agent.' },
  {
    name: 'SPIFFE_ENDPOINT_SOCKET',
    help: 'The socket of a SPIFFE agent that gives identity tokens, such as unix:///tmp/spire-agent/public/api.sock.',
  },
  {
    name: 'GOOGLE_SERVICE_ACCOUNT_NAME',
    help: 'On machines of Google Cloud: sign as this service account, and not as that of the machine.',
  },
  {
    name: 'GITHUB_TOKEN',
    help: 'The token that stores secrets of github://… and `init github`. GH_TOKEN is read too.',
    secret: true,
  },
  { name: 'GH_TOKEN', help: 'The same, asked after GITHUB_TOKEN.', secret: true },
  { name: 'GITHUB_HOST', help: 'The enterprise server that github://… is on; github.com by default.' },
  { name: 'GITLAB_TOKEN', help: 'The token for the variables of gitlab://….', secret: true },
  { name: 'GITLAB_HOST', help: 'The server that gitlab://… is on; gitlab.com by default.' },
  {
    name: 'KUBECONFIG',
    help: 'The files that say which cluster k8s://… is in, as kubectl reads them; ~/.kube/config by default.',
  },
  {
    name: 'KUBERNETES_SERVICE_HOST',
    help: 'In a pod: the cluster of k8s://… when there is no kubeconfig. Set by Kubernetes.',
  },
  { name: 'KUBERNETES_SERVICE_PORT', help: 'Its port. Set by Kubernetes.' },
  { name: 'BOLTSEAL_PKCS11_PIN', help: 'The PIN of the token of pkcs11:….', secret: true },
  { name: 'COSIGN_PKCS11_PIN', help: 'The same; asked after BOLTSEAL_PKCS11_PIN.', secret: true },
  {
    name: 'BROWSER',
    help: 'The program that opens the page to sign in at; xdg-open and its like without it.',
  },
  {
    name: 'DOCKER_CONFIG',
    help: 'The folder of docker’s config.json with credentials; ~/.docker by default.',
  },
  { name: 'REGISTRY_AUTH_FILE', help: 'Podman’s file with credentials.' },
  {
    name: 'BOLTSEAL_TRUST_DIR',
    help: 'The folder in which what is trusted is kept; ~/.sigstore/boltseal by default.',
  },
  { name: 'TUF_ROOT', help: 'cosign’s folder for that. Boltseal’s is beside it then: TUF_ROOT-boltseal.' },
  {
    name: 'TUF_MIRROR',
    help: 'The TUF repository of the Sigstore to use, before what `boltseal initialize` chose.',
  },
  { name: 'TUF_ROOT_JSON', help: 'The file with the first root metadata of that repository.' },
  { name: 'XDG_RUNTIME_DIR', help: 'Its containers/auth.json is podman’s other file with credentials.' },
  { name: 'HTTPS_PROXY', help: 'The proxy for https requests. https_proxy is read too.' },
  { name: 'HTTP_PROXY', help: 'The proxy for http requests. http_proxy is read too.' },
  { name: 'NO_PROXY', help: 'Hosts that are reached without a proxy. no_proxy is read too.' },
  { name: 'NODE_EXTRA_CA_CERTS', help: 'A PEM file of certificate authorities that Node.js trusts too.' },
  { name: 'NO_COLOR', help: 'When not empty, nothing is coloured.' },
];
