import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** An entry that was added to a Rekor v1. */
export interface RekorEntry {
  readonly id: string;
  readonly logIndex: number;
}

/** Signs something new with a key of its own, and adds that to the Rekor v1 of the private Sigstore at `url`. */
export async function addRekorEntry(url: string): Promise<RekorEntry> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const message = randomBytes(32);
  const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
  const response = await fetch(`${url}/rekor/api/v1/log/entries`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha256', value: createHash('sha256').update(message).digest('hex') } },
        signature: {
          content: sign('sha256', message, privateKey).toString('base64'),
          publicKey: { content: pem.toString('base64') },
        },
      },
    }),
  });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  const [[id, entry] = []] = Object.entries((await response.json()) as Record<string, { logIndex: number }>);
  if (id === undefined || entry === undefined) throw new Error('no entry in the answer');
  return { id, logIndex: entry.logIndex };
}
