import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { commands } from '../../src/cli/commands/table.ts';
import { flagName, flags } from '../../src/cli/flags.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { CliWorld } from '../support/run-cli.ts';
import {
  assertRefused,
  deepJson,
  type KeyBench,
  openKeyBench,
  releasesOfFile,
  verifyJson,
} from './support/bad-input-bench.ts';

const releases = releasesOfFile();
let bench: KeyBench;

before(async () => {
  bench = await openKeyBench(releases);
});

/** Refused as text and as JSON, with the same code, and nothing written anywhere. */
async function refuses(
  words: readonly string[],
  code: ErrorCode,
  exit: number,
  world: CliWorld = {},
): Promise<void> {
  const before = await readdir(bench.folder);
  const text = await bench.run(words, world);
  assertRefused(text, code, exit);
  const env = { ...world.env, BOLTSEAL_OUTPUT: 'json' };
  const json = await bench.run(words, { ...world, env });
  assert.equal(json.code, exit, words.join(' '));
  const document = JSON.parse(json.stdout);
  if (document.schema === 'boltseal.error/1') {
    assert.equal(document.code, code, words.join(' '));
    assert.equal(typeof document.message, 'string');
    assert.ok(Array.isArray(document.causes));
  } else {
    assert.match(document.schema, /^boltseal\.(?:sign|verify)\/1$/);
    assert.ok(document.images.some((image: { error?: { code: string } }) => image.error?.code === code));
  }
  assert.deepEqual(await readdir(bench.folder), before);
}

const reference = '127.0.0.1:1/acme/app:v1';

describe('references_fail', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const bad = [
    'UPPER/case',
    'registry.example/Acme/app',
    'registry.example/acme/app:',
    'registry.example/acme/app:-tag',
    `registry.example/acme/app:${'t'.repeat(129)}`,
    'registry.example/acme/app@',
    'registry.example/acme/app@sha256:abc',
    `registry.example/acme/app@sha256:${'A'.repeat(64)}`,
    `registry.example/acme/app@sha1:${'a'.repeat(40)}`,
    `registry.example/acme/app@md5:${'a'.repeat(64)}`,
    `registry.example/acme/app@${digest}@${digest}`,
    `registry.example/acme/app@${digest}:tag`,
    'registry.example/acme//app',
    'registry.example/acme/../app',
    'registry.example/acme/app/',
    'registry.example/',
    'registry.example:99999/acme/app',
    'registry.example:0/acme/app',
    'registry_example.com/acme/app',
    '-registry.example/acme/app',
    '[::1/acme/app',
    'https://registry.example/acme/app',
    'docker://registry.example/acme/app',
    'user:pass@registry.example/acme/app',
    'acme/app v1',
    'acme/app\nx',
    'acme/app\u0000',
    'acme/äpp',
    'docker-archive:image.tar',
    'oci:',
    'oci:folder@sha256:abc',
    `${'a/'.repeat(200)}app`,
    'a'.repeat(5_000),
  ];
  it('malformed ones, in every command that takes one', async () => {
    for (const image of bad) {
      await refuses(['verify', '--key', bench.file('a.pub'), '--', image], 'ERR_REFERENCE_INVALID', 2);
    }
    for (const image of ['UPPER/case', 'acme/app@sha256:abc']) {
      await refuses(['sign', '--key', bench.file('a.key'), image], 'ERR_REFERENCE_INVALID', 2);
      for (const command of [['tree'], ['triangulate'], ['download', 'signature']]) {
        await refuses([...command, image], 'ERR_REFERENCE_INVALID', 2);
      }
      const elsewhere = ['verify', '--key', bench.file('a.pub'), '--signature-repository', image, reference];
      await refuses(elsewhere, 'ERR_REFERENCE_INVALID', 2);
    }
    const tagged = ['--signature-repository', 'registry.example/signatures:v1', reference];
    await refuses(['verify', '--key', bench.file('a.pub'), ...tagged], 'ERR_USAGE', 2);
  });

  it('a password in a reference is not shown', async () => {
    bench.secrets.push('hunter2hunter2');
    for (const image of [
      'https://me:hunter2hunter2@registry.example/acme/app',
      'me:hunter2hunter2@registry.example/acme/app',
    ]) {
      await refuses(['verify', '--key', bench.file('a.pub'), image], 'ERR_REFERENCE_INVALID', 2);
    }
  });

  it('image layouts that are none', async () => {
    const verify = (path: string): string[] => ['verify', '--key', bench.file('a.pub'), `oci:${path}`];
    await mkdir(bench.file('layout'));
    await refuses(verify(bench.file('none')), 'ERR_LAYOUT_INVALID', 15);
    await refuses(verify(bench.file('layout')), 'ERR_LAYOUT_INVALID', 15);
    await refuses(verify(bench.file('a.pub')), 'ERR_LAYOUT_INVALID', 15);
    await writeFile(bench.file('layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    for (const [index, code] of [
      ['{', 'ERR_JSON_INVALID'],
      [deepJson(), 'ERR_LIMIT_EXCEEDED'],
      ['[]', 'ERR_LAYOUT_INVALID'],
    ] as const) {
      await writeFile(bench.file('layout/index.json'), index);
      await refuses(verify(bench.file('layout')), code, 15);
    }
    const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 10 };
    await writeFile(
      bench.file('layout/index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
    );
    const gone = await verifyJson(bench, `oci:${bench.file('layout')}@${digest}`);
    assert.equal(gone.verified, false);
    assert.notEqual(gone.code, 0);
  });
});

