import assert from 'node:assert/strict';
import { generateKeyPairSync, sign as signWith } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  ask,
  type CaWorld,
  clientKey,
  createCaWorld,
  signingRequest,
} from '../../../test/support/ca-world.ts';
import { issuerKey, type TokenOptions } from '../../../test/support/test-issuer.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { parseToken } from './json-web-signature.ts';

const email = 'dev@lab.test';
const claims = { email, email_verified: true, sub: 'user-1' };
const key = clientKey();

const present = (world: CaWorld, token: string): Promise<Answer> =>
  ask(world.ca, 'POST', '/api/v2/signingCert', signingRequest(token, key, email));

for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const) {
  test(`tokens signed with ${alg} are accepted`, async (t) => {
    const world = await createCaWorld(t);
    world.issuer.keys.splice(0, 1, issuerKey(alg));
    assert.equal((await present(world, world.issuer.token(claims))).status, 200);
  });
}

const seconds = Date.parse('2026-11-22T09:00:00Z') / 1_000;

for (const [name, changes] of Object.entries({
  'several audiences': { aud: ['other', 'sigstore'] },
  'a time of start within the leeway': { nbf: seconds + 299 },
  'a verified address as text': { email_verified: 'true' },
  'an expiry in a second': { exp: seconds + 1 },
})) {
  test(`a token is accepted with ${name}`, async (t) => {
    const world = await createCaWorld(t);
    assert.equal((await present(world, world.issuer.token({ ...claims, ...changes }))).status, 200);
  });
}

const badClaims: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  expired_fail: { exp: seconds },
  expiry_text_fail: { exp: String(seconds + 600) },
  no_expiry_fail: { exp: undefined },
  not_yet_fail: { nbf: seconds + 301 },
  start_text_fail: { nbf: 'now' },
  other_audience_fail: { aud: 'other' },
  no_audience_fail: { aud: undefined },
  audience_object_fail: { aud: { sigstore: true } },
  nested_audience_fail: { aud: [['sigstore']] },
  other_issuer_fail: { iss: 'https://evil.test' },
  issuer_slash_fail: { iss: 'https://issuer.test/' },
  no_issuer_fail: { iss: undefined },
  issuer_list_fail: { iss: ['https://issuer.test'] },
  issuer_file_fail: { iss: 'file:///etc/passwd' },
  issuer_metadata_service_fail: { iss: 'http://169.254.169.254/latest' },
  issuer_loopback_fail: { iss: 'http://127.0.0.1:1' },
  issuer_prototype_fail: { iss: '__proto__' },
  long_issuer_fail: { iss: `https://issuer.test/${'a'.repeat(3_000)}` },
  unverified_email_fail: { email_verified: false },
  missing_verification_fail: { email_verified: undefined },
  no_email_fail: { email: undefined },
};

for (const [name, changes] of Object.entries(badClaims)) {
  test(`a token is refused: ${name}`, async (t) => {
    const world = await createCaWorld(t);
    await refuses(world, world.issuer.token({ ...claims, ...changes }));
    // Only the issuer that is configured was ever asked.
    assert.ok(
      world.issuer.asked.every((url) => url.startsWith('https://issuer.test/')),
      world.issuer.asked.join(),
    );
  });
}

async function refuses(world: CaWorld, token: string): Promise<void> {
  const answer = await present(world, token);
  assert.deepEqual(
    [answer.status, answer.json],
    [400, { code: 3, message: 'There was an error processing the identity token', details: [] }],
  );
  assert.equal((await world.log.head()).size, 0);
}

const stranger = issuerKey();

const badHeaders: Readonly<Record<string, TokenOptions>> = {
  alg_none_fail: { header: { alg: 'none' } },
  alg_none_upper_fail: { header: { alg: 'None' } },
  alg_hs256_with_public_key_fail: { header: { alg: 'HS256' } },
  alg_missing_fail: { header: { alg: undefined } },
  alg_list_fail: { header: { alg: ['RS256'] } },
  alg_other_family_fail: { header: { alg: 'ES256' } },
  alg_pss_for_pkcs_fail: { header: { alg: 'PS256' } },
  alg_rs512_not_listed_fail: { header: { alg: 'RS512' } },
  kid_unknown_fail: { header: { kid: 'other' } },
  kid_path_fail: { header: { kid: '../../../../dev/null' } },
  kid_number_fail: { header: { kid: 5 } },
  crit_fail: { header: { crit: ['b64'], b64: false } },
  own_key_in_header_fail: {
    header: { jwk: stranger.publicKey.export({ format: 'jwk' }) },
    key: stranger,
  },
  key_url_in_header_fail: { header: { jku: 'https://evil.test/keys' }, key: stranger },
  stranger_with_known_kid_fail: { key: stranger },
};

