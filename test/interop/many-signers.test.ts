/**
 * Many signers at once on one image, each a process with a key of its own, on registries that keep signatures in tags
 * which all of them rewrite. Nobody's signature may be lost, nor what somebody else attached before.
 * `BOLTSEAL_RACE_ROUNDS` says how often to do it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyImage } from '../../src/flows/index.ts';
import { type PublicKey, parsePublicKey } from '../../src/keys/index.ts';
import { runProgram } from '../support/programs.ts';
import type { KeyFiles, RegistryName, TestImage } from './laboratory.ts';
import { attachForeign, foreignType, referrerTypes } from './oras.ts';
import { checkSection } from './page.ts';
import { type Session, useSession } from './peers.ts';

const signers = 32;
const signerProcess = fileURLToPath(new URL('signer-process.ts', import.meta.url));

/** A key pair that is not encrypted: 32 derivations at once would only keep the signers apart. */
interface PlainKey {
  /** PKCS#8 DER in base64. */
  readonly privateKey: string;
  readonly publicKey: PublicKey;
}

const session = useSession();
const rounds = Number(process.env['BOLTSEAL_RACE_ROUNDS'] ?? '1');

for (const registry of ['docker-registry', 'crane’s registry'] as const) {
  for (let round = 1; round <= rounds; round++) {
    test(`${signers} signers on ${registry}${rounds > 1 ? `, round ${round}` : ''}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const seconds = await runRound(open, registry);
      t.diagnostic(`${signers} processes signed in ${seconds.toFixed(1)} s`);
    });
  }
}

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  await checkSection(
    'signers',
    `${signers} processes, each with a key of its own, sign one image at the same moment in both formats, on ` +
      'docker-registry and on crane’s registry: all signatures verify afterwards in both formats, as do those that ' +
      'cosign made before, and oras still finds its own.',
  );
});

async function runRound(open: Session, registry: RegistryName): Promise<number> {
  const { lab, peers } = open;
  const image = await lab.push(registry, 'single');
  const earlier = await lab.key('P-256');
  await attachForeign(open, image);
  assert.ok((await peers['cosign 3'].sign({ image, key: earlier, format: 'bundle' })).ok);
  assert.ok((await peers['cosign 2'].sign({ image, key: earlier, format: 'cosign' })).ok);

  const keys = Array.from({ length: signers }, plainKey);
  const seconds = await signAtOnce(open, image, keys);

  const all = [...keys.map(({ publicKey }) => publicKey), (await earlier.signer()).publicKey];
  for (const format of ['bundle', 'cosign'] as const) {
    const report = await verifyImage(image.image.reference, { keys: all }, lab.runtime);
    const found = new Set(
      report.accepted
        .filter(({ entity }) => entity.origin.format === format)
        .map(({ signedBy }) => signedBy.kind === 'key' && signedBy.hint),
    );
    const lost = all.flatMap(({ hint }, at) => (found.has(hint) ? [] : [at]));
    assert.deepEqual(
      lost,
      [],
      `${format}: ${lost.length} of ${all.length} lost after ${seconds.toFixed(1)} s`,
    );
    assert.deepEqual(report.refused, []);
  }
  assert.deepEqual(await referrerTypes(open, image, foreignType), [foreignType]);
  await othersVerify(open, image, [...keys.slice(0, 2), ...keys.slice(-2)]);
  return seconds;
}

function plainKey(): PlainKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = publicKey.export({ type: 'spki', format: 'pem' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    publicKey: parsePublicKey(Buffer.from(spki), 'the key'),
  };
}

/** Starts a process for each key, lets them sign together, and resolves to the seconds until the last has ended. */
async function signAtOnce(
  { lab }: Session,
  { image }: TestImage,
  keys: readonly PlainKey[],
): Promise<number> {
  // Compiling the same sources 32 times would take longer than everything else.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(lab.folder, 'compiled') };
  await runProgram(process.execPath, [signerProcess], { env });
  const children = keys.map(({ privateKey }) => {
    const child = spawn(process.execPath, [signerProcess, image.reference], { env, stdio: 'pipe' });
    const said: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    child.stdin.write(`${privateKey}\n`);
    return { child, said, ended: once(child, 'close') };
  });
  try {
    await Promise.all(
      children.map(({ child, ended, said }) =>
        Promise.race([
          once(child.stdout, 'data'),
          ended.then(() => assert.fail(Buffer.concat(said).toString())),
        ]),
      ),
    );
    const started = performance.now();
    for (const { child } of children) child.stdin.end('go\n');
    for (const { ended, said } of children) {
      const [code] = await ended;
      assert.equal(code, 0, Buffer.concat(said).toString());
    }
    return (performance.now() - started) / 1000;
  } finally {
    for (const { child } of children) if (child.exitCode === null) child.kill('SIGKILL');
  }
}

/** cosign 3 for bundles, cosign 2 and skopeo for the `.sig`: each finds the signatures of some of the signers. */
async function othersVerify(open: Session, image: TestImage, keys: readonly PlainKey[]): Promise<void> {
  const { lab, peers } = open;
  for (const [at, { publicKey }] of keys.entries()) {
    const path = await lab.file(`signer-${at}.pub`, publicKey.pem);
    const key: KeyFiles = { ...(await lab.key('P-256')), public: path };
    for (const reader of ['cosign 3', 'cosign 2', 'skopeo'] as const) {
      const { ok, message } = await peers[reader].verify({ image, key });
      assert.ok(ok, `${reader}: ${message}`);
    }
  }
}
