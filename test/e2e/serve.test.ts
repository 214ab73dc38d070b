/** A private Sigstore over its life: first start, resuming, what it refuses, rotation, its end. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { cp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { parseCheckpoint } from '../../src/formats/checkpoint.ts';
import { parseTrustedRoot } from '../../src/formats/trusted-root.ts';
import { addRekorEntry } from '../support/rekor-entry.ts';
import { runInProcess } from '../support/run-cli.ts';
import { type Serving, serve } from '../support/serve.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const anywhere = ['--listen', '127.0.0.1:0'];
const password = { BOLTSEAL_PASSWORD: 'correct-horse' };

function started({ url, printed }: Serving): string {
  assert.ok(url !== undefined, printed().stderr);
  return url;
}

/** Fails unless the server did not start because of `code`. */
async function assertRefuses(serving: Serving, code: string, exit: number): Promise<void> {
  assert.equal(serving.url, undefined, 'it started');
  const ended = await serving.stop();
  assert.match(ended.stderr, new RegExp(`\\(${code}\\)$`, 'm'));
  assert.equal(ended.code, exit, ended.stderr);
}

interface LogInfo {
  readonly treeSize: number;
  readonly treeID: string;
  readonly signedTreeHead: string;
  readonly inactiveShards: readonly { readonly treeID: string; readonly treeSize: number }[] | null;
}

async function logInfo(url: string): Promise<LogInfo> {
  return (await (await fetch(`${url}/rekor/api/v1/log`)).json()) as LogInfo;
}

async function newFolder(releases: Releases): Promise<string> {
  return join(await temporaryDirectory(releases), 'data');
}

test('the first start makes everything, later ones go on with it', async (t) => {
  const data = await newFolder(t);
  const words = ['--data', data, ...anywhere, '-o', 'json'];
  const first = await serve(t, words, password);
  const url = started(first);
  const { id } = await addRekorEntry(url);
  const root = await (await fetch(`${url}/tuf/1.root.json`)).text();
  const { stdout, stderr } = first.printed();
  const document = JSON.parse(stdout);
  assert.equal(document.schema, 'boltseal.serve/1');
  assert.equal(document.tufRootSha256, createHash('sha256').update(root).digest('hex'));
  assert.match(stderr, new RegExp(`--root-checksum ${document.tufRootSha256}`));
  assert.equal((await first.stop()).code, 0);

  if (process.platform !== 'win32') {
    for (const file of await readdir(join(data, 'sigstore', 'keys'))) {
      const { mode } = await stat(join(data, 'sigstore', 'keys', file));
      assert.equal(mode & 0o777, file.endsWith('.key') ? 0o600 : 0o644, file);
    }
  }
  for (const file of await readdir(join(data, 'sigstore', 'keys'))) {
    const text = await readFile(join(data, 'sigstore', 'keys', file), 'utf8');
    assert.match(text, file.endsWith('.key') ? /BEGIN ENCRYPTED SIGSTORE PRIVATE KEY/ : /BEGIN PUBLIC KEY/);
  }

  const second = started(await serve(t, words, password));
  assert.equal((await fetch(`${second}/rekor/api/v1/log/entries/${id}`)).status, 200);
  assert.equal((await logInfo(second)).treeSize, 1);
  assert.equal(await (await fetch(`${second}/tuf/1.root.json`)).text(), root);
  assert.notEqual((await addRekorEntry(second)).id, id);
  assert.equal((await logInfo(second)).treeSize, 2);
});

test('without --dev nobody gets tokens and there is no registry', async (t) => {
  const url = started(await serve(t, ['--data', await newFolder(t), ...anywhere], password));
  for (const path of ['/.well-known/openid-configuration', '/oauth2/keys', '/v2/']) {
    assert.equal((await fetch(url + path)).status, 404, path);
  }
  assert.equal((await fetch(`${url}/oauth2/mint`, { method: 'POST', body: '{}' })).status, 404);
  assert.deepEqual(await (await fetch(`${url}/api/v2/configuration`)).json(), { issuers: [] });
  assert.deepEqual(await (await fetch(`${url}/readyz`)).json(), { status: 'SERVING' });
  assert.equal((await fetch(`${url}/metrics`)).status, 404);
});

