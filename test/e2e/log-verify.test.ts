/** `boltseal log verify`: logs in folders, of both kinds, sound and tampered with; and those of a private Sigstore. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { concatBytes, utf8 } from '../../src/core/encoding.ts';
import { type NoteSigner, parseCheckpoint, signCheckpoint } from '../../src/formats/checkpoint.ts';
import {
  encodeCtEntry,
  encodeMerkleTreeLeaf,
  encodeTileLeaf,
  encodeTileLeafTail,
  leafIndexExtension,
} from '../../src/formats/ct-entry.ts';
import { encodeEntryBundle } from '../../src/formats/log-entry-bundle.ts';
import { emptyRoot, foldNodes, growEdge, hashLeaf } from '../../src/formats/merkle.ts';
import { encodeVerifierKey, noteSigner, treeHeadSigner } from '../../src/formats/note-keys.ts';
import { encodeTilePath } from '../../src/formats/tile-path.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { serve } from '../support/serve.ts';
import { temporaryDirectory } from '../support/temporary.ts';

type Kind = 'entries' | 'ct';

interface Leaf {
  readonly leaf: Uint8Array;
  /** As it stands in an entry bundle or data tile. */
  readonly stored: Uint8Array;
}

const origin = 'log.example.com/2026';

/** A log that is written file by file, as its specification describes it. */
class FolderLog {
  readonly folder: string;
  readonly kind: Kind;
  readonly signer: NoteSigner;
  readonly keyFile: string;
  readonly verifierKey: string;
  readonly leaves: Leaf[] = [];

  constructor(folder: string, kind: Kind) {
    this.folder = folder;
    this.kind = kind;
    const isCt = kind === 'ct';
    const { privateKey } = isCt
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519');
    const key = localSigner(privateKey, 'the key');
    this.signer = isCt ? treeHeadSigner(origin, key) : noteSigner(origin, key);
    this.verifierKey = encodeVerifierKey(origin, key.publicKey, isCt ? 'tree head' : 'note');
    this.keyFile = `${folder}.pub`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(this.keyFile, key.publicKey.pem);
  }

  /** Grows to `size` and writes every file of that size. */
  async grow(size: number, history = 'a'): Promise<void> {
    while (this.leaves.length < size) this.leaves.push(newLeaf(this.kind, this.leaves.length, history));
    const hashes = this.leaves.slice(0, size).map(({ leaf }) => hashLeaf(leaf));
    const content = (start: number, end: number): Uint8Array => {
      const stored = this.leaves.slice(start, end).map((leaf) => leaf.stored);
      return this.kind === 'ct' ? concatBytes(...stored) : encodeEntryBundle(stored);
    };
    for (let index = 0; index * 256 < size; index++) {
      const end = Math.min((index + 1) * 256, size);
      const path = encodeTilePath({ index, width: end - index * 256 });
      this.write(`tile/${this.kind === 'ct' ? 'data' : 'entries'}/${path}`, content(index * 256, end));
    }
    for (let level = 0, row = hashes; row.length > 0; level++) {
      const above: Uint8Array[] = [];
      for (let index = 0; index * 256 < row.length; index++) {
        const tile = row.slice(index * 256, (index + 1) * 256);
        this.write(`tile/${level}/${encodeTilePath({ index, width: tile.length })}`, concatBytes(...tile));
        if (tile.length === 256) above.push(rootOf(tile));
      }
      row = above;
    }
    await this.sign(size, rootOf(hashes));
  }

  async sign(size: number, root: Uint8Array): Promise<void> {
    this.write(
      'checkpoint',
      utf8(await signCheckpoint({ origin, size, root }, 1_700_000_000_000, this.signer)),
    );
  }

  write(path: string, content: Uint8Array): void {
    const full = join(this.folder, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, content);
  }

  read(path: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.folder, path)));
  }

  verify(...words: readonly string[]): Promise<CliResult> {
    return runInProcess(['log', 'verify', '--key', this.keyFile, ...words, this.folder]);
  }
}

