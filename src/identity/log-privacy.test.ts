import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { tokenTime as now, unverifiedToken } from '../../test/support/unverified-token.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Runtime } from '../core/runtime.ts';
import { checkLogPrivacy, isPublicLog, type LogPrivacyQuery, wouldPublish } from './log-privacy.ts';
import { type IdentityToken, parseIdentityToken } from './token.ts';
import { type RepositoryVisibility, repositoryVisibility } from './visibility.ts';

/** As GitHub writes them; the names are made up. */
const githubClaims = {
  iss: 'https://token.actions.githubusercontent.com',
  sub: 'repo:acme/secret-app:ref:refs/heads/main',
  repository: 'acme/secret-app',
  repository_visibility: 'private',
  workflow: 'Release',
  workflow_ref: 'acme/secret-app/.github/workflows/release.yml@refs/heads/main',
  job_workflow_ref: 'acme/shared/.github/workflows/sign.yml@refs/tags/v1',
  ref: 'refs/heads/main',
  sha: '0123456789abcdef0123456789abcdef01234567',
  event_name: 'push',
  run_id: '42',
  run_attempt: '1',
};

const gitlabClaims = {
  iss: 'https://gitlab.example',
  sub: 'project_path:acme/app:ref_type:branch:ref:main',
  project_path: 'acme/app',
  project_visibility: 'internal',
  ci_config_ref_uri: 'gitlab.example/acme/app//.gitlab-ci.yml@refs/heads/main',
  ref: 'main',
  sha: 'abcdef',
  pipeline_source: 'push',
  job_id: 7,
};

const tokenWith = (claims: Readonly<Record<string, unknown>>): IdentityToken =>
  parseIdentityToken(unverifiedToken(claims), { now });

suite('visibility', () => {
  const cases: Readonly<
    Record<
      string,
      readonly [claims: object | undefined, env: Runtime['env'], event: Json | undefined, expected: object]
    >
  > = {
    'GitHub’s claim': [githubClaims, {}, undefined, { visibility: 'private', repository: 'acme/secret-app' }],
    'GitLab’s claim': [gitlabClaims, {}, undefined, { visibility: 'internal', repository: 'acme/app' }],
    'GitLab’s variables': [
      undefined,
      { CI_PROJECT_VISIBILITY: 'private', CI_PROJECT_PATH: 'acme/app' },
      undefined,
      { visibility: 'private', repository: 'acme/app' },
    ],
    'the event of GitHub Actions': [
      undefined,
      { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: '/event.json' },
      { repository: { full_name: 'acme/app', visibility: 'internal', private: true } },
      { visibility: 'internal', repository: 'acme/app' },
    ],
    'the event of an older GitHub': [
      undefined,
      { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: '/event.json', GITHUB_REPOSITORY: 'acme/app' },
      { repository: { private: true } },
      { visibility: 'private', repository: 'acme/app' },
    ],
    'the narrower, when two say something': [
      { ...githubClaims, repository_visibility: 'public' },
      { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: '/event.json' },
      { repository: { full_name: 'acme/other', private: true } },
      { visibility: 'private', repository: 'acme/other' },
    ],
    'a public repository': [
      { ...githubClaims, repository_visibility: 'public' },
      {},
      undefined,
      { visibility: 'public', repository: 'acme/secret-app' },
    ],
    'a person': [{ email: 'a@b.example', email_verified: true }, {}, undefined, { visibility: 'unknown' }],
    'nothing at all': [undefined, {}, undefined, { visibility: 'unknown' }],
    'words that are not known': [
      { repository_visibility: 'secret', project_visibility: 1 },
      {},
      undefined,
      { visibility: 'unknown' },
    ],
    'an event outside of GitHub Actions': [
      undefined,
      { GITHUB_EVENT_PATH: '/event.json' },
      { repository: { private: true } },
      { visibility: 'unknown' },
    ],
  };
  for (const [name, [claims, env, event, expected]] of Object.entries(cases)) {
    test(name, async () => {
      const token = claims === undefined ? undefined : tokenWith({ ...claims });
      const { from, ...found } = await repositoryVisibility({ token, env, readEventFile: async () => event });
      assert.deepEqual(found, expected);
      assert.equal(from === '', found.visibility === 'unknown');
    });
  }

  test('the file of the event is read; one that is broken says nothing', async (t) => {
    const folder = await temporaryDirectory(t);
    const visibility = async (content: string): Promise<string> => {
      const path = join(folder, 'event.json');
      await writeFile(path, content);
      return (await repositoryVisibility({ env: { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: path } }))
        .visibility;
    };
    assert.equal(await visibility('{"repository":{"private":true}}'), 'private');
    for (const content of ['', '{', '[]', '{"repository":[]}', '{"repository":{"private":"yes"}}']) {
      assert.equal(await visibility(content), 'unknown', content);
    }
    const env = { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: join(folder, 'none') };
    assert.equal((await repositoryVisibility({ env })).visibility, 'unknown');
  });
});

