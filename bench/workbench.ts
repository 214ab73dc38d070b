import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment, findProgram, type ProgramName, runProgram } from '../test/support/programs.ts';
import { type PushTarget, pushSmallImage } from '../test/support/small-image.ts';
import { removeDirectory } from '../test/support/temporary.ts';
import { machineNode, type Step } from './measure.ts';

/** Everything the benches share: programs, a home folder with one key pair, images. */
export interface Workbench {
  /** The home folder of everything that is run; removed by {@link Workbench.close}. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** A key pair made by cosign. */
  readonly privateKey: string;
  readonly publicKey: string;
  /** The Node.js that Boltseal's built command line is measured with: the machine's own. */
  readonly node: string;
  /** A step that runs Boltseal's built command line, by {@link Workbench.node} unless told. */
  boltseal(args: readonly string[], expect?: number, node?: string): Step;
  cosign(args: readonly string[], expect?: number): Step;
  /** Signs with a key pair and no log, as each cosign format needs to be told. */
  cosignSign(format: CosignFormat, references: readonly string[], key?: string): Step;
  cosignVerify(references: readonly string[], expect?: number, key?: string): Step;
  /** Pushes an image that is like no other, to a repository of its own unless told. */
  image(place: PushTarget, options?: { readonly repository?: string; readonly tag?: string }): Promise<Image>;
  /** The same, many times. */
  images(place: PushTarget, count: number): Promise<readonly Image[]>;
  /** Runs a step that is not measured; rejects when it ends with another code than expected. */
  run(step: Step): Promise<void>;
  close(): Promise<void>;
}

/** cosign's formats: `new` is a bundle among the referrers, `old` is the `.sig` tag. */
export type CosignFormat = 'new' | 'old';

/** An image in a registry, without the registry's name. */
export interface Image {
  readonly repository: string;
  readonly digest: string;
  /** `repository@digest`. */
  readonly path: string;
}

/** Sets everything up. `cli` is the built command line; the one of this checkout unless told. */
export async function openWorkbench(cli?: string): Promise<Workbench> {
  const script = cli ?? fileURLToPath(new URL('../dist/cli/boltseal.cjs', import.meta.url));
  if (!existsSync(script)) throw new Error(`${script} is not there: run npm run build first`);
  const cosignPath = needProgram('cosign3');
  const node = machineNode();
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-bench-'));
  const env = { ...(await cleanEnvironment(folder)), COSIGN_PASSWORD: 'of a bench' };
  const signingConfig = join(folder, 'signing-config.json');
  const trustedRoot = join(folder, 'trusted-root.json');
  const keys = { private: join(folder, 'cosign.key'), public: join(folder, 'cosign.pub') };
  let pushed = 0;

  const bench: Workbench = {
    folder,
    env,
    privateKey: keys.private,
    publicKey: keys.public,
    node,
    boltseal: (args, expect = 0, by = node) => ({ command: by, args: [script, ...args], expect }),
    cosign: (args, expect = 0) => ({ command: cosignPath, args, expect }),
    cosignSign: (format, references, key = keys.private) => {
      const noLog =
        format === 'new'
          ? ['--signing-config', signingConfig, '--trusted-root', trustedRoot]
          : ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
      return bench.cosign(['sign', '--yes', '--key', key, ...noLog, ...references]);
    },
    cosignVerify: (references, expect = 0, key = keys.public) =>
      bench.cosign(['verify', '--key', key, '--insecure-ignore-tlog', ...references], expect),
    image: async (place, options = {}) => {
      pushed += 1;
      const repository = options.repository ?? `bench/image-${pushed}`;
      const tag = options.tag === undefined ? {} : { tag: options.tag };
      const { digest } = await pushSmallImage(place, repository, { content: `Image ${pushed}.\n`, ...tag });
      return { repository, digest, path: `${repository}@${digest}` };
    },
    images: async (place, count) => {
      const made: Image[] = [];
      while (made.length < count) made.push(await bench.image(place));
      return made;
    },
    run: async ({ command, args, expect = 0 }) => {
      const { code, stderr } = await runProgram(command, args, { env, cwd: folder, timeout: 300_000 });
      if (code !== expect) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stderr}`);
    },
    close: () => removeDirectory(folder),
  };

  await bench.run(bench.cosign(['signing-config', 'create', '--out', signingConfig]));
  await writeFile(trustedRoot, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
  await bench.run(bench.cosign(['generate-key-pair']));
  return bench;
}

/** A new, empty folder below the bench's home. */
export async function newFolder(bench: Workbench, name: string): Promise<string> {
  const folder = join(bench.folder, name);
  await mkdir(folder, { recursive: true });
  return folder;
}

/** The path of a program that a bench cannot do without. */
export function needProgram(name: ProgramName): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} not found: tools/programs.sh brings it`);
  return path;
}

/** The version of cosign 3, as its package says; the program itself says `devel` where a distribution built it. */
export function cosignVersion(): string {
  const stamp = join(dirname(needProgram('cosign3')), '..', 'stamps', 'cosign3');
  return existsSync(stamp) ? (readFileSync(stamp, 'utf8').trim().split('\n').at(-1) ?? '3') : '3';
}

/** The version of Boltseal in this checkout. */
export async function boltsealVersion(): Promise<string> {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}
