/** Which services a signing configuration gives. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import {
  type ConfiguredService,
  parseSigningConfig,
  type ServiceSelector,
  type SigningConfig,
} from '../formats/signing-config.ts';
import { type ChooseServicesOptions, type ChosenServices, chooseServices } from './choose-services.ts';
import { rekorV2SigningConfig, signingConfig } from './public-good-data.ts';

const now = new Date('2026-11-22T09:00:00Z');
const runtime = { now: () => now, random: (length: number) => new Uint8Array(randomBytes(length)) };

function service(
  name: string,
  version = 1,
  start = '2026-01-01',
  operator = name,
  end?: string,
): ConfiguredService {
  const validFor = { start: new Date(start), ...(end === undefined ? {} : { end: new Date(end) }) };
  return { url: `https://${name}.test`, majorApiVersion: version, validFor, operator };
}

const any: ServiceSelector = { selector: 'ANY' };
const all: ServiceSelector = { selector: 'ALL' };
const exactly = (count: number): ServiceSelector => ({ selector: 'EXACT', count });
const empty: SigningConfig = { ca: [], oidc: [], rekor: { services: [] }, tsa: { services: [] } };

function rekor(selector: ServiceSelector, ...services: readonly ConfiguredService[]): SigningConfig {
  return { ...empty, rekor: { services, selector } };
}

function choose(config: SigningConfig, options: ChooseServicesOptions = {}): ChosenServices {
  return chooseServices(config, options, runtime);
}

function logs(config: SigningConfig, options: ChooseServicesOptions = {}): readonly string[] {
  return choose(config, options)
    .logs.map(({ url, version }) => `${new URL(url).hostname.split('.')[0]} v${version}`)
    .sort();
}

function refused(config: SigningConfig, options: ChooseServicesOptions, ...says: readonly RegExp[]): void {
  assert.throws(
    () => choose(config, options),
    (error) => {
      assert.ok(error instanceof BoltsealError);
      assert.equal(error.code, 'ERR_SIGNING_CONFIG');
      for (const pattern of says) assert.match(error.message, pattern);
      return true;
    },
  );
}

test('the configurations of the public instance', () => {
  for (const [text, version] of [
    [signingConfig, 1],
    [rekorV2SigningConfig, 2],
  ] as const) {
    const chosen = choose(parseSigningConfig(utf8(text)), {
      require: ['ca', 'oidc', 'log', 'timestamp authority'],
    });
    assert.equal(chosen.ca?.url, 'https://fulcio.sigstore.dev');
    assert.equal(chosen.oidc?.url, 'https://oauth2.sigstore.dev/auth');
    assert.deepEqual(
      chosen.logs.map((log) => log.version),
      [version],
    );
    assert.deepEqual(
      chosen.timestampAuthorities.map(({ url }) => url),
      ['https://timestamp.sigstore.dev/api/v1/timestamp'],
    );
  }
});

test('an empty configuration asks for nothing', () => {
  assert.deepEqual(choose(empty), { logs: [], timestampAuthorities: [] });
});

test('the highest version that is understood and valid, and no other beside it', () => {
  const [one, two, three] = [service('one', 1), service('two', 2), service('three', 3)];
  assert.deepEqual(logs(rekor(all, one, two, three)), ['two v2']);
  assert.deepEqual(logs(rekor(all, one, three)), ['one v1']);
  assert.deepEqual(logs(rekor(all, one, service('two', 2, '2027-01-01'))), ['one v1']);
  assert.deepEqual(logs(rekor(all, one, service('two', 2, '2025-01-01', 'two', '2026-11-22T08:59:59Z'))), [
    'one v1',
  ]);
});

test('both ends of a validity belong to it, and either may be missing', () => {
  const instant = '2026-11-22T09:00:00Z';
  assert.deepEqual(logs(rekor(any, service('a', 1, instant, 'a', instant))), ['a v1']);
  assert.deepEqual(logs(rekor(any, { ...service('a'), validFor: {} })), ['a v1']);
});

test('a version can be preferred, and can be the only one', () => {
  const both = rekor(all, service('one', 1), service('two', 2));
  assert.deepEqual(logs(both, { rekor: { version: 1 } }), ['one v1']);
  assert.deepEqual(logs(both, { rekor: { version: 2, only: true } }), ['two v2']);
  assert.deepEqual(logs(rekor(all, service('one', 1)), { rekor: { version: 2 } }), ['one v1']);
  refused(rekor(all, service('one', 1)), { rekor: { version: 2, only: true } }, /one\.test/, /version 1/);
});

test('one of each operator: the newest', () => {
  const services = [
    service('old', 1, '2024-01-01', 'x'),
    service('new', 1, '2026-05-01', 'x'),
    service('next', 1, '2026-12-01', 'x'),
    service('other', 1, '2020-01-01', 'y'),
  ];
  assert.deepEqual(logs(rekor(all, ...services)), ['new v1', 'other v1']);
  assert.deepEqual(logs(rekor(exactly(2), ...services)), ['new v1', 'other v1']);
  refused(rekor(exactly(3), ...services), {}, /3/, /next\.test begins/);
});

test('ANY is one at random, the others in any order after it, older ones of the same operators last', () => {
  const services = ['a', 'b', 'c'].map((name) => service(name));
  const older = service('older', 1, '2020-01-01', 'a');
  const firsts = new Set<string>();
  for (let count = 0; count < 200; count++) {
    const { logs: chosen } = choose(rekor(any, older, ...services));
    const [log, ...more] = chosen;
    assert.ok(log !== undefined && more.length === 0);
    firsts.add(log.url);
    assert.deepEqual(
      [log.url, ...log.alternatives.slice(0, 2)].sort(),
      services.map(({ url }) => url),
    );
    assert.deepEqual(log.alternatives.slice(2), [older.url]);
  }
  assert.equal(firsts.size, 3);
});

test('EXACT is that many at random, each of which must answer', () => {
  const services = ['a', 'b', 'c', 'd'].map((name) => service(name));
  const seen = new Set<string>();
  for (let count = 0; count < 200; count++) {
    const { logs: chosen } = choose(rekor(exactly(2), ...services));
    assert.equal(new Set(chosen.map(({ url }) => url)).size, 2);
    assert.ok(chosen.every(({ alternatives }) => alternatives.length === 0));
    seen.add(
      chosen
        .map(({ url }) => url)
        .sort()
        .join(),
    );
  }
  assert.equal(seen.size, 6);
});

test('authorities and issuers: the newest, and only asked for when they are required', () => {
  const late = service('late', 1, '2027-01-01');
  const config = {
    ...empty,
    ca: [service('old', 1, '2020-01-01'), late, service('new', 1, '2026-06-01')],
    oidc: [late],
  };
  const { ca, oidc } = choose(config);
  assert.equal(ca?.url, 'https://new.test');
  assert.equal(oidc, undefined);
  refused(config, { require: ['oidc'] }, /OIDC issuer/, /late\.test begins 2027-01-01/);
  refused(empty, { require: ['ca'] }, /certificate authority/, /names none/);
  refused(empty, { require: ['log'] }, /transparency log/);
  refused(empty, { require: ['timestamp authority'] }, /timestamp authority/);
  refused({ ...empty, ca: [service('x', 2)] }, { require: ['ca'] }, /version 2/);
});

test('too few: what was looked for, and why each was left out', () => {
  const services = [
    service('early', 1, '2027-01-01'),
    service('late', 1, '2020-01-01', 'late', '2021-01-01'),
    service('newer', 7),
  ];
  refused(
    rekor(any, ...services),
    {},
    /early\.test begins 2027/,
    /late\.test ended 2021/,
    /newer\.test has version 7/,
  );
  const tsa: SigningConfig = { ...empty, tsa: { services: [service('v2', 2)], selector: any } };
  refused(tsa, {}, /timestamp authority/, /version 2/);
  refused(rekor(exactly(2), service('only')), {}, /2 services/, /only\.test is usable/);
});

test('an address with a secret in it is not shown', () => {
  const hidden = { ...service('x', 9), url: 'https://user:password@x.test/path?token=1' };
  assert.throws(
    () => choose(rekor(any, hidden)),
    (error) => error instanceof BoltsealError && !/password|token/.test(error.message),
  );
});
