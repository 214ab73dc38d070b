/** What `verify` prints on standard output is what cosign prints, byte for byte: scripts read it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SignatureFormat } from '../../src/verify/index.ts';
import { runProgram } from '../support/programs.ts';
import { runInProcess } from '../support/run-cli.ts';
import type { TestImage } from './laboratory.ts';
import { checkSection, observations, table } from './page.ts';
import { type PeerName, type Session, useSession } from './peers.ts';

const session = useSession();
const found = observations();

/** One signature on an image, by the key of that number. */
interface Signature {
  readonly by: PeerName;
  readonly format: SignatureFormat;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly key?: number;
}

/** An output to compare. */
interface Comparison {
  readonly what: string;
  /** Signatures of each image. */
  readonly images: readonly (readonly Signature[])[];
  readonly args?: readonly string[];
  /** How an image is named: by digest unless told. */
  readonly by?: 'tag' | 'tag and digest';
}

// Whatever may be escaped: Go's JSON escapes less than, greater than, ampersand and line separators, and no others.
const annotations = { env: 'prod', team: 'Größe <&> \u2028 日本', '10': 'ten', Z: 'upper', quote: "it's" };

const comparisons: readonly Comparison[] = [
  { what: 'a bundle of cosign 3', images: [[{ by: 'cosign 3', format: 'bundle' }]] },
  { what: 'a bundle of Boltseal', images: [[{ by: 'Boltseal', format: 'bundle' }]] },
  { what: 'a `.sig` of cosign 2', images: [[{ by: 'cosign 2', format: 'cosign' }]] },
  { what: 'a `.sig` of cosign 3', images: [[{ by: 'cosign 3', format: 'cosign' }]] },
  { what: 'a `.sig` of skopeo', images: [[{ by: 'skopeo', format: 'cosign' }]] },
  { what: 'a `.sig` of Boltseal', images: [[{ by: 'Boltseal', format: 'cosign' }]] },
  {
    what: 'annotations in a bundle of cosign 3',
    images: [[{ by: 'cosign 3', format: 'bundle', annotations }]],
  },
  {
    what: 'annotations in a bundle of Boltseal',
    images: [[{ by: 'Boltseal', format: 'bundle', annotations }]],
  },
  {
    what: 'annotations in a `.sig` of cosign 2',
    images: [[{ by: 'cosign 2', format: 'cosign', annotations }]],
  },
  {
    what: 'annotations in a `.sig` of Boltseal',
    images: [[{ by: 'Boltseal', format: 'cosign', annotations }]],
  },
  {
    what: 'three bundles with different annotations, one of them wanted',
    images: [
      [
        { by: 'cosign 3', format: 'bundle', annotations: { env: 'prod', build: '1' } },
        { by: 'Boltseal', format: 'bundle', annotations: { env: 'test' } },
        { by: 'Boltseal', format: 'bundle', annotations: { env: 'prod', build: '2' }, key: 2 },
      ],
    ],
    args: ['-a', 'env=prod'],
  },
  {
    what: 'several bundles',
    images: [
      [
        { by: 'cosign 3', format: 'bundle' },
        { by: 'Boltseal', format: 'bundle' },
        { by: 'cosign 3', format: 'bundle', annotations: { env: 'prod' } },
        { by: 'Boltseal', format: 'bundle', key: 2 },
      ],
    ],
  },
  {
    what: 'several signatures in one `.sig`',
    images: [
      [
        { by: 'cosign 2', format: 'cosign' },
        { by: 'skopeo', format: 'cosign' },
        { by: 'cosign 3', format: 'cosign', annotations: { env: 'test' } },
        { by: 'cosign 2', format: 'cosign', key: 2 },
        { by: 'Boltseal', format: 'cosign', annotations: { env: 'prod' } },
      ],
    ],
  },
  {
    what: 'several images with bundles',
    images: [[{ by: 'cosign 3', format: 'bundle' }], [{ by: 'Boltseal', format: 'bundle' }]],
  },
  {
    what: 'several images with `.sig` tags',
    images: [[{ by: 'cosign 2', format: 'cosign' }], [{ by: 'Boltseal', format: 'cosign' }]],
  },
  {
    what: '`--output text` of several images with bundles',
    images: [
      [
        { by: 'cosign 3', format: 'bundle' },
        { by: 'Boltseal', format: 'bundle', annotations },
      ],
      [{ by: 'Boltseal', format: 'bundle' }],
    ],
    args: ['--output', 'text'],
  },
  {
    what: '`--output text` of several signatures in one `.sig`',
    images: [
      [
        { by: 'cosign 2', format: 'cosign' },
        { by: 'skopeo', format: 'cosign' },
        { by: 'Boltseal', format: 'cosign', annotations },
      ],
    ],
    args: ['--output', 'text'],
  },
  {
    what: 'an image named by tag',
    images: [[{ by: 'cosign 3', format: 'bundle' }]],
    by: 'tag',
  },
  {
    what: 'an image named by tag and digest',
    images: [[{ by: 'cosign 3', format: 'bundle' }]],
    by: 'tag and digest',
  },
  {
    what: '`.sig` of an image named by tag',
    images: [[{ by: 'cosign 2', format: 'cosign' }]],
    by: 'tag',
  },
];

