/** What the action meets in a run: registries, a private Sigstore, and GitHub’s issuer of identity tokens. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { parse } from 'yaml';
import { listen } from '../../src/node/http-server.ts';
import { parseBlocks } from '../docs/guide.ts';
import { findProgram, needPrograms, type ProgramResult, runProgram } from '../support/programs.ts';
import { startDockerRegistry } from '../support/registries.ts';
import { runInProcess } from '../support/run-cli.ts';
import { serve } from '../support/serve.ts';
import { type PushedManifest, pushSmallImage, type SmallImageOptions } from '../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';
import { startWorkflowIssuer, workflowClaims } from '../support/workflow-issuer.ts';
import { installAction, runStep, type StepOptions, type StepResult } from './step.ts';

export { workflowClaims };

/** The identity in certificates for `acme/app`. */
export const workflowIdentity: string = `https://github.com/${workflowClaims['job_workflow_ref']}`;

const programs = ['cosign3', 'docker-registry'] as const;

/** The password of the key pair. */
export const password = 'correct horse battery staple';

/** The world of a test file. */
export interface ActionWorld {
  /** Releases at the end of the file. */
  readonly releases: Releases;
  readonly folder: string;
  /** A docker-registry: no referrers API. */
  readonly registry: { readonly host: string; readonly url: string };
  /** `boltseal serve --dev`, which is a registry too. */
  readonly sigstore: { readonly host: string; readonly url: string };
  /** The inputs for that Sigstore. */
  readonly trust: { readonly 'trusted-root': string; readonly 'signing-config': string };
  /** Who issues identity tokens. */
  readonly issuer: string;
  /** Who issues those of a GitHub Enterprise Server, which the guide’s configuration accepts. */
  readonly enterpriseIssuer: string;
  /** A key pair: the content of its files, and where the public one is. */
  readonly keys: { readonly private: string; readonly public: string; readonly publicPath: string };
  /** Pushes an image that is like no other. */
  image(options?: SmallImageOptions & { readonly repository?: string }): Promise<PushedManifest>;
  /** The variables of a job with `id-token: write`, of github.com or of an enterprise server. */
  identity(of?: 'enterprise'): Record<string, string>;
  run(options: StepOptions): Promise<StepResult>;
  cosign(...words: readonly string[]): Promise<ProgramResult>;
  /** Runs a command line that the action printed, with cosign 3 and the public key at hand. */
  shell(command: string): Promise<ProgramResult>;
}

/** Why tests with a world are skipped: a program is missing. On CI, where all must be there, they fail instead. */
export const skip: string | false = missingPrograms();

function missingPrograms(): string | false {
  const reasons: string[] = [];
  needPrograms({ skip: (reason = 'a program is missing') => reasons.push(reason) }, ...programs);
  return reasons[0] ?? false;
}

/** To be called at the top of a file: its world, there while its tests run. Suites that use it say {@link skip}. */
export function useWorld(): () => ActionWorld {
  const queue: (() => Promise<void>)[] = [];
  const releases: Releases = { after: (release) => void queue.push(release) };
  let world: ActionWorld | undefined;
  before(async () => {
    if (skip === false) world = await makeWorld(releases);
  });
  after(async () => {
    for (const release of queue.reverse()) await release();
  });
  return () => {
    if (world === undefined) throw new Error('the world is not there yet');
    return world;
  };
}

async function makeWorld(releases: Releases): Promise<ActionWorld> {
  const folder = await temporaryDirectory(releases, 'boltseal-world-');
  const [hosted, enterprise] = [await startWorkflowIssuer(releases), await startWorkflowIssuer(releases)];
  const [registry, sigstore, action, tokens] = await Promise.all([
    startDockerRegistry(),
    startSigstore(releases, folder, { 'github-workflow': hosted.url, ghes: enterprise.url }),
    installAction(releases),
    startTokenService(releases, { '': hosted.token, enterprise: enterprise.token }),
  ]);
  releases.after(() => registry.stop());
  const trust = await fetchTrust(folder, sigstore.url);
  const keys = await makeKeys(folder);
  const cosign = findProgram('cosign3') ?? '';
  let images = 0;
  return {
    releases,
    folder,
    registry,
    sigstore,
    trust,
    issuer: hosted.url,
    enterpriseIssuer: enterprise.url,
    keys,
    image: ({ repository = 'acme/app', ...options } = {}) =>
      pushSmallImage(registry, repository, { content: `image ${++images}`, ...options }),
    identity: (of) => ({
      ACTIONS_ID_TOKEN_REQUEST_URL: `${tokens}/token?api-version=2.0&of=${of ?? ''}`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
    }),
    run: (options) => runStep(releases, action, options),
    cosign: (...words) => runProgram(cosign, words, { cwd: folder, env: { HOME: folder } }),
    shell: (command) =>
      runProgram('sh', ['-c', command.replace(/\bcosign /, `"$COSIGN" `)], {
        cwd: folder,
        env: { HOME: folder, COSIGN: cosign },
      }),
  };
}

