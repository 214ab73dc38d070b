import assert from 'node:assert/strict';
import test from 'node:test';
import { isBoltsealError } from '../../core/errors.ts';
import { builtInCiProviders } from './ci-providers.ts';
import { parseFulcioConfig, readFulcioConfig } from './fulcio-config.ts';
import { type CaIssuers, createIssuerTable, type IssuerConfig } from './issuers.ts';

const issuer = (changes: Partial<IssuerConfig>): IssuerConfig => ({
  url: 'https://issuer.test',
  type: 'email',
  audience: 'sigstore',
  ...changes,
});
const config = (issuers: readonly IssuerConfig[], metaIssuers: readonly IssuerConfig[] = []): CaIssuers => ({
  issuers,
  metaIssuers,
  ciProviders: {},
});

test('an issuer is found by its exact name', () => {
  const table = createIssuerTable(config([issuer({ url: 'https://issuer.test/a' })]));
  assert.equal(table.find('https://issuer.test/a')?.config.type, 'email');
  for (const iss of [
    'https://issuer.test/a/',
    'https://issuer.test',
    'https://issuer.test/A',
    'HTTPS://issuer.test/a',
    'https://issuer.test/a?',
    ' https://issuer.test/a',
    'toString',
    '__proto__',
    '',
  ]) {
    assert.equal(table.find(iss), undefined, iss);
  }
});

test('a pattern accepts parts of names and paths, and nothing that leads elsewhere', () => {
  const table = createIssuerTable(
    config([], [issuer({ url: 'https://oidc.eks.*.amazonaws.test/id/*', type: 'kubernetes' })]),
  );
  assert.ok(table.find('https://oidc.eks.us-west-2.amazonaws.test/id/B02C93B6A2D30341AD01E1B6D48164CB'));
  for (const iss of [
    'https://oidc.eks.evil.test/x.amazonaws.test/id/1',
    'https://oidc.eks.a.b.amazonaws.test/id/1',
    'https://oidc.eks..amazonaws.test/id/1',
    'https://oidc.eks.us@evil.test/.amazonaws.test/id/1',
    'https://user@oidc.eks.us.amazonaws.test/id/1',
    'https://oidc.eks.us:8443.amazonaws.test/id/1',
    'https://oidc.eks.us.amazonaws.test:8443/id/1',
    'https://oidc.eks.us.amazonaws.test/id/1/',
    'https://oidc.eks.us.amazonaws.test/id/1/../2',
    'https://oidc.eks.us.amazonaws.test/id/%2e%2e',
    'https://oidc.eks.us.amazonaws.test/id/1?x',
    'https://oidc.eks.us.amazonaws.test/id/1#x',
    'https://oidc.eks.us.amazonaws.test/id/',
    'https://oidc.eks.us.amazonaws.test/id/1\n',
    'http://oidc.eks.us.amazonaws.test/id/1',
    'https://oidc-eks-us.amazonaws.test/id/1',
    'https://oidc.eks.us.amazonawsXtest/id/1',
    'https://evil.test/?https://oidc.eks.us.amazonaws.test/id/1',
    `https://oidc.eks.us.amazonaws.test/id/${'a'.repeat(3_000)}`,
  ]) {
    assert.equal(table.find(iss), undefined, iss);
  }
});

test('the exact name goes before a pattern', () => {
  const table = createIssuerTable(
    config(
      [issuer({ url: 'https://a.issuer.test', type: 'email' })],
      [issuer({ url: 'https://*.issuer.test', type: 'kubernetes' })],
    ),
  );
  assert.equal(table.find('https://a.issuer.test')?.config.type, 'email');
  assert.equal(table.find('https://b.issuer.test')?.config.type, 'kubernetes');
});

