/** Attestations: who verifies whose, and that what is printed is what cosign prints. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { signImage } from '../../src/flows/index.ts';
import { predicateOf, predicateTypeOf, predicateTypes } from '../../src/formats/predicate-type.ts';
import { type ProgramResult, runProgram } from '../support/programs.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import type { TestImage } from './laboratory.ts';
import { checkSection, observations, table } from './page.ts';
import { cosign3SignArguments, type Session, useSession } from './peers.ts';

const session = useSession();
const found = observations();

/** Who attests, and what is written. */
const attesters = [
  'Boltseal, both formats',
  'Boltseal, bundle',
  'Boltseal, `.att`',
  'cosign 3, bundle',
  'cosign 3, `.att`',
  'cosign 2, `.att`',
] as const;

type Attester = (typeof attesters)[number];

const verifiers = ['Boltseal', 'cosign 3', 'cosign 2'] as const;

type Verifier = (typeof verifiers)[number];

const type = 'https://example.com/review/v1';
const predicate = '{"text":"Größe <&> \\u2028", "big": 12345678901234567890}\n';

/** Attests with the one key of these tests: Boltseal in the library, where the key is opened once, but for both formats. */
async function attest(
  { lab, paths }: Session,
  attester: Attester,
  { image }: TestImage,
  of: string = type,
): Promise<void> {
  const key = await lab.key('P-256');
  const format = { 'Boltseal, bundle': 'bundle', 'Boltseal, `.att`': 'cosign' }[attester as string];
  if (format === 'bundle' || format === 'cosign') {
    const said = predicateOf(of, Buffer.from(predicate), new Date());
    const attestation = { predicateType: predicateTypeOf(of), predicate: said };
    await signImage(image.reference, { signer: key.signer(), attestation, format }, lab.runtime);
    return;
  }
  const file = await lab.file('predicate.json', predicate);
  const words = ['attest', '--yes', '--key', key.private, '--predicate', file, '--type', of];
  const { env } = lab;
  const results: Readonly<Record<string, () => Promise<ProgramResult | CliResult>>> = {
    'Boltseal, both formats': () => runInProcess([...words, image.reference], { env }),
    'cosign 3, bundle': () =>
      runProgram(paths.cosign3, [...words, ...cosign3SignArguments(lab, 'bundle'), image.reference], { env }),
    'cosign 3, `.att`': () =>
      runProgram(paths.cosign3, [...words, ...cosign3SignArguments(lab, 'cosign'), image.reference], { env }),
    'cosign 2, `.att`': () =>
      runProgram(paths.cosign2, [...words, '--tlog-upload=false', image.reference], { env }),
  };
  const result = await results[attester]?.();
  assert.equal(result?.code, 0, `${attester}: ${result?.stderr}`);
}

async function verify(
  { lab, paths }: Session,
  verifier: Verifier,
  { image }: TestImage,
  { of = type, key = 1 } = {},
): Promise<ProgramResult | CliResult> {
  const pair = await lab.key('P-256', key);
  const args = ['verify-attestation', '--key', pair.public, '--insecure-ignore-tlog', '--type', of];
  const words = [...args, image.reference];
  if (verifier === 'Boltseal') return runInProcess(words);
  return runProgram(verifier === 'cosign 3' ? paths.cosign3 : paths.cosign2, words);
}

describe('attestations', { concurrency: 4 }, () => {
  for (const attester of attesters) {
    const row = found.expect(attester);
    test(attester, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await open.lab.push('docker-registry', 'single');
      await attest(open, attester, image);
      const outputs = new Map<Verifier, string>();
      for (const verifier of verifiers) {
        const { code, stdout, stderr } = await verify(open, verifier, image);
        const isBlind = verifier === 'cosign 2' && attester.endsWith('bundle');
        assert.equal(code, isBlind ? 1 : 0, `${verifier}: ${stderr}`);
        if (isBlind) assert.match(stderr, /no matching attestations/);
        else outputs.set(verifier, stdout);
      }
      const ours = outputs.get('Boltseal');
      assert.equal(ours, outputs.get('cosign 3'));
      assert.equal(ours?.split('\n').length, 2, 'one line');
      if (!attester.includes('both') && outputs.has('cosign 2')) assert.equal(ours, outputs.get('cosign 2'));
      const other = await verify(open, 'Boltseal', image, { key: 2 });
      assert.equal(other.code, 12, other.stderr);
      const otherType = await verify(open, 'Boltseal', image, { of: 'vuln' });
      assert.equal(otherType.code, 10, otherType.stderr);
      assert.ok(otherType.stderr.includes(type), 'what is there is told');
      row.observed(
        outputs.has('cosign 2')
          ? 'Boltseal, cosign 3, cosign 2'
          : 'Boltseal, cosign 3; cosign 2 sees no bundles',
      );
    });
  }

  const mixed = found.expect('several of Boltseal, cosign 3 and cosign 2, of two types, in one `.att`');
  test('in one `.att`', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const image = await open.lab.push('docker-registry', 'single');
    await attest(open, 'cosign 2, `.att`', image);
    await attest(open, 'Boltseal, `.att`', image);
    await attest(open, 'Boltseal, `.att`', image, 'custom');
    await attest(open, 'cosign 3, `.att`', image);
    for (const [of, count] of [
      [type, 3],
      ['custom', 1],
    ] as const) {
      const ours = await verify(open, 'Boltseal', image, { of });
      const theirs = await verify(open, 'cosign 2', image, { of });
      assert.equal(ours.stdout, theirs.stdout, ours.stderr);
      assert.equal(ours.stdout.trim().split('\n').length, count);
    }
    mixed.observed('Boltseal and cosign 2: the same, in the same order');
  });

  const every = found.expect('Boltseal, every short name of a type, in bundles');
  test('of every type, in bundles', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const words = Object.keys(predicateTypes).filter((word) => !['spdx', 'slsaprovenance02'].includes(word));
    for (const of of words) {
      const image = await open.lab.push('docker-registry', 'single');
      await attest(open, 'Boltseal, bundle', image, of);
      const ours = await verify(open, 'Boltseal', image, { of });
      const theirs = await verify(open, 'cosign 3', image, { of });
      assert.equal(theirs.code, 0, theirs.stderr);
      assert.equal(ours.stdout, theirs.stdout, ours.stderr);
    }
    every.observed('Boltseal, cosign 3');
  });

  const spdx = found.expect('Boltseal, SPDX in its own form, which is no JSON, `.att`');
  test('SPDX as text', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const image = await open.lab.push('docker-registry', 'single');
    await attest(open, 'Boltseal, `.att`', image, 'spdx');
    const theirs = await verify(open, 'cosign 2', image, { of: 'spdx' });
    assert.equal((await verify(open, 'Boltseal', image, { of: 'spdx' })).stdout, theirs.stdout);
    const envelope = JSON.parse(theirs.stdout) as { readonly payload: string };
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString());
    assert.equal(statement.predicate, predicate);
    spdx.observed('Boltseal, cosign 2');
  });
});

describe('the page', () => {
  test('docs/reference/interop.md says what was observed', async (t) => {
    if ((await session(t)) === undefined) return;
    const text =
      'Attested with a key, in docker-registry. Those who verify print the same on standard output, byte for byte.';
    await checkSection('attestations', `${text}\n\n${table(['Attested by', 'Verified by'], found.rows())}`);
  });
});
