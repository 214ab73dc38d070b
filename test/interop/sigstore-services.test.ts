/** Rekor's own command line, OpenSSL and plain requests against one private Sigstore. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();

/** A file, its signature and the key, as files. */
async function signedFile(
  open: SigstoreSession,
  name: string,
): Promise<Record<'blob' | 'sig' | 'key' | 'sha', string>> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const content = randomBytes(64);
  return {
    blob: await open.file(`${name}.blob`, content),
    sig: await open.file(`${name}.sig`, sign('sha256', content, privateKey)),
    key: await open.file(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' })),
    sha: createHash('sha256').update(content).digest('hex'),
  };
}

test('rekor-cli: upload, get, search, verify, loginfo, logproof', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const rekor = open.clients['rekor-cli'];
  const server = ['--rekor_server', `${open.server.url}/rekor`];
  const { sig, key, sha } = await signedFile(open, 'rekor');
  const entry = [
    '--type',
    'hashedrekord',
    '--pki-format',
    'x509',
    '--artifact-hash',
    sha,
    '--signature',
    sig,
  ];
  const words = [...server, ...entry, '--public-key', key];
  const uploaded = await rekor.must(['upload', ...words]);
  const uuid = /\/api\/v1\/log\/entries\/([0-9a-f]{80})/.exec(uploaded.stdout)?.[1] ?? '';
  assert.match(uploaded.stdout, /Created entry at index 0/);
  assert.match((await rekor.must(['upload', ...words])).stdout, /Entry already exists/);
  const got = await rekor.must(['get', ...server, '--uuid', uuid]);
  assert.match(got.stdout, /HashedRekordObj/);
  assert.match((await rekor.must(['get', ...server, '--log-index', '0'])).stdout, new RegExp(uuid.slice(16)));
  assert.match((await rekor.must(['search', ...server, '--sha', sha])).stdout, new RegExp(uuid));
  const byKey = ['search', ...server, '--pki-format', 'x509', '--public-key', key];
  assert.match((await rekor.must(byKey)).stdout, new RegExp(uuid));
  assert.match((await rekor.must(['verify', ...words])).stdout, /Inclusion Proof/i);
  for (let number = 0; number < 5; number++) {
    const other = await signedFile(open, `rekor-${number}`);
    const flags = ['--type', 'hashedrekord', '--pki-format', 'x509', '--artifact-hash', other.sha];
    await rekor.must(['upload', ...server, ...flags, '--signature', other.sig, '--public-key', other.key]);
  }
  const info = await rekor.must(['loginfo', ...server]);
  assert.match(info.stdout, /Verification Successful!/);
  assert.match(info.stdout, /Total Tree Size: +6/);
  const proof = await rekor.must(['logproof', ...server, '--first-size', '2', '--last-size', '6']);
  assert.match(proof.stdout, /Current Root Hash/);
});

test('openssl verifies timestamps', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const openssl = open.clients.openssl;
  const { blob } = await signedFile(open, 'stamped');
  const chain = await (await fetch(`${open.server.url}/api/v1/timestamp/certchain`)).text();
  const [leaf = '', root = ''] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
  const leafFile = await open.file('tsa-leaf.pem', leaf);
  const rootFile = await open.file('tsa-root.pem', root);
  for (const hash of ['sha256', 'sha384', 'sha512']) {
    for (const flags of [[], ['-cert'], ['-no_nonce']]) {
      const query = join(open.folder, 'query.tsq');
      const reply = join(open.folder, 'reply.tsr');
      await openssl.must(['ts', '-query', '-data', blob, `-${hash}`, ...flags, '-out', query]);
      const response = await fetch(`${open.server.url}/api/v1/timestamp`, {
        method: 'POST',
        headers: { 'content-type': 'application/timestamp-query' },
        body: await readFile(query),
      });
      await writeFile(reply, Buffer.from(await response.arrayBuffer()));
      const check = ['ts', '-verify', '-in', reply, '-queryfile', query, '-CAfile', rootFile];
      const verified = await openssl.must([...check, '-untrusted', leafFile]);
      assert.match(verified.stdout + verified.stderr, /Verification: OK/);
    }
  }
});
