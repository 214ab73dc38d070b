import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { Metadata, MetadataKind } from '@tufjs/models';
import { parseSigningConfig } from '../formats/signing-config.ts';
import { parseTrustedRoot } from '../formats/trusted-root.ts';
import { publicGood, publicMirror } from './public-good.ts';

const data = await publicGood();
const vector = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../test/vectors/data/trust/public-good-${name}`, import.meta.url));

test('the embedded TUF root is signed by enough of its own keys, and is not a damaged one', () => {
  const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(Buffer.from(data.tufRoot).toString()));
  root.verifyDelegate(MetadataKind.Root, root);
  assert.ok(root.signed.version >= 16);
  assert.deepEqual(Object.keys(root.signed.roles).sort(), ['root', 'snapshot', 'targets', 'timestamp']);
  assert.ok((root.signed.roles['root']?.threshold ?? 0) >= 3);
  assert.ok(new Date(root.signed.expires) > data.fetched);
});

test('the embedded TUF root, changed_fail', () => {
  const changed = JSON.parse(Buffer.from(data.tufRoot).toString().replace('"version": ', '"version": 1'));
  const root = Metadata.fromJSON(MetadataKind.Root, changed);
  assert.throws(() => root.verifyDelegate(MetadataKind.Root, root));
});

test('trusted root and signing configurations are those of the public instance, byte for byte', async () => {
  assert.equal(
    hash('sha256', data.trustedRoot, 'hex'),
    '6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66',
  );
  assert.deepEqual(Buffer.from(data.trustedRoot), await vector('trusted_root.json'));
  assert.deepEqual(Buffer.from(data.signingConfig), await vector('signing_config.v0.2.json'));
  const root = parseTrustedRoot(data.trustedRoot);
  assert.ok(root.tlogs.length >= 2 && root.certificateAuthorities.length >= 2 && root.ctlogs.length >= 2);
  const config = parseSigningConfig(data.signingConfig);
  assert.deepEqual(
    config.ca.map(({ url }) => url),
    ['https://fulcio.sigstore.dev'],
  );
  const rekorV2 = parseSigningConfig(data.rekorV2SigningConfig);
  assert.ok(rekorV2.rekor.services.some(({ majorApiVersion }) => majorApiVersion === 2));
  assert.match(publicMirror, /^https:\/\/[a-z-]+\.sigstore\.dev$/);
});
