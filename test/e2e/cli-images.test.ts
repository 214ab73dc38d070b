import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { utf8 } from '../../src/core/encoding.ts';
import { emptyConfigBytes } from '../../src/formats/oci.ts';
import { parseReference } from '../../src/formats/reference.ts';
import { bundleManifest } from '../../src/formats/referrer-manifest.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { attachReferrer } from '../../src/registry/attach.ts';
import { openRepository } from '../../src/registry/client.ts';
import { type EmbeddedRegistry, startEmbeddedRegistry } from '../support/embedded-registry.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { pushSmallImage } from '../support/small-image.ts';
import { removeDirectory } from '../support/temporary.ts';

const env = { COSIGN_PASSWORD: 'of a test' };

describe('images on the command line', () => {
  let registry: EmbeddedRegistry;
  let folder: string;
  let reference: string;
  let tag: string;
  const run = (...words: string[]): Promise<CliResult> => runInProcess(words, { env });

  before(async () => {
    registry = await startEmbeddedRegistry();
    folder = await mkdtemp(join(tmpdir(), 'boltseal-'));
    const image = await pushSmallImage({ url: registry.url }, 'demo/app', { tag: 'v1' });
    reference = image.reference;
    tag = `${reference.split('@')[0]}:v1`;
    const made = await run('generate-key-pair', '--output-key-prefix', join(folder, 'a'));
    assert.equal(made.code, 0, made.stderr);
    await run('generate-key-pair', '--output-key-prefix', join(folder, 'b'));
  });
  after(async () => {
    await registry.stop();
    await removeDirectory(folder);
  });

  const key = (name: string): string => join(folder, name);

  test('unsigned: 10, no image: 11, in text and JSON', async () => {
    assert.equal((await run('verify', '--key', key('a.pub'), reference)).code, 10);
    assert.equal((await run('verify', '--key', key('a.pub'), `${tag}x`)).code, 11);
    const { code, stdout } = await run('verify', '--key', key('a.pub'), '-o', 'json', reference);
    assert.equal(code, 10);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'boltseal.verify/1');
    assert.equal(document.images[0].verified, false);
    assert.equal(document.images[0].error.code, 'ERR_NO_SIGNATURES');
    assert.equal(document.images[0].places.length, 2);
  });

  test('attestations and no signature: 10, and it is said what is there', async () => {
    const predicateType = 'https://spdx.dev/Document';
    const image = await pushSmallImage({ url: registry.url }, 'demo/attested');
    const runtime = createRuntime();
    const repository = await openRepository(parseReference(image.reference), runtime, { push: true });
    const subject = await repository.resolve(image.digest);
    assert.ok(subject);
    const bundle = utf8('{}');
    await Promise.all([repository.putBlob(bundle), repository.putBlob(emptyConfigBytes)]);
    const made = bundleManifest({ bundle, subject, predicateType, created: new Date() });
    const referrer = { manifest: made.bytes, descriptor: made.descriptor, subject: subject.digest };
    await attachReferrer(repository, referrer, runtime);

    const words = ['verify', '--key', key('a.pub'), image.reference];
    const explained = await run(...words, '--explain');
    assert.equal(explained.code, 10);
    assert.ok(explained.stderr.includes(`attestation ${predicateType}`), explained.stderr);
    const { images } = JSON.parse((await run(...words, '-o', 'json')).stdout);
    assert.equal(images[0].error.code, 'ERR_NO_SIGNATURES');
    assert.deepEqual(images[0].refused, []);
    assert.deepEqual(
      images[0].places[0].others.map((other: { predicateType: string }) => other.predicateType),
      [predicateType],
    );
    const signed = await run('sign', '--key', key('a.key'), image.reference);
    assert.equal(signed.code, 0, signed.stderr);
    assert.equal((await run(...words)).code, 0);
  });

  test('a dry run signs nothing and says what would be', async () => {
    const { code, stdout } = await run('sign', '--key', key('a.key'), '--dry-run', tag);
    assert.equal(code, 0);
    assert.ok(stdout.includes(reference));
    assert.equal((await run('verify', '--key', key('a.pub'), reference)).code, 10);
    assert.equal((await run('tree', reference)).stdout, `${reference}\n`);
  });

  test('files instead of uploads', async () => {
    const files = { bundle: key('x.bundle'), signature: key('x.sig'), payload: key('x.payload') };
    const signed = await run(
      ...['sign', '--key', key('a.key'), '--no-upload', '--bundle', files.bundle],
      ...['--output-signature', files.signature, '--output-payload', files.payload, reference],
    );
    assert.equal(signed.code, 0, signed.stderr);
    assert.match(await readFile(files.signature, 'utf8'), /^[A-Za-z0-9+/]+=*$/);
    assert.ok((await readFile(files.payload, 'utf8')).includes(reference.split('@')[1] ?? ''));
    const verify = ['verify', '--key', key('a.pub')];
    assert.equal((await run(...verify, reference)).code, 10, 'nothing was uploaded');
    assert.equal((await run(...verify, '--bundle', files.bundle, reference)).code, 0);
    assert.equal(
      (await run(...verify, '--signature', files.signature, '--payload', files.payload, reference)).code,
      0,
    );
    await writeFile(files.payload, '{}');
    const tampered = await run(
      ...verify,
      '--signature',
      files.signature,
      '--payload',
      files.payload,
      reference,
    );
    assert.equal(tampered.code, 12);
    assert.equal((await run('verify', '--key', key('b.pub'), '--bundle', files.bundle, reference)).code, 12);
  });

  test('sign, then what verify prints is what cosign prints', async () => {
    const signed = await run(
      'sign',
      '--key',
      key('a.key'),
      '-a',
      'env=prod <us>',
      '-a',
      '10=x,9=y',
      '--yes',
      '--tlog-upload=false',
      tag,
    );
    assert.equal(signed.code, 0, signed.stderr);
    assert.equal(signed.stdout, '');
    assert.match(signed.stderr, /warning: .*names a tag/);
    assert.ok(signed.stderr.includes(`boltseal verify --key ${key('a.pub')} -a`), signed.stderr);
    assert.ok(signed.stderr.includes(` ${reference}\n`), 'the printed command names the digest');

    const element = (name: string): string =>
      `{"critical":{"identity":{"docker-reference":"${name}"},"image":{"docker-manifest-digest":"${reference.split('@')[1]}"},"type":"https://sigstore.dev/cosign/sign/v1"},"optional":{"10":"x","9":"y","env":"prod \\u003cus\\u003e"}}`;
    for (const name of [tag, reference]) {
      const verified = await run('verify', '--key', key('a.pub'), name);
      assert.equal(verified.stdout, `\n[${element(name)}]\n`);
      assert.equal(
        (await run('verify', '--key', key('a.pub'), '-o', 'cosign', name)).stdout,
        verified.stdout,
      );
      assert.equal(
        (await run('verify', '--key', key('a.pub'), '-o', 'text', name)).stdout,
        `${element(name)}\n`,
      );
      assert.match(verified.stderr, /^\nVerification for .* --\nThe following checks/);
      assert.doesNotMatch(
        verified.stderr,
        /transparency log|annotations/,
        'only checks that were made are claimed',
      );
    }
    const required = await run('verify', '--key', key('a.pub'), '-a', 'env=prod <us>', '--quiet', reference);
    assert.equal(required.code, 0);
    assert.equal(required.stderr, '');
  });

  test('refusals: 12, with a reason for each signature', async () => {
    for (const words of [
      ['--key', key('b.pub'), reference],
      ['--key', key('a.pub'), '-a', 'env=dev', reference],
    ]) {
      const { code, stdout, stderr } = await run('verify', '--explain', ...words);
      assert.equal(code, 12);
      assert.equal(stdout, '');
      assert.equal(stderr.match(/^ {2}refused /gm)?.length, 2, stderr);
    }
    const { images } = JSON.parse(
      (await run('verify', '--key', key('b.pub'), '-o', 'json', reference)).stdout,
    );
    assert.deepEqual(images[0].accepted, []);
    assert.deepEqual(
      images[0].refused.map((one: { code: string }) => one.code),
      ['ERR_VERIFY_SIGNATURE', 'ERR_VERIFY_SIGNATURE'],
    );
  });

  test('several images: each has its outcome, the first failure the exit code', async () => {
    const { code, stdout, stderr } = await run('verify', '--key', key('a.pub'), reference, `${tag}x`, tag);
    assert.equal(code, 11);
    assert.equal(stdout.match(/^\[/gm)?.length, 2);
    assert.match(stderr, /ERR_IMAGE_NOT_FOUND/);
    const broken = await run('verify', '--key', key('none.pub'), '-o', 'json', reference, tag);
    assert.equal(broken.code, 20);
    assert.equal(
      JSON.parse(broken.stdout).code,
      'ERR_KEY_NOT_FOUND',
      'a missing key is one error, not one for each image',
    );
  });

  test('sign as JSON', async () => {
    const { code, stdout } = await run(
      'sign',
      '--key',
      key('b.key'),
      '--format',
      'cosign',
      '-o',
      'json',
      reference,
    );
    assert.equal(code, 0);
    const { schema, images } = JSON.parse(stdout);
    assert.equal(schema, 'boltseal.sign/1');
    const [signature] = images[0].signed[0].signatures;
    assert.equal(signature.format, 'cosign');
    assert.equal(signature.place, 'signature-tag');
    assert.equal((await run('verify', '--key', key('b.pub'), reference)).code, 0);
  });

  test('tree, triangulate and download show what is there', async () => {
    const tree = (await run('tree', tag)).stdout;
    assert.match(tree, /signatures, cosign format/);
    assert.match(tree, /https:\/\/sigstore\.dev\/cosign\/sign\/v1/);
    assert.equal(JSON.parse((await run('tree', '-o', 'json', tag)).stdout).attachments.length, 2);
    const digest = reference.split('@')[1] ?? '';
    const name = reference.split('@')[0];
    assert.equal((await run('triangulate', tag)).stdout, `${name}:${digest.replace(':', '-')}.sig\n`);
    assert.equal((await run('triangulate', '--type', 'digest', tag)).stdout, `${reference}\n`);
    const lines = (await run('download', 'signature', tag)).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => ('Base64Signature' in line ? 'cosign' : line.mediaType)).sort(), [
      'application/vnd.dev.sigstore.bundle.v0.3+json',
      'cosign',
      'cosign',
    ]);
  });

  test('an empty signing config is understood, and one with half a service is malformed', async () => {
    const empty = key('empty.json');
    const mediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';
    await writeFile(empty, JSON.stringify({ mediaType, rekorTlogConfig: {}, tsaConfig: {} }));
    const words = ['sign', '--key', key('a.key'), '--no-upload', '--bundle', key('y.bundle')];
    assert.equal((await run(...words, '--signing-config', empty, reference)).code, 0);
    for (const member of ['rekorTlogUrls', 'rekor_tlog_urls', 'tsaUrls', 'tsa_urls']) {
      await writeFile(empty, JSON.stringify({ mediaType, [member]: [{ url: 'https://service.example' }] }));
      assert.equal((await run(...words, '--signing-config', empty, reference)).code, 15, member);
    }
  });

  test('credentials of flags must be whole, and for one registry', async () => {
    const verify = ['verify', '--key', key('a.pub')];
    assert.equal((await run(...verify, '--registry-username', 'me', reference)).code, 2);
    assert.equal(
      (await run(...verify, '--registry-token', 't', '--registry-username', 'me', reference)).code,
      2,
    );
    assert.equal((await run(...verify, '--registry-token', 't', reference, 'example.com/x')).code, 2);
  });

  test('Ctrl-C during sign: 130, and nothing is half-written', async () => {
    const { interrupted } = await import('../../src/cli/report-error.ts');
    const image = await pushSmallImage({ url: registry.url }, 'demo/interrupted', { content: 'interrupted' });
    const controller = new AbortController();
    const words = ['sign', '--key', key('a.key'), '--bundle', key('z.bundle'), image.reference];
    const running = runInProcess(words, { env, signal: controller.signal });
    setImmediate(() => controller.abort(interrupted('SIGINT')));
    const { code, stderr } = await running;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /ERR_INTERRUPTED/);
    assert.equal((await run('tree', image.reference)).stdout, `${image.reference}\n`);
    await assert.rejects(readFile(key('z.bundle')), { code: 'ENOENT' });
  });
});
