import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { encodeSubjectAltName } from '../../formats/extensions.ts';
import { type Identity, identityOf } from './identity.ts';
import { type AcceptedIssuer, createIssuerTable, type IssuerConfig } from './issuers.ts';

const iss = 'https://accounts.issuer.test';

function accept(changes: Partial<IssuerConfig>): AcceptedIssuer {
  const config: IssuerConfig = { url: iss, type: 'email', audience: 'sigstore', ...changes };
  const accepted = createIssuerTable({ issuers: [config], metaIssuers: [], ciProviders: {} }).find(
    config.url,
  );
  assert.ok(accepted);
  return accepted;
}

const identify = (claims: JsonObject, changes: Partial<IssuerConfig>): Identity =>
  identityOf({ issuer: iss, claims }, accept(changes));

function refuses(claims: JsonObject, changes: Partial<IssuerConfig>): void {
  assert.throws(
    () => identify(claims, changes),
    (error) => isBoltsealError(error, 'ERR_TOKEN_REFUSED'),
  );
}

test('email: the address is the name, and what is signed', () => {
  assert.deepEqual(identify({ email: 'dev@lab.test', email_verified: true, sub: 'u1' }, {}), {
    challenge: 'dev@lab.test',
    name: 'dev@lab.test',
    subjectAltName: { type: 'email', value: 'dev@lab.test' },
    extensions: { issuer: iss, subject: 'u1' },
  });
  assert.deepEqual(identify({ email: 'dev@lab.test', email_verified: 'true' }, {}).extensions, {
    issuer: iss,
  });
  identify({ email: 'dev@lab.test' }, { skipEmailVerification: true });
  for (const claims of [
    { email: 'dev@lab.test' },
    { email: 'dev@lab.test', email_verified: false },
    { email: 'dev@lab.test', email_verified: 'false' },
    { email: 'dev@lab.test', email_verified: 1 },
    { email: '', email_verified: true },
    { email: ['dev@lab.test'], email_verified: true },
    { email: 'dev', email_verified: true },
    { email: 'dev@lab', email_verified: true },
    { email: '@lab.test', email_verified: true },
    { email: 'dev@lab.test\u0000', email_verified: true },
    { email: 'dev@lab.test, other@lab.test', email_verified: true },
    { email: 'a@b@lab.test', email_verified: true },
    { email: 'dév@lab.test', email_verified: true },
    { email_verified: true, sub: 'dev@lab.test' },
  ]) {
    refuses(claims, {});
  }
});

test('email: the issuer may stand in a claim', () => {
  const changes = { issuerClaim: '$.federated_claims.connector_id' };
  const claims = { email: 'dev@lab.test', email_verified: true };
  const connector = 'https://github.test/login';
  const { extensions } = identify({ ...claims, federated_claims: { connector_id: connector } }, changes);
  assert.equal(extensions.issuer, connector);
  for (const federated of [undefined, null, 'x', {}, { connector_id: '' }, { connector_id: 5 }, ['x']]) {
    refuses({ ...claims, ...(federated === undefined ? {} : { federated_claims: federated }) }, changes);
  }
  refuses({ ...claims }, { issuerClaim: '$.toString.name' });
});

test('uri: the subject is a URI on the host of its domain', () => {
  const changes = { type: 'uri', subjectDomain: 'https://users.issuer.test' } as const;
  for (const sub of [
    'https://users.issuer.test/u/1',
    'https://users.issuer.test',
    'https://users.issuer.test:8443/u?a#b',
  ]) {
    const { subjectAltName, challenge } = identify({ sub }, changes);
    assert.deepEqual([subjectAltName, challenge], [{ type: 'uri', value: sub }, sub]);
  }
  for (const sub of [
    'https://users.issuer.test.evil.test/u',
    'https://users.issuer.test@evil.test/u',
    'https://users.issuer.test:x@evil.test/u',
    'https://users.issuer.test\\@evil.test/u',
    'http://users.issuer.test/u',
    'https://accounts.issuer.test/u',
    'https://a@users.issuer.test/u',
    'dev@lab.test',
    '',
    'https://users.issuer.test/%zz',
    'https://users.issuer.test/\n',
  ]) {
    refuses({ sub }, changes);
  }
});