const misfits: Readonly<Record<string, CaIssuers>> = {
  no_url_fail: config([issuer({ url: 'issuer' })]),
  file_url_fail: config([issuer({ url: 'file:///etc/passwd' })]),
  open_http_fail: config([issuer({ url: 'http://issuer.test' })]),
  credentials_fail: config([issuer({ url: 'https://a:b@issuer.test' })]),
  query_fail: config([issuer({ url: 'https://issuer.test/?a=b' })]),
  fragment_fail: config([issuer({ url: 'https://issuer.test/#a' })]),
  twice_fail: config([issuer({}), issuer({})]),
  no_audience_fail: config([issuer({ audience: '' })]),
  claim_of_other_type_fail: config([issuer({ type: 'kubernetes', issuerClaim: '$.a' })]),
  claim_no_path_fail: config([issuer({ issuerClaim: 'a.b' })]),
  claim_wildcard_fail: config([issuer({ issuerClaim: '$.a[*]' })]),
  claim_root_fail: config([issuer({ issuerClaim: '$' })]),
  ci_unknown_fail: config([issuer({ type: 'ci-provider', ciProvider: 'other' })]),
  ci_prototype_fail: config([issuer({ type: 'ci-provider', ciProvider: 'toString' })]),
  ci_missing_fail: config([issuer({ type: 'ci-provider' })]),
  spiffe_no_domain_fail: config([issuer({ type: 'spiffe' })]),
  spiffe_bad_domain_fail: config([issuer({ type: 'spiffe', spiffeTrustDomain: 'A/b' })]),
  spiffe_pattern_fail: config(
    [],
    [issuer({ url: 'https://*.a.test', type: 'spiffe', spiffeTrustDomain: 'a' })],
  ),
  uri_no_domain_fail: config([issuer({ type: 'uri' })]),
  uri_no_scheme_fail: config([issuer({ type: 'uri', subjectDomain: 'issuer.test' })]),
  uri_other_scheme_fail: config([issuer({ type: 'uri', subjectDomain: 'http://issuer.test' })]),
  uri_other_domain_fail: config([issuer({ type: 'uri', subjectDomain: 'https://other.test' })]),
  uri_path_fail: config([issuer({ type: 'uri', subjectDomain: 'https://issuer.test/a' })]),
  username_scheme_fail: config([issuer({ type: 'username', subjectDomain: 'https://issuer.test' })]),
  username_other_domain_fail: config([issuer({ type: 'username', subjectDomain: 'test' })]),
  pattern_http_fail: config([], [issuer({ url: 'http://*.a.test' })]),
  pattern_without_star_fail: config([], [issuer({ url: 'https://a.test' })]),
  pattern_open_end_fail: config([], [issuer({ url: 'https://a.*' })]),
  pattern_open_port_fail: config([], [issuer({ url: 'https://a.test:*' })]),
  pattern_credentials_fail: config([], [issuer({ url: 'https://*@a.test' })]),
  pattern_query_fail: config([], [issuer({ url: 'https://a.test/?*' })]),
};

