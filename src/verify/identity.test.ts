import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identity, issuerUrl, World } from '../../test/support/sigstore-world.ts';
import type { LeafChoices } from '../../test/support/test-certificates.ts';
import { derInteger, derUtf8 } from '../core/der.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { parseCertificate } from '../formats/certificate.ts';
import { usernameOid } from '../formats/fulcio-extensions.ts';
import {
  type CertificateIdentity,
  checkIdentity,
  IdentityMismatchError,
  type IdentityRequirement,
  identityOf,
} from './identity.ts';

const world = new World();

function identityIn(choices: LeafChoices): CertificateIdentity {
  return identityOf(parseCertificate(world.issue(choices).certificate));
}

function refuses(run: () => unknown, code: ErrorCode): void {
  assert.throws(run, (error) => isBoltsealError(error, code));
}

describe('the identity in a certificate', () => {
  it('is an email address, a URI, a host or a user name', () => {
    const cases = [
      [{ type: 'email', value: identity }, identity, 'email'],
      [{ type: 'uri', value: 'https://ci.example.com/x' }, 'https://ci.example.com/x', 'uri'],
      [{ type: 'dns', value: 'ci.example.com' }, 'ci.example.com', 'dns'],
      [
        { type: 'other', oid: usernameOid, value: derUtf8('josé!example.com') },
        'josé!example.com',
        'username',
      ],
    ] as const;
    for (const [name, subject, subjectType] of cases) {
      assert.deepEqual(identityIn({ names: [name] }), {
        subject,
        subjectType,
        issuer: issuerUrl,
        extensions: {},
      });
    }
  });

  it('comes with what the extensions say', () => {
    const fulcio = { issuer: issuerUrl, 'source-repository-ref': 'refs/heads/main', subject: 'sub' };
    const { issuer, extensions } = identityIn({ fulcio });
    assert.equal(issuer, issuerUrl);
    assert.deepEqual(extensions, { 'source-repository-ref': 'refs/heads/main', subject: 'sub' });
    assert.equal(identityIn({ fulcio: {} }).issuer, '');
  });

  it('is exactly one, of a kind that is known_fail', () => {
    const email = { type: 'email', value: identity } as const;
    refuses(() => identityIn({ names: [] }), 'ERR_VERIFY_CERTIFICATE');
    refuses(() => identityIn({ names: [email, email] }), 'ERR_VERIFY_CERTIFICATE');
    refuses(() => identityIn({ names: [email, { type: 'uri', value: 'x:y' }] }), 'ERR_VERIFY_CERTIFICATE');
    refuses(
      () => identityIn({ names: [{ type: 'ip', value: Uint8Array.of(127, 0, 0, 1) }] }),
      'ERR_VERIFY_CERTIFICATE',
    );
    const other = { type: 'other', oid: '1.2.3', value: derUtf8(identity) } as const;
    refuses(() => identityIn({ names: [other] }), 'ERR_VERIFY_CERTIFICATE');
    const number = { type: 'other', oid: usernameOid, value: derInteger(1) } as const;
    refuses(() => identityIn({ names: [number] }), 'ERR_CERTIFICATE_INVALID');
  });
});

describe('an identity that is required', () => {
  const found: CertificateIdentity = {
    subject: identity,
    subjectType: 'email',
    issuer: issuerUrl,
    extensions: { 'source-repository-ref': 'refs/heads/main' },
  };
  const exact = (value: string) => ({ kind: 'exact', value }) as const;
  const pattern = (text: string) => ({ kind: 'pattern', pattern: text }) as const;
  const right: IdentityRequirement = { subject: exact(identity), issuer: exact(issuerUrl) };

  it('is satisfied when all of it holds, by any one of several', () => {
    const satisfied: readonly IdentityRequirement[] = [
      right,
      { subject: pattern('^[a-z]+@example\\.com$'), issuer: pattern('^https://issuer\\.example\\.com$') },
      { ...right, extensions: { 'source-repository-ref': 'refs/heads/main' } },
      { ...right, extensions: { issuer: issuerUrl } },
    ];
    for (const one of satisfied) {
      assert.equal(checkIdentity(found, [one]), one);
      assert.equal(checkIdentity(found, [{ ...right, subject: exact('x') }, one]), one);
    }
  });

  const mismatches: Readonly<Record<string, IdentityRequirement>> = {
    'another subject': { ...right, subject: exact('other@example.com') },
    'a subject in other case': { ...right, subject: exact('Dev@example.com') },
    'a part of the subject': { ...right, subject: exact('dev@example.co') },
    'another issuer': { ...right, issuer: exact('https://issuer.example.org') },
    'an issuer with a slash more': { ...right, issuer: exact(`${issuerUrl}/`) },
    'a pattern for another subject': { ...right, subject: pattern('^[a-c]+@example\\.com$') },
    'another extension': { ...right, extensions: { 'source-repository-ref': 'refs/heads/dev' } },
    'an extension that is not there': { ...right, extensions: { 'build-trigger': 'push' } },
  };
  for (const [name, requirement] of Object.entries(mismatches)) {
    it(`${name}_fail`, () => refuses(() => checkIdentity(found, [requirement]), 'ERR_VERIFY_IDENTITY'));
  }

  it('that is nearest is told field by field', () => {
    const near = { ...right, extensions: { 'build-trigger': 'push' } };
    const far = { subject: exact('x'), issuer: pattern('^y$') };
    for (const required of [
      [near, far],
      [far, near],
    ]) {
      assert.throws(
        () => checkIdentity(found, required),
        (error) => {
          assert.ok(error instanceof IdentityMismatchError);
          assert.deepEqual(error.comparisons, [
            { field: 'subject', expected: identity, found: identity, matches: true },
            { field: 'issuer', expected: issuerUrl, found: issuerUrl, matches: true },
            { field: 'build-trigger', expected: 'push', found: undefined, matches: false },
          ]);
          assert.deepEqual(error.details, { mismatches: ['build-trigger'] });
          return true;
        },
      );
    }
  });

  it('that asks for nobody, or cannot be used, is a usage error_fail', () => {
    refuses(() => checkIdentity(found, []), 'ERR_USAGE');
    refuses(() => checkIdentity(found, [{ ...right, subject: exact('') }]), 'ERR_USAGE');
    refuses(() => checkIdentity(found, [{ ...right, issuer: exact('') }]), 'ERR_USAGE');
    refuses(() => checkIdentity(found, [{ ...right, extensions: { subject: '' } }]), 'ERR_USAGE');
    refuses(() => checkIdentity(found, [right, { ...right, subject: pattern('dev') }]), 'ERR_USAGE');
    refuses(() => checkIdentity(found, [{ ...right, issuer: pattern('') }]), 'ERR_USAGE');
  });
});
