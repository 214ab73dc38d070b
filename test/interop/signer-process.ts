/**
 * One of many signers: `node signer-process.ts IMAGE`. Reads a plain private key (PKCS#8 DER in base64) from the first
 * line of standard input, prints `ready`, and signs in both formats when the second line comes. Without a key it ends.
 */
import { createPrivateKey } from 'node:crypto';
import { createInterface } from 'node:readline';
import { signImage } from '../../src/flows/index.ts';
import { localSigner } from '../../src/keys/index.ts';
import { createRuntime } from '../../src/node/index.ts';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = await lines.next();
if (first.done !== true) {
  const der = Buffer.from(first.value, 'base64');
  const signer = localSigner(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), 'the key');
  process.stdout.write('ready\n');
  await lines.next();
  await signImage(process.argv[2] ?? '', { signer }, createRuntime());
}
