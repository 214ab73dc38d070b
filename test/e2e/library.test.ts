/** The package as a library: what a program that imports it gets, and what it is spared. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  BoltsealError,
  createRegistryClient,
  distinctSignatures,
  downloadSignatures,
  errorTable,
  generateKeyPair,
  isBoltsealError,
  loadSigner,
  loadVerificationKeys,
  openPrivateKey,
  type PublicKey,
  parsePublicKey,
  parseReference,
  type RegistryClient,
  type Runtime,
  type Signer,
  signImage,
  signImages,
  storedCredentials,
  treeImage,
  triangulateImage,
  VerificationError,
  verifyImage,
  verifyImages,
} from '../../src/index.ts';
import { createRuntime } from '../../src/node/index.ts';
import { createRegistry, memoryStorage } from '../../src/server/index.ts';
import { useEmbeddedRegistry } from '../support/embedded-registry.ts';
import { runProgram } from '../support/programs.ts';
import { type PushedIndex, pushSmallIndex } from '../support/small-image.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const password = 'correct-horse-battery-staple';

test('an image is signed, verified and looked at; results are data', async (t) => {
  const { host, image, runtime } = await makeRegistry(t);
  const pair = await generateKeyPair('ecdsa-p256', password);
  const tagged = `${host}/you/app:v1`;
  const annotations = { environment: 'production' };
  const signer = openPrivateKey(pair.privateKeyPem, password);

  const [signed, ...others] = await signImage(tagged, { signer, annotations }, runtime);
  assert.deepEqual(others, []);
  assert.equal(signed?.reference, image.reference);
  assert.deepEqual(
    signed.signatures.map(({ format, stored }) => [format, stored?.place]),
    [
      ['bundle', 'referrers-api'],
      ['cosign', 'signature-tag'],
    ],
  );

  const keys = [parsePublicKey(pair.publicKeyPem)];
  const report = await verifyImage(tagged, { keys, annotations }, runtime);
  assert.equal(report.reference, image.reference);
  assert.equal(report.accepted.length, 2);
  assert.equal(distinctSignatures(report.accepted).length, 1);
  for (const { claimsChecked, digest, signedBy } of report.accepted) {
    assert.deepEqual({ claimsChecked, digest }, { claimsChecked: true, digest: image.digest });
    assert.equal(signedBy.kind === 'key' && signedBy.hint, pair.publicKey.hint);
  }

  const { attachments } = await treeImage(tagged, {}, runtime);
  assert.deepEqual(attachments.map(({ kind }) => kind).sort(), ['referrer', 'signatures']);
  assert.equal((await downloadSignatures(tagged, {}, runtime)).signatures.length, 2);
  assert.equal(await triangulateImage(tagged, 'digest', {}, runtime), image.reference);
});

test('a refusal is an error with a code and the reasons', async (t) => {
  const { host, runtime } = await makeRegistry(t);
  const [ours, theirs] = await Promise.all([
    generateKeyPair('ecdsa-p256', password),
    generateKeyPair('ed25519', password),
  ]);
  const tagged = `${host}/you/app:v1`;
  const keys = [ours.publicKey];
  await assert.rejects(verifyImage(tagged, { keys }, runtime), (error) => {
    assert.ok(error instanceof VerificationError && isBoltsealError(error, 'ERR_NO_SIGNATURES'));
    assert.equal(error.report.places.length, 2);
    return true;
  });
  await signImage(tagged, { signer: openPrivateKey(theirs.privateKeyPem, password) }, runtime);
  await assert.rejects(verifyImage(tagged, { keys }, runtime), (error) => {
    assert.ok(error instanceof VerificationError && error.code === 'ERR_NO_MATCHING_SIGNATURES');
    assert.deepEqual(
      error.report.refused.map((one) => one.error.code),
      ['ERR_VERIFY_SIGNATURE', 'ERR_VERIFY_SIGNATURE'],
    );
    assert.ok(error.code in errorTable);
    return true;
  });
});

test('options that contradict each other are refused before anybody is asked', async () => {
  const { publicKey } = await generateKeyPair('ecdsa-p256', password);
  const runtime = createRuntime({ fetch: () => Promise.reject(new Error('the network was used')) });
  const contradiction = { keys: [publicKey], annotations: { a: 'b' }, checkClaims: false };
  await rejectsWith('ERR_USAGE', verifyImage('registry.example/app', contradiction, runtime));
});

test('a key that fails while the registry is still being asked is reported once, and kills no process', async (t) => {
  // An unhandled rejection fails the test. The registry answers only after the key has long failed.
  const { host, runtime: fast } = await makeRegistry(t);
  const missingKey = (): Promise<Signer> => loadSigner('missing.key', { runtime: fast });
  const missingKeys = (): Promise<readonly PublicKey[]> =>
    loadVerificationKeys('missing.pub', { runtime: fast });
  const runtime: Runtime = {
    ...fast,
    async fetch(url, init) {
      await missingKey().catch(() => undefined);
      await new Promise((resolve) => setImmediate(resolve));
      return fast.fetch(url, init);
    },
  };
  const tagged = `${host}/you/app:v1`;
  const nothing = `${host}/you/nothing:v1`;
  await rejectsWith('ERR_KEY_NOT_FOUND', verifyImage(tagged, { keys: missingKeys() }, runtime));
  await rejectsWith('ERR_KEY_NOT_FOUND', signImage(tagged, { signer: missingKey() }, runtime));
  await rejectsWith('ERR_IMAGE_NOT_FOUND', verifyImage(nothing, { keys: missingKeys() }, runtime));
  await rejectsWith('ERR_IMAGE_NOT_FOUND', signImage(nothing, { signer: missingKey() }, runtime));
  const [verified] = await verifyImages([tagged], { keys: missingKeys() }, runtime);
  assert.ok(verified !== undefined && 'error' in verified && verified.error.code === 'ERR_KEY_NOT_FOUND');
  const [signed] = await signImages([tagged], { signer: missingKey() }, runtime);
  assert.ok(signed !== undefined && 'error' in signed && signed.error.code === 'ERR_KEY_NOT_FOUND');
});

test('keys come from files, variables and text; the environment is the one handed in', async (t) => {
  const folder = await temporaryDirectory(t);
  const pair = await generateKeyPair('ecdsa-p256', password);
  const path = join(folder, 'cosign.key');
  await writeFile(path, pair.privateKeyPem);
  await writeFile(join(folder, 'cosign.pub'), pair.publicKeyPem);

  const empty = createRuntime();
  setVariable(t, 'COSIGN_PASSWORD', password);
  setVariable(t, 'COSIGN_PRIVATE_KEY', pair.privateKeyPem);
  await rejectsWith('ERR_PASSWORD_MISSING', loadSigner(path, { runtime: empty }));
  await rejectsWith('ERR_KEY_NOT_FOUND', loadSigner('env://COSIGN_PRIVATE_KEY', { runtime: empty }));
  await rejectsWith('ERR_USAGE', loadSigner('-', { runtime: empty, password }));

  const env = { SIGNING_KEY: pair.privateKeyPem, COSIGN_PASSWORD: password };
  const runtime = createRuntime({ env });
  const signers = await Promise.all([
    loadSigner(path, { runtime }),
    loadSigner(path, { runtime: empty, password }),
    loadSigner(path, { runtime: empty, password: async () => [Buffer.from(password)] }),
    loadSigner('env://SIGNING_KEY', { runtime }),
    loadSigner('-', { runtime, readStdin: async () => Buffer.from(pair.privateKeyPem) }),
    openPrivateKey(Buffer.from(pair.privateKeyPem), Buffer.from(password)),
  ]);
  for (const { publicKey } of signers) assert.equal(publicKey.pem, pair.publicKeyPem);
  await rejectsWith('ERR_PASSWORD_WRONG', loadSigner(path, { runtime, password: 'another' }));
  const [key] = await loadVerificationKeys(join(folder, 'cosign.pub'), { runtime: empty });
  assert.equal(key?.pem, pair.publicKeyPem);
});

test('docker’s credentials are used when they are asked for', async (t) => {
  const auth = { kind: 'basic', username: 'reader', password: 'pass:word' } as const;
  const registry = await useEmbeddedRegistry(t, { auth });
  const basic = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
  await pushSmallIndex({ url: registry.url, authorization: `Basic ${basic}` }, 'you/app', { tag: 'v1' });
  const folder = await temporaryDirectory(t);
  await mkdir(join(folder, 'docker'));
  const config = { auths: { [registry.host]: { auth: basic } } };
  await writeFile(join(folder, 'docker', 'config.json'), JSON.stringify(config));
  setVariable(t, 'DOCKER_CONFIG', join(folder, 'docker'));

  const tagged = `${registry.host}/you/app:v1`;
  const digest = (runtime: Runtime, client: RegistryClient): Promise<string> =>
    triangulateImage(tagged, 'digest', { registry: client }, runtime);
  // The process has the variable, and the library was not handed it.
  const elsewhere = createRuntime({ home: folder });
  const without = createRegistryClient(elsewhere, { credentials: storedCredentials(elsewhere) });
  await rejectsWith('ERR_REGISTRY_UNAUTHORIZED', digest(elsewhere, without));
  const runtime = createRuntime({ home: folder, env: { DOCKER_CONFIG: join(folder, 'docker') } });
  await rejectsWith('ERR_REGISTRY_UNAUTHORIZED', digest(runtime, createRegistryClient(runtime)));
  const client = createRegistryClient(runtime, { credentials: storedCredentials(runtime) });
  assert.match(await digest(runtime, client), /@sha256:[0-9a-f]{64}$/);
});

test('a registry needs no socket: its fetch is the network of a runtime', async () => {
  const registry = createRegistry(createRuntime(), { storage: memoryStorage() });
  const runtime = createRuntime({ fetch: registry.fetch });
  const repository = await createRegistryClient(runtime).open(parseReference('registry.example/a/b'), {
    push: true,
  });
  const content = Buffer.alloc(100_000, 'boltseal');
  const blob = await repository.putBlob(content);
  assert.deepEqual(Buffer.from(await repository.getBlob(blob, { maxBytes: content.length })), content);
  await registry.close();
});

test('nothing is written to the console', async (t) => {
  const { host } = await makeRegistry(t);
  const program = `
    import { generateKeyPair, openPrivateKey, signImages, verifyImages } from 'boltseal';
    import { createRuntime } from 'boltseal/node';
    const images = ['${host}/you/app:v1', '${host}/you/nothing:v1'];
    const pair = await generateKeyPair('ecdsa-p256', 'secret');
    const signer = openPrivateKey(pair.privateKeyPem, 'secret');
    const signed = await signImages(images, { signer, recursive: true }, createRuntime());
    const verified = await verifyImages(images, { keys: [pair.publicKey] }, createRuntime());
    process.exitCode = [...signed, ...verified].filter((outcome) => 'error' in outcome).length;`;
  const hook = new URL('../support/source-package.ts', import.meta.url).href;
  const args = ['--import', hook, '--input-type=module', '--eval', program];
  const result = await runProgram(process.execPath, args);
  assert.deepEqual(result, { code: 2, stdout: '', stderr: '' });
});

async function makeRegistry(
  t: TestContext,
): Promise<{ readonly host: string; readonly image: PushedIndex; readonly runtime: Runtime }> {
  const { host, url } = await useEmbeddedRegistry(t);
  const image = await pushSmallIndex({ url }, 'you/app', { tag: 'v1' });
  return { host, image, runtime: createRuntime() };
}

async function rejectsWith(code: BoltsealError['code'], work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof BoltsealError);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** Sets a variable of this very process while the test runs. */
function setVariable(t: TestContext, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}