function newLeaf(kind: Kind, index: number, history: string): Leaf {
  const body = utf8(`${history} ${index}`);
  if (kind === 'entries') return { leaf: body, stored: body };
  const entry =
    index % 2 === 0
      ? ({ kind: 'certificate', certificate: body } as const)
      : ({ kind: 'precertificate', issuerKeyHash: emptyRoot, tbs: body } as const);
  const leaf = encodeMerkleTreeLeaf(encodeCtEntry(entry), 1_700_000_000_000, leafIndexExtension(index));
  const tail = encodeTileLeafTail(index % 2 === 0 ? undefined : body, [emptyRoot]);
  return { leaf, stored: encodeTileLeaf(leaf, tail) };
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const edge: Uint8Array[] = [];
  for (const [index, hash] of hashes.entries()) growEdge(edge, index, hash);
  return foldNodes(edge);
}

function assertRefused(result: CliResult, code: string, exit: number): void {
  assert.equal(result.code, exit, result.stderr);
  assert.ok(result.stderr.includes(`(${code})`), result.stderr);
  assert.equal(result.stdout, '');
}

async function newLog(t: TestContext, kind: Kind, size: number): Promise<FolderLog> {
  const log = new FolderLog(join(await temporaryDirectory(t), 'log'), kind);
  await log.grow(size);
  return log;
}

