/** Key files go both ways: made by one program, used by the others. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, scryptSync } from 'node:crypto';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { encodeEncryptedKey } from '../../src/formats/encrypted-key.ts';
import { generateKeyPair, importKeyPair } from '../../src/keys/index.ts';
import { runProgram } from '../support/programs.ts';
import { type KeyFiles, keyFiles, type Laboratory, type TestImage } from './laboratory.ts';
import { checkSection, observations, table } from './page.ts';
import { cosignVerifyArguments, type PeerName, peersOf, type Session, useSession } from './peers.ts';

const session = useSession();
const found = observations();
const everybody: readonly PeerName[] = ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'];
const verifiedByAll = 'Boltseal signs with it; Boltseal, cosign 3, cosign 2 and skopeo verify';

for (const [title, program] of [
  ['cosign 3', 'cosign3'],
  ['cosign 2', 'cosign2'],
] as const) {
  for (const empty of [false, true]) {
    const row = found.expect(`\`generate-key-pair\` of ${title}, ${empty ? 'empty password' : 'a password'}`);
    test(`Boltseal signs with a key of ${title}, ${empty ? 'empty password' : 'a password'}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const password = empty ? '' : 'correct horse';
      const folder = await mkdtemp(join(open.lab.folder, 'made-'));
      const env = { COSIGN_PASSWORD: password };
      const made = await runProgram(open.paths[program], ['generate-key-pair'], { env, cwd: folder });
      assert.equal(made.code, 0, made.stderr);
      const key = keyFiles(join(folder, 'cosign.key'), join(folder, 'cosign.pub'), Buffer.from(password));
      assert.equal((await key.signer()).publicKey.pem, await readFile(key.public, 'utf8'));
      await signAndVerify(open, key, 'Boltseal', everybody);
      row.observed(verifiedByAll);
    });
  }
}

const ours = found.expect('`generate-key-pair` of Boltseal, empty password');
test('cosign 3, cosign 2 and skopeo sign with a key of Boltseal that has an empty password', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const pair = await generateKeyPair('ecdsa-p256', new Uint8Array());
  const key = await write(open.lab, 'empty', pair.privateKeyPem, pair.publicKeyPem, '');
  const printed = await runProgram(open.paths.cosign3, ['public-key', '--key', key.private], {
    env: { COSIGN_PASSWORD: '' },
  });
  assert.equal(printed.stdout, pair.publicKeyPem);
  const lab = { ...open.lab, env: { COSIGN_PASSWORD: '' }, passwordFile: await open.lab.file('none', '') };
  const peers = peersOf(open.paths, lab);
  for (const signer of ['cosign 3', 'cosign 2', 'skopeo'] as const)
    await signAndVerify({ ...open, lab, peers }, key, signer, ['Boltseal']);
  ours.observed(
    'cosign 3, cosign 2 and skopeo sign with it, Boltseal verifies; `cosign public-key` prints our bytes',
  );
});

for (const cost of [32_768, 131_072]) {
  const row = found.expect(`a key encrypted with scrypt N = ${cost} (everybody writes 65536)`);
  test(`a key encrypted with scrypt N = ${cost}`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const [salt, nonce] = [randomBytes(32), randomBytes(24)];
    const secret = scryptSync(open.lab.password, salt, 32, {
      N: cost,
      r: 8,
      p: 1,
      maxmem: 256 * 1024 * 1024,
    });
    const label = 'ENCRYPTED SIGSTORE PRIVATE KEY';
    const plain = privateKey.export({ type: 'pkcs8', format: 'der' });
    const ciphertext = xsalsa20poly1305(secret, nonce).encrypt(plain);
    const pem = encodeEncryptedKey({ label, cost, salt, nonce, ciphertext });
    const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const key = await write(open.lab, `n${cost}`, pem, publicPem, open.lab.password.toString());
    await signAndVerify(open, key, 'Boltseal', everybody);
    await signAndVerify(open, key, 'cosign 3', ['Boltseal']);
    await signAndVerify(open, key, 'cosign 2', ['Boltseal']);
    row.observed('Boltseal, cosign 3 and cosign 2 sign with it');
  });
}

for (const [name, pem] of Object.entries(plainKeys())) {
  const row = found.expect(`\`import-key-pair\`: ${name}`);
  test(`a plain key is imported: ${name}`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const folder = await mkdtemp(join(open.lab.folder, 'imported-'));
    const plain = await open.lab.file('plain.pem', pem);
    const args = ['import-key-pair', '--key', plain, '--output-key-prefix', 'by-cosign'];
    const made = await runProgram(open.paths.cosign3, args, { env: open.lab.env, cwd: folder });
    assert.equal(made.code, 0, made.stderr);
    const theirs = keyFiles(join(folder, 'by-cosign.key'), join(folder, 'by-cosign.pub'), open.lab.password);
    const pair = await importKeyPair(pem, open.lab.password);
    assert.equal(pair.publicKeyPem, await readFile(theirs.public, 'utf8'));
    const ours = await write(
      open.lab,
      'by-boltseal',
      pair.privateKeyPem,
      pair.publicKeyPem,
      open.lab.password.toString(),
    );
    await signAndVerify(open, theirs, 'Boltseal', everybody);
    await signAndVerify(open, ours, 'cosign 2', everybody);
    row.observed('imported by cosign 3, Boltseal signs; imported by Boltseal, cosign 2 signs; all verify');
  });
}

const curves = [
  ['P-384', 'ecdsa-p384', 'sha384'],
  ['P-521', 'ecdsa-p521', 'sha512'],
] as const;
for (const [name, type, hash] of curves) {
  const row = found.expect(`${name}: the hash`);
  test(`${name} is signed over SHA-256, and verified over ${hash} as well`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const pair = await generateKeyPair(type, open.lab.password);
    const key = await write(
      open.lab,
      name,
      pair.privateKeyPem,
      pair.publicKeyPem,
      open.lab.password.toString(),
    );
    await signAndVerify(open, key, 'Boltseal', everybody);
    for (const format of ['bundle', 'cosign'] as const) {
      const image = await signAndVerify(open, key, 'cosign 3', ['Boltseal'], format);
      assert.equal((await open.peers['cosign 3'].verify({ image, key })).ok, false, 'cosign 3 is repaired');
      const told = [...cosignVerifyArguments({ image, key }), '--signature-digest-algorithm', hash];
      const { code, stderr } = await runProgram(open.paths.cosign3, told);
      assert.equal(code, 0, stderr);
    }
    row.observed(
      `Boltseal signs over SHA-256, which all verify. **Defect of cosign 3:** it signs over ${hash.toUpperCase().replace('SHA', 'SHA-')}, ` +
        `which Boltseal verifies, and itself only with \`--signature-digest-algorithm ${hash}\``,
    );
  });
}

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  await checkSection('keys', table(['Key', 'Outcome'], found.rows()));
});

async function signAndVerify(
  { lab, peers }: Session,
  key: KeyFiles,
  signer: PeerName,
  readers: readonly PeerName[],
  format: 'bundle' | 'cosign' = 'cosign',
): Promise<TestImage> {
  const image = await lab.push('docker-registry', 'single');
  const signed = await peers[signer].sign({ image, key, format });
  assert.ok(signed.ok, `${signer}: ${signed.message}`);
  for (const reader of readers) {
    const { ok, message } = await peers[reader].verify({ image, key });
    assert.ok(ok, `${reader}: ${message}`);
  }
  return image;
}

async function write(
  lab: Laboratory,
  name: string,
  privatePem: string,
  publicPem: string,
  password: string,
): Promise<KeyFiles> {
  const path = await lab.file(`${name}.key`, privatePem);
  return keyFiles(path, await lab.file(`${name}.pub`, publicPem), Buffer.from(password));
}

/** Private keys as other tools write them. */
function plainKeys(): Readonly<Record<string, string>> {
  const pem = (
    key: ReturnType<typeof generateKeyPairSync>['privateKey'],
    type: 'pkcs1' | 'sec1' | 'pkcs8',
  ): string => key.export({ type, format: 'pem' } as { type: 'pkcs8'; format: 'pem' }).toString();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
  return {
    'RSA-3072 in PKCS #1': pem(rsa, 'pkcs1'),
    'P-256 in SEC 1': pem(ec, 'sec1'),
    'Ed25519 in PKCS #8': pem(generateKeyPairSync('ed25519').privateKey, 'pkcs8'),
  };
}