for (const [name, value] of Object.entries(misfits)) {
  test(`a configuration is refused: ${name}`, () => {
    assert.throws(
      () => createIssuerTable(value),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  });
}

test('what is allowed is allowed', () => {
  createIssuerTable(
    config([issuer({ url: 'http://127.0.0.1:5556/dex' }), issuer({ url: 'http://localhost' })]),
  );
  createIssuerTable(config([issuer({ url: 'http://issuer.test' })]), { allowHttp: true });
  createIssuerTable(
    config([
      issuer({
        type: 'uri',
        subjectDomain: 'https://users.issuer.test',
        url: 'https://accounts.issuer.test',
      }),
      issuer({ type: 'username', subjectDomain: 'issuer.test' }),
      issuer({ type: 'spiffe', spiffeTrustDomain: 'a.b', url: 'https://s.test' }),
    ]),
  );
});

test('every built-in CI provider can be read', () => {
  for (const name of Object.keys(builtInCiProviders)) {
    createIssuerTable(config([issuer({ type: 'ci-provider', ciProvider: name })]));
  }
});

for (const [name, provider] of Object.entries({
  unknown_extension_fail: { extensions: { 'build-signer': 'a' } },
  bad_template_fail: { extensions: { 'build-trigger': '{{ range }}' } },
  no_subject_fail: { subjectAlternativeName: ' ' },
})) {
  test(`a CI provider is refused: ${name}`, () => {
    const whole = { defaults: {}, extensions: {}, subjectAlternativeName: 'a', ...provider };
    const value = {
      ...config([issuer({ type: 'ci-provider', ciProvider: 'x' })]),
      ciProviders: { x: whole },
    };
    assert.throws(
      () => createIssuerTable(value),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  });
}

const fulcioDocument = {
  'oidc-issuers': {
    'https://dex.test/auth': {
      'issuer-url': 'https://dex.test/auth',
      'client-id': 'sigstore',
      type: 'email',
      'issuer-claim': '$.federated_claims.connector_id',
      contact: 'a@b.test',
      description: 'x',
    },
    'https://gitlab.test': { 'issuer-url': 'https://gitlab.test', 'client-id': 's', type: 'gitlab-pipeline' },
    'https://ci.test': { 'client-id': 's', type: 'ci-provider', 'ci-provider': 'own' },
  },
  'meta-issuers': { 'https://*.k8s.test/*': { 'client-id': 'sigstore', type: 'kubernetes' } },
  'ci-issuer-metadata': {
    own: {
      'default-template-values': { url: 'https://ci.test' },
      'extension-templates': { 'build-signer-uri': '{{ .url }}/x' },
      'subject-alternative-name-template': '{{ .url }}/{{ .job }}',
    },
  },
};

test('the configuration of Fulcio is read, in YAML and in JSON names', () => {
  const yaml = readFulcioConfig(fulcioDocument);
  const json = readFulcioConfig({
    OIDCIssuers: {
      'https://dex.test/auth': {
        IssuerURL: 'https://dex.test/auth',
        ClientID: 'sigstore',
        Type: 'email',
        IssuerClaim: '$.federated_claims.connector_id',
        Contact: 'a@b.test',
        Description: 'x',
      },
      'https://gitlab.test': { ClientID: 's', Type: 'gitlab-pipeline' },
      'https://ci.test': { ClientID: 's', Type: 'ci-provider', CIProvider: 'own' },
    },
    MetaIssuers: { 'https://*.k8s.test/*': { ClientID: 'sigstore', Type: 'kubernetes' } },
    CIIssuerMetadata: {
      own: {
        DefaultTemplateValues: { url: 'https://ci.test' },
        ExtensionTemplates: { BuildSignerURI: '{{ .url }}/x' },
        SubjectAlternativeNameTemplate: '{{ .url }}/{{ .job }}',
      },
    },
  });
  assert.deepEqual(json, yaml);
  const table = createIssuerTable(yaml);
  assert.equal(table.find('https://gitlab.test')?.config.ciProvider, 'gitlab-pipeline');
  assert.deepEqual(table.find('https://dex.test/auth')?.issuerPath, ['federated_claims', 'connector_id']);
  assert.equal(table.find('https://a.k8s.test/b')?.config.type, 'kubernetes');
  assert.deepEqual(readFulcioConfig({}), { issuers: [], metaIssuers: [], ciProviders: {} });
});

test('the configuration of Fulcio is read as its own repository writes it', () => {
  const read = parseFulcioConfig(
    [
      'define:',
      '  - &github-type "github-workflow"',
      'oidc-issuers:',
      '  https://ci.test:',
      '    issuer-url: https://ci.test',
      '    client-id: sigstore',
      '    type: ci-provider',
      '    ci-provider: *github-type',
      'ci-issuer-metadata:',
      '  *github-type:',
      '    default-template-values:',
      '      url: "https://ci.test"',
      '    extension-templates:',
      '      source-repository-ref: refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}',
      '    subject-alternative-name-template: "{{ .url }}/{{ .job_workflow_ref }}"',
    ].join('\n'),
  );
  const accepted = createIssuerTable(read).find('https://ci.test');
  const values = new Map(Object.entries({ ...accepted?.ciProvider?.defaults, job_workflow_ref: 'x' }));
  assert.equal(accepted?.ciProvider?.subjectAlternativeName(values), 'https://ci.test/x');
  for (const text of ['a: b: c', '{"OIDCIssuers":', '- a', '']) {
    assert.throws(
      () => parseFulcioConfig(text),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
      text,
    );
  }
});

for (const [name, document] of Object.entries({
  no_object_fail: [],
  issuers_list_fail: { 'oidc-issuers': [] },
  issuer_text_fail: { 'oidc-issuers': { a: 'b' } },
  unknown_member_fail: { 'oidc-issuers': { a: { 'client-id': 's', type: 'email', audience: 'x' } } },
  unknown_type_fail: { 'oidc-issuers': { a: { 'client-id': 's', type: 'x' } } },
  other_url_fail: { 'oidc-issuers': { a: { 'issuer-url': 'b', type: 'email' } } },
  number_fail: { 'oidc-issuers': { a: { 'client-id': 5, type: 'email' } } },
  challenge_fail: { 'oidc-issuers': { a: { type: 'email', 'challenge-claim': 'sub' } } },
  skip_text_fail: { 'oidc-issuers': { a: { type: 'email', 'skip-email-verification': 'true' } } },
  ci_no_subject_fail: { 'ci-issuer-metadata': { a: {} } },
  ci_number_fail: {
    'ci-issuer-metadata': {
      a: { 'subject-alternative-name-template': 'x', 'extension-templates': { a: 5 } },
    },
  },
})) {
  test(`a configuration of Fulcio is refused: ${name}`, () => {
    assert.throws(
      () => readFulcioConfig(document),
      (error) => isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
  });
}
