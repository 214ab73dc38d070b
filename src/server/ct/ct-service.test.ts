import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import {
  type Answer,
  ask,
  type CaWorld,
  certificatesOf,
  clientKey,
  createCaWorld,
  newSigner,
  signingRequest,
  testOrigin,
} from '../../../test/support/ca-world.ts';
import { base64, concatBytes, fromBase64, hex } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { parseCertificate, serialNumber, signCertificate } from '../../formats/certificate.ts';
import { createIntermediateCertificate, createRootCertificate } from '../../formats/certificate-profiles.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../formats/checkpoint.ts';
import { merkleTreeLeafOf, parseDataTile, readLeafIndex } from '../../formats/ct-entry.ts';
import { hashLeaf, sha256, verifyConsistency, verifyInclusion } from '../../formats/merkle.ts';
import { encodeTreeHead, treeHeadVerifier } from '../../formats/note-keys.ts';
import {
  embeddedScts,
  parseSct,
  poisonExtension,
  poisonOid,
  precertificateEntry,
  verifySct,
} from '../../formats/sct.ts';
import { signatureAlgorithms, verifiesWith } from '../../formats/signature-algorithm.ts';
import { tlsReader } from '../../formats/tls-encoding.ts';
import type { Service } from '../http/service.ts';
import { createCtLog } from './ct-log.ts';
import { createCtService } from './ct-service.ts';

interface World extends CaWorld {
  readonly service: Service;
}

async function createWorld(t: TestContext): Promise<World> {
  const world = await createCaWorld(t);
  return { ...world, service: createCtService(world.runtime, { ct: world.ct }) };
}

/** A certificate that the authority issues and logs: DER. */
async function issueOne({ ca, issuer }: CaWorld, email = 'dev@lab.test'): Promise<Uint8Array> {
  const token = issuer.token({ email, email_verified: true, sub: 'x' });
  const answer = await ask(ca, 'POST', '/api/v2/signingCert', signingRequest(token, clientKey(), email));
  assert.equal(answer.status, 200, answer.text);
  return certificatesOf(answer)[0] ?? new Uint8Array(0);
}

const get = (world: World, target: string): Promise<Answer> => ask(world.service, 'GET', target);
const submit = (world: World, end: string, ...chain: readonly Uint8Array[]): Promise<Answer> =>
  ask(world.service, 'POST', `/ct/v1/${end}`, { chain: chain.map(base64) });

test('the log of the authority is what auditors of RFC 6962 expect', async (t) => {
  const world = await createWorld(t);
  const { ct, chain } = world;
  const certificates = [];
  for (let index = 0; index < 5; index++) {
    certificates.push(parseCertificate(await issueOne(world)));
    world.runtime.time += 1_000;
  }
  const head = (await get(world, '/ct/v1/get-sth')).json;
  const root = fromBase64(head.sha256_root_hash, 'x');
  assert.equal(head.tree_size, 5);
  const signature = fromBase64(head.tree_head_signature, 'x');
  assert.deepEqual([...signature.subarray(0, 2)], [4, 3]);
  const signed = encodeTreeHead(5, root, head.timestamp);
  assert.ok(verifiesWith(signatureAlgorithms.ecdsaSha256, ct.publicKey.key, signed, signature.subarray(4)));

  const entries = (await get(world, '/ct/v1/get-entries?start=0&end=4')).json.entries;
  for (const [index, certificate] of certificates.entries()) {
    const [sct] = embeddedScts(certificate);
    assert.ok(sct);
    verifySct(sct, precertificateEntry(certificate, chain[0].spki), ct.publicKey);
    assert.equal(readLeafIndex(sct.extensions), index);
    const leaf = fromBase64(entries[index].leaf_input, 'x');
    const extra = tlsReader(fromBase64(entries[index].extra_data, 'x'), 'x', 'ERR_LOG_ENTRY_INVALID');
    const precertificate = parseCertificate(extra.vector(3));
    assert.ok(precertificate.extensions.has(poisonOid));
    const issuers = tlsReader(extra.vector(3), 'x', 'ERR_LOG_ENTRY_INVALID');
    assert.deepEqual(
      [issuers.vector(3), issuers.vector(3)],
      chain.map(({ der }) => der),
    );

    const byHash = encodeURIComponent(base64(hashLeaf(leaf)));
    const proof = (await get(world, `/ct/v1/get-proof-by-hash?hash=${byHash}&tree_size=5`)).json;
    assert.equal(proof.leaf_index, index);
    const path = proof.audit_path.map((text: string) => fromBase64(text, 'x'));
    verifyInclusion(hashLeaf(leaf), index, 5, path, root);
    const both = (await get(world, `/ct/v1/get-entry-and-proof?leaf_index=${index}&tree_size=5`)).json;
    assert.deepEqual([both.leaf_input, both.audit_path], [entries[index].leaf_input, proof.audit_path]);
  }
});