test('username: the name is tied to the domain', () => {
  const changes = { type: 'username', subjectDomain: 'issuer.test' } as const;
  const { subjectAltName, name } = identify({ sub: 'alice' }, changes);
  assert.equal(name, 'alice!issuer.test');
  // SEQ { OID 2.5.29.17, TRUE, OCTETS { SEQ { [0] { OID 1.3.6.1.4.1.57264.1.7, [0] { UTF8String } } } } }
  assert.equal(
    Buffer.from(encodeSubjectAltName([subjectAltName], true)).toString('hex'),
    `302f0603551d110101ff04253023a021060a2b0601040183bf300107a0130c11${Buffer.from(name).toString('hex')}`,
  );
  for (const sub of ['a!b', 'dev@lab.test', '']) refuses({ sub }, changes);
});

test('spiffe: an id of the trust domain', () => {
  const changes = { type: 'spiffe', spiffeTrustDomain: 'lab.test' } as const;
  const sub = 'spiffe://lab.test/ns/a/sa/b-1_2.3';
  assert.deepEqual(identify({ sub }, changes).subjectAltName, { type: 'uri', value: sub });
  identify({ sub: 'spiffe://lab.test' }, changes);
  for (const bad of [
    'spiffe://other.test/a',
    'spiffe://lab.test.evil.test/a',
    'spiffe://sub.lab.test/a',
    'spiffe://lab.test/',
    'spiffe://lab.test//a',
    'spiffe://lab.test/a/',
    'spiffe://lab.test/a/../b',
    'spiffe://lab.test/./b',
    'spiffe://lab.test/%61',
    'spiffe://lab.test:1/a',
    'spiffe://u@lab.test/a',
    'spiffe://lab.test/a?b',
    'SPIFFE://lab.test/a',
    'https://lab.test/a',
    `spiffe://lab.test/${'a'.repeat(2_048)}`,
  ]) {
    refuses({ sub: bad }, changes);
  }
});

test('kubernetes: a service account', () => {
  const claims = (namespace: unknown, name: unknown) =>
    ({
      sub: 'system:serviceaccount:ns:sa',
      'kubernetes.io': { namespace, serviceaccount: { name } },
    }) as JsonObject;
  const { subjectAltName, challenge } = identify(claims('ns', 'sa.x-1'), { type: 'kubernetes' });
  assert.deepEqual(subjectAltName, {
    type: 'uri',
    value: 'https://kubernetes.io/namespaces/ns/serviceaccounts/sa.x-1',
  });
  assert.equal(challenge, 'system:serviceaccount:ns:sa');
  for (const [namespace, name] of [
    ['', 'sa'],
    ['ns', ''],
    ['ns/serviceaccounts/x', 'sa'],
    ['..', 'sa'],
    ['ns', 'SA'],
    ['ns', 'a b'],
    [5, 'sa'],
    ['ns', null],
  ]) {
    refuses(claims(namespace, name), { type: 'kubernetes' });
  }
  refuses({ sub: 'x' }, { type: 'kubernetes' });
});

const github = {
  sub: 'repo:octo/hello:ref:refs/heads/main',
  job_workflow_ref: 'octo/shared/.github/workflows/build.yml@refs/tags/v1',
  job_workflow_sha: 'a1',
  workflow_ref: 'octo/hello/.github/workflows/ci.yml@refs/heads/main',
  workflow_sha: 'b2',
  event_name: 'push',
  sha: 'c3',
  workflow: 'ci',
  repository: 'octo/hello',
  repository_id: '74',
  repository_owner: 'octo',
  repository_owner_id: '65',
  repository_visibility: 'private',
  ref: 'refs/heads/main',
  runner_environment: 'github-hosted',
  run_id: '1001',
  run_attempt: '2',
};

