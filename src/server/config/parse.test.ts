import assert from 'node:assert/strict';
import test from 'node:test';
import {
  array,
  assert as check,
  constantFrom,
  dictionary,
  jsonValue,
  oneof,
  property,
  string,
} from 'fast-check';
import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { mountPoints, publicUrls } from './config.ts';
import { describe, entriesOf } from './kinds.ts';
import { defaultConfig, parseConfig } from './parse.ts';
import { settings } from './settings.ts';

const parse = (text: string) => parseConfig(utf8(text), 'etc/boltseal.yaml');

/** The problems that `text` is refused for. */
function problems(text: string): readonly string[] {
  let found: readonly string[] = [];
  assert.throws(
    () => parse(text),
    (error) => {
      assert.ok(isBoltsealError(error, 'ERR_SERVER_CONFIG'));
      found = (error.details['problems'] ?? [error.message]) as readonly string[];
      return true;
    },
  );
  return found;
}

test('an empty file has every default', () => {
  for (const text of ['', '# nothing\n', '{}', 'limits:\nkeys:\n', 'null']) {
    assert.deepEqual(parse(text), defaultConfig(), text);
  }
  const config = defaultConfig();
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 5200 });
  assert.deepEqual(config.storage, { type: 'sqlite' });
  assert.equal(config.certificateLifetime, 600_000);
  assert.equal(config.tuf.timestampExpires, 7 * 86_400_000);
  assert.equal(config.publicUrl, undefined);
  assert.deepEqual(config.keys, {});
  assert.deepEqual(config.issuers, []);
});

test('every kind of setting is read', () => {
  const config = parse(`
data: data
listen: "[::1]:8443"
tls: {cert: tls/cert.pem, key: /etc/key.pem}
public-url: https://sigstore.example.com/
urls:
  rekor: https://rekor.example.com
  tuf: https://tuf.example.com/repository/
admin: :9090
issuers:
  - url: https://token.actions.githubusercontent.com
    type: ci-provider
    ci-provider: github-workflow
  - {url: "https://dex.example.com", type: email, issuer-claim: $.federated_claims.connector_id, ca-file: dex.pem}
meta-issuers:
  - {url: "https://oidc.eks.*.amazonaws.com/id/*", type: kubernetes}
ci-providers:
  forge:
    defaults: {url: "https://forge.example.com"}
    extensions: {build-signer-uri: "{{ .url }}/{{ .ref }}"}
    subject-alternative-name: "{{ .url }}/{{ .ref }}"
certificates: {lifetime: 5m}
keys: {ca: env://CA_KEY, rekor: keys/rekor.key, ct: "pkcs11:token=x", password: /run/secrets/passphrase}
storage: {type: postgres, url: "postgres://boltseal@db/boltseal", pins: /mnt/pins}
witnesses:
  - {url: "https://witness.example.com/", key: "witness.example.com+0123abcd+AAAA"}
witness-quorum: 1
rekor2: {allow-dsse: true}
tuf: {timestamp-expires: 2d, resign-every: 6h}
limits: {certificates-per-minute: 0, request-time: 1m30s}
logging: {format: text, level: warn, requests: false}
`);
  assert.equal(config.data, 'etc/data');
  assert.deepEqual(config.listen, { host: '::1', port: 8443 });
  assert.deepEqual(config.tls, { cert: 'etc/tls/cert.pem', key: '/etc/key.pem' });
  assert.equal(config.publicUrl, 'https://sigstore.example.com');
  assert.deepEqual(config.urls, {
    rekor: 'https://rekor.example.com',
    tuf: 'https://tuf.example.com/repository',
  });
  assert.deepEqual(config.admin, { host: '::', port: 9090 });
  assert.equal(config.issuers[0]?.ciProvider, 'github-workflow');
  assert.equal(config.issuers[0]?.audience, 'sigstore');
  assert.equal(config.issuers[1]?.issuerClaim, '$.federated_claims.connector_id');
  assert.equal(config.issuers[1]?.caFile, 'etc/dex.pem');
  assert.equal(config.metaIssuers[0]?.type, 'kubernetes');
  assert.equal(config.ciProviders['forge']?.subjectAlternativeName, '{{ .url }}/{{ .ref }}');
  assert.equal(config.certificateLifetime, 300_000);
  assert.deepEqual(config.keys, { ca: 'env://CA_KEY', rekor: 'etc/keys/rekor.key', ct: 'pkcs11:token=x' });
  assert.equal(config.keysPassword, '/run/secrets/passphrase');
  assert.deepEqual(config.storage, {
    type: 'postgres',
    url: 'postgres://boltseal@db/boltseal',
    connections: 10,
  });
  assert.equal(config.pins, '/mnt/pins');
  assert.equal(config.witnessQuorum, 1);
  assert.equal(config.rekor2AllowDsse, true);
  assert.equal(config.tuf.resignEvery, 6 * 3_600_000);
  assert.equal(config.limits.requestTime, 90_000);
  assert.equal(config.limits.certificatesPerMinute, 0);
  assert.deepEqual(config.logging, { format: 'text', level: 'warn', requests: false });
});

