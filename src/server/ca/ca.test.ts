import assert from 'node:assert/strict';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { Certificate as PkijsCertificate } from 'pkijs';
import {
  type Answer,
  ask,
  type CaWorld,
  certificatesOf,
  clientKey,
  createCaWorld,
  newSigner,
  proofOf,
  signingRequest,
} from '../../../test/support/ca-world.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { transcripts } from '../../../test/vectors/transcripts.ts';
import { vector } from '../../../test/vectors/vectors.ts';
import { fromBase64, utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import {
  type Certificate,
  checkIssuedBy,
  parseCertificate,
  parsePemCertificates,
  serialNumber,
} from '../../formats/certificate.ts';
import { createIntermediateCertificate, createRootCertificate } from '../../formats/certificate-profiles.ts';
import { parseTileLeaf } from '../../formats/ct-entry.ts';
import { parseFulcioExtensions } from '../../formats/fulcio-extensions.ts';
import { encodePem } from '../../formats/pem.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { embeddedScts, encodeSct, poisonOid, precertificateEntry, verifySct } from '../../formats/sct.ts';
import { tlsReader } from '../../formats/tls-encoding.ts';
import { createCtLog } from '../ct/ct-log.ts';
import type { TransparencyLog } from '../log/log.ts';
import { createCa } from './ca.ts';
import { createSigningAuthority } from './signing-certificate.ts';

const exchanges = transcripts();
const email = 'dev@lab.test';
const claims = { email, email_verified: true, sub: 'user-1' };
const v2 = '/api/v2/signingCert';
const v1 = '/api/v1/signingCert';

const sign = (world: CaWorld, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(world.ca, 'POST', v2, body as object, headers);

/** A certificate for the usual identity. */
async function issued(world: CaWorld, key = clientKey()): Promise<Certificate> {
  const answer = await sign(world, signingRequest(world.issuer.token(claims), key, email));
  assert.equal(answer.status, 200, answer.text);
  return parseCertificate(certificatesOf(answer)[0] ?? new Uint8Array(0));
}

/** The exact bytes of recorded certificates come out when the same things go in. */
async function reproduce(leaf: Certificate): Promise<Certificate> {
  const chain = parsePemCertificates(vector('services/fulcio-chain.pem')).map(({ der }) => der);
  const [issuer] = parsePemCertificates(vector('services/fulcio-chain.pem'));
  assert.ok(issuer);
  const recordedSct = embeddedScts(leaf).map(encodeSct)[0] ?? new Uint8Array(0);
  const neverUsed = undefined as unknown as TransparencyLog;
  const ct = createCtLog({ log: neverUsed, signer: newSigner(), chains: [chain] });
  const [name] = leaf.subjectAltName;
  assert.ok(name);
  const authority = createSigningAuthority({
    signer: { publicKey: parsePublicKey(issuer.spki), sign: async () => leaf.signature },
    chain,
    ct: {
      ...ct,
      add: async ({ entry }) => {
        assert.deepEqual(entry, precertificateEntry(leaf, issuer.spki));
        return { encoded: recordedSct, index: 0 } as Awaited<ReturnType<typeof ct.add>>;
      },
    },
  });
  const { certificate } = await authority.issue({
    serial: leaf.serial,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    spki: leaf.spki,
    subjectAltName: name,
    extensions: parseFulcioExtensions(leaf),
  });
  return parseCertificate(certificate);
}

for (const name of ['fulcio v2 ok', 'fulcio v2 ed25519']) {
  test(`a certificate of the real Fulcio is made byte for byte: ${name}`, async () => {
    const { response } = exchanges.get(name) ?? { response: '{}' };
    const [pem] = JSON.parse(response).signedCertificateEmbeddedSct.chain.certificates;
    const [leaf] = parsePemCertificates(utf8(pem));
    assert.ok(leaf);
    assert.deepEqual((await reproduce(leaf)).der, leaf.der);
  });
}

test('a certificate with its timestamp is what everybody accepts', async (t) => {
  const world = await createCaWorld(t);
  const { runtime, chain, ct, log } = world;
  const key = clientKey();
  const leaf = await issued(world, key);
  checkIssuedBy(leaf, { subject: chain[0].subject, key: world.signer.publicKey });
  assert.deepEqual(leaf.spki, parsePublicKey(key.pem).spki);
  assert.deepEqual(leaf.subjectAltName, [{ type: 'email', value: email }]);
  assert.deepEqual(parseFulcioExtensions(leaf), { issuer: 'https://issuer.test', subject: 'user-1' });
  assert.equal(leaf.notBefore.getTime(), runtime.time - 5_000);
  assert.equal(leaf.notAfter.getTime(), runtime.time + 600_000);

  const [sct, ...others] = embeddedScts(leaf);
  assert.ok(sct && others.length === 0);
  const entry = precertificateEntry(leaf, chain[0].spki);
  verifySct(sct, entry, ct.publicKey);
  const stored = await log.entry(0);
  assert.ok(stored);
  const logged = parseTileLeaf(stored.body);
  assert.deepEqual([logged.entry, logged.time], [entry, sct.time]);
  const precertificate = parseCertificate(logged.precertificate ?? new Uint8Array(0));
  assert.equal(precertificate.extensions.get(poisonOid)?.critical, true);
  checkIssuedBy(precertificate, { subject: chain[0].subject, key: world.signer.publicKey });

  const node = new NodeCertificate(leaf.der);
  assert.ok(node.checkIssued(new NodeCertificate(chain[0].der)) && node.verify(world.signer.publicKey.key));
  assert.equal(node.subjectAltName, `email:${email}`);
  const pkijs = PkijsCertificate.fromBER(Uint8Array.from(leaf.der));
  assert.ok(await pkijs.verify(PkijsCertificate.fromBER(Uint8Array.from(chain[0].der))));

  const programs = needPrograms(t, 'openssl');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const paths = ['leaf', 'issuing', 'root'].map((name) => join(folder, `${name}.pem`));
  for (const [index, one] of [leaf, ...chain].entries()) {
    await writeFile(paths[index] ?? '', encodePem('CERTIFICATE', one.der));
  }
  const [leafPath = '', issuingPath = '', rootPath = ''] = paths;
  const time = String(runtime.time / 1_000);
  const run = await runProgram(programs.openssl, [
    'verify',
    '-x509_strict',
    '-attime',
    time,
    '-CAfile',
    rootPath,
    '-untrusted',
    issuingPath,
    leafPath,
  ]);
  assert.equal(run.code, 0, run.stderr);
  const text = await runProgram(programs.openssl, ['x509', '-in', leafPath, '-noout', '-text']);
  for (const line of [
    'X509v3 Key Usage: critical',
    'X509v3 Subject Alternative Name: critical',
    `email:${email}`,
    'CT Precertificate SCTs:',
    'Signed Certificate Timestamp:',
  ]) {
    assert.ok(text.stdout.includes(line), line);
  }
});

for (const kind of ['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'] as const) {
  test(`a key of the type ${kind} is certified, by proof and by request`, async (t) => {
    const world = await createCaWorld(t);
    const key = clientKey(kind);
    assert.deepEqual((await issued(world, key)).spki, parsePublicKey(key.pem).spki);

    const programs = needPrograms(t, 'openssl');
    if (programs === undefined) return;
    const folder = await temporaryDirectory(t);
    const path = join(folder, 'key.pem');
    await writeFile(path, key.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const digest = key.hash === null ? [] : [`-${key.hash}`];
    const made = await runProgram(programs.openssl, [
      'req',
      '-new',
      '-key',
      path,
      ...digest,
      '-subj',
      '/CN=other',
    ]);
    assert.equal(made.code, 0, made.stderr);
    const certificateSigningRequest = Buffer.from(made.stdout).toString('base64');
    const credentials = { oidcIdentityToken: world.issuer.token(claims) };
    const answer = await sign(world, { credentials, certificateSigningRequest });
    assert.equal(answer.status, 200, answer.text);
    const [leaf] = certificatesOf(answer).map((der) => parseCertificate(der));
    assert.deepEqual(leaf?.spki, parsePublicKey(key.pem).spki);
    assert.deepEqual(leaf?.subjectAltName, [{ type: 'email', value: email }]);
  });
}

test('both versions of the API answer in their own way', async (t) => {
  const world = await createCaWorld(t);
  const key = clientKey();
  const token = world.issuer.token(claims);
  const chainPems = world.chain.map(({ der }) => encodePem('CERTIFICATE', der));

  const second = await sign(world, signingRequest(token, key, email));
  assert.equal(second.headers['content-type'], 'application/json');
  const pems: readonly string[] = second.json.signedCertificateEmbeddedSct.chain.certificates;
  assert.deepEqual(
    pems.slice(1),
    chainPems.map((pem) => pem.trimEnd()),
  );
  assert.ok(pems[0]?.endsWith('-----END CERTIFICATE-----'));

  const content = Buffer.from(key.pem).toString('base64');
  const legacy = {
    publicKey: { content, algorithm: '' },
    signedEmailAddress: proofOf(key, email),
    certificateSigningRequest: null,
  };
  const first = await ask(world.ca, 'POST', v1, legacy, { authorization: `Bearer ${token}` });
  assert.equal(first.status, 201, first.text);
  assert.equal(first.headers['content-type'], 'application/pem-certificate-chain');
  assert.ok(first.text.endsWith(`\n${chainPems.join('').trimEnd()}`));
  assert.ok(!first.text.includes('\n\n'));
  assert.equal(parsePemCertificates(first.bytes).length, 3);

  const der = {
    ...legacy,
    publicKey: { content: Buffer.from(parsePublicKey(key.pem).spki).toString('base64') },
  };
  assert.equal((await ask(world.ca, 'POST', v1, der, { authorization: `bearer ${token}` })).status, 201);
});

test('what is not the identity or the key is ignored, and names may have underscores', async (t) => {
  const world = await createCaWorld(t);
  const key = clientKey();
  const token = world.issuer.token(claims);
  const urlSafe = proofOf(key, email).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const body = {
    unknown: { a: [1] },
    credentials: null,
    public_key_request: {
      public_key: { content: key.pem, algorithm: 'NONSENSE', more: 1 },
      proof_of_possession: urlSafe,
    },
  };
  assert.equal((await sign(world, body, { authorization: `Bearer ${token}` })).status, 200);
  // The token of the body goes before that of the header.
  const both = { ...body, credentials: { oidc_identity_token: token } };
  assert.equal((await sign(world, both, { authorization: 'Bearer abc' })).status, 200);
  const wrong = { ...body, credentials: { oidc_identity_token: 'abc' } };
  assert.equal((await sign(world, wrong, { authorization: `Bearer ${token}` })).status, 400);
});

test('the trust bundle, root certificates and configuration are as Fulcio writes them', async (t) => {
  const recorded = exchanges.get('fulcio v2 configuration');
  const world = await createCaWorld(t, { issuerUrl: 'http://127.0.0.1:5301' });
  const chainPems = world.chain.map(({ der }) => encodePem('CERTIFICATE', der));
  const configuration = await ask(world.ca, 'GET', '/api/v2/configuration');
  assert.deepEqual(configuration.json, JSON.parse(recorded?.response ?? ''));
  const bundle = await ask(world.ca, 'GET', '/api/v2/trustBundle');
  assert.deepEqual(bundle.json, { chains: [{ certificates: chainPems }] });
  const roots = await ask(world.ca, 'GET', '/api/v1/rootCert');
  assert.equal(roots.text, chainPems.join('\n').trimEnd());
  assert.equal(roots.headers['content-type'], 'application/pem-certificate-chain');
  const recordedRoots = exchanges.get('fulcio v1 rootCert')?.response ?? '';
  assert.match(roots.text, /-----END CERTIFICATE-----\n\n-----BEGIN CERTIFICATE-----/);
  assert.match(recordedRoots, /-----END CERTIFICATE-----\n\n-----BEGIN CERTIFICATE-----/);
  assert.deepEqual((await ask(world.ca, 'GET', '/healthz')).json, { status: 'SERVING' });
});

test('retired chains stay in the trust bundle', async (t) => {
  const pem = vector('services/fulcio-chain.pem');
  const retired = parsePemCertificates(pem).map(({ der }) => der);
  const world = await createCaWorld(t, { retiredChains: [retired] });
  const { chains } = (await ask(world.ca, 'GET', '/api/v2/trustBundle')).json;
  assert.equal(chains.length, 2);
  assert.equal(chains[1].certificates.join(''), Buffer.from(pem).toString());
});

test('meta-issuers and other types are told in the configuration', async (t) => {
  const world = await createCaWorld(t, {
    issuers: {
      issuers: [{ url: 'https://s.test', type: 'spiffe', audience: 'a', spiffeTrustDomain: 'lab.test' }],
      metaIssuers: [{ url: 'https://*.k8s.test', type: 'kubernetes', audience: 'b' }],
      ciProviders: {},
    },
  });
  const common = { subjectDomain: '', skipEmailVerification: false, challengeClaim: 'sub' };
  assert.deepEqual((await ask(world.ca, 'GET', '/api/v2/configuration')).json, {
    issuers: [
      {
        issuerUrl: 'https://s.test',
        audience: 'a',
        issuerType: 'spiffe',
        spiffeTrustDomain: 'lab.test',
        ...common,
      },
      {
        wildcardIssuerUrl: 'https://*.k8s.test',
        audience: 'b',
        issuerType: 'kubernetes',
        spiffeTrustDomain: '',
        ...common,
      },
    ],
  });
});

test('a certificate never outlives its authority, and is not issued before or after it', async (t) => {
  const world = await createCaWorld(t);
  const { notBefore, notAfter } = world.chain[0];
  world.runtime.time = notAfter.getTime() - 60_000;
  assert.deepEqual((await issued(world)).notAfter, notAfter);
  world.runtime.time = notBefore.getTime() + 1_000;
  assert.deepEqual((await issued(world)).notBefore, notBefore);
  for (const time of [notBefore.getTime() - 1_000, notAfter.getTime() + 1_000]) {
    world.runtime.time = time;
    const answer = await sign(world, signingRequest(world.issuer.token(claims), clientKey(), email));
    assert.deepEqual([answer.status, answer.json.code], [500, 13]);
  }
});

test('requests at the same time get certificates of their own', async (t) => {
  const world = await createCaWorld(t);
  const leaves = await Promise.all(Array.from({ length: 20 }, () => issued(world)));
  assert.equal(new Set(leaves.map(({ serial }) => Buffer.from(serial).toString('hex'))).size, 20);
  assert.equal((await world.log.head()).size, 20);
  assert.equal(world.issuer.asked.length, 2, 'discovery and keys, once');
});

test('key, chain and log must fit together', async (t) => {
  const world = await createCaWorld(t);
  const { chain, signer, ct, root, runtime } = world;
  const ders = chain.map(({ der }) => der);
  const issuers = { issuers: [], metaIssuers: [], ciProviders: {} };
  const refused = (options: Partial<Parameters<typeof createCa>[1]>): void =>
    assert.throws(
      () => createCa(runtime, { signer, chain: ders, ct, issuers, ...options }),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  const named = {
    serial: serialNumber(runtime.random),
    notBefore: runtime.now(),
    notAfter: runtime.now(),
    name: { commonName: 'x' },
  };
  refused({ signer: newSigner() });
  refused({ chain: [] });
  refused({ chain: [ders[0] ?? new Uint8Array(0)] });
  refused({ chain: [...ders].reverse() });
  refused({ chain: [Uint8Array.of(1)] });
  const other = await createIntermediateCertificate(
    { certificate: chain[1], signer: root },
    signer.publicKey,
    named,
  );
  // Well made, but the log does not know it.
  refused({ chain: [other, chain[1].der] });
  const noCodeSigning = await createRootCertificate(signer, named);
  const chains = [[noCodeSigning]];
  createCa(runtime, {
    signer,
    chain: [noCodeSigning],
    ct: createCtLog({ ...ct, signer: newSigner(), chains }),
    issuers,
  });
});

test('the recorded precertificate is made byte for byte too', async () => {
  const recorded = JSON.parse(exchanges.get('ct get-entries')?.response ?? '').entries[0];
  const extra = tlsReader(fromBase64(recorded.extra_data, 'x'), 'x', 'ERR_LOG_ENTRY_INVALID');
  const precertificate = parseCertificate(extra.vector(3));
  const chain = parsePemCertificates(vector('services/fulcio-chain.pem'));
  const [issuer] = chain;
  const [name] = precertificate.subjectAltName;
  assert.ok(issuer && name);
  const ders = chain.map(({ der }) => der);
  const ct = createCtLog({
    log: undefined as unknown as TransparencyLog,
    signer: newSigner(),
    chains: [ders],
  });
  const made: Uint8Array[] = [];
  const authority = createSigningAuthority({
    signer: { publicKey: parsePublicKey(issuer.spki), sign: async () => precertificate.signature },
    chain: ders,
    ct: {
      ...ct,
      add: async (submission) => {
        made.push(submission.precertificate ?? new Uint8Array(0));
        return { encoded: new Uint8Array(0), index: 0 } as Awaited<ReturnType<typeof ct.add>>;
      },
    },
  });
  await authority.issue({
    ...precertificate,
    subjectAltName: name,
    extensions: parseFulcioExtensions(precertificate),
  });
  assert.deepEqual(made, [precertificate.der]);
});
