import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import { encodeEncryptedKey, encryptKey } from '../../src/formats/encrypted-key.ts';
import { listen } from '../../src/node/http-server.ts';
import { type CliWorld, runInProcess } from '../support/run-cli.ts';
import { type PushedManifest, pushSmallImage } from '../support/small-image.ts';
import {
  assertNoSecrets,
  assertRefused,
  type KeyBench,
  openKeyBench,
  password,
  releasesOfFile,
} from './support/bad-input-bench.ts';
import { type HostileRegistry, useHostileRegistry } from './support/hostile-registry.ts';

const releases = releasesOfFile();
let bench: KeyBench;
let hostile: HostileRegistry;
let image: PushedManifest;
/** The content of files, by name. */
const files = new Map<string, string>();

/** Pairs of types that are not supported. */
const unsupported: Readonly<Record<string, { publicKey: KeyObject; privateKey: KeyObject }>> = {
  'P-224': generateKeyPairSync('ec', { namedCurve: 'secp224r1' }),
  secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  Ed448: generateKeyPairSync('ed448'),
  X25519: generateKeyPairSync('x25519'),
  'RSA-1024': generateKeyPairSync('rsa', { modulusLength: 1024 }),
  'RSA-PSS': generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
};

async function write(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(bench.file(name), content);
  return bench.file(name);
}

/** Tries to sign, and sees to it that nothing reached the registry. */
async function refusesToSign(key: string, code: ErrorCode, exit: number, world: CliWorld = {}) {
  const result = await bench.run(['sign', '--key', key, image.reference], world);
  assertRefused(result, code, exit);
  assert.match(result.stderr, /^ {2}hint: /m, result.stderr);
  assert.equal(hostile.registry.uploadsUnderWay, 0, 'uploads begun for nothing are cancelled');
  const tree = await bench.run(['tree', '-o', 'json', image.reference]);
  assert.deepEqual(JSON.parse(tree.stdout).attachments, []);
}

async function refusesToVerify(key: string, code: ErrorCode, exit: number, world: CliWorld = {}) {
  const result = await bench.run(['verify', '--key', key, image.reference], world);
  assertRefused(result, code, exit);
  assert.match(result.stderr, /^ {2}hint: /m, result.stderr);
  const json = await bench.run(['verify', '-o', 'json', '--key', key, image.reference], world);
  const document = JSON.parse(json.stdout);
  assert.deepEqual([json.code, document.schema, document.code], [exit, 'boltseal.error/1', code]);
}

/** Keys that sign and verify refuse alike. */
async function refused(key: string, code: ErrorCode, exit: number, world: CliWorld = {}): Promise<void> {
  await refusesToSign(key, code, exit, world);
  await refusesToVerify(key, code, exit, world);
}

before(async () => {
  bench = await openKeyBench(releases);
  hostile = await useHostileRegistry(releases);
  image = await pushSmallImage(hostile, 'acme/keys');
  for (const name of ['a.key', 'a.pub']) files.set(name, await readFile(bench.file(name), 'utf8'));
});