describe('what it refuses_fail', () => {
  it('a data folder that is in use', async (t) => {
    const words = ['--data', await newFolder(t), ...anywhere];
    started(await serve(t, words));
    await assertRefuses(await serve(t, words), 'ERR_SERVER_DATA', 1);
  });

  it('another passphrase, another key, a key that is gone', async (t) => {
    const data = await newFolder(t);
    const words = ['--data', data, ...anywhere];
    await (await serve(t, words, password)).stop();
    await assertRefuses(await serve(t, words, { BOLTSEAL_PASSWORD: 'wrong' }), 'ERR_PASSWORD_WRONG', 20);
    const keys = join(data, 'sigstore', 'keys');
    await cp(join(keys, 'rekor-1.key'), join(keys, 'rekor-1.kept'));
    await cp(join(keys, 'ct-1.key'), join(keys, 'rekor-1.key'));
    await assertRefuses(await serve(t, words, password), 'ERR_SERVER_DATA', 1);
    await rm(join(keys, 'rekor-1.key'));
    await assertRefuses(await serve(t, words, password), 'ERR_KEY_NOT_FOUND', 20);
    await rename(join(keys, 'rekor-1.kept'), join(keys, 'rekor-1.key'));
    started(await serve(t, words, password));
  });

  it('logs that went back behind what was public', async (t) => {
    const data = await newFolder(t);
    const words = ['--data', data, ...anywhere];
    const first = await serve(t, words);
    await addRekorEntry(started(first));
    await first.stop();
    await cp(join(data, 'logs'), `${data}-backup`, { recursive: true });
    const second = await serve(t, words);
    await addRekorEntry(started(second));
    await second.stop();
    await rm(join(data, 'logs'), { recursive: true });
    await cp(`${data}-backup`, join(data, 'logs'), { recursive: true });
    await assertRefuses(await serve(t, words), 'ERR_LOG_ROLLBACK', 1);
    await rm(join(data, 'logs'), { recursive: true });
    await assertRefuses(await serve(t, words), 'ERR_LOG_ROLLBACK', 1);
    // A new log goes on, and no index is given twice.
    const rotated = await runInProcess(['serve', 'rotate', 'rekor', '--data', data], {
      env: { BOLTSEAL_PASSWORD: '' },
    });
    assert.equal(rotated.code, 0, rotated.stderr);
    const third = await serve(t, words);
    const url = started(third);
    assert.match(third.printed().stderr, /log\.lost/);
    const { id, logIndex } = await addRekorEntry(url);
    assert.equal(logIndex, 2);
    const byIndex = await fetch(`${url}/rekor/api/v1/log/entries?logIndex=2`);
    assert.deepEqual(Object.keys((await byIndex.json()) as object), [id]);
    assert.equal((await fetch(`${url}/rekor/api/v1/log/entries?logIndex=1`)).status, 404);
  });

  it('another host name, a state and a configuration that make no sense', async (t) => {
    const data = await newFolder(t);
    const words = ['--data', data, ...anywhere];
    await (await serve(t, words)).stop();
    const renamed = ['--public-url', 'https://sigstore.example.com'];
    await assertRefuses(await serve(t, [...words, ...renamed]), 'ERR_SERVER_CONFIG', 2);
    const config = `${data}.yaml`;
    await writeFile(config, 'limits:\n  in-flihgt: 3\n');
    await assertRefuses(await serve(t, [...words, '--config', config]), 'ERR_SERVER_CONFIG', 2);
    await writeFile(join(data, 'sigstore', 'state.json'), '{"schema":"boltseal.sigstore/1"}');
    await assertRefuses(await serve(t, words), 'ERR_SERVER_DATA', 1);
    await assertRefuses(await serve(t, anywhere), 'ERR_USAGE', 2);
  });
});

