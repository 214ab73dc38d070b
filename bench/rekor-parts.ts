/**
 * What one entry costs a Rekor, part by part, without HTTP: the services are asked as functions, their logs are in
 * memory.
 *
 *   node bench/rekor-parts.ts
 *
 * `main` is the processor time of the main thread, `cpu` that of all threads, microseconds for one entry, on average over
 * some rounds; the first warms up.
 */
import { parseJson } from '../src/core/json.ts';
import { parseEnvelope, preAuthEncoding } from '../src/formats/dsse.ts';
import { encodeEntryV1, parseEntryRequestV1 } from '../src/formats/log-entry-v1.ts';
import { encodeEntryV2, parseEntryRequestV2 } from '../src/formats/log-entry-v2.ts';
import { encodeVerifierPem, parseVerifierPem, verifierOf } from '../src/formats/log-entry-verifier.ts';
import { sha256 } from '../src/formats/merkle.ts';
import type { Service } from '../src/server/http/service.ts';
import { prepareEntryV1 } from '../src/server/rekor/entry-v1.ts';
import { prepareEntryV2 } from '../src/server/rekor/entry-v2.ts';
import { logEntryMember } from '../src/server/rekor/log-entry-answer.ts';
import { createRekorV1 } from '../src/server/rekor/rekor-v1.ts';
import { createRekorV2 } from '../src/server/rekor/rekor-v2.ts';
import { createShards } from '../src/server/rekor/shards.ts';
import { signerOf } from '../src/server/rekor/signer-of-entry.ts';
import { verifyDigestSignature } from '../src/verify/digest-signature.ts';
import { verifyMessageSignature } from '../src/verify/message-signature.ts';
import {
  ask,
  base64,
  certificateOf,
  dsseV1,
  hashedRekordV1,
  hashedRekordV2,
  newLogV2,
  newPair,
  newShard,
  type Proposal,
} from '../test/support/rekor.ts';

const count = 200;
const rounds = 15;
const releases = { after: () => undefined };

/** Times `work` on `count` items at once, round after round. */
async function time(name: string, work: (round: number) => readonly (() => unknown)[]): Promise<void> {
  let [main, cpu, items] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const list = work(round);
    const all = process.cpuUsage();
    const own = process.threadCpuUsage();
    await Promise.all(list.map((item) => item()));
    if (round === 0) continue;
    main += total(process.threadCpuUsage(own));
    cpu += total(process.cpuUsage(all));
    items += list.length;
  }
  const shown = [main, cpu].map((micros) => (micros / items).toFixed(1).padStart(7));
  process.stdout.write(`${name.padEnd(44)} main ${shown[0]}   cpu ${shown[1]}\n`);
}

const total = ({ user, system }: { user: number; system: number }): number => user + system;
const bytesOf = (proposal: Proposal): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(proposal)));

async function whole(name: string, service: Service, path: string, make: () => Proposal): Promise<void> {
  const bodies = Array.from({ length: count * rounds }, () => bytesOf(make()));
  await time(name, (round) =>
    bodies.slice(round * count, (round + 1) * count).map((body) => async () => {
      const { status, text } = await ask(service, 'POST', path, body);
      if (status !== 201) throw new Error(text);
    }),
  );
}

const repeat = (work: () => unknown): readonly (() => unknown)[] => Array.from({ length: count }, () => work);
const part = (name: string, work: () => unknown): Promise<void> => time(`  ${name}`, () => repeat(work));

const pair = newPair();
const { pem, der } = certificateOf(pair, [{ type: 'email', value: 'dev@example.com' }]);