test('trees of two sizes are consistent', async (t) => {
  const world = await createWorld(t);
  const roots: Uint8Array[] = [];
  for (let size = 0; size <= 4; size++) {
    if (size > 0) await issueOne(world);
    roots.push(fromBase64((await get(world, '/ct/v1/get-sth')).json.sha256_root_hash, 'x'));
  }
  for (let first = 0; first <= 4; first++) {
    const answer = await get(world, `/ct/v1/get-sth-consistency?first=${first}&second=4`);
    const proof = answer.json.consistency.map((text: string) => fromBase64(text, 'x'));
    verifyConsistency(
      first,
      4,
      proof,
      roots[first] ?? sha256(new Uint8Array(0)),
      roots[4] ?? new Uint8Array(0),
    );
  }
});

test('the files of the static API say the same', async (t) => {
  const world = await createWorld(t);
  for (let index = 0; index < 3; index++) await issueOne(world);
  const { ct, chain } = world;
  const answer = await get(world, '/checkpoint');
  assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
  const checkpoint = parseCheckpoint(answer.bytes);
  verifyCheckpoint(checkpoint, [treeHeadVerifier(testOrigin, ct.publicKey)], testOrigin);
  assert.equal(checkpoint.size, 3);

  const data = await get(world, '/tile/data/000.p/3');
  const leaves = parseDataTile(data.bytes);
  assert.equal(leaves.length, 3);
  const hashes = leaves.map((leaf) => hashLeaf(merkleTreeLeafOf(leaf)));
  const tile = await get(world, '/tile/0/000.p/3');
  assert.deepEqual(Buffer.from(tile.bytes), Buffer.from(concatBytes(...hashes)));
  for (const file of [data, tile]) {
    assert.equal(file.headers['content-type'], 'application/octet-stream');
    assert.match(String(file.headers['cache-control']), /immutable/);
  }
  for (const [index, leaf] of leaves.entries()) {
    assert.equal(readLeafIndex(leaf.extensions), index);
    assert.deepEqual(
      leaf.fingerprints.map(hex),
      chain.map(({ der }) => hex(sha256(der))),
    );
    for (const [at, fingerprint] of leaf.fingerprints.entries()) {
      const issuer = await get(world, `/issuer/${hex(fingerprint)}`);
      assert.equal(issuer.headers['content-type'], 'application/pkix-cert');
      assert.deepEqual(Buffer.from(issuer.bytes), Buffer.from(chain[at]?.der ?? []));
    }
  }
  // A partial tile that was once the right edge stays readable.
  assert.equal((await get(world, '/tile/data/000.p/2')).status, 200);
});

test('what the authority issued may be submitted, and is logged once', async (t) => {
  const world = await createWorld(t);
  const { ct, chain } = world;
  const [issuing, root] = chain;
  const der = await issueOne(world);
  const certificate = parseCertificate(der);
  const submitted = [];
  for (const issuers of [[issuing.der, root.der], [issuing.der], []]) {
    world.runtime.time += 1_000;
    submitted.push((await submit(world, 'add-chain', der, ...issuers)).json);
  }
  assert.equal((await ct.log.head()).size, 2);
  for (const answer of submitted) {
    assert.deepEqual(
      [answer.timestamp, answer.extensions],
      [submitted[0].timestamp, submitted[0].extensions],
    );
    assert.equal(answer.sct_version, 0);
    const sct = parseSct(
      concatBytes(
        Uint8Array.of(0),
        fromBase64(answer.id, 'x'),
        new Uint8Array(BigUint64Array.of(BigInt(answer.timestamp)).buffer).reverse(),
        Uint8Array.of(0, 8),
        fromBase64(answer.extensions, 'x'),
        fromBase64(answer.signature, 'x'),
      ),
    );
    verifySct(sct, { kind: 'certificate', certificate: der }, ct.publicKey);
    assert.equal(readLeafIndex(sct.extensions), 1);
  }

  // The precertificate is in the log already: the answer is the place of that entry.
  const [leaf] = parseDataTile((await get(world, '/tile/data/000.p/1')).bytes);
  assert.ok(leaf?.precertificate);
  const answer = (await submit(world, 'add-pre-chain', leaf.precertificate, issuing.der)).json;
  const [embedded] = embeddedScts(certificate);
  assert.equal(answer.timestamp, embedded?.time);
  assert.equal(answer.extensions, base64(embedded?.extensions ?? new Uint8Array(0)));
  assert.equal((await ct.log.head()).size, 2);

  const entry = (await get(world, '/ct/v1/get-entries?start=1&end=1')).json.entries[0];
  const extra = tlsReader(fromBase64(entry.extra_data, 'x'), 'x', 'ERR_LOG_ENTRY_INVALID').vector(3);
  assert.ok(extra.length > issuing.der.length + root.der.length);
});

