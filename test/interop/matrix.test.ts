/**
 * Who verifies whom: every signer with every verifier, format, registry and type of key, each on single and
 * multi-architecture images, with and without annotations.
 *
 * Signer, verifier, format, registry and key are a full product. The four combinations of shape and annotations are
 * laid over registries and keys as a Latin square: for each signer and format, every key and every registry meets each
 * of them.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SignatureFormat } from '../../src/verify/index.ts';
import { needPrograms, runProgram } from '../support/programs.ts';
import { type Cell, type KnownFailure, knownFailureOf, knownFailures } from './known-failures.ts';
import { type KeyFiles, keyNames, registryNames, type TestImage } from './laboratory.ts';
import { checkSection, table } from './page.ts';
import { type Attempt, type Peer, type PeerName, peerNames, type Session, useSession } from './peers.ts';

const formats: readonly SignatureFormat[] = ['bundle', 'cosign'];
const annotations = { env: 'prod', team: 'Größe <&>' };

/** Signer and format, where the signer writes the format; the others are tested to be impossible. */
const signings = formats.flatMap((format) =>
  peerNames
    .filter((signer) => format === 'cosign' || signer === 'Boltseal' || signer === 'cosign 3')
    .map((signer) => ({ signer, format })),
);

/** What is signed: all cells but the verifier. */
type Signing = Omit<Cell, 'verifier'>;

const plan: readonly Signing[] = signings.flatMap(({ signer, format }, s) =>
  registryNames.flatMap((registry, r) =>
    keyNames.map((key, k): Signing => {
      const combination = (s + r + k) % 4;
      return {
        signer,
        format,
        registry,
        key,
        shape: combination % 2 === 0 ? 'single' : 'multi-arch',
        // skopeo cannot sign annotations.
        annotated: combination >= 2 && signer !== 'skopeo',
      };
    }),
  ),
);

/** What happened: the known failure, or that it worked. */
const outcomes = new Map<Cell, KnownFailure | 'works'>();
const met = new Set<KnownFailure>();
const session = useSession();

describe('the plan', () => {
  test('every pair of values occurs', () => {
    const cells = plan.flatMap((signing) => peerNames.map((verifier): Cell => ({ ...signing, verifier })));
    const names = ['signer', 'verifier', 'format', 'registry', 'key', 'shape', 'annotated'] as const;
    const missing: string[] = [];
    for (const [i, a] of names.entries()) {
      for (const b of names.slice(i + 1)) {
        const found = new Set(cells.map((cell) => `${a} ${cell[a]}, ${b} ${cell[b]}`));
        for (const one of new Set(cells.map((cell) => cell[a])))
          for (const other of new Set(cells.map((cell) => cell[b])))
            if (!found.has(`${a} ${one}, ${b} ${other}`)) missing.push(`${a} ${one}, ${b} ${other}`);
      }
    }
    assert.deepEqual(missing, [
      'signer cosign 2, format bundle',
      'signer skopeo, format bundle',
      'signer skopeo, annotated true',
    ]);
  });

  test('cosign 2 and skopeo cannot sign bundles', async (t) => {
    const paths = needPrograms(t, 'cosign2', 'skopeo');
    if (paths === undefined) return;
    const cosign2 = await runProgram(paths.cosign2, ['sign', '--new-bundle-format', 'localhost/image']);
    assert.notEqual(cosign2.code, 0);
    assert.match(cosign2.stderr, /unknown flag: --new-bundle-format/);
    const skopeo = await runProgram(paths.skopeo, ['copy', '--help']);
    assert.match(skopeo.stdout, /--sign-by-sigstore-private-key/);
    assert.doesNotMatch(skopeo.stdout, /bundle/i);
  });
});

describe('signed by one, verified by all', { concurrency: 3 }, () => {
  for (const signing of plan) {
    const { signer, format, registry, key, shape, annotated } = signing;
    const title = `${signer}, ${format} format, ${key}, on ${registry}: ${shape}${annotated ? ', annotated' : ''}`;
    test(title, async (t) => {
      const open = await session(t);
      if (open !== undefined) await tryOut(signing, open);
    });
  }
});

