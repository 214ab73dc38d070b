import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import {
  type Answer,
  ask,
  type CaWorld,
  type CaWorldOptions,
  certificatesOf,
  clientKey,
  createCaWorld,
  newSigner,
  signingRequest,
} from '../../../test/support/ca-world.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { transcripts } from '../../../test/vectors/transcripts.ts';
import { fromBase64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type Certificate, parseCertificate } from '../../formats/certificate.ts';
import { encodePem } from '../../formats/pem.ts';
import { busy, ServiceRefusal } from '../http/service.ts';
import type { TransparencyLog } from '../log/log.ts';

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

const messages = {
  token: 'There was an error processing the identity token',
  key: 'The public key supplied in the request could not be parsed',
  weak: 'The public key supplied in the request is insecure',
  proof: 'The signature supplied in the request could not be verified',
  csr: 'The certificate signing request could not be parsed',
};

test('errors are those of the recorded exchanges', async (t) => {
  const world = await createCaWorld(t);
  const token = world.issuer.token(claims);
  const key = clientKey();
  const good = signingRequest(token, key, email) as { publicKeyRequest: object };
  for (const [name, body] of [
    ['fulcio v2 bad PoP', signingRequest(token, key, 'other@lab.test')],
    ['fulcio v2 garbage token', { ...good, credentials: { oidcIdentityToken: 'abc' } }],
    ['fulcio v2 no token', { publicKeyRequest: good.publicKeyRequest }],
    [
      'fulcio v2 bad key',
      { ...good, publicKeyRequest: { ...good.publicKeyRequest, publicKey: { content: 'zzz' } } },
    ],
  ] as const) {
    const recorded = exchanges.get(name);
    const answer = await sign(world, body);
    assert.equal(answer.status, recorded?.status);
    assert.deepEqual(answer.json, JSON.parse(recorded?.response ?? ''), name);
  }
  const rsa1024 = JSON.parse(exchanges.get('fulcio v2 rsa1024')?.request ?? '').publicKeyRequest;
  const weak = await sign(world, { ...good, publicKeyRequest: rsa1024 });
  assert.deepEqual(weak.json, { code: 3, message: messages.weak, details: [] });
  const lost = await ask(world.ca, 'GET', '/nope');
  assert.deepEqual([lost.status, lost.json], [404, JSON.parse(exchanges.get('fulcio 404')?.response ?? '')]);
  assert.equal((await ask(world.ca, 'GET', v2)).status, 405);
  const noAuthorization = await ask(world.ca, 'POST', v1, { publicKey: { content: 'AAAA' } });
  assert.deepEqual(noAuthorization.json, { code: 3, message: messages.token, details: [] });
  assert.equal((await world.log.head()).size, 0);
});

