import { join } from 'node:path';
import type { Step } from './measure.ts';
import type { Door, Place, PlaceName } from './places.ts';
import { newFolder, type Workbench } from './workbench.ts';

/** The two jobs of a pair: the same work done by each. */
export interface Pair {
  readonly boltseal: readonly Step[];
  readonly cosign: readonly Step[];
}

/** A promise of the project about a scenario: a number of Boltseal's own, or a ratio to cosign's wall time. */
export interface Target {
  readonly measure: 'requests' | 'hops' | 'wall';
  /** At most. */
  readonly most: number;
  /** Only at this added latency (milliseconds). */
  readonly latency?: number;
  readonly place?: PlaceName;
}

/** One kind of work. */
export interface Scenario {
  readonly name: string;
  /** What cosign does beside it, where that does not go without saying. */
  readonly rival?: string;
  /** How many times fewer runs than asked for it gets, because a run takes long. */
  readonly fewer?: number;
  readonly targets: readonly Target[];
  /** Without a registry: makes the jobs of one run. */
  readonly local?: (bench: Workbench, run: number) => Promise<Pair>;
  /** With a registry: readies it once, and answers with what makes the jobs of one run through a door. */
  readonly remote?: (bench: Workbench, place: Place) => Promise<(door: Door, run: number) => Promise<Pair>>;
}

const many = 50;
const atOnce = 8;
const verifyTargets: readonly Target[] = [
  { measure: 'wall', most: 1.2, latency: 0 },
  { measure: 'wall', most: 0.5, latency: 50 },
];
const signTargets: readonly Target[] = [
  { measure: 'wall', most: 0.9, latency: 0 },
  { measure: 'wall', most: 0.5, latency: 50 },
];
const countedSignTargets: readonly Target[] = [{ measure: 'requests', most: 9 }, ...signTargets];
const manyTargets: readonly Target[] = [{ measure: 'wall', most: 0.1, latency: 50 }];