describe('the page', () => {
  test('every known failure still happens', (t) => {
    if (outcomes.size === 0) return t.skip('skipped: nothing was tried');
    assert.deepEqual(
      knownFailures.filter((known) => !met.has(known)).map((known) => known.reason),
      [],
    );
  });

  test('docs/reference/interop.md says what was observed', async (t) => {
    if (outcomes.size === 0) return t.skip('skipped: nothing was tried');
    await checkSection('matrix', section());
  });
});

async function tryOut(signing: Signing, { lab, peers }: Session): Promise<void> {
  const { signer, format, registry, shape, annotated } = signing;
  const [image, key] = await Promise.all([lab.push(registry, shape), lab.key(signing.key)]);
  const task = { image, key, ...(annotated ? { annotations } : {}) };
  const signed = await peers[signer].sign({ ...task, format });
  const failure = judge('sign', { ...signing, verifier: signer }, signer, signed);
  for (const verifier of peerNames) {
    const cell: Cell = { ...signing, verifier };
    if (failure !== undefined) {
      outcomes.set(cell, failure);
      continue;
    }
    const verified = await peers[verifier].verify(task);
    const known = judge('verify', cell, verifier, verified);
    outcomes.set(cell, known ?? 'works');
    if (known !== undefined || signing.key !== 'P-256') continue;
    await refuseOthers(peers[verifier], image, [key, await lab.key('P-256', 2)], annotated);
  }
}

/** A verifier that accepts the right key must refuse a wrong one, and annotations that were not signed. */
async function refuseOthers(
  verifier: Peer,
  image: TestImage,
  [key, other]: readonly [KeyFiles, KeyFiles],
  annotated: boolean,
): Promise<void> {
  const wrong = await verifier.verify({ image, key: other });
  assert.equal(wrong.ok, false, `${verifier.name} accepts a key that did not sign`);
  if (!annotated || !verifier.annotates) return;
  const changed = await verifier.verify({ image, key, annotations: { ...annotations, env: 'test' } });
  assert.equal(changed.ok, false, `${verifier.name} accepts an annotation that was not signed`);
}

/** Compares an attempt with the table of known failures; the entry that it meets, or undefined when all is well. */
function judge(
  step: KnownFailure['step'],
  cell: Cell,
  program: PeerName,
  { ok, message }: Attempt,
): KnownFailure | undefined {
  const known = knownFailureOf(step, cell);
  const what = `${program}, ${step} ${JSON.stringify(cell)}`;
  if (known === undefined) {
    assert.ok(ok, `${what}: ${message}`);
    return undefined;
  }
  assert.equal(ok, false, `${what} works now: take it out of known-failures.ts: ${known.reason}`);
  assert.match(message, known.says[program] ?? /^never$/, what);
  met.add(known);
  return known;
}

function section(): string {
  const cells = [...outcomes];
  const rows = signings.flatMap(({ signer, format }) =>
    keyNames.map((key) => [
      signer,
      format,
      key,
      ...peerNames.map((verifier) => {
        const found = new Set(
          cells
            .filter(
              ([cell]) =>
                cell.signer === signer &&
                cell.format === format &&
                cell.key === key &&
                cell.verifier === verifier,
            )
            .map(([, outcome]) => outcome),
        );
        const [outcome, ...others] = found;
        assert.ok(outcome !== undefined && others.length === 0, `${signer} ${format} ${key} ${verifier}`);
        if (outcome === 'works') return 'yes';
        return `${outcome.step === 'sign' ? 'not signed' : 'no'} (${knownFailures.indexOf(outcome) + 1})`;
      }),
    ]),
  );
  return [
    'Each line was tried on docker-registry and crane’s registry, and on Boltseal’s own registry with and without the ' +
      'referrers API; on images of one platform and, signed recursively, of several; with and without annotations ' +
      '(skopeo neither signs nor looks at annotations). “Yes” is yes in all of these. cosign 2 and skopeo cannot sign ' +
      'bundles.',
    table(['Signed by', 'Format', 'Key', ...peerNames.map((name) => `${name} verifies`)], rows),
    'Why not:',
    knownFailures.map(({ kind, reason }, i) => `${i + 1}. ${capital(kind)}: ${reason}`).join('\n'),
  ].join('\n\n');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