test('an unknown setting is refused with its line and the nearest name_fail', () => {
  assert.deepEqual(problems('data: x\n\norganisation: y\n'), [
    'line 3: organisation is not a setting; did you mean organization?',
  ]);
  assert.deepEqual(problems('limits:\n  in-flght: 3\n'), [
    'line 2: limits.in-flght is not a setting; did you mean in-flight?',
  ]);
  assert.deepEqual(problems('issuers:\n- url: https://a.example\n  type: email\n  audiance: x\n'), [
    'line 4: issuers.0.audiance is not a setting; did you mean audience?',
  ]);
  assert.deepEqual(
    problems('ci-providers:\n  forge:\n    subject-alternative-name: x\n    extension: {}\n'),
    ['line 4: ci-providers.forge.extension is not a setting; did you mean extensions?'],
  );
  assert.deepEqual(problems('zzzzzz: 1\n'), ['line 1: zzzzzz is not a setting']);
  assert.deepEqual(problems('__proto__: {a: 1}\n'), ['line 1: __proto__ is not a setting']);
});

test('every problem is told at once, without a value_fail', () => {
  const text = 'listen: s3cret\nlimits:\n  in-flight: s3cret\n  request-time: 3\nlogging: {format: s3cret}\n';
  const found = problems(text);
  assert.equal(found.length, 4);
  assert.ok(found.every((line) => !line.includes('s3cret')));
  assert.deepEqual(
    found.map((line) => line.replace(/ must.*/, '')),
    ['line 1: listen', 'line 3: limits.in-flight', 'line 4: limits.request-time', 'line 5: logging.format'],
  );
});

test('a PIN in a key reference is refused, and not shown_fail', () => {
  const found = problems(
    'keys:\n  tsa: pkcs11:token=a;object=b\n  ca: "pkcs11:token=a;object=b?pin-value=24680"\n',
  );
  assert.equal(found.length, 1);
  assert.match(found[0] ?? '', /^line 3: keys\.ca holds a PIN/);
  assert.ok(!found[0]?.includes('24680'));
  const fine = 'pkcs11:token=pin-value=x;object=b?pin-source=/pin';
  assert.equal(parseConfig(utf8(`keys: {ca: "${fine}"}`), 'boltseal.yaml').keys.ca, fine);
});

test('what is missing is named_fail', () => {
  assert.deepEqual(problems('issuers:\n  - type: email\n'), ['line 2: issuers.0.url is missing']);
  assert.deepEqual(problems('data: x\ntls: {cert: a.pem}\n'), ['line 2: tls.key is missing']);
  assert.deepEqual(problems('tls: yes\n'), ['line 1: tls must be a map of settings']);
  assert.deepEqual(problems('issuers: {}\n'), ['line 1: issuers must be a list']);
  assert.deepEqual(problems('- a\n'), ['line 1: the file must be a map of settings']);
});

test('settings that do not fit together are refused_fail', () => {
  const issuer = (rest: string) => `issuers:\n  - {url: "https://a.example", ${rest}}\n`;
  for (const [text, place] of [
    ['public-url: http://sigstore.example.com', 'line 1: public-url'],
    ['urls: {rekor: "http://rekor.example.com"}', 'line 1: urls.rekor'],
    ['urls:\n  ct: "https://a.example"\n  rekor: "https://a.example"', 'line 2: urls.ct'],
    [issuer('type: ci-provider'), 'line 2: issuers.0 needs ci-provider'],
    [issuer('type: uri'), 'line 2: issuers.0 needs subject-domain'],
    [issuer('type: spiffe'), 'line 2: issuers.0 needs spiffe-trust-domain'],
    [issuer('type: kubernetes, skip-email-verification: true'), 'line 2: issuers.0.skip-email'],
    [issuer('type: email, subject-domain: a.example'), 'line 2: issuers.0.subject-domain'],
    ['issuers: [{url: "http://a.example", type: email}]', 'line 1: issuers.0.url'],
    [
      'issuers:\n- {url: "https://a.example", type: email}\n- {url: "https://a.example/", type: email}',
      'line 3: issuers.1.url',
    ],
    ['meta-issuers: [{url: "https://a.example", type: email}]', 'line 1: meta-issuers.0.url'],
    [
      'meta-issuers: [{url: "https://*.example", type: spiffe, spiffe-trust-domain: a.example}]',
      'line 1: meta-issuers.0.url',
    ],
    ['storage: {url: "postgres://db/x"}', 'line 1: storage.url'],
    ['storage: {type: postgres}', 'line 1: storage needs url'],
    ['storage: {type: postgres, url: "postgres://a:s3cret@db/x"}', 'line 1: storage.url holds a password'],
    ['tuf: {timestamp-expires: 1d}', 'line 1: tuf.resign-every'],
    ['tuf: {root-expires: 1m}', 'line 1: tuf.root-expires'],
    ['certificates: {lifetime: 2h}', 'line 1: certificates.lifetime'],
    ['witness-quorum: 1', 'line 1: witness-quorum'],
    ['witnesses: [{url: "https://w.example", key: nonsense}]', 'line 1: witnesses.0.key'],
    ['admin: 127.0.0.1:5200', 'line 1: admin'],
  ] as const) {
    const found = problems(text);
    assert.equal(found.length, 1, `${text}: ${found.join('; ')}`);
    assert.ok(found[0]?.startsWith(place), `${text}: ${found[0]}`);
    assert.ok(!found[0]?.includes('s3cret'));
  }
});