for (const [name, options] of Object.entries(badHeaders)) {
  test(`a token is refused: ${name}`, async (t) => {
    const world = await createCaWorld(t);
    const known = world.issuer.keys[0];
    const header = name === 'stranger_with_known_kid_fail' ? { kid: known?.kid } : {};
    await refuses(
      world,
      world.issuer.token(claims, { ...options, header: { ...header, ...options.header } }),
    );
    assert.ok(
      world.issuer.asked.every((url) => url.startsWith('https://issuer.test/')),
      world.issuer.asked.join(),
    );
  });
}

test('what is no token is refused', async (t) => {
  const world = await createCaWorld(t);
  const token = world.issuer.token(claims);
  const [head = '', payload = '', signature = ''] = token.split('.');
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  for (const bad of [
    'a',
    'a.b',
    'a.b.c',
    `${token}.x`,
    `${head}.${payload}.`,
    `${head}..${signature}`,
    `.${payload}.${signature}`,
    `${token} `,
    `${token}=`,
    token.replace('.', '..'),
    `${encode('[]')}.${payload}.${signature}`,
    `${encode('{')}.${payload}.${signature}`,
    `${head}.${encode('null')}.${signature}`,
    `${head}.${encode('{"iss":"https://issuer.test","iss":"x"}')}.${signature}`,
    `${head}.${Buffer.from([0xff, 0xfe]).toString('base64url')}.${signature}`,
    `${head}.${payload}.${'A'.repeat(limits.identityTokenBytes)}`,
    `${head}.${encode(`${'['.repeat(200)}${']'.repeat(200)}`)}.${signature}`,
    `${head}.${payload}.${signature.slice(0, -6)}`,
  ]) {
    await refuses(world, bad);
  }
  assert.deepEqual(world.issuer.asked.length, 2);
});

test('a token without a key id is tried with the keys that fit', async (t) => {
  const world = await createCaWorld(t);
  world.issuer.keys.unshift(stranger, issuerKey('ES256'));
  const last = world.issuer.keys.at(-1);
  assert.ok(last);
  assert.equal(
    (await present(world, world.issuer.token(claims, { key: last, header: { kid: undefined } }))).status,
    200,
  );
  await assert.doesNotReject(
    refusesLater(world, world.issuer.token(claims, { key: issuerKey('ES256'), header: { kid: undefined } })),
  );
});

async function refusesLater(world: CaWorld, token: string): Promise<void> {
  const answer = await present(world, token);
  assert.equal(answer.status, 400);
}

test('an algorithm that the issuer does not name is refused, RS256 being named when none is', async (t) => {
  const world = await createCaWorld(t);
  world.issuer.metadata = { id_token_signing_alg_values_supported: undefined };
  world.issuer.keys.splice(0, 1, issuerKey('ES256'));
  await refuses(world, world.issuer.token(claims));
});

test('weak and unusable keys of an issuer are left out', async (t) => {
  const world = await createCaWorld(t);
  const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const weakKey = { kid: 'weak', alg: 'RS256', ...weak };
  world.issuer.keys.push(weakKey);
  await refuses(world, world.issuer.token(claims, { key: weakKey }));
  assert.equal((await present(world, world.issuer.token(claims))).status, 200);
});

test('a key for encryption does not sign', async (t) => {
  const world = await createCaWorld(t);
  const own = world.issuer.keys[0];
  world.issuer.intercept = async (url) => {
    if (!url.endsWith('/keys')) return undefined;
    const jwk = { ...own?.publicKey.export({ format: 'jwk' }), kid: own?.kid, use: 'enc' };
    const body = Buffer.from(
      JSON.stringify({ keys: [jwk, 5, { kty: 'oct', k: 'AAAA' }, { kty: 'EC', crv: 'P-256' }] }),
    );
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield body;
    }
    return { status: 200, headers: { get: () => null }, body: pieces() };
  };
  await refuses(world, world.issuer.token(claims));
});

test('changed tokens are refused, and never break the reader', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signed = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from('{"iss":"a"}').toString('base64url')}`;
  const token = `${signed}.${signWith('sha256', Buffer.from(signed), pair.privateKey).toString('base64url')}`;
  parseToken(token);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.string({ maxLength: 3, unit: 'binary' }), (at, part) => {
      try {
        parseToken(token.slice(0, at) + part + token.slice(at + part.length));
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_TOKEN_REFUSED'), String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});
