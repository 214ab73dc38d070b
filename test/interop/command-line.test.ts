/** Command lines written for cosign, given to Boltseal as they are. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runProgram } from '../support/programs.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { keyNames, type TestImage } from './laboratory.ts';
import { checkSection, observations, table } from './page.ts';
import {
  cosign3SignArguments,
  cosignVerifyArguments,
  type PeerName,
  type Session,
  useSession,
} from './peers.ts';

const session = useSession();
const found = observations();

for (const [title, how, readers] of [
  [
    'cosign 3: `sign --yes --key K -r -a env=prod --signing-config F --trusted-root F`',
    (open: Session) => cosign3SignArguments(open.lab, 'bundle'),
    ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'],
  ],
  [
    'cosign 3: the same with `--new-bundle-format=false --use-signing-config=false --tlog-upload=false`',
    (open: Session) => cosign3SignArguments(open.lab, 'cosign'),
    ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'],
  ],
  [
    'cosign 2: `sign --yes --key K -r -a env=prod --tlog-upload=false`',
    () => ['--tlog-upload=false'],
    ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'],
  ],
] as const) {
  const row = found.expect(title);
  test(title, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const image = await open.lab.push('Boltseal’s registry without referrers', 'multi-arch');
    const key = await open.lab.key('P-256');
    const args = ['sign', '--yes', '--key', key.private, '-r', '-a', 'env=prod', ...how(open)];
    succeeded(await runInProcess([...args, image.image.reference], { env: open.lab.env }));
    await verify(open, image, readers);
    row.observed(`signs; ${readers.join(', ')} verify`);
  });
}

const types = found.expect('`sign --yes --key K` with P-256, RSA-2048, P-384 and Ed25519 keys');
test('every type of key', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  for (const type of keyNames) {
    const image = await open.lab.push('crane’s registry', 'single');
    const key = await open.lab.key(type);
    const args = ['sign', '--yes', '--key', key.private, image.image.reference];
    succeeded(await runInProcess(args, { env: open.lab.env }));
    for (const reader of ['cosign 3', 'cosign 2', 'skopeo'] as const) {
      const { ok, message } = await open.peers[reader].verify({ image, key });
      assert.ok(ok, `${reader}, ${type}: ${message}`);
    }
  }
  types.observed('signs; cosign 3, cosign 2, skopeo verify');
});

const elsewhere = found.expect('`COSIGN_REPOSITORY=HOST/REPOSITORY`, on another registry');
test('signatures in another repository', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await open.lab.push('crane’s registry', 'single');
  const { host } = await open.lab.registry('docker-registry');
  const key = await open.lab.key('P-256');
  const { reference } = image.image;
  const env = { ...open.lab.env, COSIGN_REPOSITORY: `${host}/signatures` };
  const verify = cosignVerifyArguments({ image, key });
  succeeded(await runInProcess(['sign', '--yes', '--key', key.private, reference], { env }));
  for (const program of [open.paths.cosign3, open.paths.cosign2]) {
    const { code, stderr } = await runProgram(program, verify, { env });
    assert.equal(code, 0, stderr);
    assert.notEqual((await runProgram(program, verify)).code, 0);
  }
  const theirs = await open.lab.push('crane’s registry', 'single');
  for (const format of ['bundle', 'cosign'] as const) {
    const how = cosign3SignArguments(open.lab, format);
    const args = ['sign', '--yes', '--key', key.private, ...how, theirs.image.reference];
    const { code, stderr } = await runProgram(open.paths.cosign3, args, { env });
    assert.equal(code, 0, stderr);
  }
  const ours = cosignVerifyArguments({ image: theirs, key });
  succeeded(await runInProcess(ours, { env }));
  assert.equal((await runInProcess(ours)).code, 10);
  elsewhere.observed('Boltseal, cosign 3 and cosign 2 find there what the others signed');
});

const environment = found.expect('`--key env://NAME` with COSIGN_PASSWORD');
test('a key in a variable', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await open.lab.push('crane’s registry', 'single');
  const key = await open.lab.key('P-256');
  const env = { ...open.lab.env, SIGNING_KEY: await readFile(key.private, 'utf8') };
  const args = ['--yes', '--key', 'env://SIGNING_KEY', image.image.reference];
  succeeded(await runInProcess(['sign', ...args], { env }));
  const { code, stderr } = await runProgram(
    open.paths.cosign2,
    ['sign', ...args.slice(0, -1), '--tlog-upload=false', image.image.reference],
    { env },
  );
  assert.equal(code, 0, stderr);
  const { ok, message } = await open.peers['cosign 3'].verify({ image, key });
  assert.ok(ok, message);
  environment.observed('signs, as with cosign');
});

const codes = found.expect('exit codes of `verify`, which scripts look at');
test('exit codes are those of cosign', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const key = await open.lab.key('P-256');
  const other = await open.lab.key('P-256', 2);
  const unsigned = await open.lab.push('docker-registry', 'single');
  const signed = await open.lab.push('docker-registry', 'single');
  assert.ok((await open.peers['cosign 2'].sign({ image: signed, key, format: 'cosign' })).ok);
  const absent = { ...unsigned, image: { ...unsigned.image, reference: `${unsigned.repository}:absent` } };
  for (const [image, expected] of [
    [unsigned, 10],
    [absent, 11],
    [signed, 12],
  ] as const) {
    const args = cosignVerifyArguments({ image, key: other });
    for (const program of [open.paths.cosign3, open.paths.cosign2])
      assert.equal((await runProgram(program, args)).code, expected);
    assert.equal((await runInProcess(args)).code, expected);
  }
  const bundled = await open.lab.push('docker-registry', 'single');
  assert.ok((await open.peers['cosign 3'].sign({ image: bundled, key, format: 'bundle' })).ok);
  const args = cosignVerifyArguments({ image: bundled, key: other });
  assert.equal((await runProgram(open.paths.cosign3, args)).code, 1);
  assert.equal((await runInProcess(args)).code, 12);
  codes.observed(
    'the same: 10 for an unsigned image, 11 for a tag that is not there, 12 for signatures of which none is accepted (cosign 3 answers 1 where there are bundles)',
  );
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  const text = 'What was written for cosign, run with `boltseal` in the place of `cosign`:';
  await checkSection('cli', `${text}\n\n${table(['Command', 'Outcome'], found.rows())}`);
});

async function verify(open: Session, image: TestImage, readers: readonly PeerName[]): Promise<void> {
  const key = await open.lab.key('P-256');
  for (const reader of readers) {
    const { ok, message } = await open.peers[reader].verify({ image, key, annotations: { env: 'prod' } });
    assert.ok(ok, `${reader}: ${message}`);
  }
}

function succeeded({ code, stderr }: CliResult): void {
  assert.equal(code, 0, stderr);
}