describe('empty secrets and missing keys_fail', () => {
  it('a file that is empty or holds only white space', async () => {
    for (const content of ['', '\n', ' \r\n\t ']) {
      await refused(await write('empty.key', content), 'ERR_KEY_EMPTY', 20);
    }
  });

  it('a variable that is empty, and one that is not set', async () => {
    await refused('env://EMPTY', 'ERR_KEY_EMPTY', 20, { env: { EMPTY: '' } });
    await refused('env://EMPTY', 'ERR_KEY_EMPTY', 20, { env: { EMPTY: '\n' } });
    await refused('env://MISSING', 'ERR_KEY_NOT_FOUND', 20);
    await refused('env://', 'ERR_KEY_NOT_FOUND', 20);
    await refused('env://toString', 'ERR_KEY_NOT_FOUND', 20);
  });

  it('standard input that is empty', async () => {
    await refused('-', 'ERR_KEY_EMPTY', 20);
    await refused('-', 'ERR_KEY_EMPTY', 20, { stdin: '\n' });
  });

  it('--key itself: empty, by flag and by variable, or left out', async () => {
    await refused('', 'ERR_USAGE', 2);
    assertRefused(await bench.run(['verify', image.reference]), 'ERR_USAGE', 2);
    assertRefused(await bench.run(['sign', image.reference]), 'ERR_IDENTITY_MISSING', 20);
    for (const command of ['sign', 'verify']) {
      const byVariable = await bench.run([command, image.reference], { env: { BOLTSEAL_KEY: '' } });
      assertRefused(byVariable, 'ERR_USAGE', 2);
    }
  });

  it('no such file, a folder, an endless file', async () => {
    await refused(bench.file('none.key'), 'ERR_KEY_NOT_FOUND', 20);
    await refused(join(bench.file('a.key'), 'x'), 'ERR_KEY_NOT_FOUND', 20);
    await mkdir(bench.file('folder.key'));
    await refused(bench.file('folder.key'), 'ERR_FILE_READ', 1);
    await refused(await write('large.key', 'x'.repeat(1_000_000)), 'ERR_LIMIT_EXCEEDED', 15);
    await refused('-', 'ERR_LIMIT_EXCEEDED', 15, { stdin: 'x'.repeat(1_000_000) });
  });

  it('passwords: wrong, empty, missing, piped empty', async () => {
    const wrong = { COSIGN_PASSWORD: 'not-the-password' };
    await refusesToSign(bench.file('a.key'), 'ERR_PASSWORD_WRONG', 20, { env: wrong });
    await refusesToSign(bench.file('a.key'), 'ERR_PASSWORD_WRONG', 20, { env: { COSIGN_PASSWORD: '' } });
    const key = files.get('a.key') ?? '';
    await refusesToSign('env://KEY', 'ERR_PASSWORD_WRONG', 20, { env: { ...wrong, KEY: key } });
    const { COSIGN_PASSWORD: _, ...env } = bench.env;
    const sign = ['sign', '--key', bench.file('a.key'), image.reference];
    for (const [stdin, code] of [
      ['', 'ERR_PASSWORD_MISSING'],
      ['wrong\n', 'ERR_PASSWORD_WRONG'],
    ] as const) {
      assertRefused(await runInProcess(sign, { env, stdin }), code, 20);
    }
    const both = ['sign', '--key', '-', image.reference];
    const conflict = await runInProcess(both, { env, stdin: key });
    assertNoSecrets(conflict, bench.secrets);
    assertRefused(conflict, 'ERR_KEY_STDIN_CONFLICT', 2);
    const make = ['generate-key-pair', '--output-key-prefix', bench.file('no-password')];
    assertRefused(await runInProcess(make, { env }), 'ERR_PASSWORD_MISSING', 20);
    await assert.rejects(readFile(bench.file('no-password.key')), { code: 'ENOENT' });
  });
});