async function version1(): Promise<void> {
  const shard = await newShard(releases, 7n);
  const service = createRekorV1({ shards: [shard] });
  const path = '/api/v1/log/entries';
  await whole('v1 dsse, key', service, path, () => dsseV1([pair]));
  await whole('v1 dsse, certificate', service, path, () => {
    const proposal = dsseV1([pair]);
    proposal['spec'].proposedContent.verifiers = [base64(pem)];
    return proposal;
  });
  await whole('v1 hashedrekord, key', service, path, () => hashedRekordV1(pair));

  const json = bytesOf(dsseV1([pair]));
  const value = parseJson(json, { what: 'x', maxBytes: 1e9 });
  const request = parseEntryRequestV1(value, 'x');
  if (request.kind !== 'dsse' || !('envelope' in request)) throw new Error('not a proposal');
  const text = Buffer.from(request.envelope);
  const envelope = parseEnvelope(text, 'x');
  const verifierPem = Buffer.from(pair.pem);
  const verifier = parseVerifierPem(verifierPem, 'x');
  const { key } = signerOf(verifier);
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const signature = envelope.signatures[0]?.signature ?? new Uint8Array(0);
  const entry = {
    kind: 'dsse' as const,
    envelopeHash: sha256(text),
    payloadHash: sha256(envelope.payload),
    signatures: [{ signature, verifier: encodeVerifierPem(verifier) }],
  };
  const body = encodeEntryV1(entry);
  const prepared = await prepareEntryV1(request);
  const shards = createShards([shard]);
  const head = await shard.log.head();
  const stored = (await shard.log.entry(head.size - 1)) ?? fail();
  await part('request as JSON', () => parseJson(json, { what: 'x', maxBytes: 1e9 }));
  await part('request', () => parseEntryRequestV1(value, 'x'));
  await part('envelope', () => parseEnvelope(text, 'x'));
  await part('key from PEM', () => signerOf(parseVerifierPem(verifierPem, 'x')));
  await part('certificate from PEM', () => signerOf(parseVerifierPem(Buffer.from(pem), 'x')));
  await part('PEM written', () => encodeVerifierPem(verifier));
  await part('message to be verified', () => preAuthEncoding(envelope.payloadType, envelope.payload));
  await part('signature', () => verifyMessageSignature(key, 'sha256', message, signature));
  await part('hashes of payload and envelope', () => [sha256(text), sha256(envelope.payload)]);
  await part('body', () => encodeEntryV1(entry));
  await part('all of the above', async () =>
    prepareEntryV1(parseEntryRequestV1(parseJson(json, { what: 'x', maxBytes: 1e9 }), 'x')),
  );
  await part('search keys', () => prepared.keys());
  await time('  log', (round) =>
    Array.from({ length: count }, (_, index) => async () => {
      const leaf = Buffer.concat([body, Buffer.from(`${round} ${index} of version 1`)]);
      const keys = prepared.keys().map((one) => `${one} ${index}`);
      await shard.log.add({ build: () => ({ leaf, body: leaf }), placeless: true, keys });
    }),
  );
  await part('promise', () => shard.signer.sign(body));
  await part('inclusion proof', () => shard.log.inclusionProof(stored.index, head.size));
  await part('answer with promise and proof', () =>
    logEntryMember(shards, { shard: shards.active, stored }, head),
  );
}

async function version2(): Promise<void> {
  const { log, logId } = await newLogV2(releases);
  const service = createRekorV2({ log, logId });
  const path = '/api/v2/log/entries';
  await whole('v2 hashedrekord, key', service, path, () => hashedRekordV2(pair));
  await whole('v2 hashedrekord, certificate', service, path, () => {
    const proposal = hashedRekordV2(pair);
    proposal['hashedRekordRequestV002'].signature.verifier = {
      x509Certificate: { rawBytes: base64(der) },
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    };
    return proposal;
  });

  const json = bytesOf(hashedRekordV2(pair));
  const value = parseJson(json, { what: 'x', maxBytes: 1e9 });
  const request = parseEntryRequestV2(value, 'x');
  if (request?.kind !== 'hashedrekord') throw new Error('not a proposal');
  const { key } = signerOf(verifierOf('publicKey', pair.der, 'x'));
  const body = encodeEntryV2(request);
  await part('request as JSON', () => parseJson(json, { what: 'x', maxBytes: 1e9 }));
  await part('request', () => parseEntryRequestV2(value, 'x'));
  await part('key', () => signerOf(verifierOf('publicKey', pair.der, 'x')));
  await part('key of a certificate', () => signerOf(verifierOf('certificate', der, 'x')));
  await part('signature over the digest', () =>
    verifyDigestSignature(key, 'sha256', request.digest, request.signature),
  );
  await part('body', () => encodeEntryV2(request));
  await part('all of the above', async () =>
    prepareEntryV2(parseEntryRequestV2(parseJson(json, { what: 'x', maxBytes: 1e9 }), 'x') ?? fail()),
  );
  await time('  log', (round) =>
    Array.from({ length: count }, (_, index) => async () => {
      const leaf = Buffer.concat([body, Buffer.from(`${round} ${index} of version 2`)]);
      await log.add({ build: () => ({ leaf, body: leaf }), placeless: true });
    }),
  );
}

function fail(): never {
  throw new Error('not there');
}

await version1();
await version2();
process.exit(0);