test('ci-provider: GitHub Actions', () => {
  const changes = { type: 'ci-provider', ciProvider: 'github-workflow' } as const;
  const identity = identify(github, changes);
  const uri = 'https://github.com/octo/shared/.github/workflows/build.yml@refs/tags/v1';
  assert.deepEqual(identity.subjectAltName, { type: 'uri', value: uri });
  assert.equal(identity.challenge, github.sub);
  assert.deepEqual(identity.extensions, {
    issuer: iss,
    subject: github.sub,
    'github-workflow-trigger': 'push',
    'github-workflow-sha': 'c3',
    'github-workflow-name': 'ci',
    'github-workflow-repository': 'octo/hello',
    'github-workflow-ref': 'refs/heads/main',
    'build-signer-uri': uri,
    'build-signer-digest': 'a1',
    'runner-environment': 'github-hosted',
    'source-repository-uri': 'https://github.com/octo/hello',
    'source-repository-digest': 'c3',
    'source-repository-ref': 'refs/heads/main',
    'source-repository-identifier': '74',
    'source-repository-owner-uri': 'https://github.com/octo',
    'source-repository-owner-identifier': '65',
    'build-config-uri': 'https://github.com/octo/hello/.github/workflows/ci.yml@refs/heads/main',
    'build-config-digest': 'b2',
    'build-trigger': 'push',
    'run-invocation-uri': 'https://github.com/octo/hello/actions/runs/1001/attempts/2',
    'source-repository-visibility-at-signing': 'private',
    'deployment-environment': '',
  });
  // Claims go before defaults, numbers are plain, and what a URI cannot hold is encoded.
  const odd = identify(
    {
      ...github,
      environment: 'prod',
      run_id: 12_345_678_901_234,
      job_workflow_ref: 'o/r/.github/w.yml@refs/heads/ä b',
    },
    changes,
  );
  assert.equal(odd.extensions['deployment-environment'], 'prod');
  assert.match(odd.extensions['run-invocation-uri'] ?? '', /runs\/12345678901234\//);
  assert.equal(odd.name, 'https://github.com/o/r/.github/w.yml@refs/heads/%C3%A4%20b');
  for (const name of Object.keys(github)) {
    if (name === 'sub') continue;
    const { [name as 'sha']: _, ...rest } = github;
    refuses(rest, changes);
  }
  refuses({ ...github, job_workflow_ref: { a: 1 } as never }, changes);
  refuses({ ...github, job_workflow_ref: '' }, changes);
  refuses({ ...github, job_workflow_ref: 'o/r@refs/heads/100%' }, changes);
});

test('ci-provider: GitLab', () => {
  const claims = {
    sub: 'project_path:group/app:ref_type:branch:ref:main',
    ci_config_ref_uri: 'gitlab.com/group/app//.gitlab-ci.yml@refs/heads/main',
    ci_config_sha: 'a1',
    runner_environment: 'self-hosted',
    project_path: 'group/app',
    sha: 'b2',
    ref_type: 'branch',
    ref: 'main',
    project_id: '4',
    namespace_path: 'group',
    namespace_id: '7',
    pipeline_source: 'push',
    job_id: '302',
    project_visibility: 'private',
  };
  const changes = { type: 'ci-provider', ciProvider: 'gitlab-pipeline' } as const;
  const { name, extensions } = identify(claims, changes);
  assert.equal(name, 'https://gitlab.com/group/app//.gitlab-ci.yml@refs/heads/main');
  assert.equal(extensions['source-repository-ref'], 'refs/heads/main');
  assert.equal(extensions['run-invocation-uri'], 'https://gitlab.com/group/app/-/jobs/302');
  const tag = identify({ ...claims, ref_type: 'tag', ref: 'v1' }, changes).extensions;
  assert.equal(tag['source-repository-ref'], 'refs/tags/v1');
});

test('ci-provider: Buildkite, CircleCI, Codefresh, Buddy', () => {
  const buildkite = identify(
    {
      sub: 's',
      organization_slug: 'o',
      pipeline_slug: 'p',
      build_number: 9,
      job_id: 'j',
      runner_environment: 'self-hosted',
      build_commit: 'c',
      build_source: 'ui',
    },
    { type: 'ci-provider', ciProvider: 'buildkite-job' },
  );
  assert.equal(buildkite.name, 'https://buildkite.com/o/p');
  assert.equal(buildkite.extensions['run-invocation-uri'], 'https://buildkite.com/o/p/builds/9#j');
  const circle = identify(
    {
      sub: 's',
      'oidc.circleci.com/project-id': 'p',
      'oidc.circleci.com/pipeline-definition-id': 'd',
      'oidc.circleci.com/ssh-rerun': true,
      'oidc.circleci.com/vcs-ref': 'refs/heads/main',
    },
    { type: 'ci-provider', ciProvider: 'circleci-job' },
  );
  assert.equal(circle.name, 'https://circleci.com/api/v2/projects/p/pipeline-definitions/d');
  assert.equal(circle.extensions['runner-environment'], 'ssh-rerun');
  const codefresh = identify(
    {
      sub: 's',
      workflow_id: 'w',
      pipeline_id: 'p',
      account_name: 'a',
      pipeline_name: 'x/y',
      account_id: 'i',
    },
    { type: 'ci-provider', ciProvider: 'codefresh-workflow' },
  );
  assert.equal(codefresh.name, 'https://g.codefresh.io/a/x/y:i/p');
  const buddy = {
    sub: 's',
    workspace_domain: 'w',
    project_name: 'p',
    pipeline_id: 2 ** 70,
    triggered_on: 'CLICK',
    runner_environment: 'platform-hosted',
    execution_id: 'e',
  };
  assert.equal(
    identify(buddy, { type: 'ci-provider', ciProvider: 'buddy-pipeline' }).name,
    'https://app.buddy.works/w/p/pipelines/pipeline/1180591620717411303424',
  );
  refuses(
    { sub: 's', 'oidc.circleci.com/project-id': 'p' },
    { type: 'ci-provider', ciProvider: 'circleci-job' },
  );
});

test('chainguard-identity: the subject below its issuer', () => {
  const changes = { type: 'chainguard-identity' } as const;
  const { name, challenge } = identify({ sub: 'org/id' }, changes);
  assert.deepEqual([name, challenge], [`${iss}/org/id`, 'org/id']);
  const withEmail = { sub: 'id', email: 'a@b.test', email_verified: true };
  assert.equal(identify(withEmail, changes).challenge, 'a@b.test');
  for (const sub of ['../x', 'a/../b', 'a?b', 'a#b', '']) refuses({ sub }, changes);
});

test('whatever the claims are, they are refused or become a name of seven bits', () => {
  const anyClaims = fc.dictionary(
    fc.constantFrom(
      'sub',
      'email',
      'email_verified',
      'kubernetes.io',
      'job_workflow_ref',
      'federated_claims',
    ),
    fc.oneof(fc.string({ unit: 'binary' }), fc.emailAddress(), fc.boolean(), fc.jsonValue()),
  );
  const types: readonly Partial<IssuerConfig>[] = [
    {},
    { skipEmailVerification: true },
    { type: 'uri', subjectDomain: 'https://users.issuer.test' },
    { type: 'username', subjectDomain: 'issuer.test' },
    { type: 'spiffe', spiffeTrustDomain: 'lab.test' },
    { type: 'kubernetes' },
    { type: 'ci-provider', ciProvider: 'github-workflow' },
    { type: 'chainguard-identity' },
  ];
  fc.assert(
    fc.property(anyClaims, fc.constantFrom(...types.map(accept)), (claims, accepted) => {
      try {
        const all = { ...github, ...claims } as JsonObject;
        const { subjectAltName } = identityOf({ issuer: iss, claims: all }, accepted);
        if (subjectAltName.type === 'other') return;
        assert.ok('value' in subjectAltName && typeof subjectAltName.value === 'string');
        assert.match(subjectAltName.value, /^[!-~]+$/);
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_TOKEN_REFUSED'), String(error));
      }
    }),
    { numRuns: 600 },
  );
});
