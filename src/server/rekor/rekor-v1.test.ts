import assert from 'node:assert/strict';
import { createHash, randomBytes, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { ed25519ph } from '@noble/curves/ed25519.js';
import canonicalize from 'canonicalize';
import {
  type Answer,
  ask,
  base64,
  certificateOf,
  dsseV1,
  hashedRekordV1,
  intotoV1,
  newPair,
  newShard,
  newSigner,
  type Proposal,
  statement,
} from '../../../test/support/rekor.ts';
import type { Releases } from '../../../test/support/temporary.ts';
import { derUtf8 } from '../../core/der.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../formats/checkpoint.ts';
import { usernameOid } from '../../formats/fulcio-extensions.ts';
import { hashLeaf, verifyConsistency, verifyInclusion } from '../../formats/merkle.ts';
import { noteVerifier } from '../../formats/note-keys.ts';
import type { Service } from '../http/service.ts';
import { createRekorV1 } from './rekor-v1.ts';
import type { RekorShard } from './shards.ts';

const entries = '/api/v1/log/entries';
const treeId = 7294389543009128044n;
const treeHex = '653ae0a45c620e6c';
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

interface World {
  readonly shard: RekorShard;
  readonly service: Service;
}

async function newWorld(releases: Releases): Promise<World> {
  const shard = await newShard(releases, treeId);
  return { shard, service: createRekorV1({ shards: [shard] }) };
}

/** Checks everything a client checks of an answered entry; answers its body. */
function checkEntry(
  { shard }: World,
  id: string,
  // biome-ignore lint/suspicious/noExplicitAny: an answer
  entry: any,
  offset = 0,
): Proposal {
  const { body, integratedTime, logID, logIndex, verification } = entry;
  assert.deepEqual(Object.keys(entry), ['body', 'integratedTime', 'logID', 'logIndex', 'verification']);
  const { publicKey } = shard.signer;
  assert.equal(logID, createHash('sha256').update(publicKey.spki).digest('hex'));
  const signed = canonicalize({ body, integratedTime, logID, logIndex }) ?? '';
  const promise = Buffer.from(verification.signedEntryTimestamp, 'base64');
  assert.ok(verify('sha256', Buffer.from(signed), publicKey.key, promise));
  const { checkpoint, hashes, rootHash, treeSize, logIndex: inTree } = verification.inclusionProof;
  assert.equal(logIndex, inTree + offset);
  const bytes = Buffer.from(body, 'base64');
  const leafHash = hashLeaf(bytes);
  assert.equal(id, shard.treeId.toString(16).padStart(16, '0') + Buffer.from(leafHash).toString('hex'));
  verifyInclusion(leafHash, inTree, treeSize, hashes.map(bytesOf), bytesOf(rootHash));
  const note = parseCheckpoint(checkpoint);
  verifyCheckpoint(note, [noteVerifier('rekor.example.com', publicKey)], shard.log.origin);
  assert.equal(note.signatures.length, 1);
  assert.deepEqual([note.size, Buffer.from(note.root).toString('hex')], [treeSize, rootHash]);
  assert.equal(canonicalize(JSON.parse(bytes.toString())), bytes.toString());
  return JSON.parse(bytes.toString()) as Proposal;
}

/** The one entry of an answer, checked. */
function onlyEntry(
  world: World,
  answer: Answer,
  offset = 0,
): { id: string; body: Proposal; entry: Proposal } {
  const [[id, entry] = ['', {}], ...more] = Object.entries(answer.json as Record<string, Proposal>);
  assert.equal(more.length, 0);
  return { id, entry, body: checkEntry(world, id, entry, offset) };
}

async function add(
  world: World,
  proposal: Proposal,
): Promise<{ id: string; body: Proposal; entry: Proposal }> {
  const answer = await ask(world.service, 'POST', entries, proposal);
  assert.equal(answer.status, 201, answer.text);
  const added = onlyEntry(world, answer);
  assert.equal(answer.headers['etag'], added.id);
  assert.equal(answer.headers['location'], `${entries}/${added.id}`);
  assert.equal(answer.headers['content-type'], 'application/json');
  return added;
}

describe('adding to Rekor v1', () => {
  it('takes hashedrekord of every key, and logs what was sent', async (t) => {
    const world = await newWorld(t);
    for (const [type, hash] of [
      ['prime256v1', 'sha256'],
      ['secp384r1', 'sha384'],
      ['secp521r1', 'sha512'],
      ['rsa2048', 'sha256'],
      ['rsa3072', 'sha256'],
    ] as const) {
      const proposal = hashedRekordV1(newPair(type), hash);
      const { body, id } = await add(world, proposal);
      assert.deepEqual(body, proposal);
      assert.ok(id.startsWith(treeHex));
    }
    const { secretKey, publicKey } = ed25519ph.keygen();
    const message = randomBytes(9);
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64(Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]))}\n-----END PUBLIC KEY-----\n`;
    await add(world, {
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha512', value: createHash('sha512').update(message).digest('hex') } },
        signature: {
          content: base64(ed25519ph.sign(message, secretKey)),
          publicKey: { content: base64(pem) },
        },
      },
    });
  });

  it('makes PEM canonical', async (t) => {
    const world = await newWorld(t);
    const pair = newPair();
    const proposal = hashedRekordV1(pair);
    const odd = `text before\r\n${pair.pem.replaceAll('\n', '\r\n')}`;
    proposal['spec'].signature.publicKey.content = base64(odd);
    const { body } = await add(world, proposal);
    assert.equal(body['spec'].signature.publicKey.content, base64(pair.pem));
    proposal['spec'].signature.publicKey.content = base64(pair.pem.trimEnd());
    assert.equal((await ask(world.service, 'POST', entries, proposal)).status, 409);
  });

  it('takes dsse of one and of several signers', async (t) => {
    const world = await newWorld(t);
    for (const types of [['prime256v1'], ['rsa2048', 'secp384r1', 'ed25519'], ['secp521r1']]) {
      const pairs = types.map(newPair);
      const proposal = dsseV1(pairs);
      const { envelope } = proposal['spec'].proposedContent;
      // In any order.
      proposal['spec'].proposedContent.verifiers.reverse();
      const { body } = await add(world, proposal);
      const { signatures, payload } = JSON.parse(envelope);
      const expected = signatures
        .map(({ sig }: { sig: string }, index: number) => ({
          signature: sig,
          verifier: base64(pairs[index]?.pem ?? ''),
        }))
        .sort((a: { signature: string }, b: { signature: string }) => (a.signature < b.signature ? -1 : 1));
      const sha256 = (bytes: string | Uint8Array): object => ({
        algorithm: 'sha256',
        value: createHash('sha256').update(bytes).digest('hex'),
      });
      assert.deepEqual(body, {
        apiVersion: '0.0.1',
        kind: 'dsse',
        spec: {
          envelopeHash: sha256(envelope),
          payloadHash: sha256(Buffer.from(payload, 'base64')),
          signatures: expected,
        },
      });
    }
  });

  it('takes intoto, and logs it without the payload', async (t) => {
    const world = await newWorld(t);
    const proposal = intotoV1([newPair(), newPair('rsa2048')]);
    const { content } = structuredClone(proposal)['spec'];
    const { body } = await add(world, proposal);
    const payload = Buffer.from(Buffer.from(content.envelope.payload, 'base64').toString(), 'base64');
    delete content.envelope.payload;
    content.payloadHash = { algorithm: 'sha256', value: createHash('sha256').update(payload).digest('hex') };
    assert.deepEqual(body['spec'].content, content);
  });

  it('answers what is there already with its place', async (t) => {
    const world = await newWorld(t);
    const proposal = dsseV1([newPair()]);
    const { id, entry } = await add(world, proposal);
    await add(world, hashedRekordV1(newPair()));
    const again = await ask(world.service, 'POST', entries, proposal);
    assert.equal(again.status, 409);
    assert.equal(again.headers['location'], `${entries}/${id}`);
    assert.deepEqual(again.json, {
      code: 409,
      message: `an equivalent entry already exists in the transparency log with UUID ${id}`,
    });
    const read = onlyEntry(world, await ask(world.service, 'GET', `${entries}/${id}`));
    for (const name of ['integratedTime', 'logIndex', 'body', 'logID']) {
      assert.equal(read.entry[name], entry[name]);
    }
    assert.equal(read.entry['verification'].inclusionProof.treeSize, 2);
  });

  it('takes many at once, each once', async (t) => {
    const world = await newWorld(t);
    const pair = newPair();
    const proposals = Array.from({ length: 40 }, () => dsseV1([pair]));
    const answers = await Promise.all(
      [...proposals, ...proposals].map((proposal) => ask(world.service, 'POST', entries, proposal)),
    );
    const added = answers.filter(({ status }) => status === 201);
    assert.equal(added.length, 40);
    assert.equal(answers.filter(({ status }) => status === 409).length, 40);
    const indexes = new Set(added.map((answer) => onlyEntry(world, answer).entry['logIndex']));
    assert.equal(indexes.size, 40);
  });
});

describe('reading Rekor v1', () => {
  it('finds entries by id and index', async (t) => {
    const world = await newWorld(t);
    const { service } = world;
    const added = [];
    for (const proposal of [hashedRekordV1(newPair()), dsseV1([newPair()]), intotoV1([newPair()])]) {
      added.push(await add(world, proposal));
    }
    for (const [index, { id, body }] of added.entries()) {
      for (const target of [
        `${entries}/${id}`,
        `${entries}/${id.slice(16)}`,
        `${entries}/${id.toUpperCase()}`,
        `${entries}?logIndex=${index}`,
      ]) {
        const answer = await ask(service, 'GET', target);
        assert.equal(answer.status, 200);
        const found = onlyEntry(world, answer);
        assert.deepEqual([found.id, found.body, found.entry['logIndex']], [id, body, index]);
        assert.match(answer.headers['cache-control'] ?? '', /no-cache/);
      }
    }
  });

  it('answers 404 without a body', async (t) => {
    const { service } = await newWorld(t);
    for (const target of [
      `${entries}/${'ab'.repeat(32)}`,
      `${entries}/${treeHex}${'ab'.repeat(32)}`,
      `${entries}/0000000000000001${'ab'.repeat(32)}`,
      `${entries}?logIndex=0`,
      `${entries}?logIndex=99999999`,
    ]) {
      const answer = await ask(service, 'GET', target);
      assert.deepEqual([answer.status, answer.text, answer.headers['content-length']], [404, '', '0']);
    }
  });

  it('retrieves by id, index and proposal', async (t) => {
    const world = await newWorld(t);
    const [pair, signer] = [newPair(), newPair('rsa2048')];
    const proposals = [hashedRekordV1(pair), dsseV1([pair, signer]), intotoV1([pair])];
    const added = [];
    for (const proposal of proposals) added.push(await add(world, proposal));
    const ids = added.map(({ id }) => id);
    const retrieve = async (query: Proposal): Promise<readonly string[]> => {
      const answer = await ask(world.service, 'POST', `${entries}/retrieve`, query);
      assert.equal(answer.status, 200, answer.text);
      return answer.json.flatMap((one: Record<string, Proposal>) =>
        Object.entries(one).map(([id, entry]) => {
          checkEntry(world, id, entry);
          return id;
        }),
      );
    };
    assert.deepEqual(await retrieve({}), []);
    assert.deepEqual(await retrieve({ entryUUIDs: null, logIndexes: null, entries: proposals }), ids);
    assert.deepEqual(await retrieve({ entryUUIDs: [ids[2], 'ab'.repeat(32), ids[0]?.slice(16)] }), [
      ids[2],
      ids[0],
    ]);
    assert.deepEqual(await retrieve({ logIndexes: [1, 5, 0] }), [ids[1], ids[0]]);
    // By what is logged, as a client has it that has no envelope any more.
    assert.deepEqual(await retrieve({ entries: added.map(({ body }) => body) }), ids);
    assert.deepEqual(await retrieve({ entries: [hashedRekordV1(pair)] }), []);
    // cosign 3 asks for this version too, which is none of those that are logged here.
    const older = { kind: 'intoto', apiVersion: '0.0.1', spec: { content: {}, publicKey: '' } };
    assert.deepEqual(await retrieve({ entries: [proposals[1], older] }), [ids[1]]);
    assert.deepEqual(
      await retrieve({ entryUUIDs: [ids[0]], logIndexes: [0, 1, 2], entries: proposals.slice(0, 1) }),
      [ids[0], ids[0], ...ids],
    );
  });

  it('tells its state, and proves that it only grows', async (t) => {
    const world = await newWorld(t);
    const { service, shard } = world;
    const empty = await ask(service, 'GET', '/api/v1/log');
    assert.equal(empty.json.treeSize, 0);
    const roots: string[] = [empty.json.rootHash];
    for (let size = 1; size <= 7; size++) {
      await add(world, hashedRekordV1(newPair()));
      const { json, headers } = await ask(service, 'GET', '/api/v1/log');
      assert.deepEqual(
        [json.treeSize, json.treeID, json.inactiveShards],
        [size, '7294389543009128044', null],
      );
      assert.match(headers['cache-control'] ?? '', /no-cache/);
      const note = parseCheckpoint(json.signedTreeHead);
      verifyCheckpoint(note, [noteVerifier('rekor.example.com', shard.signer.publicKey)], shard.log.origin);
      assert.equal(Buffer.from(note.root).toString('hex'), json.rootHash);
      roots.push(json.rootHash);
    }
    for (let last = 1; last <= 7; last++) {
      for (let first = 1; first <= last; first++) {
        const target = `/api/v1/log/proof?firstSize=${first}&lastSize=${last}&treeID=7294389543009128044`;
        const { json } = await ask(service, 'GET', target);
        assert.equal(json.rootHash, roots[7]);
        const [from = '', to = ''] = [roots[first], roots[last]];
        verifyConsistency(first, last, json.hashes.map(bytesOf), bytesOf(from), bytesOf(to));
      }
    }
    const { json } = await ask(service, 'GET', '/api/v1/log/proof?lastSize=4');
    assert.equal(json.hashes.length, 2);
  });

  it('gives its key, and answers ping', async (t) => {
    const { service, shard } = await newWorld(t);
    for (const query of ['', '?treeID=', '?treeID=7294389543009128044']) {
      const { status, text, headers } = await ask(service, 'GET', `/api/v1/log/publicKey${query}`);
      assert.deepEqual([status, text], [200, shard.signer.publicKey.pem]);
      assert.equal(headers['content-type'], 'application/x-pem-file');
    }
    assert.equal((await ask(service, 'GET', '/ping')).text, '.');
  });
});

describe('searching Rekor v1', () => {
  const search = async ({ service }: World, query: Proposal): Promise<readonly string[]> => {
    const answer = await ask(service, 'POST', '/api/v1/index/retrieve', query);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };

  it('finds entries by the names in their certificates', async (t) => {
    const world = await newWorld(t);
    const pair = newPair();
    const { pem } = certificateOf(pair, [
      { type: 'email', value: 'Dev@Example.com' },
      { type: 'uri', value: 'https://github.com/Some/repo/.github/workflows/x.yml@refs/heads/main' },
      { type: 'dns', value: 'build.example.com' },
      { type: 'ip', value: Uint8Array.of(192, 0, 2, 1) },
      { type: 'ip', value: Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) },
      { type: 'other', oid: usernameOid, value: derUtf8('somebody!example.com') },
      { type: 'other', oid: '1.2.3.4', value: derUtf8('another kind') },
    ]);
    const record = hashedRekordV1(pair);
    record['spec'].signature.publicKey.content = base64(pem);
    const envelope = dsseV1([pair]);
    envelope['spec'].proposedContent.verifiers = [base64(pem)];
    const ids = [(await add(world, record)).id, (await add(world, envelope)).id];
    await add(world, hashedRekordV1(pair));
    assert.deepEqual(await search(world, { email: 'dev@example.COM' }), ids);
    for (const subject of [
      'dev@example.com',
      'https://github.com/Some/repo/.github/workflows/x.yml@refs/heads/main',
      'build.example.com',
      '192.0.2.1',
      '2001:db8::1',
      'somebody!example.com',
    ]) {
      assert.deepEqual(await search(world, { subject }), ids, subject);
    }
    assert.deepEqual(await search(world, { subject: 'another kind' }), []);
    assert.deepEqual(await search(world, { publicKey: { format: 'x509', content: base64(pem) } }), ids);
    // The key alone is another signer than the certificate.
    const alone = await search(world, { publicKey: { format: 'x509', content: base64(pair.pem) } });
    assert.equal(alone.length, 1);
    assert.ok(!ids.includes(alone[0] ?? ''));
  });

  it('finds entries by digest, key and operator', async (t) => {
    const world = await newWorld(t);
    const [pair, other] = [newPair(), newPair()];
    const subject = randomBytes(32).toString('hex');
    const message = randomBytes(20);
    const digest = createHash('sha256').update(message).digest('hex');
    const dsse = dsseV1([pair], statement(subject));
    const [record, envelope, intoto, foreign] = [
      (await add(world, hashedRekordV1(pair, 'sha256', message))).id,
      (await add(world, dsse)).id,
      (await add(world, intotoV1([pair], statement(subject)))).id,
      (await add(world, hashedRekordV1(other, 'sha256', message))).id,
    ];
    const publicKey = { format: 'x509', content: base64(pair.pem) };
    assert.deepEqual(await search(world, {}), []);
    assert.deepEqual(await search(world, { hash: digest }), [record, foreign]);
    assert.deepEqual(await search(world, { hash: `sha256:${digest.toUpperCase()}` }), [record, foreign]);
    assert.deepEqual(await search(world, { hash: subject }), [envelope, intoto]);
    assert.deepEqual(await search(world, { hash: `sha1:${'a'.repeat(40)}` }), [envelope, intoto]);
    const envelopeHash = createHash('sha256').update(dsse['spec'].proposedContent.envelope).digest('hex');
    assert.deepEqual(await search(world, { hash: envelopeHash }), [envelope]);
    const payloadHash = createHash('sha256').update(statement(subject)).digest('hex');
    assert.deepEqual(await search(world, { hash: payloadHash }), [envelope, intoto]);
    assert.deepEqual(await search(world, { publicKey }), [record, envelope, intoto]);
    assert.deepEqual(await search(world, { publicKey, hash: digest }), [record, envelope, intoto, foreign]);
    assert.deepEqual(await search(world, { publicKey, hash: digest, operator: 'or' }), [
      record,
      envelope,
      intoto,
      foreign,
    ]);
    assert.deepEqual(await search(world, { publicKey, hash: digest, operator: 'and' }), [record]);
    assert.deepEqual(await search(world, { publicKey, hash: subject, operator: 'and', email: '' }), [
      envelope,
      intoto,
    ]);
    assert.deepEqual(await search(world, { email: 'nobody@example.com' }), []);
    assert.deepEqual(await search(world, { publicKey, email: 'nobody@example.com', operator: 'and' }), []);
  });
});

describe('shards of Rekor v1', () => {
  it('are one sequence outside', async (t) => {
    const [first, second, third] = [await newShard(t, 1n), await newShard(t, 2n), await newShard(t, treeId)];
    const all = [first, second, third] as const;
    const ids: string[] = [];
    const pair = newPair();
    const shared = hashedRekordV1(pair);
    for (const [at, shard] of all.entries()) {
      const world = { shard, service: createRekorV1({ shards: all.slice(0, at + 1) }) };
      for (const proposal of [dsseV1([pair]), shared, dsseV1([pair])]) {
        const answer = await ask(world.service, 'POST', entries, proposal);
        assert.equal(answer.status, 201);
        ids.push(onlyEntry(world, answer, at * 3).id);
      }
    }
    const service = createRekorV1({ shards: all });
    for (const [index, id] of ids.entries()) {
      const at = Math.floor(index / 3);
      const world = { service, shard: all[at] ?? first };
      for (const target of [`${entries}/${id}`, `${entries}?logIndex=${index}`]) {
        const found = onlyEntry(world, await ask(service, 'GET', target), at * 3);
        assert.deepEqual([found.id, found.entry['logIndex']], [id, index]);
      }
    }
    assert.equal((await ask(service, 'GET', `${entries}?logIndex=9`)).status, 404);
    // The same leaf is in all of them: without the id of a tree the newest answers.
    const newest = await ask(service, 'GET', `${entries}/${ids[1]?.slice(16)}`);
    assert.deepEqual(Object.keys(newest.json), [ids[7]]);
    const byKey = { publicKey: { format: 'x509', content: base64(pair.pem) } };
    assert.deepEqual((await ask(service, 'POST', '/api/v1/index/retrieve', byKey)).json, ids);
    const { json } = await ask(service, 'GET', '/api/v1/log');
    assert.deepEqual(
      [
        json.treeID,
        json.treeSize,
        json.inactiveShards.map((one: Proposal) => [one['treeID'], one['treeSize']]),
      ],
      [
        String(treeId),
        3,
        [
          ['1', 3],
          ['2', 3],
        ],
      ],
    );
    for (const { treeId: id, signer } of all) {
      assert.equal(
        (await ask(service, 'GET', `/api/v1/log/publicKey?treeID=${id}`)).text,
        signer.publicKey.pem,
      );
      const proof = await ask(service, 'GET', `/api/v1/log/proof?firstSize=1&lastSize=3&treeID=${id}`);
      assert.equal(proof.json.hashes.length, 2);
    }
    for (const target of ['log/publicKey?treeID=5', 'log/proof?lastSize=1&treeID=5']) {
      assert.equal((await ask(service, 'GET', `/api/v1/${target}`)).status, 400);
    }
  });

  it('are such that clients accept them_fail', async (t) => {
    const good = await newShard(t, 5n);
    const wrong: readonly (readonly RekorShard[])[] = [
      [],
      [good, good],
      [{ ...good, treeId: 0n }],
      [{ ...good, treeId: 6n }],
      [{ ...good, treeId: 1n << 63n }],
      [{ ...good, signer: newSigner('ed25519') }],
    ];
    for (const shards of wrong) {
      assert.throws(() => createRekorV1({ shards }), { code: 'ERR_SERVER_CONFIG' });
    }
  });
});