test('roots are those of the chains', async (t) => {
  const world = await createWorld(t);
  assert.deepEqual((await get(world, '/ct/v1/get-roots')).json, {
    certificates: [base64(world.chain[1].der)],
  });
});

test('what is no chain of the authority is refused, and nothing is stored', async (t) => {
  const world = await createWorld(t);
  const { chain, runtime } = world;
  const [issuing, root] = chain;
  const der = await issueOne(world);
  const [leaf] = parseDataTile((await get(world, '/tile/data/000.p/1')).bytes);
  const precertificate = leaf?.precertificate ?? new Uint8Array(0);
  const validity = {
    notBefore: runtime.now(),
    notAfter: runtime.now(),
    serial: serialNumber(runtime.random),
  };
  const stranger = newSigner();
  const strangeRoot = await createRootCertificate(stranger, { ...validity, name: { commonName: 'x' } });
  const strange = await createIntermediateCertificate(
    { certificate: { ...parseCertificate(strangeRoot), subject: issuing.subject }, signer: stranger },
    newSigner().publicKey,
    { ...validity, name: { commonName: 'x' } },
  );
  // The poison's NULL becomes an empty SEQUENCE, well signed.
  const tbs = parseCertificate(precertificate).tbs.slice();
  const nullAt = Buffer.from(tbs).indexOf(Buffer.from(poisonExtension)) + poisonExtension.length - 2;
  assert.equal(tbs[nullAt], 5);
  tbs[nullAt] = 0x30;
  const { identifier } = signatureAlgorithms.ecdsaSha256;
  const oddPoison = await signCertificate(tbs, identifier, (message) => world.signer.sign(message));

  const before = (await world.ct.log.head()).size;
  const bodies: readonly (readonly [end: string, body: string])[] = [
    ['add-chain', ''],
    ['add-chain', '{'],
    ['add-chain', '[]'],
    ['add-chain', '{}'],
    ['add-chain', '{"chain":[]}'],
    ['add-chain', '{"chain":"x"}'],
    ['add-chain', '{"chain":[5]}'],
    ['add-chain', '{"chain":["%%%"]}'],
    ['add-chain', '{"chain":["AAAA"]}'],
    ['add-chain', '{"chain":[],"chain":[]}'],
    ['add-chain', JSON.stringify({ chain: Array.from({ length: limits.ctChainCount + 1 }, () => 'AAAA') })],
    ...[
      ['add-chain', precertificate, issuing.der],
      ['add-pre-chain', der, issuing.der],
      ['add-pre-chain', oddPoison, issuing.der],
      ['add-chain', strange],
      ['add-chain', strange, strangeRoot],
      ['add-chain', der, root.der],
      ['add-chain', der, issuing.der, root.der, root.der],
      ['add-chain', der, issuing.der, strangeRoot],
      ['add-chain', issuing.der, root.der],
      ['add-chain', root.der],
    ].map(
      ([end, ...certificates]) =>
        [
          String(end),
          JSON.stringify({ chain: certificates.map((one) => base64(one as Uint8Array)) }),
        ] as const,
    ),
  ];
  for (const [end, body] of bodies) {
    const answer = await ask(world.service, 'POST', `/ct/v1/${end}`, body);
    assert.equal(answer.status, 400, `${end} ${body.slice(0, 60)}: ${answer.text}`);
    assert.match(answer.text, /^Bad Request\n/);
  }
  const large = await ask(world.service, 'POST', '/ct/v1/add-chain', 'x'.repeat(limits.ctRequestBytes + 1));
  assert.equal(large.status, 413);
  assert.equal((await world.ct.log.head()).size, before);
});