describe('commands, flags and variables_fail', () => {
  it('unknown commands and flags', async () => {
    await refuses(['sgin'], 'ERR_USAGE', 2);
    await refuses(['download', 'nothing', reference], 'ERR_USAGE', 2);
    await refuses(['--key', 'x', 'verify', reference], 'ERR_USAGE', 2);
    await refuses(['verify', '--kye', 'x', reference], 'ERR_USAGE', 2);
    await refuses(['verify', '-x', reference], 'ERR_USAGE', 2);
    await refuses(['verify', '--__proto__', 'x', reference], 'ERR_USAGE', 2);
    await refuses(['verify', '--key'], 'ERR_USAGE', 2);
    await refuses(['verify', '--key', bench.file('a.pub')], 'ERR_USAGE', 2);
    await refuses(['tree', reference, reference], 'ERR_USAGE', 2);
    await refuses(['verify', '--key', bench.file('a.pub'), ''], 'ERR_USAGE', 2);
    await refuses(['constructor'], 'ERR_USAGE', 2);
  });

  it('values: every boolean, number, duration and choice of every command', async () => {
    for (const command of commands) {
      const args = Array(command.args?.min ?? 0).fill(command.args?.values?.[0] ?? reference);
      for (const id of [...command.flags, 'timeout', 'quiet', 'verbose'] as const) {
        const { type, noEnv } = flags[id] as { type: string; noEnv?: boolean };
        if (!['boolean', 'integer', 'duration', 'enum'].includes(type)) continue;
        const prefix = command.flags.some((one) => flagName(one) === 'output-key-prefix')
          ? ['--output-key-prefix', bench.file('never')]
          : [];
        const words = [...command.name.split(' '), ...args, ...prefix];
        const isOutput = flagName(id) === 'output';
        const text = await bench.run([...words, `--${flagName(id)}=nonsense`]);
        assertRefused(text, 'ERR_USAGE', 2);
        // Every run has --verbose, and a flag wins over its variable.
        if (noEnv === true || isOutput || id === 'verbose') continue;
        const variable = flagName(id).toUpperCase().replaceAll('-', '_');
        await refuses(words, 'ERR_USAGE', 2, { env: { [`BOLTSEAL_${variable}`]: 'nonsense' } });
      }
    }
  });

  it('one flag with two values, and contradictions', async () => {
    const sign = ['sign', '--key', bench.file('a.key'), reference];
    const verify = ['verify', '--key', bench.file('a.pub'), reference];
    await refuses([...sign, '--key', bench.file('b.key')], 'ERR_USAGE', 2);
    await refuses([...verify, '--timeout', '1s', '--timeout', '2s'], 'ERR_USAGE', 2);
    await refuses([...verify, '--explain', '--no-explain'], 'ERR_USAGE', 2);
    await refuses([...verify, '--registry-username', 'me'], 'ERR_USAGE', 2);
    await refuses([...verify, '--registry-token', 't', '--registry-password', 'p'], 'ERR_USAGE', 2);
    await refuses([...verify, '--payload', 'x'], 'ERR_USAGE', 2);
    await refuses([...sign, '--bundle', 'x', '--recursive'], 'ERR_USAGE', 2);
    assertRefused(await bench.run([...sign, '--no-upload']), 'ERR_USAGE', 2);
  });

  it('duplicate annotations', async () => {
    for (const words of [
      ['sign', '--key', bench.file('a.key'), '-a', 'env=prod', '-a', 'env=dev', reference],
      ['sign', '--key', bench.file('a.key'), '-a', 'env=prod,env=dev', reference],
      ['verify', '--key', bench.file('a.pub'), '-a', 'env=prod', '-a', 'env=dev', reference],
      ['verify', '--key', bench.file('a.pub'), '-a', 'env=', '-a', 'env=x', reference],
      ['verify', '--key', bench.file('a.pub'), '-a', '=x', reference],
      ['verify', '--key', bench.file('a.pub'), '-a', 'env', reference],
    ]) {
      await refuses(words, 'ERR_USAGE', 2);
    }
    const same = ['verify', '--key', bench.file('a.pub'), '-a', 'env=prod', '-a', 'env=prod', reference];
    assertRefused(await bench.run(same), 'ERR_REGISTRY_NETWORK', 21);
  });

  it('flags of cosign that mean nothing here are refused, never left out', async () => {
    const verify = ['verify', '--key', bench.file('a.pub'), reference];
    await refuses([...verify, '--certificate-identity', 'x'], 'ERR_USAGE', 2);
    const signing = ['sign', '--key', bench.file('a.key'), reference];
    await refuses([...signing, '--tlog-upload=true', '--log', 'none'], 'ERR_USAGE', 2);
    await refuses([...signing, '--fulcio-url', 'https://ca.example'], 'ERR_USAGE', 2);
    await refuses(signing, 'ERR_USAGE', 2, { env: { COSIGN_TLOG_UPLOAD: 'perhaps' } });
  });

  it('input files: missing, broken, too large', async () => {
    const verify = ['verify', '--key', bench.file('a.pub'), `127.0.0.1:1/acme/app@sha256:${'a'.repeat(64)}`];
    await refuses([...verify, '--bundle', bench.file('none')], 'ERR_FILE_READ', 1);
    for (const content of ['', '{', deepJson(), '{"mediaType":"x"}']) {
      await writeFile(bench.file('x.bundle'), content);
      await refuses([...verify, '--bundle', bench.file('x.bundle')], 'ERR_NO_MATCHING_SIGNATURES', 12);
    }
    await writeFile(bench.file('x.payload'), Buffer.alloc(2_000_000));
    await writeFile(bench.file('x.sig'), 'AAAA');
    const files = ['--payload', bench.file('x.payload'), '--signature', bench.file('x.sig')];
    await refuses([...verify, ...files], 'ERR_LIMIT_EXCEEDED', 15);
    await writeFile(bench.file('x.payload'), '{}');
    await refuses([...verify, ...files], 'ERR_NO_MATCHING_SIGNATURES', 12);
    await writeFile(bench.file('x.sig'), '');
    await refuses([...verify, ...files], 'ERR_NO_MATCHING_SIGNATURES', 12);
    const config = ['sign', '--key', bench.file('a.key'), reference, '--signing-config'];
    await refuses([...config, bench.file('none')], 'ERR_FILE_READ', 1);
  });

  it('credentials stored on this machine that cannot be read', async () => {
    const docker = bench.file('docker');
    await mkdir(docker);
    for (const content of ['{', deepJson(), '[]', '{"auths":{"127.0.0.1:1":{"auth":"!"}}}']) {
      await writeFile(bench.file('docker/config.json'), content);
      const words = ['verify', '--key', bench.file('a.pub'), reference];
      const result = await bench.run(words, { env: { DOCKER_CONFIG: docker } });
      assert.notEqual(result.code, 0);
      assert.doesNotMatch(result.stderr, /ERR_INTERNAL/);
    }
  });
});
