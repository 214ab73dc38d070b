import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { inspect } from 'node:util';
import {
  array,
  assert as check,
  constantFrom,
  dictionary,
  json,
  oneof,
  property,
  string,
  tuple,
} from 'fast-check';
import { tokenTime as now, unverifiedToken } from '../../test/support/unverified-token.ts';
import { type BoltsealError, isBoltsealError } from '../core/errors.ts';
import { looksLikeToken, parseIdentityToken, timeLeft } from './token.ts';

const seconds = now.getTime() / 1_000;

suite('what a token says', () => {
  test('issuer, subject, expiry, audience and claims', () => {
    const token = parseIdentityToken(unverifiedToken({ extra: [1] }), { now, audience: 'sigstore' });
    assert.equal(token.issuer, 'https://issuer.example');
    assert.equal(token.subject, 'someone');
    assert.equal(token.subjectKind, 'sub');
    assert.equal(token.expires.toISOString(), '2026-11-22T08:10:00.000Z');
    assert.deepEqual(token.audience, ['sigstore']);
    assert.deepEqual(token.claims['extra'], [1]);
    assert.equal(timeLeft(token, now), 600_000);
  });

  test('white space around it is not part of it', () => {
    const text = unverifiedToken();
    assert.equal(parseIdentityToken(`\n ${text}\r\n`, { now }).token, text);
  });

  const github = { job_workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main' };
  const subjects: readonly (readonly [string, Readonly<Record<string, unknown>>, string, string])[] = [
    ['a verified address', { email: 'a@b.example', email_verified: true }, 'email', 'a@b.example'],
    ['a verified address, in text', { email: 'a@b.example', email_verified: 'true' }, 'email', 'a@b.example'],
    ['an address that is not verified', { email: 'a@b.example', email_verified: false }, 'sub', 'someone'],
    ['an address of which nothing is said', { email: 'a@b.example' }, 'sub', 'someone'],
    ['an empty address', { email: '', email_verified: true }, 'sub', 'someone'],
    [
      'GitHub Actions with an address',
      { ...github, email: 'a@b.example', email_verified: true },
      'sub',
      'someone',
    ],
    [
      'GitLab with an address',
      { ci_config_ref_uri: 'x', email: 'a@b.example', email_verified: true },
      'sub',
      'someone',
    ],
    [
      'Kubernetes with an address',
      { 'kubernetes.io': {}, email: 'a@b.example', email_verified: true },
      'sub',
      'someone',
    ],
    [
      'SPIFFE with an address',
      { sub: 'spiffe://td.example/w', email: 'a@b.example', email_verified: true },
      'sub',
      'spiffe://td.example/w',
    ],
  ];
  for (const [name, claims, kind, subject] of subjects) {
    test(`the subject of ${name} is its ${kind}`, () => {
      const token = parseIdentityToken(unverifiedToken(claims), { now });
      assert.deepEqual([token.subjectKind, token.subject], [kind, subject]);
    });
  }

  test('the token itself is in no JSON, inspection or copy', () => {
    const text = unverifiedToken();
    const token = parseIdentityToken(text, { now });
    for (const shown of [
      JSON.stringify(token),
      inspect(token, { depth: 9 }),
      inspect({ ...token }),
      String(token),
    ]) {
      assert.ok(!shown.includes(text) && !shown.includes('c2lnbmF0dXJl'), shown);
    }
    assert.equal(token.token, text);
  });
});

suite('what is refused', () => {
  const [header = '', payload = ''] = unverifiedToken().split('.');
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  const refused: Readonly<Record<string, string>> = {
    nothing: '',
    'white space': ' \n',
    'one part': header,
    'two parts': `${header}.${payload}`,
    'four parts': `${header}.${payload}.c2ln.c2ln`,
    'an encrypted token': `${header}.a.b.c.d`,
    padding: `${header}=.${payload}.c2ln`,
    'the other alphabet': `${header}.${payload}.++//`,
    'a line break within': `${header}.\n${payload}.c2ln`,
    'bits that mean nothing': `${header}.${payload}.c2lnbh`,
    'no signature': `${header}.${payload}.`,
    'no payload': `${header}..c2ln`,
    'a header that is a list': `${encode('[]')}.${payload}.c2ln`,
    'a header without an algorithm': unverifiedToken({}, { typ: 'JWT' }),
    'the algorithm none': unverifiedToken({}, { alg: 'NoNe' }),
    'a payload that is text': `${header}.${encode('"x"')}.c2ln`,
    'a payload that is not JSON': `${header}.${encode('{"iss":"x"')}.c2ln`,
    'a payload with a name twice': `${header}.${encode('{"iss":"a","iss":"b"}')}.c2ln`,
    'a payload that is not UTF-8': `${header}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.c2ln`,
    'a payload that is too deep': `${header}.${encode(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`)}.c2ln`,
    'a token that is too long': unverifiedToken({ padding: 'x'.repeat(20_000) }),
    'no issuer': unverifiedToken({ iss: undefined }),
    'an empty issuer': unverifiedToken({ iss: '' }),
    'an issuer that is a number': unverifiedToken({ iss: 1 }),
    'an issuer with a control character': unverifiedToken({ iss: 'https://a.example\u001b[2J' }),
    'no subject': unverifiedToken({ sub: undefined }),
    'a verified address and no subject': unverifiedToken({
      sub: undefined,
      email: 'a@b.example',
      email_verified: true,
    }),
    'an address that is not verified, and no subject': unverifiedToken({
      sub: undefined,
      email: 'a@b.example',
    }),
    'a subject that is too long': unverifiedToken({ sub: 'x'.repeat(3_000) }),
    'a verified address that is a list': unverifiedToken({ email: ['a@b.example'], email_verified: true }),
    'no expiry': unverifiedToken({ exp: undefined }),
    'an expiry in text': unverifiedToken({ exp: String(seconds + 60) }),
    'an expiry that no calendar has': unverifiedToken({ exp: 1e300 }),
    'an expiry before time began': unverifiedToken({ exp: -1 }),
    'a token that expires now': unverifiedToken({ exp: seconds }),
    'an expired token': unverifiedToken({ exp: seconds - 3_600 }),
    'a token of the future': unverifiedToken({ nbf: seconds + 301 }),
    'a beginning in text': unverifiedToken({ nbf: 'now' }),
    'no audience': unverifiedToken({ aud: undefined }),
    'an empty list of audiences': unverifiedToken({ aud: [] }),
    'another audience': unverifiedToken({ aud: ['https://vault.example'] }),
    'an audience that is a number': unverifiedToken({ aud: 7 }),
  };
  for (const [name, text] of Object.entries(refused)) {
    test(`${name}_fail`, () => {
      assert.throws(
        () => parseIdentityToken(text, { now, audience: 'sigstore' }),
        (error) => isBoltsealError(error, 'ERR_IDENTITY_TOKEN') && holdsNothingOf(error, text),
      );
    });
  }

  test('what is expired or of the future says when, and what the clock says', () => {
    for (const claims of [{ exp: seconds - 3_600 }, { nbf: seconds + 3_600 }]) {
      assert.throws(
        () => parseIdentityToken(unverifiedToken(claims), { now }),
        (error) => isBoltsealError(error) && error.hint?.includes(now.toISOString()) === true,
      );
    }
  });
});

suite('what is accepted', () => {
  const accepted: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    'one of several audiences': { aud: ['a', 'sigstore'] },
    'a beginning that the clocks may explain': { nbf: seconds + 300 },
    'a fraction of a second': { exp: seconds + 0.5 },
  };
  for (const [name, claims] of Object.entries(accepted)) {
    test(name, () => {
      assert.equal(
        parseIdentityToken(unverifiedToken(claims), { now, audience: 'sigstore' }).subject,
        'someone',
      );
    });
  }
  test('any of the audiences that are accepted; all when none is named', () => {
    const text = unverifiedToken({ aud: 'mine' });
    assert.equal(parseIdentityToken(text, { now, audience: ['sigstore', 'mine'] }).subject, 'someone');
    assert.equal(parseIdentityToken(text, { now }).subject, 'someone');
  });
});

test('a token is told from the name of a file', () => {
  for (const text of [
    unverifiedToken(),
    `\n${unverifiedToken()}`,
    unverifiedToken().slice(0, -20),
    'eyJ9.x',
  ]) {
    assert.ok(looksLikeToken(text), text);
  }
  for (const text of [
    'token',
    './token.jwt',
    '/run/secrets/id.token.txt',
    'a.b.c',
    'eyJhbGciOiJSUzI1NiJ9',
    '',
  ]) {
    assert.ok(!looksLikeToken(text), text);
  }
});

test('no text makes another error, and no error holds a part of the text', () => {
  const part = oneof(
    string({ unit: 'binary', maxLength: 60 }),
    json().map((text) => Buffer.from(text).toString('base64url')),
    dictionary(
      constantFrom('iss', 'sub', 'exp', 'nbf', 'aud', 'email', 'email_verified', 'alg', '__proto__'),
      json(),
    ).map((claims) => Buffer.from(JSON.stringify(claims)).toString('base64url')),
  );
  const text = oneof(
    array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
    string({ unit: 'binary' }),
  );
  check(
    property(tuple(text), ([given]) => {
      try {
        parseIdentityToken(given, { now, audience: 'sigstore' });
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_IDENTITY_TOKEN'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

/** Whether no long part of `text` stands in what is printed of `error`. */
function holdsNothingOf(error: BoltsealError, text: string): boolean {
  const printed = `${error.message} ${error.hint} ${JSON.stringify(error.details)} ${error.cause}`;
  return text
    .split('.')
    .filter((part) => part.length > 24)
    .every((part) => !printed.includes(part.slice(0, 24)));
}