/** What the token service asks jobs for. */
export const requestToken = 'token-of-the-job-0123456789';

/** Accepts the issuers, each by the name of a CI provider; that of enterprise servers is configured as the guide says. */
async function startSigstore(
  releases: Releases,
  folder: string,
  issuers: Readonly<Record<string, string>>,
): Promise<{ readonly host: string; readonly url: string }> {
  const config = join(folder, 'boltseal.yaml');
  const guide = await readFile(new URL('../../docs/guide/ghes.md', import.meta.url), 'utf8');
  const block = parseBlocks(guide, 'ghes.md').find(({ text }) => text.includes('ci-providers:'));
  const accepted = Object.entries(issuers).map(([provider, url]) => ({
    url,
    type: 'ci-provider',
    'ci-provider': provider,
  }));
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ ...parse(block?.text ?? ''), issuers: accepted }));
  const words = ['--dev', '--config', config, '--data', join(folder, 'data'), '--listen', '127.0.0.1:0'];
  const serving = await serve(releases, words);
  if (serving.url === undefined) throw new Error(serving.printed().stderr);
  return { url: serving.url, host: new URL(serving.url).host };
}

/** GitHub’s end point for identity tokens: it wants the secret of the job, and an audience. */
async function startTokenService(
  releases: Releases,
  issuers: Readonly<Record<string, (claims: Readonly<Record<string, string>>) => string>>,
): Promise<string> {
  const listener = await listen({
    async answer({ method, url, headers }) {
      const { pathname, searchParams } = new URL(url);
      const token = issuers[searchParams.get('of') ?? ''];
      const isAllowed = headers.get('authorization')?.toLowerCase() === `bearer ${requestToken}`;
      if (method !== 'GET' || pathname !== '/token' || !isAllowed || token === undefined) {
        return { status: 401, headers: {}, body: null };
      }
      const value = token({ aud: searchParams.get('audience') ?? '' });
      const body = Buffer.from(JSON.stringify({ count: 1, value }));
      return { status: 200, headers: { 'content-type': 'application/json' }, body };
    },
  });
  releases.after(() => listener.close());
  return listener.url;
}

async function fetchTrust(folder: string, url: string): Promise<ActionWorld['trust']> {
  const home = join(folder, 'home-of-trust');
  await mkdir(home);
  const root = join(home, 'root.json');
  await writeFile(root, Buffer.from(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer()));
  const trustedRoot = join(folder, 'trusted_root.json');
  const signingConfig = join(folder, 'signing_config.json');
  const words = [
    ['initialize', '--mirror', `${url}/tuf`, '--root', root],
    ['trust', 'export', '--out', trustedRoot, '--signing-config', signingConfig],
  ];
  for (const argv of words) {
    const { code, stderr } = await runInProcess(argv, { env: { HOME: home } });
    if (code !== 0) throw new Error(stderr);
  }
  return { 'trusted-root': trustedRoot, 'signing-config': signingConfig };
}

async function makeKeys(folder: string): Promise<ActionWorld['keys']> {
  const { generateKeyPair } = await import('../../src/keys/generate.ts');
  const { privateKeyPem, publicKeyPem } = await generateKeyPair('ecdsa-p256', password);
  const publicPath = join(folder, 'cosign.pub');
  await writeFile(publicPath, publicKeyPem);
  return { private: privateKeyPem, public: publicKeyPem, publicPath };
}
