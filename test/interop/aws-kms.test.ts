/** A key in AWS KMS, used by the command line and by cosign: both reach moto over TLS, as they reach AWS. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { releasesOfFile } from '../e2e/support/bad-input-bench.ts';
import { startCli } from '../e2e/support/cli-process.ts';
import { makeCertificate, useTlsFront } from '../e2e/support/names-proxy.ts';
import { motoEnvironment, startMoto } from '../support/moto.ts';
import { cleanEnvironment, needPrograms, type ProgramResult, runProgram } from '../support/programs.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { type Laboratory, openLaboratory, type TestImage } from './laboratory.ts';

interface Bench {
  readonly lab: Laboratory;
  /** `awskms://HOST:PORT/alias/` */
  readonly place: string;
  boltseal(...words: readonly string[]): Promise<CliResult>;
  cosign(...words: readonly string[]): Promise<ProgramResult>;
  push(): Promise<TestImage>;
}

const releases = releasesOfFile();
let opened: Promise<Bench> | undefined;

/** One bench for the whole file; undefined where a program is missing. */
async function open(t: TestContext): Promise<Bench | undefined> {
  const programs = needPrograms(t, 'moto-python', 'cosign3');
  if (programs === undefined) return undefined;
  opened ??= start(programs['moto-python'], programs.cosign3);
  return await opened;
}

async function start(python: string, cosign: string): Promise<Bench> {
  const [lab, moto, certificate] = await Promise.all([
    openLaboratory(releases),
    startMoto(python),
    makeCertificate(releases, 'IP:127.0.0.1'),
  ]);
  releases.after(() => moto.stop());
  const { cert, key } = certificate;
  const port = await useTlsFront(releases, Number(moto.host.split(':')[1]), { cert, key });
  // As NODE_EXTRA_CA_CERTS does for a process of its own; and the SDK looks for credentials in the process.
  setDefaultCACertificates([...getCACertificates('default'), cert]);
  Object.assign(process.env, motoEnvironment);
  const home = join(lab.folder, 'home');
  const env = { ...(await cleanEnvironment(home)), ...motoEnvironment, HOME: home };
  return {
    lab,
    place: `awskms://127.0.0.1:${port}/alias/`,
    boltseal: (...words) => runInProcess(words, { env }),
    cosign: (...words) =>
      runProgram(cosign, words, { cwd: lab.folder, env: { ...env, SSL_CERT_FILE: certificate.certFile } }),
    push: () => lab.push('Boltseal’s registry', 'single'),
  };
}

function succeeded<T extends { readonly code: number | null; readonly stderr: string }>(result: T): T {
  assert.equal(result.code, 0, result.stderr);
  return result;
}

const cosignSigns = (lab: Laboratory): readonly string[] => [
  ...['sign', '--yes', '--signing-config', lab.signingConfig, '--trusted-root', lab.trustedRoot],
];
const cosignVerifies = ['verify', '--insecure-ignore-tlog'] as const;

test('a key that Boltseal made: both sign with it and verify, in AWS KMS and with its public key', async (t) => {
  const bench = await open(t);
  if (bench === undefined) return;
  const { lab, place, boltseal, cosign, push } = bench;
  const key = `${place}ours-1-end`;
  const made = succeeded(
    await boltseal('generate-key-pair', '--kms', key, '--output-key-prefix', join(lab.folder, 'ours')),
  );
  const pinned = made.stdout.trim();
  assert.match(pinned, /^awskms:\/\/127\.0\.0\.1:\d+\/arn:aws:kms:eu-central-1:\d{12}:key\/[0-9a-f-]{36}$/);
  const pem = await readFile(join(lab.folder, 'ours.pub'), 'utf8');
  for (const name of [key, pinned]) {
    assert.equal(succeeded(await boltseal('public-key', '--key', name)).stdout, pem);
    assert.equal(succeeded(await cosign('public-key', '--key', name)).stdout, pem);
  }

  const image = await push();
  const signed = succeeded(await boltseal('sign', '--key', key, image.image.reference));
  assert.ok(signed.stderr.includes(`signed with: ${pinned}\n`), signed.stderr);
  const [, words = ''] = /^verify with: boltseal (.*)$/m.exec(signed.stderr) ?? [];
  assert.equal(words, `verify --key ${key} ${image.image.reference}`);
  succeeded(await boltseal(...words.split(' ')));
  for (const name of [key, pinned, 'ours.pub']) {
    succeeded(await cosign(...cosignVerifies, '--key', name, image.image.reference));
  }

  const other = await push();
  succeeded(await cosign(...cosignSigns(lab), '--key', key, other.image.reference));
  for (const name of [key, pinned, join(lab.folder, 'ours.pub')]) {
    succeeded(await boltseal('verify', '--key', name, other.image.reference));
  }

  // Its kind is what it is.
  const again = await boltseal(
    'generate-key-pair',
    '--kms',
    key,
    '--yes',
    '--output-key-prefix',
    join(lab.folder, 'ours'),
  );
  assert.equal(succeeded(again).stdout, made.stdout);
  assert.match(again.stderr, /nothing was made/);
  const rsa = await boltseal('generate-key-pair', '--kms', key, '--key-type', 'rsa-2048', '--yes');
  assert.equal(rsa.code, 1);
  assert.match(rsa.stderr, /ERR_KEY_EXISTS/);
});