test('rotation: what is retired stays readable and trusted', async (t) => {
  const data = await newFolder(t);
  const words = ['--data', data, ...anywhere];
  const first = await serve(t, words);
  const old = started(first);
  const { id: entry } = await addRekorEntry(old);
  const before = await logInfo(old);
  await first.stop();
  const kinds = ['ca', 'tsa', 'ct', 'rekor', 'rekor2', 'tuf-root', 'tuf-targets', 'tuf-online'];
  for (const kind of kinds) {
    const rotated = await runInProcess(['serve', 'rotate', kind, '--data', data], {
      env: { BOLTSEAL_PASSWORD: '' },
    });
    assert.equal(rotated.code, 0, rotated.stderr);
  }
  const url = started(await serve(t, words));
  const after = await logInfo(url);
  assert.notEqual(after.treeID, before.treeID);
  assert.equal(after.treeSize, 0);
  assert.deepEqual(
    after.inactiveShards?.map(({ treeID, treeSize }) => [treeID, treeSize]),
    [[before.treeID, 1]],
  );
  assert.equal((await fetch(`${url}/rekor/api/v1/log/entries/${entry}`)).status, 200);
  await addRekorEntry(url);
  const retired = await fetch(`${url}/rekor2/rekor2-1/api/v2/checkpoint`);
  assert.equal(parseCheckpoint(await retired.text()).origin, '127.0.0.1');
  assert.equal((await fetch(`${url}/tuf/2.root.json`)).status, 200);
  const trusted = parseTrustedRoot(await trustedRoot(url));
  assert.equal(trusted.tlogs.length, 4);
  assert.equal(trusted.ctlogs.length, 2);
  assert.equal(trusted.certificateAuthorities.length, 2);
  assert.equal(trusted.timestampAuthorities.length, 2);
  for (const list of [trusted.ctlogs, trusted.certificateAuthorities, trusted.timestampAuthorities]) {
    const ends = list.map(({ validFor }) => validFor?.end !== undefined);
    assert.deepEqual(ends, [true, false]);
  }
});

async function trustedRoot(url: string): Promise<Uint8Array> {
  const get = async (path: string) => (await fetch(`${url}/tuf/${path}`)).json() as Promise<Metadata>;
  const snapshot = (await get('timestamp.json')).signed.meta?.['snapshot.json']?.version;
  const targets = (await get(`${snapshot}.snapshot.json`)).signed.meta?.['targets.json']?.version;
  const hash = (await get(`${targets}.targets.json`)).signed.targets?.['trusted_root.json']?.hashes.sha256;
  const response = await fetch(`${url}/tuf/targets/${hash}.trusted_root.json`);
  return new Uint8Array(await response.arrayBuffer());
}

interface Metadata {
  readonly signed: {
    readonly meta?: Readonly<Record<string, { readonly version: number }>>;
    readonly targets?: Readonly<Record<string, { readonly hashes: { readonly sha256: string } }>>;
  };
}

test('requests under way are answered when it is told to end', async (t) => {
  const serving = await serve(t, ['--data', await newFolder(t), ...anywhere]);
  const url = started(serving);
  const adding = Array.from({ length: 20 }, () => addRekorEntry(url));
  await Promise.all(adding.slice(0, 1));
  const ended = serving.stop();
  // Those that were taken in are answered; a connection that came too late is refused, and nothing in between.
  const results = await Promise.allSettled(adding);
  for (const result of results) {
    if (result.status === 'rejected') assert.match(String(result.reason), /fetch failed/);
  }
  assert.equal((await ended).code, 0);
});

test('metrics and health on their own address', async (t) => {
  const data = await newFolder(t);
  const config = `${data}.yaml`;
  await writeFile(config, `data: ${JSON.stringify(data)}\nadmin: 127.0.0.1:0\n`);
  const serving = await serve(t, ['--dev', '--config', config, ...anywhere, '-o', 'json']);
  const url = started(serving);
  const { admin } = JSON.parse(serving.printed().stdout);
  await addRekorEntry(url);
  await getCertificate(url);
  await getTimestamp(url);
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  for (const counted of ['log_entries_accepted', 'certificates_issued', 'timestamps_issued']) {
    assert.match(metrics, new RegExp(`^boltseal_${counted}_total 1$`, 'm'));
  }
  assert.match(metrics, /^boltseal_http_requests_total\{.*service="rekor".*\} 1$/m);
  assert.equal((await fetch(`${admin}/readyz`)).status, 200);
});

async function getCertificate(url: string): Promise<void> {
  const email = 'dev@example.com';
  const minted = await fetch(`${url}/oauth2/mint`, json({ email }));
  const { token } = (await minted.json()) as { token: string };
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const response = await fetch(
    `${url}/api/v2/signingCert`,
    json({
      credentials: { oidcIdentityToken: token },
      publicKeyRequest: {
        publicKey: { content: publicKey.export({ type: 'spki', format: 'pem' }) },
        proofOfPossession: sign('sha256', Buffer.from(email), privateKey).toString('base64'),
      },
    }),
  );
  assert.equal(response.status, 200, await response.text());
}

async function getTimestamp(url: string): Promise<void> {
  const artifactHash = createHash('sha256').update('x').digest('base64');
  const response = await fetch(`${url}/api/v1/timestamp`, json({ artifactHash, hashAlgorithm: 'sha256' }));
  assert.equal(response.status, 200);
}

function json(value: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
