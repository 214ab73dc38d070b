import assert from 'node:assert/strict';
import { createHash, randomBytes, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { ed25519ph } from '@noble/curves/ed25519.js';
import canonicalize from 'canonicalize';
import {
  type Answer,
  ask,
  base64,
  certificateOf,
  dsseV2,
  hashedRekordV2,
  newLogV2,
  newPair,
  type Proposal,
} from '../../../test/support/rekor.ts';
import type { Releases } from '../../../test/support/temporary.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../formats/checkpoint.ts';
import { preAuthEncoding } from '../../formats/dsse.ts';
import { parseEntryBundle } from '../../formats/log-entry-bundle.ts';
import { emptyRoot, hashLeaf, rootFromInclusion, verifyInclusion } from '../../formats/merkle.ts';
import { noteVerifier } from '../../formats/note-keys.ts';
import type { Signer } from '../../keys/signer.ts';
import type { Service } from '../http/service.ts';
import type { TransparencyLog } from '../log/log.ts';
import { createRekorV2 } from './rekor-v2.ts';

const entries = '/api/v2/log/entries';
const origin = 'rekor2.example.com';
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

interface World {
  readonly service: Service;
  readonly log: TransparencyLog;
  readonly logId: Uint8Array;
  readonly signer: Signer;
}

async function newWorld(releases: Releases, options: { allowDsse?: boolean } = {}): Promise<World> {
  const made = await newLogV2(releases);
  return { ...made, service: createRekorV2({ log: made.log, logId: made.logId, ...options }) };
}

/** Checks everything a client checks of an answered entry; answers its body. */
function checkEntry({ logId, signer }: World, answer: Answer): Proposal {
  assert.equal(answer.status, 201, answer.text);
  const { json } = answer;
  const names = ['logIndex', 'logId', 'kindVersion', 'integratedTime', 'inclusionPromise', 'inclusionProof'];
  assert.deepEqual(Object.keys(json), [...names, 'canonicalizedBody']);
  assert.equal(json.logId.keyId, base64(logId));
  assert.deepEqual([json.integratedTime, json.inclusionPromise], ['0', null]);
  const { logIndex, rootHash, treeSize, hashes, checkpoint } = json.inclusionProof;
  assert.equal(logIndex, json.logIndex);
  const body = bytesOf(json.canonicalizedBody);
  verifyInclusion(hashLeaf(body), Number(logIndex), Number(treeSize), hashes.map(bytesOf), bytesOf(rootHash));
  const note = parseCheckpoint(checkpoint.envelope);
  verifyCheckpoint(note, [noteVerifier(origin, signer.publicKey)], origin);
  assert.deepEqual([String(note.size), base64(note.root)], [treeSize, rootHash]);
  const text = Buffer.from(body).toString();
  const read = JSON.parse(text) as Proposal;
  assert.equal(text, canonicalize(read));
  assert.deepEqual(json.kindVersion, { kind: read['kind'], version: '0.0.2' });
  return read;
}

const add = async (world: World, proposal: Proposal): Promise<Answer> => {
  const answer = await ask(world.service, 'POST', entries, proposal);
  checkEntry(world, answer);
  return answer;
};

describe('adding to Rekor v2', () => {
  it('takes hashedrekord of every key', async (t) => {
    const world = await newWorld(t);
    for (const [type, algorithm] of [
      ['prime256v1', 'SHA2_256'],
      ['secp384r1', 'SHA2_384'],
      ['secp521r1', 'SHA2_512'],
      ['rsa2048', 'SHA2_256'],
    ] as const) {
      const proposal = hashedRekordV2(newPair(type));
      const { digest, signature } = proposal['hashedRekordRequestV002'];
      assert.deepEqual(checkEntry(world, await ask(world.service, 'POST', entries, proposal)), {
        apiVersion: '0.0.2',
        kind: 'hashedrekord',
        spec: { hashedRekordV002: { data: { algorithm, digest }, signature } },
      });
    }
    const { secretKey, publicKey } = ed25519ph.keygen();
    const message = randomBytes(9);
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]);
    await add(world, {
      hashedRekordRequestV002: {
        digest: base64(createHash('sha512').update(message).digest()),
        signature: {
          content: base64(ed25519ph.sign(message, secretKey)),
          verifier: { publicKey: { rawBytes: base64(spki) }, keyDetails: 'PKIX_ED25519_PH' },
        },
      },
    });
  });

  it('takes the key of a certificate', async (t) => {
    const world = await newWorld(t);
    const pair = newPair();
    const { der } = certificateOf(pair, [{ type: 'email', value: 'dev@example.com' }]);
    const proposal = hashedRekordV2(pair);
    const { signature } = proposal['hashedRekordRequestV002'];
    signature.verifier = {
      x509Certificate: { rawBytes: base64(der) },
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    };
    const body = checkEntry(world, await ask(world.service, 'POST', entries, proposal));
    assert.deepEqual(body['spec'].hashedRekordV002.signature, signature);
  });

  it('answers what is there already, proved against the present checkpoint', async (t) => {
    const world = await newWorld(t);
    // Always the same signature.
    const proposal = hashedRekordV2(newPair('rsa2048'));
    const first = await add(world, proposal);
    await add(world, hashedRekordV2(newPair()));
    const again = await add(world, proposal);
    assert.equal(again.json.logIndex, first.json.logIndex);
    assert.equal(again.json.canonicalizedBody, first.json.canonicalizedBody);
    assert.equal(again.json.inclusionProof.treeSize, '2');
    assert.equal((await world.log.head()).size, 2);
  });

  it('takes dsse only where it is told to', async (t) => {
    const proposal = dsseV2([newPair(), newPair()]);
    const refused = await ask((await newWorld(t)).service, 'POST', entries, proposal);
    assert.deepEqual(
      [refused.status, refused.json],
      [400, { code: 3, message: 'invalid type, must be hashedrekord', details: [] }],
    );
    const world = await newWorld(t, { allowDsse: true });
    const body = checkEntry(world, await ask(world.service, 'POST', entries, proposal));
    const { envelope, verifiers } = proposal['dsseRequestV002'];
    const signatures = envelope.signatures
      .map(({ sig }: { sig: string }, index: number) => ({ content: sig, verifier: verifiers[index] }))
      .sort((a: { content: string }, b: { content: string }) =>
        Buffer.compare(bytesOf(a.content), bytesOf(b.content)),
      );
    const digest = base64(createHash('sha256').update(bytesOf(envelope.payload)).digest());
    assert.deepEqual(body, {
      apiVersion: '0.0.2',
      kind: 'dsse',
      spec: { dsseV002: { payloadHash: { algorithm: 'SHA2_256', digest }, signatures } },
    });
  });

  it('takes dsse signed over the hash of the key', async (t) => {
    const world = await newWorld(t, { allowDsse: true });
    const payload = Buffer.from('{}');
    const message = preAuthEncoding('text/plain', payload);
    const p384 = newPair('secp384r1');
    const { secretKey, publicKey } = ed25519ph.keygen();
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]);
    const proposal = {
      dsseRequestV002: {
        envelope: {
          payload: base64(payload),
          payloadType: 'text/plain',
          signatures: [
            { sig: base64(sign('sha384', message, p384.privateKey)) },
            { sig: base64(ed25519ph.sign(message, secretKey)) },
          ],
        },
        verifiers: [
          { publicKey: { rawBytes: base64(spki) }, keyDetails: 'PKIX_ED25519_PH' },
          { publicKey: { rawBytes: base64(p384.der) }, keyDetails: 'PKIX_ECDSA_P384_SHA_384' },
        ],
      },
    };
    await add(world, proposal);
    proposal.dsseRequestV002.envelope.signatures[0] = {
      sig: base64(sign('sha256', message, p384.privateKey)),
    };
    assert.equal((await ask(world.service, 'POST', entries, proposal)).status, 400);
  });

  it('takes nothing any more when it is frozen', async (t) => {
    const { log, logId } = await newWorld(t);
    const frozen = createRekorV2({ log, logId, frozen: true });
    const answer = await ask(frozen, 'POST', entries, hashedRekordV2(newPair()));
    assert.deepEqual(
      [answer.status, answer.json.code, answer.json.message],
      [405, 12, 'This log has been frozen, please switch to the latest log.'],
    );
    assert.equal((await ask(frozen, 'GET', '/api/v2/checkpoint')).status, 200);
  });
});