describe('keys of the wrong kind_fail', () => {
  it('a public key to sign, a private key to verify', async () => {
    const publicPem = files.get('a.pub') ?? '';
    const privatePem = files.get('a.key') ?? '';
    await refusesToSign(bench.file('a.pub'), 'ERR_KEY_PUBLIC_GIVEN', 2);
    await refusesToSign('env://KEY', 'ERR_KEY_PUBLIC_GIVEN', 2, { env: { KEY: publicPem } });
    await refusesToSign('-', 'ERR_KEY_PUBLIC_GIVEN', 2, { stdin: publicPem });
    await refusesToVerify(bench.file('a.key'), 'ERR_KEY_PRIVATE_GIVEN', 2);
    await refusesToVerify('env://KEY', 'ERR_KEY_PRIVATE_GIVEN', 2, { env: { KEY: privatePem } });
    await refusesToVerify('-', 'ERR_KEY_PRIVATE_GIVEN', 2, { stdin: privatePem });
  });

  it('a plain private key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    for (const type of ['pkcs8', 'sec1'] as const) {
      const pem = String(privateKey.export({ type, format: 'pem' }));
      bench.secrets.push(...pem.split('\n').slice(1, -2));
      const file = await write('plain.pem', pem);
      await refusesToSign(file, 'ERR_KEY_NOT_ENCRYPTED', 2);
      await refusesToVerify(file, 'ERR_KEY_PRIVATE_GIVEN', 2);
    }
  });

  it('types and sizes that are not supported', async () => {
    for (const [type, { publicKey, privateKey }] of Object.entries(unsupported)) {
      const publicFile = await write('odd.pub', String(publicKey.export({ type: 'spki', format: 'pem' })));
      await refusesToVerify(publicFile, 'ERR_KEY_UNSUPPORTED', 15);
      const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' });
      const plain = await write('odd.pem', String(pkcs8));
      const prefix = bench.file('imported');
      const imported = await bench.run(['import-key-pair', '--key', plain, '--output-key-prefix', prefix]);
      assertRefused(imported, 'ERR_KEY_UNSUPPORTED', 15);
      await assert.rejects(readFile(`${prefix}.key`), { code: 'ENOENT' }, type);
      await assert.rejects(readFile(`${prefix}.pub`), { code: 'ENOENT' }, type);
    }
    const [odd] = Object.values(unsupported);
    assert.ok(odd !== undefined);
    const der = odd.privateKey.export({ type: 'pkcs8', format: 'der' });
    const encrypted = await encryptKey(der, Buffer.from(password));
    await refusesToSign(await write('odd.key', encodeEncryptedKey(encrypted)), 'ERR_KEY_UNSUPPORTED', 15);
  });

  it('damaged on the way: line breaks lost, base64 of it, cut off, two in one', async () => {
    for (const name of ['a.key', 'a.pub']) {
      const pem = files.get(name) ?? '';
      const refuses = name === 'a.key' ? refusesToSign : refusesToVerify;
      for (const damaged of [
        pem.replaceAll('\n', ' '),
        pem.replaceAll('\n', '\\n'),
        Buffer.from(pem).toString('base64'),
        pem.slice(0, pem.length >> 1),
        pem.slice(20),
        pem + pem,
        'cosign.key',
        '{"kty":"EC"}',
      ]) {
        await refuses('env://KEY', 'ERR_KEY_INVALID', 15, { env: { KEY: damaged } });
      }
    }
    const { kdf, ...rest } = JSON.parse(pemContent(files.get('a.key') ?? '')) as {
      kdf: { params: object };
    };
    const text = JSON.stringify({
      kdf: { ...kdf, params: { ...kdf.params, N: 2 ** 30 } },
      ...rest,
    });
    const label = 'ENCRYPTED SIGSTORE PRIVATE KEY';
    const body = Buffer.from(text).toString('base64').replace(/.{64}/g, '$&\n');
    const greedy = `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
    await refusesToSign(await write('greedy.key', greedy), 'ERR_KEY_PARAMETERS', 15);
  });
});

function pemContent(pem: string): string {
  return Buffer.from(
    pem
      .split('\n')
      .filter((line) => !line.startsWith('-----'))
      .join(''),
    'base64',
  ).toString();
}

describe('key references_fail', () => {
  it('schemes that are not known', async () => {
    for (const reference of ['fulcio://secret-name', 'file:///secret-name']) {
      bench.secrets.push('secret-name');
      await refused(reference, 'ERR_KEY_REFERENCE_UNKNOWN', 2);
      bench.secrets.pop();
    }
  });

  it('places of keys that are not named as they must be', async () => {
    for (const reference of [
      'awskms://alias/secret-name?',
      'awskms:///secret-name',
      'gcpkms://projects/p/secret-name',
      'azurekms://vault/secret-name/version/more',
      'hashivault://secret-name/newest',
      'openbao://secret-name@host',
    ]) {
      bench.secrets.push('secret-name');
      await refused(reference, 'ERR_USAGE', 2);
      bench.secrets.pop();
    }
  });

  it('a Vault that nobody named, one without a token, and one without TLS', async () => {
    await refused('hashivault://release', 'ERR_USAGE', 2);
    await refused('openbao://release', 'ERR_KEY_ACCESS', 20, { env: { BAO_ADDR: 'https://vault.invalid' } });
    const env = { VAULT_ADDR: 'http://vault.invalid', VAULT_TOKEN: 'hvs.secret-token' };
    bench.secrets.push('secret-token');
    await refused('hashivault://release', 'ERR_SERVICE_INSECURE', 2, { env });
    bench.secrets.pop();
  });

  it('the key itself in place of its name: nothing of it is shown', async () => {
    const pem = files.get('a.key') ?? '';
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const plain = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    bench.secrets.push(...plain.split('\n').slice(1, -2));
    for (const text of [pem, plain]) {
      for (const key of [text, text.replaceAll('\n', ' '), Buffer.from(text).toString('base64')]) {
        for (const words of [
          ['sign', `--key=${key}`, image.reference],
          ['sign', '--key', key, image.reference],
          ['verify', `--key=${key}`, image.reference],
          ['import-key-pair', `--key=${key}`],
        ]) {
          assertRefused(await bench.run(words), 'ERR_USAGE', 2);
        }
        assertRefused(
          await bench.run(['sign', image.reference], { env: { COSIGN_KEY: key } }),
          'ERR_USAGE',
          2,
        );
      }
    }
    bench.secrets.push('-hunter2-hunter2');
    const words = [
      'verify',
      '--key',
      bench.file('a.pub'),
      '--registry-username',
      'me',
      '--registry-password',
    ];
    assertRefused(await bench.run([...words, '-hunter2-hunter2', image.reference]), 'ERR_USAGE', 2);
  });

  it('public keys over the network', async (t) => {
    const pem = files.get('a.pub') ?? '';
    const server = await listen(async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/a.pub') return new Response(pem);
      if (pathname === '/elsewhere') return Response.redirect('http://127.0.0.2:1/a.pub');
      if (pathname === '/round') return Response.redirect(request.url);
      if (pathname === '/large') return new Response('x'.repeat(1_000_000));
      if (pathname === '/private') return new Response(files.get('a.key'));
      if (pathname === '/empty') return new Response('');
      if (pathname === '/broken') return new Response('no', { status: 503 });
      return new Response('no', { status: 404 });
    });
    t.after(() => server.close());
    await refusesToVerify(`${server.url}/a.pub`, 'ERR_KEY_REMOTE_REFUSED', 2);
    await refusesToSign(`${server.url}/a.pub`, 'ERR_USAGE', 2);
    for (const [path, code, exit] of [
      ['/a.pub', 'ERR_NO_SIGNATURES', 10],
      ['/none', 'ERR_KEY_NOT_FOUND', 20],
      ['/elsewhere', 'ERR_KEY_FETCH', 21],
      ['/round', 'ERR_KEY_FETCH', 21],
      ['/broken', 'ERR_KEY_FETCH', 21],
      ['/large', 'ERR_LIMIT_EXCEEDED', 15],
      ['/private', 'ERR_KEY_PRIVATE_GIVEN', 2],
      ['/empty', 'ERR_KEY_EMPTY', 20],
    ] as const) {
      const words = ['verify', '--allow-http-key', '--key', `${server.url}${path}`, image.reference];
      assertRefused(await bench.run(words), code, exit);
    }
    await server.close();
    const words = ['verify', '--allow-http-key', '--key', `${server.url}/a.pub?token=hush-hush`];
    bench.secrets.push('hush-hush');
    assertRefused(await bench.run([...words, image.reference]), 'ERR_KEY_FETCH', 21);
    const inUrl = ['verify', '--allow-http-key', '--key', `http://me:hush-hush@127.0.0.1:1/a.pub`];
    assertRefused(await bench.run([...inUrl, image.reference]), 'ERR_USAGE', 2);
  });
});