test('readers that ask for nonsense are told so', async (t) => {
  const world = await createWorld(t);
  await issueOne(world);
  const expected: readonly (readonly [status: number, target: string])[] = [
    [400, '/ct/v1/get-entries'],
    [400, '/ct/v1/get-entries?start=-1&end=0'],
    [400, '/ct/v1/get-entries?start=1&end=0'],
    [400, '/ct/v1/get-entries?start=1&end=1'],
    [400, '/ct/v1/get-entries?start=0x0&end=1'],
    [400, '/ct/v1/get-entries?start=0&end=9999999999999999'],
    [400, '/ct/v1/get-sth-consistency?first=1'],
    [400, '/ct/v1/get-sth-consistency?first=1&second=0'],
    [400, '/ct/v1/get-sth-consistency?first=0&second=2'],
    [400, '/ct/v1/get-proof-by-hash?hash=AAAA&tree_size=1'],
    [400, '/ct/v1/get-proof-by-hash?hash=%25&tree_size=1'],
    [400, `/ct/v1/get-proof-by-hash?hash=${base64(new Uint8Array(32))}&tree_size=2`],
    [404, `/ct/v1/get-proof-by-hash?hash=${base64(new Uint8Array(32))}&tree_size=1`],
    [400, '/ct/v1/get-entry-and-proof?leaf_index=1&tree_size=1'],
    [400, '/ct/v1/get-entry-and-proof?leaf_index=0&tree_size=2'],
    [404, '/tile/0/000'],
    [404, '/tile/0/001.p/1'],
    [404, '/tile/0/000.p/2'],
    [404, '/tile/1/000.p/1'],
    [404, '/tile/6/000.p/1'],
    [404, '/tile/00/000.p/1'],
    [404, '/tile/x/000.p/1'],
    [404, '/tile/0/..%2f000.p/1'],
    [404, '/tile/0/../checkpoint'],
    [404, '/tile/data/000.p/2'],
    [404, '/tile/data/000'],
    [404, '/tile/data/x999/x999/x999/x999/999'],
    [404, '/tile/data/'],
    [404, `/issuer/${'0'.repeat(64)}`],
    [404, '/issuer/..%2f..%2fetc%2fpasswd'],
    [404, '/issuer/'],
    [404, '/nothing'],
    [405, '/ct/v1/add-chain'],
  ];
  for (const [status, target] of expected) {
    const answer = await get(world, target);
    assert.equal(answer.status, status, `${target}: ${answer.text}`);
    assert.match(String(answer.headers['content-type']), /^text\/plain/);
  }
});

test('answers of many entries are bounded', async (t) => {
  const world = await createWorld(t);
  const { ct, chain } = world;
  const [logged] = ct.chains;
  assert.ok(logged);
  const adding = Array.from({ length: limits.ctEntries + 4 }, (_, index) =>
    ct.add({ entry: { kind: 'certificate', certificate: Buffer.from(`${index}`) }, chain: logged }),
  );
  await Promise.all(adding);
  const { entries } = (await get(world, '/ct/v1/get-entries?start=0&end=100000')).json;
  assert.equal(entries.length, limits.ctEntries);
  assert.equal(parseDataTile((await get(world, '/tile/data/000')).bytes).length, 256);
  assert.equal((await get(world, '/tile/0/000')).bytes.length, 8_192);
  assert.equal((await get(world, '/tile/1/000.p/1')).bytes.length, 32);
  assert.ok(chain.length === 2);
});

test('a log needs a key and chains that clients accept', async (t) => {
  const { ct, chain } = await createCaWorld(t);
  const chains = [chain.map(({ der }) => der)];
  const refused = (options: Partial<Parameters<typeof createCtLog>[0]>): void =>
    assert.throws(
      () => createCtLog({ log: ct.log, signer: newSigner(), chains, ...options }),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  refused({ signer: newSigner('P-384') });
  refused({ chains: [[]] });
  refused({ chains: [[chain[0].der]] });
  refused({ chains: [[chain[1].der, chain[0].der]] });
});

test('a busy log and a stopped one are told apart', async (t) => {
  for (const [code, status] of [
    ['ERR_SERVER_BUSY', 503],
    ['ERR_LOG_STOPPED', 500],
  ] as const) {
    const world = await createWorld(t);
    const der = await issueOne(world);
    const log = {
      ...world.log,
      origin: world.log.origin,
      search: async () => [],
      add: async () => {
        throw new BoltsealError(code, 'x');
      },
    };
    const ct = createCtLog({ log, signer: newSigner(), chains: [world.chain.map((one) => one.der)] });
    const answer = await ask(createCtService(world.runtime, { ct }), 'POST', '/ct/v1/add-chain', {
      chain: [base64(der)],
    });
    assert.equal(answer.status, status);
  }
});