describe('standard output', { concurrency: 3 }, () => {
  for (const comparison of comparisons) {
    const row = found.expect(comparison.what);
    test(comparison.what, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const images: TestImage[] = [];
      for (const signatures of comparison.images) images.push(await signed(open, signatures));
      const isBundle = comparison.images[0]?.[0]?.format === 'bundle';
      const key = await open.lab.key('P-256');
      const named = images.map(({ image, repository }) =>
        comparison.by === undefined
          ? image.reference
          : `${repository}:v1${comparison.by === 'tag' ? '' : `@${image.digest}`}`,
      );
      const args = [
        'verify',
        '--key',
        key.public,
        '--insecure-ignore-tlog',
        ...(comparison.args ?? []),
        ...named,
      ];
      const cosign = isBundle ? open.paths.cosign3 : open.paths.cosign2;
      const [theirs, ours] = await Promise.all([runProgram(cosign, args), runInProcess(args)]);
      assert.equal(theirs.code, 0, theirs.stderr);
      assert.equal(ours.code, 0, ours.stderr);
      assert.equal(ours.stdout, theirs.stdout);
      row.observed(`as cosign ${isBundle ? 3 : 2}`);
    });
  }
});

describe('both formats', () => {
  const row = found.expect('one signature of Boltseal in both formats');
  test('a signature in both formats is printed once', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const image = await signed(open, [
      { by: 'Boltseal', format: 'bundle', annotations },
      { by: 'Boltseal', format: 'cosign', annotations },
    ]);
    const key = await open.lab.key('P-256');
    const args = ['verify', '--key', key.public, '--insecure-ignore-tlog', image.image.reference];
    const [theirs, ours] = await Promise.all([runProgram(open.paths.cosign3, args), runInProcess(args)]);
    assert.equal(ours.stdout, theirs.stdout);
    row.observed('once, as cosign 3, which sees only the bundle');
  });
});

describe('the page', () => {
  test('docs/reference/interop.md says what was observed', async (t) => {
    if ((await session(t)) === undefined) return;
    const text = '`boltseal verify` prints on standard output what cosign prints, byte for byte:';
    await checkSection('output', `${text}\n\n${table(['Verified', 'Output'], found.rows())}`);
  });
});

async function signed({ lab, peers }: Session, signatures: readonly Signature[]): Promise<TestImage> {
  const image = await lab.push('docker-registry', 'single', { tag: 'v1' });
  for (const { by, format, annotations = {}, key = 1 } of signatures) {
    const { ok, message } = await peers[by].sign({
      image,
      key: await lab.key('P-256', key),
      format,
      annotations,
    });
    assert.ok(ok, `${by}: ${message}`);
  }
  return image;
}