describe('reading Rekor v2', () => {
  it('serves the checkpoint, uncached', async (t) => {
    const world = await newWorld(t);
    await add(world, hashedRekordV2(newPair()));
    const { text, headers, status } = await ask(world.service, 'GET', '/api/v2/checkpoint');
    assert.equal(status, 200);
    assert.match(headers['content-type'] ?? '', /^text\/plain/);
    assert.match(headers['cache-control'] ?? '', /no-cache/);
    const note = parseCheckpoint(text);
    verifyCheckpoint(note, [noteVerifier(origin, world.signer.publicKey)], origin);
    assert.equal(note.size, 1);
  });

  it('serves tiles and entries that lead to the checkpoint, for ever', async (t) => {
    const world = await newWorld(t);
    const size = 300;
    const pair = newPair('rsa2048');
    await Promise.all(Array.from({ length: size }, () => add(world, hashedRekordV2(pair))));
    const get = async (path: string): Promise<Uint8Array> => {
      const request = { method: 'GET', path: `/api/v2/tile/${path}`, query: new URLSearchParams() };
      const route = world.service.routes.find(({ name }) =>
        path.startsWith('entries/') ? name === 'tile-entries' : name === 'tile',
      );
      assert.ok(route);
      const [first = '', ...rest] = path.split('/');
      const params =
        route.name === 'tile' ? { level: first, path: rest.join('/') } : { path: rest.join('/') };
      const answer = await route.answer({
        ...request,
        params,
        headers: { get: () => null },
        body: new Uint8Array(0),
        signal: new AbortController().signal,
      });
      assert.match(String(answer.headers['cache-control']), /immutable/);
      assert.equal(answer.headers['content-type'], 'application/octet-stream');
      return answer.body as Uint8Array;
    };
    const bodies = [
      ...parseEntryBundle(await get('entries/000'), 256),
      ...parseEntryBundle(await get('entries/001.p/44'), 44),
    ];
    const leaves = bodies.map(hashLeaf);
    const hashes = Buffer.concat([await get('0/000'), await get('0/001.p/44')]);
    assert.deepEqual(new Uint8Array(hashes), new Uint8Array(Buffer.concat(leaves)));
    assert.equal((await get('1/000.p/1')).length, 32);
    // A narrower tile is the beginning of a wider one.
    assert.deepEqual(parseEntryBundle(await get('entries/000.p/3'), 3), bodies.slice(0, 3));
    const head = await world.log.head();
    assert.equal(head.size, size);
    const path = await world.log.inclusionProof(299, size);
    assert.deepEqual(rootFromInclusion(leaves[299] ?? emptyRoot, 299, size, path), head.root);
  });

  it('answers 404 for tiles that are not there or not named as they must be_fail', async (t) => {
    const world = await newWorld(t);
    await add(world, hashedRekordV2(newPair()));
    for (const path of [
      '0/000',
      '0/000.p/2',
      '0/001.p/1',
      '1/000.p/1',
      'entries/000',
      'entries/000.p/2',
      'entries/001.p/1',
      '0/0',
      '0/000.p/0',
      '0/000.p/256',
      '0/000.p/01',
      '0/x000/000.p/1',
      '0/x999/x999/x999/x999/999',
      '64/000.p/1',
      '6/000.p/1',
      '-1/000.p/1',
      '00/000.p/1',
      'data/000.p/1',
      '0/../0/000.p/1',
      '0/..%2f..%2fetc%2fpasswd',
      'entries/../../checkpoint',
      'entries/%00',
      '0/',
      'entries/',
      '0',
      '',
    ]) {
      const answer = await ask(world.service, 'GET', `/api/v2/tile/${path}`);
      assert.deepEqual([answer.status, answer.json?.code], [404, 5], path);
    }
    for (const path of ['0/000.p/1', 'entries/000.p/1']) {
      assert.equal((await ask(world.service, 'GET', `/api/v2/tile/${path}`)).status, 200);
    }
  });

  it('says that it serves', async (t) => {
    const { service } = await newWorld(t);
    assert.deepEqual((await ask(service, 'GET', '/healthz')).json, { status: 'SERVING' });
  });
});