describe('key files are written whole or not at all_fail', () => {
  it('existing files are not overwritten without a yes', async () => {
    const before = await readdir(bench.folder);
    const make = (prefix: string) => ['generate-key-pair', '--output-key-prefix', bench.file(prefix)];
    assertRefused(await bench.run(make('a')), 'ERR_FILE_EXISTS', 1);
    await write('half.pub', 'mine');
    assertRefused(await bench.run(make('half')), 'ERR_FILE_EXISTS', 1);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const plain = await write('mine.pem', String(privateKey.export({ type: 'pkcs8', format: 'pem' })));
    const importing = ['import-key-pair', '--key', plain, '--output-key-prefix'];
    assertRefused(await bench.run([...importing, bench.file('a')]), 'ERR_FILE_EXISTS', 1);
    for (const [name, content] of files) assert.equal(await readFile(bench.file(name), 'utf8'), content);
    assert.equal(await readFile(bench.file('half.pub'), 'utf8'), 'mine');
    assert.deepEqual((await readdir(bench.folder)).sort(), [...before, 'half.pub', 'mine.pem'].sort());
  });

  it('no such folder; a folder where the second file should be: the first is as before', async () => {
    const nowhere = ['generate-key-pair', '--output-key-prefix', join(bench.file('nowhere'), 'k')];
    assertRefused(await bench.run(nowhere), 'ERR_FILE_WRITE', 1);
    const folder = bench.file('blocked');
    await mkdir(join(folder, 'k.pub', 'x'), { recursive: true });
    const make = ['generate-key-pair', '--yes', '--output-key-prefix', join(folder, 'k')];
    assertRefused(await bench.run(make), 'ERR_FILE_WRITE', 1);
    assert.deepEqual(await readdir(folder), ['k.pub']);
    await writeFile(join(folder, 'k.key'), 'mine');
    assertRefused(await bench.run(make), 'ERR_FILE_WRITE', 1);
    assert.deepEqual((await readdir(folder)).sort(), ['k.key', 'k.pub']);
    assert.equal(await readFile(join(folder, 'k.key'), 'utf8'), 'mine');
  });
});
