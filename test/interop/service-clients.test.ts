/**
 * Bundles made of what the service clients bring (certificate, log entry, timestamp with a nonce) on a private Sigstore,
 * verified by the real programs.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createKeylessSession } from '../../src/flows/keyless.ts';
import { createRecorder } from '../../src/flows/record.ts';
import { type BundleContent, encodeBundle } from '../../src/formats/bundle.ts';
import { inTotoPayloadType, preAuthEncoding } from '../../src/formats/dsse.ts';
import { parseSigningConfig } from '../../src/formats/signing-config.ts';
import { parseTimestampResponse, requireGranted } from '../../src/formats/timestamp.ts';
import { parseIdentityToken } from '../../src/identity/token.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { chooseServices } from '../../src/services/choose-services.ts';
import {
  blobPeerNames,
  blobPeers,
  type Content,
  contents,
  type LogVersion,
  logVersions,
  type SignedBlob,
} from './sigstore-peers.ts';
import { email, type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
const runtime = createRuntime();
let files = 0;

const targets: Readonly<Record<LogVersion, string>> = {
  'Rekor v1': 'signing_config.v0.2.json',
  'Rekor v2': 'signing_config_rekor_v2.v0.2.json',
};

/** Signs a blob, or a statement about it, as the flows do. */
async function sign(open: SigstoreSession, log: LogVersion, content: Content): Promise<SignedBlob> {
  const config = parseSigningConfig(await readFile(await open.target(targets[log])));
  const services = chooseServices(config, { require: ['ca', 'log', 'timestamp authority'] }, runtime);
  const recorder = createRecorder(services, runtime, { keyless: true });
  const keyless = createKeylessSession(
    {
      caUrl: services.ca?.url ?? '',
      getToken: async () => parseIdentityToken(await open.server.token(email), { now: runtime.now() }),
    },
    runtime,
  );
  const text = Buffer.from(`what ${++files} signs\n`);
  const blob = await open.file(`clients-${files}`, text);
  const digest = createHash('sha256').update(text).digest();
  const statement = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'blob', digest: { sha256: digest.toString('hex') } }],
      predicateType: 'https://example.com/predicate/v1',
      predicate: { answer: 42 },
    }),
  );
  const envelope = { payload: new Uint8Array(statement), payloadType: inTotoPayloadType };
  const isEnvelope = content === 'DSSE';
  const signedBytes = isEnvelope
    ? preAuthEncoding(inTotoPayloadType, envelope.payload)
    : new Uint8Array(text);
  const { signer, certificates } = await keyless.current();
  const signature = await signer.sign(signedBytes);
  const [leaf] = certificates;
  assert.ok(leaf);
  const recorded = await recorder.record({
    signature,
    signedBytes,
    publicKey: signer.publicKey,
    certificate: leaf,
    ...(isEnvelope ? { envelope } : {}),
  });
  for (const timestamp of recorded.timestamps) {
    assert.ok(requireGranted(parseTimestampResponse(timestamp)).info.nonce, 'the timestamp has a nonce');
  }
  const held: BundleContent = isEnvelope
    ? { kind: 'envelope', envelope: { ...envelope, signatures: [{ signature }] } }
    : { kind: 'message', signature, digest: { algorithm: 'SHA2_256', digest: new Uint8Array(digest) } };
  const bundle = join(open.folder, `clients-${files}.bundle`);
  await writeFile(bundle, encodeBundle({ material: { certificates: [leaf], ...recorded }, content: held }));
  return { blob, bundle };
}

for (const log of logVersions) {
  for (const content of contents) {
    describe(`${content}, ${log}`, () => {
      it('is verified by every client that knows the log', async (t) => {
        const open = await session(t);
        if (open === undefined) return;
        // The entry with index 0 is one that cosign 2 takes for missing.
        if (files === 0) await sign(open, 'Rekor v1', content);
        const signed = await sign(open, log, content);
        for (const name of blobPeerNames) {
          const { ok, message } = await blobPeers[name].verify(open, content, signed);
          assert.equal(ok, !(name === 'cosign 2' && log === 'Rekor v2'), `${name}: ${message}`);
        }
      });
    });
  }
}
