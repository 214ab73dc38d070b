import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { vector } from '../../../test/vectors/vectors.ts';
import { fromUtf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { parsePemCertificates } from '../../formats/certificate.ts';
import { parsePublicKey, publicKeyOf } from '../../formats/public-key.ts';
import { parseSigningConfig } from '../../formats/signing-config.ts';
import { parseTrustedRoot } from '../../formats/trusted-root.ts';
import { buildTargets, type LogInstance, type SigstoreInstances } from './targets.ts';
import type { TufTarget } from './targets-list.ts';

const chain = (name: string): Uint8Array[] => parsePemCertificates(vector(name)).map(({ der }) => der);
const newKey = () => publicKeyOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey, 'x');
const newEd25519 = () => publicKeyOf(generateKeyPairSync('ed25519').publicKey, 'x');
const since = (date: string) => ({ start: new Date(`${date}T00:00:00Z`) });
const between = (date: string, end: string) => ({ ...since(date), end: new Date(`${end}T00:00:00Z`) });

const rekor: LogInstance = {
  url: 'https://s.example/rekor',
  publicKey: newKey(),
  validFor: since('2026-02-01'),
};
const oldRekor: LogInstance = {
  url: 'https://s.example/rekor',
  publicKey: newKey(),
  validFor: between('2026-01-01', '2026-02-02'),
};
const rekor2: LogInstance = {
  url: 'https://s.example/rekor2',
  publicKey: newEd25519(),
  origin: 's.example',
  validFor: since('2026-01-02'),
};
const ct: LogInstance = { url: 'https://s.example/ct', publicKey: newKey(), validFor: since('2026-01-01') };
const authority = (name: string) => ({
  url: 'https://s.example',
  chain: chain(name),
  validFor: since('2026-01-01'),
});

const instances: SigstoreInstances = {
  operator: 'example',
  certificateAuthorities: [authority('services/fulcio-chain.pem')],
  timestampAuthorities: [authority('services/tsa-chain.pem')],
  ctLogs: [ct],
  rekorLogs: [rekor, oldRekor],
  rekor2Logs: [rekor2],
  issuers: [{ url: 'https://issuer.example', validFor: since('2026-01-01') }],
};

function byName(targets: readonly TufTarget[]): Map<string, TufTarget> {
  return new Map(targets.map((target) => [target.name, target]));
}
const text = (target: TufTarget | undefined): string => fromUtf8(target?.bytes ?? new Uint8Array(), 'x');
const bytes = (targets: Map<string, TufTarget>, name: string): Uint8Array => {
  const found = targets.get(name);
  assert.ok(found, name);
  return found.bytes;
};
const refused = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_CONFIG');

