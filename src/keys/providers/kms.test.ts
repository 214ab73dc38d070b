/** What is common to key management services: digests, questions, and requests. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { signEcdsaDigest } from '../../../test/support/digest-signing.ts';
import { inProcessRuntime, respond } from '../../../test/support/in-process.ts';
import { connectionError } from '../../../test/support/services.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Fetch } from '../../core/runtime.ts';
import type { KeyType } from '../../formats/public-key.ts';
import { derEcdsaSignature } from '../ecdsa-signature.ts';
import { askKms, type KmsQuestion } from './kms-ask.ts';
import { digestToSign, messageToSign } from './kms-digest.ts';
import { type KmsFailure, KmsFailureError } from './kms-failure.ts';
import { sendToKms } from './kms-http.ts';

const code = (expected: ErrorCode) => (error: unknown) => isBoltsealError(error, expected);

test('a digest with zeros before it is signed as the digest', () => {
  const curves = [
    ['P-256', 'ecdsa-p256', 32],
    ['P-384', 'ecdsa-p384', 48],
    ['P-521', 'ecdsa-p521', 64],
  ] as const;
  for (const [namedCurve, type, length] of curves) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (message) => {
        const digest = digestToSign(message, length);
        assert.equal(digest.length, length);
        const signature = derEcdsaSignature(signEcdsaDigest(privateKey, digest), type, 'the test');
        assert.ok(verify('sha256', message, createPublicKey(privateKey), signature));
        // It is a signature over nothing else.
        assert.ok(!verify('sha512', message, createPublicKey(privateKey), signature));
      }),
      { numRuns: 10 },
    );
  }
  assert.equal(digestToSign(Buffer.from('x')).length, 32);
});

test('messages that are too long for a service', () => {
  const message = new Uint8Array(5);
  assert.equal(messageToSign(message, 5, 'the key'), message);
  assert.throws(() => messageToSign(message, 4, 'the key'), code('ERR_LIMIT_EXCEEDED'));
});

test('r and s become DER, as node:crypto writes it', () => {
  const curves: readonly (readonly [string, KeyType])[] = [
    ['P-256', 'ecdsa-p256'],
    ['P-384', 'ecdsa-p384'],
    ['P-521', 'ecdsa-p521'],
  ];
  for (const [namedCurve, type] of curves) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve });
    for (let index = 0; index < 30; index++) {
      const message = Buffer.of(index);
      const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const der = derEcdsaSignature(new Uint8Array(raw), type, 'the test');
      assert.ok(verify('sha256', message, createPublicKey(privateKey), der));
    }
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 140 }),
      fc.constantFrom('ecdsa-p256', 'ecdsa-p521', 'rsa-2048'),
      (raw, type) => {
        try {
          derEcdsaSignature(raw, type as KeyType, 'the test');
        } catch (error) {
          assert.ok(isBoltsealError(error, 'ERR_SIGNING_FAILED'));
        }
      },
    ),
  );
});

const runtime = () => inProcessRuntime(() => Promise.reject(new Error('no request')));

function question(
  failure: KmsFailure,
  more: Partial<KmsQuestion<number>> = {},
): KmsQuestion<number> & { asked: number } {
  const it = {
    service: 'a service',
    what: 'doing it',
    asked: 0,
    ask: () => {
      it.asked++;
      return Promise.reject(Object.assign(new Error('what the SDK says'), { request: { token: 'secret' } }));
    },
    explain: () => failure,
    ...more,
  };
  return it;
}

test('what is asked again, and what is not', async () => {
  const cases: readonly (readonly [KmsFailure['again'], boolean, number])[] = [
    [undefined, false, 1],
    ['nothing-done', false, limits.kmsAttempts],
    ['unknown', false, limits.kmsAttempts],
    // Making a key twice makes two.
    ['unknown', true, 1],
    ['nothing-done', true, limits.kmsAttempts],
  ];
  for (const [again, once, times] of cases) {
    const asked = question({ code: 'ERR_KEY_PROVIDER', problem: 'failed', again }, { once });
    await assert.rejects(askKms({ runtime: runtime() }, asked), code('ERR_KEY_PROVIDER'));
    assert.equal(asked.asked, times);
  }
});

test('a service may ask to wait, and not for longer than there is time', async () => {
  const patient = runtime();
  const failure: KmsFailure = {
    code: 'ERR_KEY_PROVIDER',
    problem: 'is busy',
    again: 'nothing-done',
    retryAfter: '3',
  };
  await assert.rejects(askKms({ runtime: patient }, question(failure)), code('ERR_KEY_PROVIDER'));
  assert.ok(patient.slept() >= 3_000 * (limits.kmsAttempts - 1), `${patient.slept()}`);
  const endless = question({ ...failure, retryAfter: '3600' });
  await assert.rejects(askKms({ runtime: runtime() }, endless), code('ERR_KEY_PROVIDER'));
  assert.equal(endless.asked, 1);
});

test('errors of others are left behind, but for what they say', async () => {
  const asked = question({ code: 'ERR_KEY_ACCESS', problem: 'does not permit that' });
  await assert.rejects(askKms({ runtime: runtime() }, asked), (error) => {
    assert.ok(isBoltsealError(error, 'ERR_KEY_ACCESS'));
    assert.ok(error.cause instanceof Error);
    assert.equal(error.cause.message, 'what the SDK says');
    return !JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause)).includes('secret');
  });
  const own = new BoltsealError('ERR_SERVICE_INSECURE', 'no TLS');
  const wrapped = question(
    { code: 'ERR_KEY_ACCESS', problem: '' },
    { ask: () => Promise.reject(new Error('wrapped', { cause: new Error('twice', { cause: own }) })) },
  );
  await assert.rejects(askKms({ runtime: runtime() }, wrapped), (error) => error === own);
});

test('requests: over TLS, in lower case, bounded, never redirected', async () => {
  const seen: Record<string, string>[] = [];
  const fetch: Fetch = async (_url, init) => {
    seen.push({ ...init.headers });
    return respond({ status: 200, body: 'yes' });
  };
  const request = {
    method: 'POST',
    url: 'https://kms.example/',
    headers: { Authorization: 'x', 'Accept-Encoding': 'gzip' },
  };
  const answer = await sendToKms({ fetch }, request);
  assert.equal(Buffer.from(answer.body).toString(), 'yes');
  assert.deepEqual(seen, [{ authorization: 'x', 'accept-encoding': 'identity' }]);
  for (const url of ['http://kms.example/', 'http://localhost.example/', 'http://10.0.0.1/']) {
    await assert.rejects(sendToKms({ fetch }, { ...request, url }), code('ERR_SERVICE_INSECURE'));
  }
  assert.equal(seen.length, 1);
  await sendToKms({ fetch }, { ...request, url: 'http://127.0.0.1:8200/' });
  const failing: readonly (readonly [Fetch, KmsFailure['again']])[] = [
    [async () => respond({ status: 302, headers: { location: 'https://kms.example/other' } }), undefined],
    [async () => respond({ status: 200, headers: { 'content-length': '99999999' }, body: 'x' }), undefined],
    [() => Promise.reject(connectionError('ECONNREFUSED')), 'nothing-done'],
    [() => Promise.reject(connectionError('ECONNRESET')), 'unknown'],
    [() => Promise.reject(connectionError('CERT_HAS_EXPIRED')), undefined],
  ];
  for (const [broken, again] of failing) {
    await assert.rejects(sendToKms({ fetch: broken }, request), (error) => {
      assert.ok(error instanceof KmsFailureError);
      assert.equal(error.failure.code, 'ERR_KEY_PROVIDER');
      return error.failure.again === again;
    });
  }
});
