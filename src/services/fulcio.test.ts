/** Certificates: from the authority of `serve`, from recordings of the real one, and from authorities that lie. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCaWorld } from '../../test/support/ca-world.ts';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import { certificateOf } from '../../test/support/rekor.ts';
import { answer, fetchService, type ScriptedFetch, scripted } from '../../test/support/services.ts';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import type { Fetch } from '../core/runtime.ts';
import { parseCertificate } from '../formats/certificate.ts';
import { encodePem } from '../formats/pem.ts';
import { parsePublicKey, publicKeyOf } from '../formats/public-key.ts';
import { embeddedScts } from '../formats/sct.ts';
import { localSigner } from '../keys/local-signer.ts';
import type { Signer } from '../keys/signer.ts';
import { type CertificateRequestFields, requestCertificate } from './fulcio.ts';

const ca = 'https://fulcio.example.com/prefix/';
const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3aG8ifQ.c2lnbmF0dXJl';

function newSigner(): Signer {
  return localSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'a key of a test');
}

async function fieldsFor(signer: Signer, subject: string, one = token): Promise<CertificateRequestFields> {
  return { token: one, publicKey: signer.publicKey, proofOfPossession: await signer.sign(utf8(subject)) };
}

const usual = newSigner();
const usualFields = await fieldsFor(usual, 'who');

function ask(fetch: Fetch, fields = usualFields): Promise<readonly Uint8Array[]> {
  return requestCertificate(ca, fields, inProcessRuntime(fetch));
}

async function fails(code: ErrorCode, script: ScriptedFetch, fields = usualFields): Promise<BoltsealError> {
  const error = await ask(script.fetch, fields).then(
    () => assert.fail('it was issued'),
    (one: unknown) => one,
  );
  assert.ok(error instanceof BoltsealError, String(error));
  assert.equal(error.code, code, error.message);
  for (const text of [error.message, error.hint ?? '', JSON.stringify(error.details), String(error.cause)]) {
    assert.ok(!text.includes('eyJ'), text);
  }
  return error;
}

test('a certificate of the authority of serve', async (t) => {
  const world = await createCaWorld(t);
  const signer = newSigner();
  const fields = await fieldsFor(
    signer,
    'a@example.com',
    world.issuer.token({ sub: 'x', email: 'a@example.com', email_verified: true }),
  );
  const seen: string[] = [];
  const chain = await ask((url, init) => {
    seen.push(url);
    assert.ok(!JSON.stringify(init.headers).includes(fields.token), 'the token is in no header');
    return fetchService(world.ca, '/prefix')(url, init);
  }, fields);
  assert.deepEqual(seen, ['https://fulcio.example.com/prefix/api/v2/signingCert']);
  const [leaf, ...above] = chain.map((der) => parseCertificate(der));
  assert.ok(leaf !== undefined && equalBytes(leaf.spki, signer.publicKey.spki));
  assert.deepEqual(leaf.subjectAltName, [{ type: 'email', value: 'a@example.com' }]);
  assert.equal(embeddedScts(leaf, 'the leaf').length, 1);
  assert.deepEqual(
    above.map(({ der }) => der),
    world.chain.map(({ der }) => der),
  );
});

test('refusals of the authority of serve', async (t) => {
  const world = await createCaWorld(t);
  const signer = newSigner();
  const good = world.issuer.token({ sub: 'x', email: 'a@example.com', email_verified: true });
  const cases: readonly (readonly [subject: string, token: string])[] = [
    ['b@example.com', good],
    [
      'a@example.com',
      world.issuer.token({ sub: 'x', email: 'a@example.com', email_verified: true, aud: 'other' }),
    ],
    ['a@example.com', 'garbage'],
  ];
  for (const [subject, one] of cases) {
    const fields = await fieldsFor(signer, subject, one);
    const script = scripted((request, init) => fetchService(world.ca, '/prefix')(request.url, init));
    const error = await fails('ERR_SERVICE_REFUSED', script, fields);
    assert.equal(script.asked.length, 1);
    assert.ok(error.hint);
  }
});

test('recorded answers of the real authority', async () => {
  const all = transcripts();
  for (const [name, length] of [
    ['fulcio v2 ok', 3],
    ['fulcio v2 ed25519', 3],
  ] as const) {
    const one = all.get(name);
    assert.ok(one);
    const { publicKeyRequest, credentials } = JSON.parse(one.request);
    const fields = {
      token: credentials.oidcIdentityToken,
      publicKey: parsePublicKey(publicKeyRequest.publicKey.content),
      proofOfPossession: new Uint8Array(Buffer.from(publicKeyRequest.proofOfPossession, 'base64')),
    };
    const script = scripted(answer(one.status, one.response, one.headers));
    const chain = await ask(script.fetch, fields);
    assert.equal(chain.length, length);
    // What is asked is what was asked, but for the name of the algorithm, which no server looks at.
    const asked = JSON.parse(script.asked[0]?.body ?? '');
    delete publicKeyRequest.publicKey.algorithm;
    assert.deepEqual(asked, { credentials, publicKeyRequest });
  }
  for (const [name, says] of [
    ['fulcio v2 bad PoP', /could not be verified/],
    ['fulcio v2 expired token', /processing the identity token/],
    ['fulcio v2 wrong aud', /processing the identity token/],
    ['fulcio v2 tampered token', /processing the identity token/],
    ['fulcio v2 no token', /processing the identity token/],
    ['fulcio v2 rsa1024', /insecure/],
    ['fulcio 404', /Not Found/],
  ] as const) {
    const one = all.get(name);
    assert.ok(one);
    const error = await fails('ERR_SERVICE_REFUSED', scripted(answer(one.status, one.response, one.headers)));
    assert.match(error.message, says);
  }
});

const certificates = (list: unknown): object => ({
  signedCertificateEmbeddedSct: { chain: { certificates: list } },
});
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = publicKeyOf(privateKey, 'x');
/** A certificate without a certificate timestamp, for another key. */
const bare = certificateOf({ privateKey, pem: other.pem, der: Buffer.from(other.spki) }, [
  { type: 'email', value: 'a@b.test' },
]);
const recorded = transcripts().get('fulcio v2 ok');
const theirs: readonly string[] = JSON.parse(recorded?.response ?? '{}').signedCertificateEmbeddedSct.chain
  .certificates;