for (const kind of ['entries', 'ct'] as const) {
  describe(`log verify, ${kind}`, () => {
    for (const size of [0, 1, 255, 256, 257, 700]) {
      it(`verifies a log of ${size} entries`, async (t) => {
        const log = await newLog(t, kind, size);
        const result = await log.verify();
        assert.equal(result.code, 0, result.stderr);
        assert.equal(result.stdout, new TextDecoder().decode(log.read('checkpoint')));
        assert.match(result.stderr, new RegExp(`all ${size} entries`));
        const json = JSON.parse((await log.verify('-o', 'json')).stdout);
        assert.equal(json.schema, 'boltseal.log-verify/1');
        assert.deepEqual([json.origin, json.size, json.format], [origin, size, kind]);
        const byText = await runInProcess(['log', 'verify', '--key', log.verifierKey, log.folder]);
        assert.equal(byText.code, 0, byText.stderr);
      });
    }

    it('remembers what it verified', async (t) => {
      const log = await newLog(t, kind, 300);
      const state = join(log.folder, '..', 'state');
      for (const size of [300, 300, 301, 512, 530]) {
        await log.grow(size);
        const result = await log.verify('--state', state, '-o', 'json');
        assert.equal(result.code, 0, result.stderr);
        assert.equal(parseCheckpoint(readFileSync(state)).size, size);
      }
      const earlier = join(log.folder, '..', 'earlier');
      cpSync(state, earlier);
      await log.grow(600);
      const json = JSON.parse((await log.verify('--checkpoint', earlier, '-o', 'json')).stdout);
      assert.equal(json.earlierSize, 530);
      // It goes back.
      await log.grow(520);
      assertRefused(await log.verify('--state', state), 'ERR_LOG_INCONSISTENT', 12);
      assert.equal(parseCheckpoint(readFileSync(state)).size, 530);
    });

    it('refuses a log with another past', async (t) => {
      const log = await newLog(t, kind, 300);
      const earlier = join(log.folder, '..', 'earlier');
      cpSync(join(log.folder, 'checkpoint'), earlier);
      for (const size of [300, 301, 600]) {
        rmSync(join(log.folder, 'tile'), { recursive: true });
        log.leaves.length = 299;
        await log.grow(size, 'another history');
        assert.equal((await log.verify()).code, 0);
        assertRefused(await log.verify('--checkpoint', earlier), 'ERR_LOG_INCONSISTENT', 12);
      }
    });

    it('takes a full tile for a partial one that is gone', async (t) => {
      const log = await newLog(t, kind, 300);
      const { folder } = log;
      await log.grow(512);
      await log.sign(300, rootOf(log.leaves.slice(0, 300).map(({ leaf }) => hashLeaf(leaf))));
      for (const name of ['0', kind === 'ct' ? 'data' : 'entries']) {
        rmSync(join(folder, `tile/${name}/001.p`), { recursive: true });
      }
      assert.equal((await log.verify()).code, 0);
    });

    const entries = kind === 'ct' ? 'tile/data' : 'tile/entries';
    const flip = (log: FolderLog, path: string, at: number): void => {
      const bytes = log.read(path);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      log.write(path, bytes);
    };
    const tampering: readonly (readonly [
      string,
      (log: FolderLog) => void | Promise<void>,
      string,
      number,
    ])[] = [
      // The first byte of the first body.
      ['an entry', (log) => flip(log, `${entries}/000`, kind === 'ct' ? 13 : 2), 'ERR_LOG_INCONSISTENT', 12],
      ['a leaf hash', (log) => flip(log, 'tile/0/001', 100), 'ERR_LOG_INCONSISTENT', 12],
      ['a hash of the last tile', (log) => flip(log, 'tile/0/002.p/188', 100), 'ERR_LOG_INCONSISTENT', 12],
      ['a hash above the leaves', (log) => flip(log, 'tile/1/000.p/2', 40), 'ERR_LOG_INCONSISTENT', 12],
      ['a tile that is gone', (log) => rmSync(join(log.folder, 'tile/0/001')), 'ERR_LOG_INCONSISTENT', 12],
      [
        'entries that are gone',
        (log) => rmSync(join(log.folder, `${entries}/001`)),
        'ERR_LOG_INCONSISTENT',
        12,
      ],
      [
        'a tile cut short',
        (log) => log.write('tile/0/001', log.read('tile/0/001').slice(32)),
        'ERR_TILE_INVALID',
        15,
      ],
      ['a root', (log) => log.sign(700, emptyRoot), 'ERR_LOG_INCONSISTENT', 12],
      ['a size', (log) => log.sign(800, rootOf([])), 'ERR_LOG_INCONSISTENT', 12],
      ['an unsigned size', (log) => resize(log), 'ERR_VERIFY_SIGNATURE', 12],
      ['no checkpoint', (log) => rmSync(join(log.folder, 'checkpoint')), 'ERR_USAGE', 2],
      [
        'a checkpoint that is none',
        (log) => log.write('checkpoint', utf8('hello')),
        'ERR_CHECKPOINT_INVALID',
        15,
      ],
      [
        'a huge checkpoint',
        (log) => log.write('checkpoint', new Uint8Array(70_000)),
        'ERR_LIMIT_EXCEEDED',
        15,
      ],
    ];
    const resize = (log: FolderLog): void => {
      const text = new TextDecoder().decode(log.read('checkpoint'));
      log.write('checkpoint', utf8(text.replace('\n700\n', '\n701\n')));
    };
    for (const [what, change, code, exit] of tampering) {
      it(`notices ${what}`, async (t) => {
        const log = await newLog(t, kind, 700);
        await change(log);
        assertRefused(await log.verify(), code, exit);
      });
    }

    it('needs the right key and origin', async (t) => {
      const log = await newLog(t, kind, 3);
      const other = await newLog(t, kind, 3);
      const with_ = (...words: string[]): Promise<CliResult> =>
        runInProcess(['log', 'verify', ...words, log.folder]);
      assertRefused(await with_(), 'ERR_USAGE', 2);
      assertRefused(await with_('--key', other.keyFile), 'ERR_VERIFY_SIGNATURE', 12);
      assertRefused(await with_('--key', other.verifierKey), 'ERR_VERIFY_SIGNATURE', 12);
      assertRefused(await with_('--key', `${log.verifierKey}x`), 'ERR_KEY_INVALID', 15);
      assertRefused(await with_('--key', log.keyFile, '--origin', 'other'), 'ERR_VERIFY_SIGNATURE', 12);
      assert.equal((await with_('--key', log.keyFile, '--origin', origin)).code, 0);
      assertRefused(await with_('--key', log.keyFile, '--state', 'a', '--checkpoint', 'b'), 'ERR_USAGE', 2);
      assertRefused(
        await with_('--key', log.keyFile, '--checkpoint', join(log.folder, 'no')),
        'ERR_FILE_READ',
        1,
      );
    });
  });
}

test('a CT log whose entries are at other places is noticed', async (t) => {
  const log = new FolderLog(join(await temporaryDirectory(t), 'log'), 'ct');
  log.leaves.push(newLeaf('ct', 1, 'a'));
  await log.grow(3);
  assertRefused(await log.verify(), 'ERR_LOG_INCONSISTENT', 12);
});

test('a large log has tiles of three levels', async (t) => {
  const log = await newLog(t, 'entries', 65_536 + 300);
  const result = await log.verify('-o', 'json');
  assert.equal(result.code, 0, result.stderr);
  assert.equal(JSON.parse(result.stdout).tiles, 258 + 2 + 1);
  const bytes = log.read('tile/2/000.p/1');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  log.write('tile/2/000.p/1', bytes);
  assertRefused(await log.verify(), 'ERR_LOG_INCONSISTENT', 12);
});