describe('the targets of a Sigstore', () => {
  const targets = byName(buildTargets(instances));

  it('are those that clients know', () => {
    const names = [...targets.keys()].sort();
    const retired = names.find((name) => /^rekor_[0-9a-f]{16}\.pub$/.test(name));
    assert.deepEqual(names, [
      'ctfe.pub',
      'fulcio_intermediate_v1.crt.pem',
      'fulcio_v1.crt.pem',
      'rekor.pub',
      retired,
      'signing_config.v0.2.json',
      'signing_config_rekor_v2.v0.2.json',
      'trusted_root.json',
      'tsa_leaf.crt.pem',
      'tsa_root.crt.pem',
    ]);
  });

  it('hold a trusted root with every instance, the oldest first', () => {
    const root = parseTrustedRoot(bytes(targets, 'trusted_root.json'));
    assert.deepEqual(
      root.tlogs.map(({ baseUrl, validFor }) => [baseUrl, validFor.end?.toISOString()]),
      [
        ['https://s.example/rekor', '2026-02-02T00:00:00.000Z'],
        ['https://s.example/rekor2', undefined],
        ['https://s.example/rekor', undefined],
      ],
    );
    assert.equal(new Set(root.tlogs.map(({ logId }) => Buffer.from(logId).toString('hex'))).size, 3);
    assert.equal(root.timestampAuthorities[0]?.uri, 'https://s.example/api/v1/timestamp');
    assert.equal(root.certificateAuthorities[0]?.uri, 'https://s.example');
    assert.equal(root.certificateAuthorities[0]?.commonName, 'lab-root');
    assert.equal(root.ctlogs.length, 1);
  });

  it('hold signing configurations of what is in use, one for each version of Rekor', () => {
    const config = parseSigningConfig(bytes(targets, 'signing_config.v0.2.json'));
    assert.deepEqual(config.ca, [
      { url: 'https://s.example', majorApiVersion: 1, validFor: since('2026-01-01'), operator: 'example' },
    ]);
    assert.deepEqual(config.rekor, {
      services: [
        {
          url: 'https://s.example/rekor',
          majorApiVersion: 1,
          validFor: since('2026-02-01'),
          operator: 'example',
        },
      ],
      selector: { selector: 'ANY' },
    });
    assert.equal(config.tsa.services[0]?.url, 'https://s.example/api/v1/timestamp');
    assert.equal(config.oidc[0]?.url, 'https://issuer.example');
    const second = parseSigningConfig(bytes(targets, 'signing_config_rekor_v2.v0.2.json'));
    assert.deepEqual(
      second.rekor.services.map(({ url, majorApiVersion }) => [url, majorApiVersion]),
      [['https://s.example/rekor2', 2]],
    );
  });

  it('say what each key is for, to cosign 2', () => {
    assert.equal(text(targets.get('rekor.pub')), rekor.publicKey.pem);
    const usages = [...targets.values()].flatMap(({ name, custom }) =>
      custom === undefined ? [] : [[name.replace(/_[0-9a-f]{16}/, '_HASH'), custom['sigstore']]],
    );
    const sigstore = (usage: string, uri: string, status = 'Active') => ({ status, usage, uri });
    assert.deepEqual(Object.fromEntries(usages), {
      'rekor.pub': sigstore('Rekor', 'https://s.example/rekor'),
      'rekor_HASH.pub': sigstore('Rekor', 'https://s.example/rekor', 'Expired'),
      'ctfe.pub': sigstore('CTFE', 'https://s.example/ct'),
      'fulcio_v1.crt.pem': sigstore('Fulcio', 'https://s.example'),
      'fulcio_intermediate_v1.crt.pem': sigstore('Fulcio', 'https://s.example'),
      'tsa_leaf.crt.pem': sigstore('TSA', 'https://s.example/api/v1/timestamp'),
      'tsa_root.crt.pem': sigstore('TSA', 'https://s.example/api/v1/timestamp'),
    });
  });

  it('never list a key of Rekor v2 for cosign 2, which refuses every key that is not ECDSA', () => {
    const pems = [...targets.values()].filter(({ custom }) => custom !== undefined).map(text);
    assert.ok(!pems.includes(rekor2.publicKey.pem));
  });

  it('are the same in any order of the instances', () => {
    const turned = buildTargets({ ...instances, rekorLogs: [oldRekor, rekor] });
    assert.deepEqual(byName(turned), targets);
  });

  it('keep the names of what is in use when others retire', () => {
    const [first] = instances.certificateAuthorities;
    const [timestamps] = instances.timestampAuthorities;
    assert.ok(first && timestamps);
    const retired = byName(
      buildTargets({
        ...instances,
        certificateAuthorities: [
          { ...first, validFor: between('2026-01-01', '2026-03-01') },
          { ...timestamps, validFor: since('2026-03-01') },
        ],
        timestampAuthorities: [
          { ...first, validFor: between('2026-01-01', '2026-03-01') },
          { ...timestamps, validFor: since('2026-03-01') },
        ],
      }),
    );
    const names = [...retired.keys()].map((name) => name.replace(/_[0-9a-f]{16}/, '_HASH'));
    for (const name of [
      'fulcio_v1_HASH.crt.pem',
      'fulcio_intermediate_v1_HASH.crt.pem',
      'tsa_leaf.crt.pem',
    ]) {
      assert.ok(names.includes(name), name);
    }
    assert.equal(names.filter((name) => name.startsWith('tsa_')).length, 2);
    const config = parseSigningConfig(bytes(retired, 'signing_config.v0.2.json'));
    assert.equal(config.ca.length, 1);
    assert.equal(parseTrustedRoot(bytes(retired, 'trusted_root.json')).timestampAuthorities.length, 2);
  });

  it('of a Sigstore without some services are still whole', () => {
    const few = byName(buildTargets({ ...instances, rekor2Logs: [], timestampAuthorities: [], issuers: [] }));
    const config = parseSigningConfig(bytes(few, 'signing_config_rekor_v2.v0.2.json'));
    assert.deepEqual([config.rekor, config.tsa], [{ services: [] }, { services: [] }]);
    assert.ok(!few.has('tsa_leaf.crt.pem'));
  });

  const bad: Readonly<Record<string, SigstoreInstances>> = {
    shared_key_fail: { ...instances, ctLogs: [{ ...ct, publicKey: rekor.publicKey }] },
    rekor_ed25519_fail: { ...instances, rekorLogs: [{ ...rekor, publicKey: newEd25519() }] },
    ct_ed25519_fail: { ...instances, ctLogs: [{ ...ct, publicKey: newEd25519() }] },
    rekor2_without_origin_fail: { ...instances, rekor2Logs: [{ ...rekor2, origin: undefined }] },
    rekor2_rsa_fail: {
      ...instances,
      rekor2Logs: [
        {
          ...rekor2,
          publicKey: publicKeyOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey, 'x'),
        },
      ],
    },
  };
  for (const [name, value] of Object.entries(bad)) {
    it(name, () => assert.throws(() => buildTargets(value), refused));
  }

  it('are made of keys as they are read', () => {
    const key = parsePublicKey(vector('services/ct.pub'));
    const found = byName(buildTargets({ ...instances, ctLogs: [{ ...ct, publicKey: key }] }));
    assert.equal(text(found.get('ctfe.pub')), fromUtf8(vector('services/ct.pub'), 'x'));
  });
});