test('a key that cosign made, and files', async (t) => {
  const bench = await open(t);
  if (bench === undefined) return;
  const { lab, place, boltseal, cosign, push } = bench;
  const key = `${place}theirs-1-end`;
  succeeded(await cosign('generate-key-pair', '--kms', key));
  const pem = await readFile(join(lab.folder, 'cosign.pub'), 'utf8');
  assert.equal(succeeded(await boltseal('public-key', '--key', key)).stdout, pem);
  const image = await push();
  succeeded(await boltseal('sign', '--key', key, image.image.reference));
  succeeded(await cosign(...cosignVerifies, '--key', 'cosign.pub', image.image.reference));

  await lab.file('artifact', 'what is signed');
  const [bundle, artifact] = [join(lab.folder, 'artifact.bundle'), join(lab.folder, 'artifact')];
  const blob = ['--key', key, '--bundle', bundle, artifact];
  const signed = succeeded(await boltseal('sign-blob', '--output', 'json', ...blob));
  assert.match(JSON.parse(signed.stdout).keyReference, /arn:aws:kms/);
  succeeded(await boltseal('verify-blob', ...blob));
  const theirs = ['verify-blob', '--insecure-ignore-tlog', '--bundle', 'artifact.bundle', 'artifact'];
  succeeded(await cosign(...theirs, '--key', key));
});

test('P-384: signed over SHA-256, which verifies with the public key; cosign’s over SHA-384 verifies here', async (t) => {
  const bench = await open(t);
  if (bench === undefined) return;
  const { lab, place, boltseal, cosign, push } = bench;
  const key = `${place}p384-1-end`;
  const words = ['--kms', key, '--key-type', 'ecdsa-p384', '--output-key-prefix', join(lab.folder, 'p384')];
  succeeded(await boltseal('generate-key-pair', ...words));
  const ours = await push();
  succeeded(await boltseal('sign', '--key', key, ours.image.reference));
  succeeded(await boltseal('verify', '--key', key, ours.image.reference));
  succeeded(await cosign(...cosignVerifies, '--key', 'p384.pub', ours.image.reference));
  // With the key in AWS KMS cosign takes the hash that AWS ties to the curve, and nothing else.
  const refused = await cosign(...cosignVerifies, '--key', key, ours.image.reference);
  assert.notEqual(refused.code, 0);
  const theirs = await push();
  succeeded(await cosign(...cosignSigns(lab), '--key', key, theirs.image.reference));
  for (const name of [key, join(lab.folder, 'p384.pub')]) {
    succeeded(await boltseal('verify', '--key', name, theirs.image.reference));
  }
});

test('a key that is not there, and a server that is not trusted_fail', async (t) => {
  const bench = await open(t);
  if (bench === undefined) return;
  const { place, boltseal, push } = bench;
  const image = await push();
  for (const command of ['sign', 'verify', 'public-key']) {
    const reference = command === 'public-key' ? [] : [image.image.reference];
    const missing = await boltseal(command, '--key', `${place}none-1-end`, ...reference);
    assert.equal(missing.code, 20, missing.stderr);
    assert.match(missing.stderr, /ERR_KEY_NOT_FOUND/);
  }
  const home = join(bench.lab.folder, 'untrusting');
  const env = { ...(await cleanEnvironment(home)), ...motoEnvironment, HOME: home };
  const words = ['public-key', '--key', `${place}none-1-end`];
  const untrusted = await startCli(t, words, { cwd: bench.lab.folder, env }).ended();
  assert.equal(untrusted.code, 21, untrusted.stderr);
  assert.match(untrusted.stderr, /ERR_KEY_PROVIDER/);
  assert.match(untrusted.stderr, /NODE_EXTRA_CA_CERTS/);
});