suite('what a public log shows', () => {
  const facts = (claims: object): Record<string, string> =>
    Object.fromEntries(
      wouldPublish(tokenWith({ ...claims }), ['sha256:aa']).map(({ name, value }) => [name, value]),
    );

  test('of GitHub Actions', () => {
    assert.deepEqual(facts(githubClaims), {
      identity: 'https://github.com/acme/shared/.github/workflows/sign.yml@refs/tags/v1',
      issuer: 'https://token.actions.githubusercontent.com',
      repository: 'acme/secret-app',
      visibility: 'private',
      workflow: 'Release',
      'workflow file': 'acme/secret-app/.github/workflows/release.yml@refs/heads/main',
      ref: 'refs/heads/main',
      commit: githubClaims.sha,
      trigger: 'push',
      run: 'https://github.com/acme/secret-app/actions/runs/42/attempts/1',
      digest: 'sha256:aa',
    });
    const own = facts({ ...githubClaims, iss: 'https://github.acme.example/_services/token' });
    assert.equal(own['run'], 'https://github.acme.example/acme/secret-app/actions/runs/42/attempts/1');
  });

  test('of GitLab CI', () => {
    const found = facts(gitlabClaims);
    assert.equal(found['identity'], 'https://gitlab.example/acme/app//.gitlab-ci.yml@refs/heads/main');
    assert.equal(found['run'], 'https://gitlab.example/acme/app/-/jobs/7');
  });

  test('a claim stays within its line', () => {
    assert.equal(
      facts({ ...githubClaims, workflow: 'a\n  digest: sha256:bb\u001b[2J' })['workflow'],
      'a   digest: sha256:bb [2J',
    );
  });

  test('of Buildkite, of a person, and of a key', () => {
    const buildkite = facts({
      organization_slug: 'acme',
      pipeline_slug: 'app',
      build_number: 3,
      job_id: 'j',
      build_commit: 'c',
    });
    assert.equal(buildkite['identity'], 'https://buildkite.com/acme/app');
    assert.equal(buildkite['run'], 'https://buildkite.com/acme/app/builds/3#j');
    assert.equal(facts({ email: 'a@b.example', email_verified: true })['identity'], 'a@b.example');
    assert.deepEqual(wouldPublish(undefined), [{ name: 'identity', value: 'the public key' }]);
  });
});

suite('who must agree', () => {
  const of = (visibility: RepositoryVisibility['visibility']): LogPrivacyQuery => ({
    visibility: { visibility, repository: 'acme/secret-app', from: 'the claim repository_visibility' },
    token: tokenWith(githubClaims),
    digests: Array.from({ length: 8 }, (_, index) => `sha256:${String(index).repeat(8)}`),
    log: 'https://rekor.sigstore.dev',
    isPublic: true,
    consent: false,
  });

  for (const visibility of ['private', 'internal'] as const) {
    test(`${visibility}: refused, with everything that would be published_fail`, () => {
      assert.throws(
        () => checkLogPrivacy(of(visibility)),
        (error) => {
          assert.ok(isBoltsealError(error, 'ERR_LOG_PRIVACY'));
          for (const { value } of wouldPublish(of(visibility).token))
            assert.ok(error.message.includes(value), value);
          assert.ok(error.message.includes('sha256:44444444') && error.message.includes('and 3 more'));
          for (const way of ['boltseal serve', '--log none', '--log public'])
            assert.ok(error.hint?.includes(way), way);
          return true;
        },
      );
    });
  }

  test('not for public and unknown repositories, private logs, and with consent', () => {
    checkLogPrivacy(of('public'));
    checkLogPrivacy(of('unknown'));
    checkLogPrivacy({ ...of('private'), isPublic: false });
    checkLogPrivacy({ ...of('private'), consent: true });
  });

  test('which logs are public', () => {
    for (const url of [
      'https://rekor.sigstore.dev',
      'https://log2025-1.rekor.sigstore.dev/',
      'https://SIGSTORE.dev.',
    ]) {
      assert.ok(isPublicLog(url), url);
    }
    for (const url of [
      'https://rekor.acme.example',
      'https://sigstore.dev.acme.example',
      'https://notsigstore.dev',
      'x',
    ]) {
      assert.ok(!isPublicLog(url), url);
    }
  });
});
