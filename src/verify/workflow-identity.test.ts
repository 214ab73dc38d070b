import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBoltsealError } from '../core/errors.ts';
import { type CertificateIdentity, checkIdentity } from './identity.ts';
import { type Workflow, workflowIdentity } from './workflow-identity.ts';

const github = 'https://github.com';
const token = 'https://token.actions.githubusercontent.com';

/** What a certificate of a workflow says. */
function signer(
  signed: string,
  repository = 'owner/name',
  ref = 'refs/heads/main',
  [server, issuer] = [github, token],
): CertificateIdentity {
  return {
    subject: `${server}/${signed}`,
    subjectType: 'uri',
    issuer,
    extensions: { 'source-repository-uri': `${server}/${repository}`, 'source-repository-ref': ref },
  };
}

const own = 'owner/name/.github/workflows/release.yml';
const shared = 'shared/ci/.github/workflows/build.yml';

function accepts(workflow: Workflow, identity: CertificateIdentity): boolean {
  try {
    checkIdentity(identity, [workflowIdentity(workflow)]);
    return true;
  } catch (error) {
    assert.ok(isBoltsealError(error, 'ERR_VERIFY_IDENTITY'));
    return false;
  }
}

describe('the identity of a workflow', () => {
  it('is exact when workflow and ref are named', () => {
    assert.deepEqual(
      workflowIdentity({ repository: 'owner/name', workflow: 'release.yml', ref: 'refs/tags/v1.0' }),
      {
        subject: { kind: 'exact', value: `${github}/${own}@refs/tags/v1.0` },
        issuer: { kind: 'exact', value: token },
        extensions: {
          'source-repository-uri': `${github}/owner/name`,
          'source-repository-ref': 'refs/tags/v1.0',
        },
      },
    );
  });

  it('is anything where something is left out, and nothing else', () => {
    const repository = 'owner/name';
    const yes: readonly (readonly [Workflow, CertificateIdentity])[] = [
      [{ repository }, signer(`${own}@refs/heads/main`)],
      [{ repository }, signer(`${own}@refs/heads/a@b`, repository, 'refs/heads/a@b')],
      [{ repository, workflow: 'release.yml' }, signer(`${own}@refs/tags/v1`, repository, 'refs/tags/v1')],
      [{ repository, ref: 'refs/heads/main' }, signer(`${own}@refs/heads/main`)],
    ];
    for (const [workflow, identity] of yes) assert.ok(accepts(workflow, identity));
    const no: readonly (readonly [Workflow, CertificateIdentity])[] = [
      // Another repository, also one whose name only begins or ends the same.
      [{ repository }, signer(`other/${own}@refs/heads/main`)],
      [{ repository }, signer('owner/name2/.github/workflows/release.yml@refs/heads/main')],
      [{ repository: 'owner/n.me' }, signer(`${own}@refs/heads/main`, 'owner/n.me')],
      [{ repository }, signer('owner/name/elsewhere/release.yml@refs/heads/main')],
      [{ repository }, signer('owner/name/.github/workflows/a/b.yml@refs/heads/main')],
      [
        { repository, workflow: 'release.yml' },
        signer('owner/name/.github/workflows/releaseXyml@refs/heads/main'),
      ],
      [{ repository, ref: 'refs/heads/main' }, signer(`${own}@refs/heads/main2`)],
      [
        { repository, ref: 'refs/heads/main' },
        signer(`${own}@refs/heads/main`, repository, 'refs/heads/dev'),
      ],
      // A workflow of the repository that somebody else's source was built with.
      [{ repository }, signer(`${own}@refs/heads/main`, 'fork/name')],
    ];
    for (const [workflow, identity] of no) assert.equal(accepts(workflow, identity), false, identity.subject);
  });

  it('of a reusable workflow is named in full, at its own ref', () => {
    const byShared = signer(`${shared}@refs/tags/v2`);
    assert.equal(accepts({ repository: 'owner/name' }, byShared), false);
    assert.ok(accepts({ repository: 'owner/name', workflow: shared }, byShared));
    assert.ok(
      accepts(
        { repository: 'owner/name', workflow: `${shared}@refs/tags/v2`, ref: 'refs/heads/main' },
        byShared,
      ),
    );
    assert.equal(accepts({ repository: 'owner/name', workflow: `${shared}@refs/tags/v1` }, byShared), false);
    // Anybody may call it: whose source was built matters.
    assert.equal(
      accepts({ repository: 'owner/name', workflow: shared }, signer(`${shared}@refs/tags/v2`, 'evil/name')),
      false,
    );
    const commit = 'a'.repeat(40);
    assert.ok(
      accepts({ repository: 'owner/name', workflow: `${shared}@${commit}` }, signer(`${shared}@${commit}`)),
    );
  });

  it('of another server has its URL and its issuer', () => {
    for (const [serverUrl, issuer] of [
      ['https://github.example.com', 'https://github.example.com/_services/token'],
      ['https://github.example.com:8443/', 'https://github.example.com:8443/_services/token'],
      ['https://acme.ghe.com', 'https://token.actions.acme.ghe.com'],
      ['https://github.com/', token],
    ] as const) {
      const server = serverUrl.replace(/\/$/, '');
      const identity = signer(`${own}@refs/heads/main`, 'owner/name', 'refs/heads/main', [server, issuer]);
      assert.ok(accepts({ repository: 'owner/name', serverUrl }, identity));
      assert.equal(
        accepts({ repository: 'owner/name', serverUrl: 'https://x.example.com' }, identity),
        false,
      );
    }
  });

  const wrong: Readonly<Record<string, Workflow>> = {
    'no owner': { repository: 'name' },
    'a URL': { repository: 'https://github.com/owner/name' },
    'a pattern': { repository: 'owner/.*' },
    nothing: { repository: '' },
    'a part too many': { repository: 'owner/name/more' },
    'a workflow that is no file': { repository: 'owner/name', workflow: 'Release' },
    'a workflow in another folder': { repository: 'owner/name', workflow: 'owner/name/ci/release.yml' },
    'a workflow with a short ref': { repository: 'owner/name', workflow: `${shared}@v2` },
    'an empty workflow': { repository: 'owner/name', workflow: '' },
    'a short ref': { repository: 'owner/name', ref: 'main' },
    'a ref of another kind': { repository: 'owner/name', ref: 'refs/notes/x' },
    'an empty ref': { repository: 'owner/name', ref: '' },
    'plain http': { repository: 'owner/name', serverUrl: 'http://github.example.com' },
    'a server with a path': { repository: 'owner/name', serverUrl: 'https://github.example.com/x' },
    'a server with a user': { repository: 'owner/name', serverUrl: 'https://github.com@evil.example.com' },
    'a server that is no URL': { repository: 'owner/name', serverUrl: 'github.com' },
  };
  for (const [name, workflow] of Object.entries(wrong)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => workflowIdentity(workflow),
        (error) => isBoltsealError(error, 'ERR_USAGE'),
      );
    });
  }

  it('with a short ref is told both spellings', () => {
    assert.throws(
      () => workflowIdentity({ repository: 'owner/name', ref: 'v1' }),
      (error) =>
        isBoltsealError(error) &&
        error.hint?.includes('refs/heads/v1') === true &&
        error.hint.includes('refs/tags/v1'),
    );
  });
});