test('plain http to another machine is a choice', () => {
  const config = parse('allow-http: true\npublic-url: http://sigstore.internal:8080/x\n');
  assert.equal(config.publicUrl, 'http://sigstore.internal:8080/x');
});

test('what is not YAML is refused, and nothing of it is shown_fail', () => {
  for (const text of [
    'a: 1\na: 2',
    'a: [s3cret',
    'a: *s3cret',
    'a: 1\n---\nb: 2',
    'a: !!js/function s3cret',
    '\tdata: x',
    '"s3cret',
    '? [a]\n: 1',
    `${Array.from({ length: 9 }, (_, n) => `a${n}: &a${n} [${Array(9).fill(n === 0 ? 'x' : `*a${n - 1}`)}]`).join('\n')}`,
  ]) {
    const found = problems(text).join();
    assert.ok(!found.includes('s3cret'), found);
  }
  assert.throws(() => parse('x'.repeat(1_048_577)), { code: 'ERR_LIMIT_EXCEEDED' });
  assert.throws(() => parseConfig(new Uint8Array([0xff]), 'x'), { code: 'ERR_ENCODING_INVALID' });
});

test('no input makes a foreign error', () => {
  const refusedProperly = (bytes: Uint8Array): void => {
    try {
      parseConfig(bytes, 'boltseal.yaml');
    } catch (error) {
      assert.ok(isBoltsealError(error), String(error));
    }
  };
  const part = constantFrom(
    'limits',
    'keys',
    'issuers',
    ':',
    ': ',
    '\n',
    '  ',
    '- ',
    '{',
    '}',
    '&a ',
    '*a',
    '"',
    '|',
  );
  check(
    property(array(oneof(part, string({ unit: 'grapheme', maxLength: 4 })), { maxLength: 60 }), (parts) =>
      refusedProperly(utf8(parts.join(''))),
    ),
    { numRuns: 500 },
  );
  check(
    property(dictionary(constantFrom(...Object.keys(settings)), jsonValue()), (value) =>
      refusedProperly(utf8(JSON.stringify(value))),
    ),
    { numRuns: 300 },
  );
});

test('a setting is described where it stands', () => {
  for (const [name, kind] of Object.entries(settings)) {
    const { help, type } = describe(kind);
    assert.match(help, /^[`A-Z].*\.$/, name);
    const inner = entriesOf(kind);
    assert.equal(inner !== undefined, ['section', 'list', 'map'].includes(type), name);
    for (const [below, one] of Object.entries(inner ?? {})) {
      assert.match(describe(one).help, /^[`A-Z].*\.$/, `${name}.${below}`);
    }
  }
});

test('a service is found at its usual path, below the public URL, and at its own', () => {
  const plain = defaultConfig();
  assert.deepEqual(mountPoints(plain, 'ca'), [{ prefix: '' }]);
  assert.deepEqual(mountPoints(plain, 'rekor'), [{ prefix: '/rekor' }]);
  assert.equal(publicUrls(plain, 'http://127.0.0.1:5200').tuf, 'http://127.0.0.1:5200/tuf');
  const config = parse(
    'public-url: https://a.example/sigstore\nurls: {rekor: "https://rekor.example:8443/v1"}\n',
  );
  assert.deepEqual(mountPoints(config, 'tuf'), [{ prefix: '/tuf' }, { prefix: '/sigstore/tuf' }]);
  assert.deepEqual(mountPoints(config, 'rekor'), [
    { prefix: '/rekor' },
    { prefix: '/sigstore/rekor' },
    { prefix: '/v1', host: 'rekor.example:8443' },
  ]);
  const urls = publicUrls(config, 'http://10.0.0.1:5200');
  assert.equal(urls.rekor, 'https://rekor.example:8443/v1');
  assert.equal(urls.ca, 'https://a.example/sigstore');
  assert.equal(urls.tsa, 'https://a.example/sigstore');
});

test('a listener that is not this machine only needs a public URL_fail', () => {
  const config = defaultConfig();
  for (const url of ['http://0.0.0.0:5200', 'http://[::]:5200', 'http://10.0.0.1:5200']) {
    assert.throws(() => publicUrls(config, url), { code: 'ERR_SERVER_CONFIG' }, url);
  }
  const given = { ...config, publicUrl: 'http://sigstore.internal' };
  assert.throws(() => publicUrls(given, 'http://127.0.0.1:5200'), { code: 'ERR_SERVER_CONFIG' });
  assert.equal(publicUrls({ ...given, allowHttp: true }, 'x').ca, 'http://sigstore.internal');
  assert.equal(publicUrls(config, 'https://10.0.0.1:5200').ca, 'https://10.0.0.1:5200');
});
