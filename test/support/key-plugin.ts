/** Plugins that keep keys for `cosign` and Boltseal: small programs made for a test. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Releases, temporaryDirectory } from './temporary.ts';

/** A folder with a plugin `sigstore-kms-testkms`. */
export interface KeyPlugin {
  /** To be put on PATH. */
  readonly folder: string;
  /** Command lines it was started with, in order. */
  calls(): Promise<readonly PluginCall[]>;
}

/** How a plugin was started. */
export interface PluginCall {
  readonly version: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly message: string;
  readonly token: string | undefined;
}

/**
 * Its keys are files in its folder; the key `NAME` is made by `createKey`. Some names make it misbehave: `hang`, `flood`,
 * `crash`, `nonsense`, `silent`, `refuse`, `wrong-signature`, `no-key`, `shape`, `not-base64`, `chatter`, `linger`.
 */
export async function keyPlugin(t: Releases): Promise<KeyPlugin> {
  const folder = await temporaryDirectory(t);
  const path = join(folder, 'sigstore-kms-testkms');
  await writeFile(path, `#!${process.execPath}\n${source}`);
  await chmod(path, 0o755);
  return {
    folder,
    async calls() {
      const lines = (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
    },
  };
}

const source = `
const { appendFileSync, existsSync, readFileSync, writeFileSync, writeSync } = require('node:fs');
const { createPrivateKey, createPublicKey, generateKeyPairSync, sign } = require('node:crypto');
const { spawn } = require('node:child_process');
const { join, dirname } = require('node:path');
const folder = dirname(process.argv[1]);
const [, , version, text] = process.argv;
const args = JSON.parse(text);
const message = readFileSync(0);
const token = process.env.TESTKMS_TOKEN;
appendFileSync(join(folder, 'calls'), JSON.stringify({ version, args, message: message.toString(), token }) + '\\n');
const key = args.initOptions.keyResourceID;
const file = join(folder, key + '.pem');
const answer = (value) => writeSync(1, JSON.stringify(value));
const pem = () => createPublicKey(readFileSync(file)).export({ type: 'spki', format: 'pem' });
if (key === 'hang') setInterval(() => {}, 1000);
else if (key === 'flood') for (;;) writeSync(1, 'x'.repeat(65536));
else if (key === 'crash') process.kill(process.pid, 'SIGSEGV');
else if (key === 'nonsense') writeSync(1, 'SECRET-TOKEN is not JSON');
else if (key === 'silent') process.exitCode = 3;
else if (key === 'refuse') answer({ errorMessage: 'the device is locked\\u001b[2J' });
else if (key === 'shape') answer({ signMessage: 7, publicKey: [] });
else if (key === 'not-base64') answer({ publicKey: { publicKeyPEM: '!' } });
else if (key === 'no-key') answer({ publicKey: { publicKeyPEM: Buffer.from('hello').toString('base64') } });
else {
  if (key === 'chatter') writeSync(2, 'touch the device\\n' + 'x'.repeat(200000));
  if (key === 'linger') spawn(process.execPath, ['-e', 'setTimeout(() => {}, 4000)'], { stdio: 'inherit' }).unref();
  const methods = {
    defaultAlgorithm: () => ({ defaultAlgorithm: 'rsa-2048-pkcs1-sha256' }),
    supportedAlgorithms: () => ({ supportedAlgorithms: ['rsa-2048-pkcs1-sha256', 'rsa-3072-pss', 'ECDSA_P384'] }),
    createKey: ({ algorithm }) => {
      if (existsSync(file)) throw new Error('there is such a key');
      const made = algorithm === 'ECDSA_P384'
        ? generateKeyPairSync('ec', { namedCurve: 'P-384' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
      writeFileSync(file, made.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      return { publicKeyPEM: Buffer.from(pem()).toString('base64') };
    },
    publicKey: () => ({ publicKeyPEM: Buffer.from(pem()).toString('base64') }),
    signMessage: () => ({
      signature: sign('sha256', key.startsWith('wrong') ? Buffer.from('another') : message, createPrivateKey(readFileSync(file))).toString('base64'),
    }),
  };
  try {
    answer({ [args.methodName]: methods[args.methodName](args[args.methodName]) });
    // By the protocol the exit code says nothing.
    process.exitCode = 7;
  } catch (error) {
    answer({ errorMessage: error.message });
  }
}
`;