const bodies: Readonly<Record<string, string>> = {
  empty_fail: '',
  cut_fail: '{',
  list_fail: '[]',
  text_fail: '"x"',
  null_fail: 'null',
  control_character_fail: '\u{0}',
  duplicate_fail: '{"credentials":{},"credentials":{}}',
  deep_fail: `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
  credentials_text_fail: '{"credentials":"x"}',
  token_number_fail: '{"credentials":{"oidcIdentityToken":5}}',
  request_list_fail: '{"publicKeyRequest":[]}',
  key_number_fail: '{"publicKeyRequest":{"publicKey":5}}',
  content_object_fail: '{"publicKeyRequest":{"publicKey":{"content":{}}}}',
  proof_not_base64_fail: '{"publicKeyRequest":{"proofOfPossession":"%%"}}',
  proof_number_fail: '{"publicKeyRequest":{"proofOfPossession":5}}',
  csr_not_base64_fail: '{"certificateSigningRequest":"a b"}',
};

for (const [name, body] of Object.entries(bodies)) {
  test(`a malformed request is refused by both versions: ${name}`, async (t) => {
    const world = await createCaWorld(t);
    for (const path of [v2, v1]) {
      const answer = await ask(world.ca, 'POST', path, body);
      assert.equal(answer.status, 400);
      assert.deepEqual([answer.json.code, answer.json.details], [3, []]);
    }
    assert.equal((await world.log.head()).size, 0);
  });
}

test('a request that is too large is refused before it is parsed', async (t) => {
  const world = await createCaWorld(t);
  const answer = await sign(world, 'x'.repeat(limits.certificateRequestBytes + 1));
  assert.deepEqual([answer.status, answer.json.code, answer.json.details], [413, 3, []]);
});

test('admission is asked for a verified token, and may refuse', async (t) => {
  const seen: unknown[] = [];
  const world = await createCaWorld(t, {
    admit: (subject) => {
      seen.push(subject);
      if (seen.length > 1) {
        throw new ServiceRefusal(429, 'too many certificates', { headers: { 'retry-after': '7' } });
      }
    },
  });
  await issued(world);
  const key = clientKey();
  const answer = await sign(world, signingRequest(world.issuer.token(claims), key, email));
  assert.deepEqual([answer.status, answer.headers['retry-after'], answer.json.code], [429, '7', 8]);
  assert.deepEqual(seen[1], { issuer: 'https://issuer.test', identity: email });
  const forged = signingRequest(`${world.issuer.token(claims).slice(0, -4)}AAAA`, key, email);
  await sign(world, forged);
  assert.equal(seen.length, 2);
  assert.equal((await world.log.head()).size, 1);
});

test('events name issuer, identity, serial and index, and never a token', async (t) => {
  const world = await createCaWorld(t);
  const token = world.issuer.token(claims);
  const leaf = await issued(world);
  const [event] = world.runtime.events;
  assert.equal(event?.event, 'ca.issued');
  assert.deepEqual(
    [event.fields?.['issuer'], event.fields?.['identity'], event.fields?.['index']],
    ['https://issuer.test', email, 0],
  );
  assert.equal(event.fields?.['serial'], Buffer.from(leaf.serial).toString('hex'));
  await sign(world, signingRequest(token, clientKey(), 'x'));
  await sign(world, signingRequest(`${token.slice(0, -3)}AAA`, clientKey(), email));
  await sign(world, `{"credentials":{"oidcIdentityToken":"${token}"}`);
  const text = JSON.stringify(world.runtime.events);
  assert.equal(world.runtime.events.filter((one) => one.event === 'ca.refused').length, 3);
  for (const part of token.split('.')) assert.ok(!text.includes(part.slice(0, 24)));
});

const failures: Readonly<
  Record<string, readonly [options: CaWorldOptions, status: number, code: number, message: string]>
> = {
  'a log that is stopped': [
    { wrapLog: failing(new BoltsealError('ERR_LOG_STOPPED', 'secret detail')) },
    500,
    13,
    'Error entering certificate in CTL',
  ],
  'a log that breaks': [
    { wrapLog: failing(new Error('secret detail')) },
    500,
    13,
    'Error entering certificate in CTL',
  ],
  'a log that is busy': [
    { wrapLog: failing(new BoltsealError('ERR_SERVER_BUSY', 'secret detail')) },
    503,
    14,
    busy().message,
  ],
  'a signer that breaks': [{ caSigner: brokenSigner() }, 500, 13, 'error communicating with CA backend'],
};

function failing(error: Error): (log: TransparencyLog) => TransparencyLog {
  return (log) =>
    new Proxy(log, {
      get: (target, name) => (name === 'add' ? () => Promise.reject(error) : Reflect.get(target, name)),
    });
}

function brokenSigner(): ReturnType<typeof newSigner> {
  const { publicKey } = newSigner();
  return { publicKey, sign: () => Promise.reject(new BoltsealError('ERR_SIGNING_FAILED', 'secret detail')) };
}

for (const [name, [options, status, code, message]] of Object.entries(failures)) {
  test(`failures are the server's: ${name}`, async (t) => {
    const world = await createCaWorld(t, options);
    const answer = await sign(world, signingRequest(world.issuer.token(claims), clientKey(), email));
    assert.deepEqual([answer.status, answer.json], [status, { code, message, details: [] }]);
    assert.equal(answer.headers['retry-after'] !== undefined, status === 503);
    assert.equal(world.runtime.events.at(-1)?.level, 'warn');
    assert.equal((await world.log.head()).size, 0);
  });
}

test('a certificate request proves its key by itself, and must', async (t) => {
  const programs = needPrograms(t, 'openssl');
  if (programs === undefined) return;
  const world = await createCaWorld(t);
  const folder = await temporaryDirectory(t);
  const path = join(folder, 'key.pem');
  await writeFile(path, clientKey('P-384').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const make = async (...more: string[]): Promise<string> =>
    (await runProgram(programs.openssl, ['req', '-new', '-key', path, '-subj', '/', ...more])).stdout;
  const good = await make('-sha384');
  const der = fromBase64(good.replace(/-----[A-Z ]+-----|\n/g, ''), 'x');
  const broken = der.slice();
  broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
  const otherKey = der.slice();
  otherKey[60] = (otherKey[60] ?? 0) ^ 1;
  for (const [pem, message] of [
    [good, undefined],
    [good.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'), undefined],
    [encodePem('CERTIFICATE REQUEST', broken), messages.proof],
    [encodePem('CERTIFICATE REQUEST', otherKey), messages.key],
    [await make('-sha256'), messages.proof],
    [encodePem('CERTIFICATE', der), messages.csr],
    [encodePem('CERTIFICATE REQUEST', der.subarray(0, -1)), messages.csr],
    ['x', messages.csr],
  ] as const) {
    const answer = await sign(world, {
      credentials: { oidcIdentityToken: world.issuer.token(claims) },
      certificateSigningRequest: Buffer.from(pem).toString('base64'),
    });
    if (message === undefined) assert.equal(answer.status, 200, answer.text);
    else assert.deepEqual(answer.json, { code: 3, message, details: [] });
  }
  assert.equal((await world.log.head()).size, 2);
});