describe('log verify, over HTTP', () => {
  let log: FolderLog;
  const ends: (() => Promise<void>)[] = [];
  before(async () => {
    log = new FolderLog(join(await temporaryDirectory({ after: (end) => ends.push(end) }), 'log'), 'ct');
    await log.grow(600);
  });
  after(async () => {
    for (const end of ends) await end();
  });

  /** Serves the folder; `answer` may do something else first. */
  async function start(
    t: TestContext,
    answer: (path: string, count: number) => number | 'gzip' | undefined,
  ): Promise<string> {
    const counts = new Map<string, number>();
    const server = createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/below/, '');
      const count = (counts.get(path) ?? 0) + 1;
      counts.set(path, count);
      const instead = answer(path, count);
      const file = join(log.folder, path);
      if (typeof instead === 'number') response.writeHead(instead).end();
      else if (!existsSync(file)) response.writeHead(404).end('not here');
      else if (instead === 'gzip') {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(readFileSync(file)));
      } else response.end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(async () => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/below/`;
  }

  const verify = (url: string): Promise<CliResult> =>
    runInProcess(['log', 'verify', '--key', log.keyFile, url]);

  it('reads what is compressed, and asks again for what failed once', async (t) => {
    const url = await start(t, (path, count) => {
      if (path === '/tile/data/001' && count === 1) return 503;
      return path.startsWith('/tile/data') ? 'gzip' : undefined;
    });
    const result = await verify(url);
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /all 600 entries/);
  });

  it('gives up on what keeps failing, or may not be read', async (t) => {
    assertRefused(
      await verify(await start(t, (path) => (path === '/tile/0/001' ? 500 : undefined))),
      'ERR_SERVICE_NETWORK',
      21,
    );
    assertRefused(
      await verify(await start(t, (path) => (path === '/tile/0/001' ? 403 : undefined))),
      'ERR_SERVICE_RESPONSE',
      21,
    );
    assertRefused(await verify(await start(t, () => 404)), 'ERR_USAGE', 2);
    assertRefused(await verify('http://127.0.0.1:5200/?a=b'), 'ERR_USAGE', 2);
  });
});

test('the logs of a private Sigstore verify, and keep verifying as they grow', async (t) => {
  const data = join(await temporaryDirectory(t), 'data');
  const { url, printed } = await serve(t, ['--dev', '--data', data, '--listen', '127.0.0.1:0']);
  assert.ok(url !== undefined, printed().stderr);
  const logs = [
    ['ct', `${url}/ct`],
    ['rekor2', `${url}/rekor2`],
  ] as const;
  for (let size = 0; size < 3; size++) {
    for (const [name, address] of logs) {
      const state = join(data, `${name}.state`);
      const words = [
        '--key',
        join(data, 'sigstore', 'keys', `${name}-1.pub`),
        '--state',
        state,
        '-o',
        'json',
      ];
      const result = await runInProcess(['log', 'verify', ...words, address]);
      assert.equal(result.code, 0, result.stderr);
      assert.equal(JSON.parse(result.stdout).size, size, name);
    }
    await addToRekor2(url);
    await issue(url);
  }
});

async function addToRekor2(url: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(32);
  const digest = createHash('sha256').update(message).digest('base64');
  const rawBytes = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const response = await post(`${url}/rekor2/api/v2/log/entries`, {
    hashedRekordRequestV002: {
      digest,
      signature: {
        content: sign('sha256', message, privateKey).toString('base64'),
        verifier: { publicKey: { rawBytes }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
      },
    },
  });
  assert.equal(response.status, 201, await response.text());
}

/** Lets the certificate authority issue a certificate, which it logs. */
async function issue(url: string): Promise<void> {
  const email = 'dev@example.com';
  const token = await runInProcess(['token', '--url', url, '--email', email]);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const response = await post(`${url}/api/v2/signingCert`, {
    credentials: { oidcIdentityToken: token.stdout.trim() },
    publicKeyRequest: {
      publicKey: { algorithm: 'ECDSA', content: publicKey.export({ type: 'spki', format: 'pem' }) },
      proofOfPossession: sign('sha256', utf8(email), privateKey).toString('base64'),
    },
  });
  assert.equal(response.status, 200, await response.text());
}

function post(url: string, body: object): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}
