/** Trusted roots and signing configurations: ours are cosign 3's byte for byte, and it reads what we export. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import { listen } from '../../src/node/http-server.ts';
import { publicGood } from '../../src/services/public-good.ts';
import { needPrograms } from '../support/programs.ts';
import { runInProcess } from '../support/run-cli.ts';
import { type Client, clientIn, startSigstore } from '../support/sigstore.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { createTufWorld } from '../support/tuf-world.ts';
import { vector } from '../vectors/vectors.ts';

interface Laboratory {
  readonly folder: string;
  readonly cosign: Client;
  /** Words with the names of files in braces. */
  both(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** A folder with chains and keys of every kind, and both programs. */
async function laboratory(t: TestContext): Promise<Laboratory | undefined> {
  const programs = needPrograms(t, 'cosign3');
  if (programs === undefined) return undefined;
  const folder = await temporaryDirectory(t);
  const write = (name: string, content: string | Uint8Array): Promise<void> =>
    writeFile(join(folder, name), content);
  await write('ca.pem', vector('services/fulcio-chain.pem'));
  await write('tsa.pem', vector('services/tsa-chain.pem'));
  for (const [name, type, options] of [
    ['p256.pub', 'ec', { namedCurve: 'prime256v1' }],
    ['p384.pub', 'ec', { namedCurve: 'secp384r1' }],
    ['p521.pub', 'ec', { namedCurve: 'secp521r1' }],
    ['rsa.pub', 'rsa', { modulusLength: 2048 }],
    ['ed.pub', 'ed25519', {}],
  ] as const) {
    const { publicKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string });
    await write(name, publicKey.export({ type: 'spki', format: 'pem' }) as string);
  }
  const cosign = await clientIn(folder, 'cosign3', programs.cosign3);
  return {
    folder,
    cosign,
    async both(words, env = {}) {
      const named = words.map((word) => word.replace(/\{([^}]+)\}/g, (_, name) => join(folder, name)));
      const trust = { BOLTSEAL_TRUST_DIR: join(folder, 'trust') };
      const [theirs, ours] = [
        await cosign.must(named, env),
        await runInProcess(named, { env: { ...trust, ...env } }),
      ];
      assert.equal(ours.code, 0, ours.stderr);
      assert.equal(ours.stdout, theirs.stdout);
      return ours.stdout;
    },
  };
}

const t1 = 'start-time=2025-01-01T00:00:00Z';
const t2 = 'start-time=2026-03-01T12:00:00.5+02:00';

