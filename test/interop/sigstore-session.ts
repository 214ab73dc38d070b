/** One private Sigstore, and the real clients set up for it as their users would. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { needPrograms } from '../support/programs.ts';
import {
  boltsealIn,
  type Client,
  clientIn,
  oneAtATime,
  type SigstoreProcess,
  startSigstore,
} from '../support/sigstore.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';
import { startWorkflowIssuer, type WorkflowIssuer } from '../support/workflow-issuer.ts';

/** The programs that sign with and verify against a private Sigstore. */
export const sigstorePrograms = [
  'cosign3',
  'cosign2',
  'sigstore-go-signing',
  'sigstore-go-verification',
  'rekor-cli',
  'openssl',
  'skopeo',
] as const;

type ProgramName = (typeof sigstorePrograms)[number];

/** Who signs in these tests. */
export const email = 'dev@example.com';

/** What the tests of one file share. */
export interface SigstoreSession {
  readonly server: SigstoreProcess;
  readonly folder: string;
  readonly clients: Readonly<Record<ProgramName | 'boltseal', Client>>;
  /** Whose tokens get certificates as GitHub's do. */
  readonly workflows: WorkflowIssuer;
  /** The path of a target of the TUF repository, fetched once. */
  target(name: string): Promise<string>;
  /** The path of a file with this content. */
  file(name: string, content: string | Uint8Array): Promise<string>;
  /** The path of the first TUF root. */
  readonly rootFile: string;
}

/**
 * To be called once at the top of a test file. The function returned gives every test the same session, which ends
 * after the last of them; or it skips the test because a program is missing, and gives undefined.
 */
export function useSigstore(): (t: Pick<TestContext, 'skip'>) => Promise<SigstoreSession | undefined> {
  const queue: (() => Promise<void>)[] = [];
  const releases: Releases = { after: (release) => void queue.push(release) };
  after(async () => {
    for (const release of queue.reverse()) await release();
  });
  let opened: Promise<SigstoreSession> | undefined;
  return async (t) => {
    const paths = needPrograms(t, ...sigstorePrograms);
    if (paths === undefined) return undefined;
    opened ??= open(releases, paths);
    return opened;
  };
}

async function open(
  releases: Releases,
  paths: Readonly<Record<ProgramName, string>>,
): Promise<SigstoreSession> {
  const folder = await temporaryDirectory(releases, 'boltseal-sigstore-');
  const workflows = await startWorkflowIssuer(releases);
  const config = join(folder, 'boltseal.yaml');
  const issuer = { url: workflows.url, type: 'ci-provider', 'ci-provider': 'github-workflow' };
  // JSON is YAML.
  await writeFile(config, JSON.stringify({ issuers: [issuer] }));
  const server = await startSigstore(releases, { args: ['--config', config] });
  const entries = sigstorePrograms.map(
    async (name) => [name, await clientIn(folder, name, paths[name])] as const,
  );
  const programs = Object.fromEntries(await Promise.all(entries)) as Readonly<Record<ProgramName, Client>>;
  const clients = {
    ...programs,
    // Its database of trust is locked by whoever has it open.
    cosign2: oneAtATime('cosign2', programs.cosign2),
    boltseal: await boltsealIn(folder),
  };
  await mkdir(join(folder, 'targets'));
  const file: SigstoreSession['file'] = async (name, content) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const targets = new Map<string, Promise<string>>();
  const root = await fetch(`${server.url}/tuf/1.root.json`);
  return {
    server,
    folder,
    clients,
    workflows,
    file,
    rootFile: await file('root.json', Buffer.from(await root.arrayBuffer())),
    target(name) {
      const found =
        targets.get(name) ?? fetchTarget(server.url, name).then((bytes) => file(`targets/${name}`, bytes));
      targets.set(name, found);
      return found;
    },
  };
}

const initializations = new WeakMap<SigstoreSession, Promise<void>>();

/** Boltseal and both cosigns are pointed at the private Sigstore once, as a user does it. */
export function initialized(session: SigstoreSession): Promise<void> {
  const done =
    initializations.get(session) ??
    (async () => {
      const words = ['initialize', '--mirror', `${session.server.url}/tuf`, '--root', session.rootFile];
      const { boltseal, cosign3, cosign2 } = session.clients;
      await Promise.all([boltseal, cosign3, cosign2].map((client) => client.must(words)));
    })();
  initializations.set(session, done);
  return done;
}

/** A target of the repository, found as a client finds it but without checking anything: that is the clients' part. */
async function fetchTarget(url: string, name: string): Promise<Uint8Array> {
  const json = async (path: string) => (await (await fetch(`${url}/tuf/${path}`)).json()) as Metadata;
  const timestamp = await json('timestamp.json');
  const snapshot = await json(`${timestamp.signed.meta?.['snapshot.json']?.version}.snapshot.json`);
  const targets = await json(`${snapshot.signed.meta?.['targets.json']?.version}.targets.json`);
  const hash = targets.signed.targets?.[name]?.hashes.sha256;
  if (hash === undefined) throw new Error(`the repository has no target ${name}`);
  const response = await fetch(`${url}/tuf/targets/${hash}.${name}`);
  return new Uint8Array(await response.arrayBuffer());
}

interface Metadata {
  readonly signed: {
    readonly meta?: Readonly<Record<string, { readonly version: number }>>;
    readonly targets?: Readonly<Record<string, { readonly hashes: { readonly sha256: string } }>>;
  };
}