/** Everything that is measured, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'version',
    targets: [{ measure: 'wall', most: 1.15 }],
    local: async (bench) => ({
      boltseal: [bench.boltseal(['version'])],
      cosign: [bench.cosign(['version'])],
    }),
  },
  {
    name: 'version, by Node 24',
    targets: [],
    local: async (bench) => ({
      boltseal: [bench.boltseal(['version'], 0, process.execPath)],
      cosign: [bench.cosign(['version'])],
    }),
  },
  {
    name: 'nothing: node -e 0',
    rival: 'cosign version',
    targets: [],
    local: async (bench) => ({
      boltseal: [{ command: bench.node, args: ['-e', '0'] }],
      cosign: [bench.cosign(['version'])],
    }),
  },
  {
    name: 'generate-key-pair',
    targets: [],
    local: async (bench, run) => {
      const folder = await newFolder(bench, `pair-${run}`);
      const make = (name: string): string[] => [
        'generate-key-pair',
        '--output-key-prefix',
        join(folder, name),
      ];
      return { boltseal: [bench.boltseal(make('ours'))], cosign: [bench.cosign(make('theirs'))] };
    },
  },
  {
    name: 'verify by digest, one bundle of cosign',
    targets: [
      { measure: 'requests', most: 4, place: 'referrers API' },
      { measure: 'hops', most: 3, place: 'referrers API' },
      ...verifyTargets,
    ],
    remote: async (bench, place) => {
      const image = await bench.image(place);
      await bench.run(bench.cosignSign('new', [`${place.host}/${image.path}`]));
      return async (door) => verifyPair(bench, [`${door.host}/${image.path}`]);
    },
  },
  {
    name: 'verify by digest, both formats of Boltseal',
    targets: verifyTargets,
    remote: async (bench, place) => {
      const image = await bench.image(place);
      await bench.run(boltsealSign(bench, 'both', [`${place.host}/${image.path}`]));
      return async (door) => verifyPair(bench, [`${door.host}/${image.path}`]);
    },
  },
  {
    name: 'verify by tag, one bundle of cosign',
    targets: verifyTargets,
    remote: async (bench, place) => {
      const image = await bench.image(place, { tag: 'v1' });
      await bench.run(bench.cosignSign('new', [`${place.host}/${image.path}`]));
      return async (door) => verifyPair(bench, [`${door.host}/${image.repository}:v1`]);
    },
  },
  {
    name: 'verify by digest, unsigned',
    targets: [],
    remote: async (bench, place) => {
      const image = await bench.image(place);
      return async (door) => verifyPair(bench, [`${door.host}/${image.path}`], 10);
    },
  },
  {
    name: 'sign --format bundle, first of a repository',
    targets: countedSignTargets,
    remote: signOne('bundle', ['new'], 'first'),
  },
  {
    name: 'sign --format bundle, later',
    targets: countedSignTargets,
    remote: signOne('bundle', ['new'], 'later'),
  },
  {
    name: 'sign --format both, first of a repository',
    rival: 'two calls, one per format',
    targets: signTargets,
    remote: signOne('both', ['new', 'old'], 'first'),
  },
  {
    name: 'sign --format both, later',
    rival: 'two calls, one per format',
    targets: signTargets,
    remote: signOne('both', ['new', 'old'], 'later'),
  },
  {
    name: `verify ${many} images, one call`,
    rival: `one call (one image after the other)`,
    fewer: 4,
    targets: manyTargets,
    remote: async (bench, place) => {
      const paths = await signedImages(bench, place);
      return async (door) =>
        verifyPair(
          bench,
          paths.map((path) => `${door.host}/${path}`),
        );
    },
  },
  {
    name: `verify ${many} images, one call, against xargs -P ${atOnce}`,
    rival: `${many} calls, ${atOnce} at once; memory of one`,
    fewer: 4,
    targets: [],
    remote: async (bench, place) => {
      const paths = await signedImages(bench, place);
      return async (door) => {
        const references = paths.map((path) => `${door.host}/${path}`);
        return {
          boltseal: verifyPair(bench, references).boltseal,
          cosign: [sideBySide(bench.cosignVerify([]), references)],
        };
      };
    },
  },
  {
    name: `sign ${many} images, one call, --format bundle`,
    rival: `one call (one image after the other)`,
    fewer: 4,
    targets: manyTargets,
    remote: async (bench, place) => async (door) => {
      const at = async (): Promise<string[]> =>
        (await bench.images(place, many)).map((image) => `${door.host}/${image.path}`);
      return {
        boltseal: [boltsealSign(bench, 'bundle', await at())],
        cosign: [bench.cosignSign('new', await at())],
      };
    },
  },
];

function verifyPair(bench: Workbench, references: readonly string[], expect = 0): Pair {
  return {
    boltseal: [bench.boltseal(['verify', '--key', bench.publicKey, ...references], expect)],
    cosign: [bench.cosignVerify(references, expect)],
  };
}

/**
 * Signing changes what is there, so each job of each run has an image that nothing else touches: in a repository that
 * has no signature yet, or in one that has.
 */
function signOne(
  format: 'bundle' | 'both',
  cosignFormats: readonly ('new' | 'old')[],
  which: 'first' | 'later',
): NonNullable<Scenario['remote']> {
  return async (bench, place) => {
    const before = await bench.image(place);
    for (const cosignFormat of cosignFormats)
      await bench.run(bench.cosignSign(cosignFormat, [`${place.host}/${before.path}`]));
    const options = which === 'first' ? {} : { repository: before.repository };
    return async (door) => {
      const ours = `${door.host}/${(await bench.image(place, options)).path}`;
      const theirs = `${door.host}/${(await bench.image(place, options)).path}`;
      return {
        boltseal: [boltsealSign(bench, format, [ours])],
        cosign: cosignFormats.map((cosignFormat) => bench.cosignSign(cosignFormat, [theirs])),
      };
    };
  };
}

/** Signs as a user would who signs without a log. */
export function boltsealSign(
  bench: Workbench,
  format: 'bundle' | 'cosign' | 'both',
  references: readonly string[],
  key: string = bench.privateKey,
): Step {
  return bench.boltseal(['sign', '--key', key, '--format', format, ...references]);
}

async function signedImages(bench: Workbench, place: Place): Promise<readonly string[]> {
  const images = await bench.images(place, many);
  await bench.run(
    bench.cosignSign(
      'new',
      images.map((image) => `${place.host}/${image.path}`),
    ),
  );
  return images.map((image) => image.path);
}

/** One call for each of `last`, some at once. */
function sideBySide(step: Step, last: readonly string[]): Step {
  const command = [step.command, ...step.args].map(quote).join(' ');
  return {
    command: 'sh',
    args: ['-c', `printf '%s\\n' "$@" | xargs -P ${atOnce} -n 1 ${command}`, 'sh', ...last],
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