const roots: readonly (readonly [string, readonly string[]])[] = [
  ['nothing', []],
  ['a certificate authority', ['--fulcio=url=https://ca.example,certificate-chain={ca.pem}']],
  [
    'an authority with a period',
    [
      `--fulcio= url = https://ca.example , certificate-chain={ca.pem},${t1},end-time=2030-01-01T00:00:00.123Z`,
    ],
  ],
  ['an empty end', [`--fulcio=url=https://ca.example,certificate-chain={ca.pem},end-time=`]],
  [
    'two authorities, the newer first',
    [
      `--fulcio=url=https://new.example,certificate-chain={ca.pem},${t2}`,
      `--fulcio=url=https://old.example,certificate-chain={ca.pem},${t1}`,
    ],
  ],
  ['timestamp authorities', ['--tsa=url=https://tsa.example/api/v1/timestamp,certificate-chain={tsa.pem}']],
  ...['p256', 'p384', 'p521', 'rsa'].map(
    (key) =>
      [
        `logs with a key ${key}`,
        [
          `--rekor=url=https://rekor.example,public-key={${key}.pub},${t1}`,
          `--ctfe=url=https://ct.example,public-key={${key}.pub},${t2},end-time=2027-01-01T00:00:00Z`,
        ],
      ] as const,
  ),
  [
    'Rekor v2 and a static CT log',
    [
      `--rekor=url=https://rekor2.example,public-key={ed.pub},${t1},origin=rekor2.example`,
      `--rekor=url=https://rekor1.example,public-key={p256.pub},start-time=2024-01-01T00:00:00Z`,
      `--rekor=url=https://rekor3.example,public-key={p256.pub},${t2},origin=rekor3.example`,
      `--ctfe=url=https://ct.example,public-key={p256.pub},${t1},origin=ct.example/2026`,
    ],
  ],
  [
    'one log twice',
    [
      `--rekor=url=https://a.example,public-key={p256.pub},${t1}`,
      `--rekor=url=https://b.example,public-key={p256.pub},${t2}`,
    ],
  ],
  [
    'older spellings',
    [
      '--certificate-chain={ca.pem}',
      '--fulcio-uri=https://ca.example',
      '--ctfe-key={p256.pub}',
      '--ctfe-url=https://ct.example',
      '--ctfe-start-time=2025-01-01T00:00:00Z',
      '--ctfe-end-time=2026-01-01T00:00:00Z',
      '--rekor-key={ed.pub},rekor2.example',
      '--rekor-key={p256.pub}',
      '--rekor-start-time=2025-01-01T00:00:00Z',
      '--rekor-url=https://rekor2.example',
      '--timestamp-certificate-chain={tsa.pem}',
    ],
  ],
  ['older spellings without anything but keys', ['--rekor-key={p256.pub}', '--ctfe-key={p384.pub}']],
];

describe('trusted-root create', () => {
  for (const [what, words] of roots) {
    test(`${what}: the bytes of cosign 3`, async (t) => {
      const lab = await laboratory(t);
      await lab?.both(['trusted-root', 'create', ...words]);
    });
  }
});

test('a file has the same bytes, without the line end', async (t) => {
  const lab = await laboratory(t);
  if (lab === undefined) return;
  const words = [
    'trusted-root',
    'create',
    `--fulcio=url=https://ca.example,certificate-chain=${join(lab.folder, 'ca.pem')}`,
  ];
  const printed = await lab.both(words);
  const [theirs, ours] = [join(lab.folder, 'theirs.json'), join(lab.folder, 'ours.json')];
  await lab.cosign.must([...words, '--out', theirs]);
  assert.equal((await runInProcess([...words, '--out', ours])).code, 0);
  assert.equal(await readFile(ours, 'utf8'), printed.slice(0, -1));
  assert.deepEqual(await readFile(ours), await readFile(theirs));
});

const service = (url: string, more = ''): string =>
  `url=${url},api-version=1,start-time=2025-01-01T00:00:00Z,operator=example.com${more}`;

const configs: readonly (readonly [string, readonly string[]])[] = [
  ['nothing', []],
  ['a certificate authority', [`--fulcio=${service('https://ca.example')}`]],
  [
    'everything',
    [
      `--fulcio=${service('https://ca.example', ',end-time=2027-01-01T00:00:00Z')}`,
      `--oidc-provider=${service('https://login.example/auth')}`,
      `--rekor=${service('https://b.example')}`,
      `--rekor=${service('https://a.example').replace('version=1', 'version=2')}`,
      '--rekor-config=EXACT:2',
      `--tsa=${service('https://tsa.example/api/v1/timestamp').replace('version=1', 'version=0')}`,
      '--tsa-config=all',
    ],
  ],
];

describe('signing-config create', () => {
  for (const [what, words] of configs) {
    test(`${what}: the bytes of cosign 3`, async (t) => {
      const lab = await laboratory(t);
      await lab?.both(['signing-config', 'create', ...words]);
    });
  }
});