const lies: readonly (readonly [what: string, body: object | string])[] = [
  ['a certificate for another key', certificates(theirs)],
  ['the root first', certificates([...theirs].reverse())],
  ['no chain', { signedCertificateEmbeddedSct: {} }],
  ['an empty chain', certificates([])],
  ['a chain of null', certificates(null)],
  ['a chain without an end', certificates(Array(17).fill(theirs[1]))],
  ['two certificates in one element', certificates([theirs.join('\n')])],
  ['a key instead of a certificate', certificates([other.pem])],
  ['no PEM', certificates(['hello', theirs[1]])],
  ['an element that is no text', certificates([{}, theirs[1]])],
  ['damaged DER', certificates([encodePem('CERTIFICATE', new Uint8Array(100))])],
  [
    'a detached timestamp',
    { signedCertificateDetachedSct: { chain: { certificates: theirs }, signedCertificateTimestamp: 'e30=' } },
  ],
  [
    'no certificate transparency at all',
    { signedCertificateDetachedSct: { chain: { certificates: theirs } } },
  ],
  ['nothing', {}],
  ['a list', []],
  ['half of an answer', '{"signedCertificateEmbeddedSct":{"chain":{"certificates":["-----BEG'],
  ['a portal', '<html>welcome</html>'],
  ['duplicate members', '{"signedCertificateEmbeddedSct":{},"signedCertificateEmbeddedSct":{}}'],
];

for (const [what, body] of lies) {
  test(`an authority that answers ${what}_fail`, async () => {
    const script = scripted(answer(200, body));
    await fails('ERR_SERVICE_RESPONSE', script);
    assert.equal(script.asked.length, 1);
  });
}

test('a certificate for our key without a certificate timestamp_fail', async () => {
  const fields = { ...usualFields, publicKey: other };
  const error = await fails('ERR_SERVICE_RESPONSE', scripted(answer(200, certificates([bare.pem]))), fields);
  assert.match(error.hint ?? '', /transparency log/);
});

test('the token goes nowhere else', async () => {
  const script = scripted(
    answer(307, '', { location: 'https://evil.example.com/api/v2/signingCert' }),
    answer(200, certificates(theirs)),
  );
  await fails('ERR_SERVICE_RESPONSE', script);
  assert.deepEqual(
    script.asked.map(({ url }) => new URL(url).host),
    ['fulcio.example.com'],
  );
  await assert.rejects(
    requestCertificate('http://fulcio.example.com', usualFields, inProcessRuntime(script.fetch)),
    { code: 'ERR_SERVICE_INSECURE' },
  );
  assert.equal(script.asked.length, 1);
});

test('an authority that echoes the token', async () => {
  for (const status of [400, 401, 500, 302]) {
    const body = { code: 3, message: `the token ${token} is not good: ${token.split('.')[1]}` };
    const code =
      status === 302
        ? 'ERR_SERVICE_RESPONSE'
        : status === 500
          ? 'ERR_SERVICE_UNAVAILABLE'
          : 'ERR_SERVICE_REFUSED';
    await fails(code, scripted(answer(status, body, { location: `https://x.test/${token}` })));
  }
});

test('no answer gives an error that is not ours', async () => {
  const leaf = fc.oneof(fc.constantFrom(...theirs), fc.jsonValue());
  const body = fc.oneof(
    fc.jsonValue(),
    fc.array(leaf, { maxLength: 4 }).map(certificates),
    fc.record({ signedCertificateEmbeddedSct: fc.record({ chain: fc.jsonValue() }) }),
  );
  await fc.assert(
    fc.asyncProperty(body, async (value) => {
      await fails('ERR_SERVICE_RESPONSE', scripted(answer(200, JSON.stringify(value))));
    }),
    { numRuns: 200 },
  );
});
