/** `bundle create`, `bundle upgrade` and `bundle inspect`, as a user runs them. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runInProcess } from '../support/run-cli.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const data = join(import.meta.dirname, '../vectors/data');
const old = (name: string) => join(data, 'old', name);
const bundleFile = join(data, 'keyless-sc-v1.bundle.json');

/** A folder with a file, its signature by a new key, and the public key. */
async function signedFile(releases: Releases) {
  const folder = await temporaryDirectory(releases, 'boltseal-bundle-');
  const path = (name: string) => join(folder, name);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const artifact = Buffer.from('an artifact\n');
  const signature = sign('sha256', artifact, privateKey);
  await writeFile(path('artifact'), artifact);
  await writeFile(path('artifact.sig'), `${signature.toString('base64')}\n`);
  await writeFile(path('artifact.der'), signature);
  await writeFile(path('key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const blob = JSON.parse(await readFile(old('blob-keyless-c3.json'), 'utf8'));
  await writeFile(path('crt'), blob.cert);
  await writeFile(path('blob.sig'), blob.base64Signature);
  return { path, signature, artifact };
}

const errorOf = (stderr: string) => /\((ERR_[A-Z0-9_]+)\)/.exec(stderr)?.[1];

describe('bundle create', () => {
  it('makes the same bundle of a signature in base64, as it is, and on standard input', async (t) => {
    const { path } = await signedFile(t);
    const create = [
      'bundle',
      'create',
      '--artifact',
      path('artifact'),
      '--key',
      path('key.pub'),
      '--ignore-tlog',
    ];
    const { stdout, stderr, code } = await runInProcess([...create, '--signature', path('artifact.sig')]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(JSON.parse(stdout).mediaType, 'application/vnd.dev.sigstore.bundle.v0.3+json');
    const raw = await runInProcess([...create, '--signature', path('artifact.der')]);
    const stdin = await readFile(path('artifact.sig'));
    const piped = await runInProcess([...create, '--signature', '-'], { stdin });
    assert.deepEqual([raw.stdout, piped.stdout], [stdout, stdout]);

    // And it verifies.
    await writeFile(path('bundle.json'), stdout);
    const verify = [
      'verify-blob',
      '--key',
      path('key.pub'),
      '--bundle',
      path('bundle.json'),
      path('artifact'),
    ];
    assert.equal((await runInProcess(verify)).code, 0);
  });

  it('writes a file, or tells programs', async (t) => {
    const { path } = await signedFile(t);
    const flags = [
      '--artifact',
      path('artifact'),
      '--key',
      path('key.pub'),
      '--signature',
      path('artifact.sig'),
    ];
    const out = path('made.json');
    const { stdout, code } = await runInProcess([
      'bundle',
      'create',
      ...flags,
      '--out',
      out,
      '--output',
      'json',
    ]);
    assert.equal(code, 0);
    const { schema, file, logEntries, bundle } = JSON.parse(stdout);
    assert.deepEqual([schema, file, logEntries], ['boltseal.bundle-create/1', out, 0]);
    assert.deepEqual(JSON.parse(await readFile(out, 'utf8')), bundle);
    if (process.platform !== 'win32') assert.equal((await stat(out)).mode & 0o777, 0o600);
  });

  it('makes one of what cosign wrote in base64: a certificate and a timestamp', async (t) => {
    const { path } = await signedFile(t);
    const blob = JSON.parse(await readFile(old('blob-keyless-c3.json'), 'utf8'));
    const flags = [
      '--artifact',
      old('blob.txt'),
      '--signature',
      path('blob.sig'),
      '--certificate',
      path('crt'),
    ];
    const stamped = [...flags, '--rfc3161-timestamp', old('timestamp-c3.json'), '--ignore-tlog'];
    const { stdout, code, stderr } = await runInProcess(['bundle', 'create', ...stamped]);
    assert.equal(code, 0, stderr);
    const { certificate, timestampVerificationData } = JSON.parse(stdout).verificationMaterial;
    const pem = Buffer.from(blob.cert, 'base64')
      .toString()
      .replace(/-----.*-----|\n/g, '');
    assert.equal(certificate.rawBytes, pem);
    assert.equal(timestampVerificationData.rfc3161Timestamps.length, 1);
  });

  const refused: Readonly<
    Record<string, readonly [(path: (name: string) => string) => readonly string[], string]>
  > = {
    'no signature': [(path) => ['--key', path('key.pub')], 'ERR_USAGE'],
    'no signer': [
      (path) => ['--artifact', path('artifact'), '--signature', path('artifact.sig')],
      'ERR_USAGE',
    ],
    'no artifact': [(path) => ['--key', path('key.pub'), '--signature', path('artifact.sig')], 'ERR_USAGE'],
    'a key and a certificate': [
      (path) => ['--key', path('key.pub'), '--certificate', path('crt'), '--signature', path('artifact.sig')],
      'ERR_USAGE',
    ],
    'a key as certificate': [
      (path) => ['--certificate', path('key.pub'), '--signature', path('artifact.sig')],
      'ERR_CERTIFICATE_INVALID',
    ],
    'standard input twice': [() => ['--signature', '-', '--key', '-'], 'ERR_USAGE'],
    'two signatures': [
      (path) => [
        '--bundle',
        old('blob-key-c2.json'),
        '--signature',
        path('artifact.sig'),
        '--key',
        path('key.pub'),
      ],
      'ERR_USAGE',
    ],
    'a log entry that would be lost': [
      () => ['--artifact', old('blob.txt'), '--bundle', old('blob-keyless-c2.json'), '--ignore-tlog'],
      'ERR_USAGE',
    ],
    'a log entry without its log': [
      () => ['--artifact', old('blob.txt'), '--bundle', old('blob-keyless-c2.json')],
      'ERR_USAGE',
    ],
    'another artifact': [
      (path) => [
        '--artifact',
        path('key.pub'),
        '--signature',
        path('artifact.sig'),
        '--key',
        path('key.pub'),
      ],
      'ERR_VERIFY_SIGNATURE',
    ],
    'a file that is not there': [
      (path) => ['--signature', path('nowhere'), '--key', path('key.pub')],
      'ERR_FILE_READ',
    ],
    'a hardware key': [() => ['--sk', '--signature', 'x'], 'ERR_USAGE'],
  };
  for (const [name, [flags, code]] of Object.entries(refused)) {
    it(`${name}_fail`, async (t) => {
      const { path } = await signedFile(t);
      const { stderr, stdout } = await runInProcess(['bundle', 'create', ...flags(path)]);
      assert.deepEqual([errorOf(stderr), stdout], [code, '']);
    });
  }
});

describe('bundle upgrade', () => {
  it('prints what it left out, and takes the file either way', async (t) => {
    const folder = await temporaryDirectory(t, 'boltseal-bundle-');
    const document = JSON.parse(await readFile(bundleFile, 'utf8'));
    const { certificate, ...material } = document.verificationMaterial;
    const older = join(folder, 'older.json');
    const chain = { x509CertificateChain: { certificates: [certificate, certificate] } };
    const mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.2';
    await writeFile(
      older,
      JSON.stringify({ ...document, mediaType, verificationMaterial: { ...material, ...chain } }),
    );
    const { stdout, stderr, code } = await runInProcess(['bundle', 'upgrade', older]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), document);
    assert.match(stderr, /left out/);
    assert.equal((await runInProcess(['bundle', 'upgrade', '--bundle', older])).stdout, stdout);
    const stdin = await readFile(older);
    assert.equal((await runInProcess(['bundle', 'upgrade', '-'], { stdin })).stdout, stdout);
    const { stdout: told } = await runInProcess(['bundle', 'upgrade', older, '--output', 'json']);
    assert.deepEqual(
      [JSON.parse(told).schema, JSON.parse(told).from, JSON.parse(told).leftOut.length],
      ['boltseal.bundle-upgrade/1', '0.2', 1],
    );
  });

  it('leaves version 0.3 as it is', async () => {
    const { stdout } = await runInProcess(['bundle', 'upgrade', bundleFile]);
    assert.equal(stdout.trimEnd(), (await readFile(bundleFile, 'utf8')).trimEnd());
  });

  for (const [name, args, code] of [
    ['no bundle', [], 'ERR_USAGE'],
    ['two bundles', [bundleFile, '--bundle', bundleFile], 'ERR_USAGE'],
    ['a proof that nobody can be asked for', [old('blob-keyless-c2.json')], 'ERR_USAGE'],
    ['no bundle at all', [old('key.pub')], 'ERR_JSON_INVALID'],
  ] as const) {
    it(`${name}_fail`, async () => {
      const { stderr, stdout } = await runInProcess(['bundle', 'upgrade', ...args]);
      assert.deepEqual([errorOf(stderr), stdout], [code, '']);
    });
  }
});

describe('bundle inspect', () => {
  it('says who signed what and when, and that nothing of it was verified', async () => {
    const { stdout, code } = await runInProcess(['bundle', 'inspect', bundleFile]);
    assert.equal(code, 0);
    for (const words of [
      'Nothing of this was verified',
      'version 0.3',
      'https://sigstore.dev/cosign/sign/v1',
      'sha256:5d94a5c274ca159e5a000e4b63db163bd27b55a023a277efde18598e04724d51',
      'dev@example.com (email)',
      'http://127.0.0.1:5115',
      '791566997baf5c3aa2be341b5734ac5f993e385c',
      'rekor1.mock.dev - 1, size 1',
      'names this signature',
      'O=mock.dev, CN=tsa-root',
      '(SCT)',
    ]) {
      assert.ok(stdout.includes(words), words);
    }
    assert.ok((stdout.match(/not verified/g) ?? []).length >= 4);
  });

  it('tells programs the same', async () => {
    const stdin = await readFile(bundleFile);
    const { stdout } = await runInProcess(['bundle', 'inspect', '-', '--output', 'json'], { stdin });
    const { schema, verified, kind, signatures } = JSON.parse(stdout);
    assert.deepEqual([schema, verified, kind, signatures.length], ['boltseal.bundle/1', false, 'bundle', 1]);
  });

  it('prints the payload byte for byte', async () => {
    const { dsseEnvelope } = JSON.parse(await readFile(bundleFile, 'utf8'));
    const { stdout } = await runInProcess(['bundle', 'inspect', '--payload', bundleFile]);
    assert.equal(stdout, Buffer.from(dsseEnvelope.payload, 'base64').toString());
    const message = await runInProcess(['bundle', 'inspect', '--payload', join(data, 'blob-bundle-c3.json')]);
    assert.equal(errorOf(message.stderr), 'ERR_USAGE');
    const both = await runInProcess(['bundle', 'inspect', '--payload', '--output', 'json', bundleFile]);
    assert.equal(errorOf(both.stderr), 'ERR_USAGE');
  });

  it('takes the lines of download signature', async () => {
    const bundle = JSON.stringify(JSON.parse(await readFile(bundleFile, 'utf8')));
    const signature = JSON.stringify({ Base64Signature: 'YQ==', Payload: 'e30=', Cert: null });
    const stdin = `${bundle}\n${signature}\n`;
    const { stdout } = await runInProcess(['bundle', 'inspect', '-'], { stdin });
    assert.match(stdout, /^Sigstore bundle, version 0\.3.*\n\n\nsignature of a \.sig tag/s);
    const { stdout: json } = await runInProcess(['bundle', 'inspect', '-', '--output', 'json'], { stdin });
    const kinds = json.split(/^(?=\{)/m).map((text) => JSON.parse(text).kind);
    assert.deepEqual(kinds, ['bundle', 'downloaded-signature']);
    const { stderr } = await runInProcess(['bundle', 'inspect', '-', '--payload'], { stdin });
    assert.equal(errorOf(stderr), 'ERR_USAGE');
  });

  it('shows what is broken in its place, and ends with success', async () => {
    const document = JSON.parse(await readFile(bundleFile, 'utf8'));
    document.verificationMaterial.certificate.rawBytes = 'AAAA';
    const { stdout, code } = await runInProcess(['bundle', 'inspect', '-'], {
      stdin: JSON.stringify(document),
    });
    assert.equal(code, 0);
    assert.match(stdout, /broken .*ERR_CERTIFICATE_INVALID/);
    assert.match(stdout, /names this signature/);
    assert.match(stdout, /names another signer/);
  });

  it('lets nothing in it steer the terminal', async () => {
    const document = JSON.parse(await readFile(bundleFile, 'utf8'));
    const evil = '\u001b[32mverified\u001b[39m\u001b]0;x\u0007\r\n\u202e\u009b2J';
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: evil,
      subject: [{ name: evil, digest: { sha256: 'a'.repeat(64) }, annotations: { [evil]: evil } }],
    };
    document.dsseEnvelope.payload = Buffer.from(JSON.stringify(statement)).toString('base64');
    document.dsseEnvelope.signatures[0].keyid = evil;
    document.verificationMaterial.tlogEntries[0].kindVersion.kind = evil;
    document[evil] = 1;
    for (const output of ['text', 'json']) {
      const { stdout } = await runInProcess(['bundle', 'inspect', '-', '--output', output], {
        stdin: JSON.stringify(document),
      });
      assert.match(stdout, /verified/);
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }
  });
});