test('default services are those of the instance in use, byte for byte', async (t) => {
  const lab = await laboratory(t);
  if (lab === undefined) return;
  const { folder, both } = lab;
  const data = await publicGood();
  const world = await createTufWorld({});
  await world.publish({
    files: {
      'trusted_root.json': data.trustedRoot,
      'signing_config.v0.2.json': data.signingConfig,
      'signing_config_rekor_v2.v0.2.json': data.rekorV2SigningConfig,
    },
  });
  const listener = await listen({
    async answer({ url }) {
      const bytes = world.files.get(new URL(url).pathname.replace('/tuf/', ''));
      return { status: bytes === undefined ? 404 : 200, headers: {}, body: bytes ?? null };
    },
  });
  t.after(() => listener.close());
  await writeFile(join(folder, 'root.json'), world.root);
  const env = { TUF_MIRROR: `${listener.url}/tuf`, TUF_ROOT_JSON: join(folder, 'root.json') };
  const all = ['--no-default-fulcio', '--no-default-rekor', '--no-default-tsa'];
  for (const words of [[], ['--no-default-ctfe'], ['--no-default-tsa'], [...all, '--no-default-ctfe']]) {
    await both(['trusted-root', 'create', '--with-default-services', ...words], env);
  }
  await both(['trusted-root', 'create', '--with-default-services', ...(roots[1]?.[1] ?? [])], env);
  for (const words of [[], ['--no-default-oidc'], ['--no-default-rekor'], [...all, '--no-default-oidc']]) {
    for (const which of ['--with-default-services', '--with-default-rekor-v2']) {
      await both(['signing-config', 'create', which, ...words], env);
    }
  }
  const more = [`--rekor=${service('https://rekor.example')}`, '--rekor-config=ALL'];
  await both(['signing-config', 'create', '--with-default-services', ...more], env);
  // What is exported is the target itself.
  const exported = await runInProcess(['trust', 'export', '--out', join(folder, 'exported.json')], {
    env: { ...env, BOLTSEAL_TRUST_DIR: join(folder, 'trust') },
  });
  assert.equal(exported.code, 0, exported.stderr);
  assert.deepEqual(await readFile(join(folder, 'exported.json')), Buffer.from(data.trustedRoot));
});

test('what is exported of a private Sigstore is all that cosign 3 needs', async (t) => {
  const programs = needPrograms(t, 'cosign3');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const [root, trustedRoot, config, file] = ['root.json', 'tr.json', 'sc.json', 'file'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  const [server, cosign] = await Promise.all([
    startSigstore(t),
    clientIn(folder, 'cosign3', programs.cosign3),
  ]);
  await writeFile(root, Buffer.from(await (await fetch(`${server.url}/tuf/1.root.json`)).arrayBuffer()));
  await writeFile(file, 'hello');
  const boltseal = async (...words: string[]): Promise<void> => {
    const result = await runInProcess(words, { env: { BOLTSEAL_TRUST_DIR: join(folder, 'trust') } });
    assert.equal(result.code, 0, result.stderr);
  };
  await boltseal('initialize', '--mirror', `${server.url}/tuf`, '--root', root);
  await boltseal('trust', 'export', '--out', trustedRoot, '--signing-config', config);
  const who = ['--certificate-identity', 'me@example.com', '--certificate-oidc-issuer', server.url];
  const token = await server.token('me@example.com');
  const [ours, theirs] = [join(folder, 'ours.json'), join(folder, 'theirs.json')];
  await boltseal('sign-blob', '--identity-token', token, '--bundle', ours, file);
  await cosign.must(['verify-blob', '--trusted-root', trustedRoot, '--bundle', ours, ...who, file]);
  const files = ['--trusted-root', trustedRoot, '--signing-config', config];
  await cosign.must(['sign-blob', ...files, '--identity-token', token, '--bundle', theirs, file]);
  await boltseal('verify-blob', '--offline', '--bundle', theirs, ...who, file);
  // Both keep what is theirs: cosign removes its whole folder.
  await cosign.must(['initialize', '--mirror', `${server.url}/tuf`, '--root', root]);
  await boltseal('verify-blob', '--bundle', theirs, ...who, file);
});
