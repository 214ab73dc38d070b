import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { copyFile, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { type KeyPlugin, keyPlugin, type PluginCall } from '../../../test/support/key-plugin.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { LogEvent } from '../../core/runtime.ts';
import { createRuntime } from '../../node/runtime.ts';
import type { KeyOptions } from '../provider.ts';
import { loadSigner, loadVerificationKeys } from '../reference.ts';
import type { KeyType } from '../signer.ts';
import { pluginKeys } from './plugin.ts';

const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;

function options(plugin: KeyPlugin, events: LogEvent[] = [], signal?: AbortSignal): KeyOptions {
  const env = { PATH: plugin.folder, TESTKMS_TOKEN: 'of the environment' };
  return { runtime: createRuntime({ env, log: (event) => events.push(event) }), signal };
}

async function addKey(plugin: KeyPlugin, name: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(plugin.folder, `${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

async function generate(plugin: KeyPlugin, reference: string, type: KeyType) {
  const { runtime } = options(plugin);
  const context = { runtime, password: async () => [], readStdin: async () => new Uint8Array(0) };
  return await pluginKeys.generate?.(reference, type, context);
}

// The plugins of these tests are scripts, which Windows does not start.
const skip = process.platform === 'win32';

describe('keys behind plugins', { timeout: 60_000, skip }, () => {
  it('sign and verify; the plugin gets the message, the environment and the protocol', async (t) => {
    const plugin = await keyPlugin(t);
    await addKey(plugin, 'k');
    const signer = await loadSigner('testkms://k', options(plugin));
    assert.equal(signer.reference, 'testkms://k');
    const message = utf8('a message');
    const signature = await signer.sign(message);
    const [key] = await loadVerificationKeys('testkms://k', options(plugin));
    assert.ok(key !== undefined && verify('sha256', message, key.key, signature));
    assert.equal(key.hint, signer.publicKey.hint);
    const [first, second] = await plugin.calls();
    assert.equal(first?.version, 'v1');
    assert.deepEqual(first?.args['initOptions'], {
      protocolVersion: 'v1',
      keyResourceID: 'k',
      hashFunc: 5,
      rpcOptions: { keyVersion: '', remoteVerification: false },
    });
    assert.deepEqual(
      [first?.args['methodName'], second?.args['methodName'], second?.message, second?.token],
      ['publicKey', 'signMessage', 'a message', 'of the environment'],
    );
  });

  it('make keys, in the words of the plugin', async (t) => {
    const plugin = await keyPlugin(t);
    const p384 = await generate(plugin, 'testkms://a', 'ecdsa-p384');
    assert.equal(p384?.publicKey.type, 'ecdsa-p384');
    assert.equal(p384?.reference, 'testkms://a');
    // It has no P-256, which is only the default here: it makes its own default.
    assert.equal((await generate(plugin, 'testkms://b', 'ecdsa-p256'))?.publicKey.type, 'rsa-2048');
    // What it has of 3072 bits is PSS.
    for (const type of ['rsa-3072', 'ed25519'] as const) {
      await assert.rejects(generate(plugin, 'testkms://c', type), code('ERR_KEY_UNSUPPORTED'));
    }
    await assert.rejects(generate(plugin, 'testkms://a', 'ecdsa-p384'), code('ERR_KEY_PROVIDER'));
  });

  it('are judged by the signature, not by what the plugin says_fail', async (t) => {
    const plugin = await keyPlugin(t);
    await addKey(plugin, 'wrong-signature');
    const signer = await loadSigner('testkms://wrong-signature', options(plugin));
    await assert.rejects(signer.sign(utf8('m')), code('ERR_SIGNING_FAILED'));
  });

  const failures: Readonly<Record<string, string>> = {
    flood: 'ERR_KEY_PROVIDER',
    crash: 'ERR_KEY_PROVIDER',
    nonsense: 'ERR_KEY_PROVIDER',
    silent: 'ERR_KEY_PROVIDER',
    refuse: 'ERR_KEY_PROVIDER',
    shape: 'ERR_KEY_PROVIDER',
    'not-base64': 'ERR_KEY_PROVIDER',
    'no-key': 'ERR_KEY_INVALID',
    'no-such-key': 'ERR_KEY_PROVIDER',
  };
  for (const [name, expected] of Object.entries(failures)) {
    it(`${name}_fail`, async (t) => {
      const plugin = await keyPlugin(t);
      await assert.rejects(loadSigner(`testkms://${name}`, options(plugin)), (error) => {
        assert.ok(isBoltsealError(error) && error.code === expected, String(error));
        const shown = JSON.stringify([error.message, error.hint, error.details, error.cause]);
        assert.ok(!shown.includes('SECRET-TOKEN') && !shown.includes('\\u001b'), shown);
        return true;
      });
    });
  }

  it('a plugin that hangs is ended when the caller has had enough_fail', async (t) => {
    const plugin = await keyPlugin(t);
    const controller = new AbortController();
    const loading = loadSigner('testkms://hang', options(plugin, [], controller.signal));
    while ((await plugin.calls()).length === 0) await new Promise(setImmediate);
    controller.abort(new Error('enough'));
    await assert.rejects(loading, /enough/);
  });

  it('what a plugin says to people is shown, as far as it is of use', async (t) => {
    const plugin = await keyPlugin(t);
    await addKey(plugin, 'chatter');
    const events: LogEvent[] = [];
    await loadSigner('testkms://chatter', options(plugin, events));
    assert.match(events[0]?.message ?? '', /sigstore-kms-testkms: touch the device/);
    assert.ok(events.every(({ level, message }) => level === 'info' && message.length < 400));
  });

  it('a plugin that leaves a program behind is not waited for', async (t) => {
    const plugin = await keyPlugin(t);
    await addKey(plugin, 'linger');
    await loadVerificationKeys('testkms://linger', options(plugin));
  });

  it('are found in the folders of PATH, and never in the working folder_fail', async (t) => {
    const plugin = await keyPlugin(t);
    await addKey(plugin, 'k');
    const empty = await temporaryDirectory(t);
    await symlink(plugin.folder, join(empty, 'sigstore-kms-folder'));
    const env = (PATH: string) => ({ runtime: createRuntime({ env: { PATH } }) });
    for (const path of ['', empty, '.', delimiter, `..${plugin.folder}`]) {
      for (const scheme of ['testkms', 'folder', 'no.such-1']) {
        await assert.rejects(loadSigner(`${scheme}://k`, env(path)), code('ERR_KEY_REFERENCE_UNKNOWN'));
      }
    }
    await loadSigner('testkms://k', env(`${empty}${delimiter}${plugin.folder}`));
    await copyFile(join(plugin.folder, 'k.pem'), join(empty, 'sigstore-kms-broken'));
    await assert.rejects(loadSigner('broken://k', env(empty)), code('ERR_KEY_REFERENCE_UNKNOWN'));
  });

  it('a program that is none is told from one that is not there_fail', async (t) => {
    const folder = await temporaryDirectory(t);
    await writeFile(join(folder, 'sigstore-kms-odd'), '\u007fELF', { mode: 0o755 });
    const runtime = createRuntime({ env: { PATH: folder } });
    await assert.rejects(loadSigner('odd://k', { runtime }), code('ERR_KEY_PROVIDER'));
  });

  it('are the same to the real cosign: what it asks, what it makes and what it signs', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const plugin = await keyPlugin(t);
    const home = await temporaryDirectory(t);
    const cosign = async (...args: readonly string[]) => {
      const PATH = `${plugin.folder}${delimiter}${process.env['PATH']}`;
      const result = await runProgram(programs.cosign3, args, {
        env: { HOME: home, PATH, TESTKMS_TOKEN: 'of the environment' },
        cwd: home,
      });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    };
    await cosign('generate-key-pair', '--kms', 'testkms://theirs');
    const [key] = await loadVerificationKeys('testkms://theirs', options(plugin));
    assert.equal(await cosign('public-key', '--key', 'testkms://theirs'), key?.pem);
    await writeFile(join(home, 'key.pub'), key?.pem ?? '');
    await writeFile(join(home, 'blob'), 'a message');
    const old = ['--tlog-upload=false', '--new-bundle-format=false', '--use-signing-config=false'];
    await cosign('sign-blob', '--key', 'testkms://theirs', '-y', ...old, '--output-signature', 'sig', 'blob');
    const theirs = await plugin.calls();

    const signer = await loadSigner('testkms://theirs', options(plugin));
    await writeFile(join(home, 'ours'), Buffer.from(await signer.sign(utf8('a message'))).toString('base64'));
    for (const signature of ['ours', 'sig']) {
      await cosign(
        ...['verify-blob', '--key', 'key.pub', '--insecure-ignore-tlog'],
        ...['--signature', signature, 'blob'],
      );
    }
    const ours = (await plugin.calls()).slice(theirs.length);
    for (const method of ['publicKey', 'signMessage']) {
      const of = (calls: readonly PluginCall[]) => calls.find(({ args }) => args['methodName'] === method);
      assert.deepEqual(of(ours), withoutExtras(of(theirs)), method);
    }
    assert.equal(theirs.find(({ args }) => args['methodName'] === 'createKey')?.token, 'of the environment');
  });
});

/** A call of cosign without what is optional: a time limit, and the digest of the message beside the message. */
function withoutExtras(call: PluginCall | undefined): unknown {
  const text = JSON.stringify(call, (name, value) => (name === 'ctxDeadline' ? undefined : value));
  return JSON.parse(text.replace(/"digest":"[^"]*"/, '"digest":null'));
}
