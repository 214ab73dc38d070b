/** Choosing a Sigstore, and files of trust, on the command line; with a private Sigstore over HTTP. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { type Serving, serve } from '../support/serve.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { vector } from '../vectors/vectors.ts';

const releases: (() => Promise<void>)[] = [];
const later = { after: (release: () => Promise<void>): void => void releases.push(release) };
let folder = '';
let url = '';
let serving: Serving;

before(async () => {
  folder = await temporaryDirectory(later);
  serving = await serve(later, ['--dev', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0']);
  url = serving.url ?? assert.fail(serving.printed().stderr);
  const root = await fetch(`${url}/tuf/1.root.json`);
  await writeFile(join(folder, 'root.json'), Buffer.from(await root.arrayBuffer()));
});

after(async () => {
  for (const release of releases.reverse()) await release();
});

let count = 0;

/** A home of its own, in which commands are run. */
async function newHome(): Promise<{
  readonly home: string;
  run(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  /** The same; fails unless it ends with 0. */
  must(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
}> {
  const home = join(folder, `home${count++}`);
  await mkdir(home);
  const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    runInProcess(words, { env: { BOLTSEAL_TRUST_DIR: join(home, 'trust'), ...env } });
  return {
    home,
    run,
    async must(words, env) {
      const result = await run(words, env);
      assert.equal(result.code, 0, result.stderr);
      return result;
    },
  };
}

const initialize = (): readonly string[] => [
  'initialize',
  '--mirror',
  `${url}/tuf`,
  '--root',
  join(folder, 'root.json'),
];

const codeOf = ({ stderr }: CliResult): string | undefined => /\((ERR_[A-Z_]+)\)/.exec(stderr)?.[1];

describe('boltseal initialize', () => {
  it('chooses a private Sigstore, says what it is, and what to do next', async () => {
    const { must, home } = await newHome();
    const { stdout, stderr } = await must(initialize());
    assert.equal(stdout, '');
    for (const word of [`${url}/tuf`, 'version 1', `${url}/rekor`, 'boltseal sign', 'boltseal verify']) {
      assert.ok(stderr.includes(word), `${word} in ${stderr}`);
    }
    assert.ok((await stat(join(home, 'trust', 'instance.json'))).isFile());
  });

  it('says it to programs', async () => {
    const { must } = await newHome();
    const { stdout } = await must([...initialize(), '--output', 'json']);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'boltseal.initialize/1');
    assert.equal(document.mirror, `${url}/tuf`);
    assert.equal(document.isPublic, false);
    assert.equal(document.roles.root.version, 1);
    assert.ok(new Date(document.roles.timestamp.expires) > new Date());
    assert.deepEqual(document.services.logs, [`${url}/rekor`, `${url}/rekor2`]);
    assert.deepEqual(document.services.issuers, [url]);
  });

  it('takes the words that `boltseal serve` prints', async () => {
    const { must } = await newHome();
    const printed = serving.printed().stderr.replaceAll('\\\n', '');
    const line = /^ *boltseal (initialize .*)$/m.exec(printed)?.[1];
    assert.ok(line !== undefined, printed);
    await must(line.trim().split(/ +/));
  });

  it('warns of variables that come first', async () => {
    const { must } = await newHome();
    const { stderr } = await must(initialize(), { TUF_MIRROR: 'https://tuf.example.com' });
    assert.match(stderr, /TUF_MIRROR/);
  });

  const refusals: readonly (readonly [string, ErrorCode, number, () => readonly string[]])[] = [
    [
      'a root of a URL without a checksum',
      'ERR_USAGE',
      2,
      () => ['initialize', '--mirror', `${url}/tuf`, '--root', `${url}/tuf/1.root.json`],
    ],
    [
      'a wrong checksum',
      'ERR_DIGEST_MISMATCH',
      15,
      () => [...initialize(), '--root-checksum', 'ab'.repeat(32)],
    ],
    [
      'a mirror that is not there',
      'ERR_SERVICE_RESPONSE',
      21,
      () => ['initialize', '--mirror', `${url}/nothing`, '--root', join(folder, 'root.json')],
    ],
    [
      'a file that is no root',
      'ERR_JSON_INVALID',
      15,
      () => ['initialize', '--mirror', `${url}/tuf`, '--root', import.meta.filename],
    ],
    [
      'a mirror without a root that is no copy of the public one',
      'ERR_TUF_METADATA_INVALID',
      15,
      () => ['initialize', '--mirror', `${url}/tuf`],
    ],
    [
      'http to another machine',
      'ERR_SERVICE_INSECURE',
      2,
      () => ['initialize', '--mirror', 'http://sigstore.example.com', '--root', join(folder, 'root.json')],
    ],
    ['cosign’s staging', 'ERR_USAGE', 2, () => ['initialize', '--staging']],
  ];
  for (const [what, code, exit, words] of refusals) {
    it(`${what}_fail: what was chosen stays`, async () => {
      const { run, must, home } = await newHome();
      await must(initialize());
      const file = join(home, 'trust', 'instance.json');
      const before = await readFile(file);
      const result = await run(words());
      assert.deepEqual([codeOf(result), result.code], [code, exit], result.stderr);
      assert.deepEqual(await readFile(file), before);
      await must(['trust', 'export', '--offline']);
    });
  }
});

describe('boltseal trust export', () => {
  it('writes what the repository serves, also from what is kept', async () => {
    const { must, home } = await newHome();
    await must(initialize());
    const [out, config] = [join(home, 'tr.json'), join(home, 'sc.json')];
    const words = ['trust', 'export', '--out', out, '--signing-config', config];
    const { stderr } = await must([...words, '--offline']);
    assert.ok(stderr.includes(`${url}/tuf`));
    const targets = await fetch(`${url}/tuf/timestamp.json`).then((response) => response.json());
    assert.ok(targets);
    const { tlogs } = JSON.parse(await readFile(out, 'utf8'));
    assert.deepEqual(
      tlogs.map(({ baseUrl }: { baseUrl: string }) => baseUrl),
      [`${url}/rekor`, `${url}/rekor2`],
    );
    assert.equal(JSON.parse(await readFile(config, 'utf8')).caUrls[0].url, url);
    const printed = (await must(['trust', 'export'])).stdout;
    assert.equal(printed.trim(), (await readFile(out, 'utf8')).trim());
    const document = JSON.parse((await must(['trust', 'export', '-o', 'json'])).stdout);
    assert.deepEqual([document.source.kind, document.source.where], ['cache', `${url}/tuf`]);
    assert.equal(document.trustedRoot.tlogs.length, 2);
  });

  it('of the public Sigstore needs no network and no set-up', async () => {
    const { must } = await newHome();
    const { stdout, stderr } = await must(['trust', 'export', '--offline']);
    assert.equal(stdout, Buffer.from(vector('trust/public-good-trusted_root.json')).toString());
    assert.match(stderr, /published with/);
  });

  it('of an instance of which nothing is kept, offline_fail', async () => {
    const { run, must, home } = await newHome();
    await must(initialize());
    await rm(join(home, 'trust', 'cache'), { recursive: true });
    const result = await run(['trust', 'export', '--offline']);
    assert.deepEqual([codeOf(result), result.code], ['ERR_OFFLINE', 2]);
  });
});

describe('signing and verifying', () => {
  it('use the instance that was chosen; what was exported verifies elsewhere', async () => {
    const { must, run, home } = await newHome();
    await must(initialize());
    const [file, bundle, out] = [join(home, 'file'), join(home, 'bundle'), join(home, 'tr.json')];
    await writeFile(file, 'hello');
    const token = (await must(['token', '--url', url, '--email', 'me@example.com'])).stdout.trim();
    await must(['sign-blob', '--identity-token', token, '--bundle', bundle, file]);
    const who = ['--certificate-identity', 'me@example.com', '--certificate-oidc-issuer', url];
    const verify = ['verify-blob', '--bundle', bundle, ...who];
    await must([...verify, '--offline', file]);
    await must(['trust', 'export', '--out', out]);
    const elsewhere = { BOLTSEAL_TRUST_DIR: join(home, 'nothing') };
    await must([...verify, '--trusted-root', out, file], elsewhere);
    assert.notEqual((await run([...verify, '--offline', file], elsewhere)).code, 0);
  });

  it('with a trusted root alone there is nobody to sign, unless it is that of the instance', async () => {
    const { must, run, home } = await newHome();
    await must(initialize());
    const [file, own, foreign] = [join(home, 'file'), join(home, 'tr.json'), join(home, 'public.json')];
    await writeFile(file, 'hello');
    await must(['trust', 'export', '--out', own]);
    await writeFile(foreign, vector('trust/public-good-trusted_root.json'));
    const token = (await must(['token', '--url', url, '--email', 'me@example.com'])).stdout.trim();
    const sign = ['sign-blob', '--identity-token', token, '--bundle', join(home, 'bundle')];
    await must([...sign, '--trusted-root', own, file]);
    const result = await run([...sign, '--trusted-root', foreign, file]);
    assert.deepEqual([codeOf(result), result.code], ['ERR_SIGNING_CONFIG', 2], result.stderr);
  });

  it('take single services by cosign’s flags, and then no others of a kind', async () => {
    const { must, run, home } = await newHome();
    await must(initialize());
    const [file, bundle] = [join(home, 'file'), join(home, 'bundle')];
    await writeFile(file, 'hello');
    const token = (await must(['token', '--url', url, '--email', 'me@example.com'])).stdout.trim();
    const sign = ['sign-blob', '--identity-token', token, '--bundle', bundle];
    await must([...sign, '--fulcio-url', url, '--rekor-url', `${url}/rekor`, file]);
    const { verificationMaterial } = JSON.parse(await readFile(bundle, 'utf8'));
    assert.equal(verificationMaterial.tlogEntries.length, 1);
    assert.equal(verificationMaterial.timestampVerificationData?.rfc3161Timestamps, undefined);
    const both = await run([...sign, '--signing-config', 'sc.json', '--fulcio-url', url, file]);
    assert.ok(['ERR_USAGE', 'ERR_FILE_READ'].includes(codeOf(both) ?? ''), both.stderr);
  });
});

describe('boltseal trusted-root create', () => {
  const chain = (): string => join(folder, 'ca.pem');
  before(async () => {
    await writeFile(chain(), vector('services/fulcio-chain.pem'));
    await writeFile(
      join(folder, 'ed.pub'),
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEALLthXo6UB/Zoiz3631RVP7BKVCvBN09t6IoiBb8YwmY=\n-----END PUBLIC KEY-----\n',
    );
  });

  it('tells programs too', async () => {
    const { must } = await newHome();
    const { stdout } = await must([
      'trusted-root',
      'create',
      '--fulcio',
      `url=https://ca.example,certificate-chain=${chain()}`,
      '-o',
      'json',
    ]);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'boltseal.trusted-root-create/1');
    assert.equal(document.trustedRoot.certificateAuthorities[0].uri, 'https://ca.example');
  });

  const key = (): string => join(folder, 'ed.pub');
  const time = 'start-time=2026-01-01T00:00:00Z';
  const refusals: readonly (readonly [string, ErrorCode, () => readonly string[]])[] = [
    ['a missing part', 'ERR_USAGE', () => ['--fulcio', 'url=https://ca.example']],
    [
      'a part that is not known',
      'ERR_USAGE',
      () => ['--fulcio', `url=https://a,certificate-chain=${chain()},star-time=x`],
    ],
    ['a URL that is none', 'ERR_USAGE', () => ['--fulcio', `url=ca,certificate-chain=${chain()}`]],
    [
      'a file that is not there',
      'ERR_FILE_READ',
      () => ['--fulcio', 'url=https://a,certificate-chain=/nowhere'],
    ],
    [
      'a key as a chain',
      'ERR_CERTIFICATE_INVALID',
      () => ['--fulcio', `url=https://a,certificate-chain=${key()}`],
    ],
    ['a chain as a key', 'ERR_KEY_INVALID', () => ['--rekor', `url=https://a,public-key=${chain()},${time}`]],
    [
      'a CA as a timestamp authority',
      'ERR_USAGE',
      () => ['--tsa', `url=https://a,certificate-chain=${chain()}`],
    ],
    [
      'an Ed25519 log without origin',
      'ERR_USAGE',
      () => ['--rekor', `url=https://a,public-key=${key()},${time}`],
    ],
    [
      'both spellings',
      'ERR_USAGE',
      () => ['--fulcio', `url=https://a,certificate-chain=${chain()}`, '--certificate-chain', chain()],
    ],
    ['more URLs than keys', 'ERR_USAGE', () => ['--rekor-url', 'https://a']],
    ['more URIs than chains', 'ERR_USAGE', () => ['--fulcio-uri', 'https://a']],
    ['leaving out what is not there', 'ERR_USAGE', () => ['--no-default-ctfe']],
    [
      'a folder that is not there',
      'ERR_FILE_WRITE',
      () => ['--fulcio', `url=https://a,certificate-chain=${chain()}`, '--out', join(folder, 'none', 'x')],
    ],
  ];
  for (const [what, code, words] of refusals) {
    it(`${what}_fail`, async () => {
      const { run } = await newHome();
      const result = await run(['trusted-root', 'create', ...words()]);
      assert.equal(codeOf(result), code, result.stderr);
      assert.equal(result.stdout, '');
    });
  }
});

describe('boltseal signing-config create', () => {
  const service = 'url=https://a.example,api-version=1,start-time=2026-01-01T00:00:00Z,operator=o';
  for (const [what, code, words] of [
    ['a log without --rekor-config', 'ERR_USAGE', ['--rekor', service]],
    ['--rekor-config without a log', 'ERR_USAGE', ['--rekor-config', 'ANY']],
    ['an unknown selector', 'ERR_USAGE', ['--rekor', service, '--rekor-config', 'SOME']],
    ['more than there are', 'ERR_USAGE', ['--rekor', service, '--rekor-config', 'EXACT:2']],
    ['none of them', 'ERR_USAGE', ['--tsa', service, '--tsa-config', 'EXACT:0']],
    ['a version that is none', 'ERR_USAGE', ['--fulcio', service.replace('version=1', 'version=v1')]],
    ['no operator', 'ERR_USAGE', ['--fulcio', service.replace(',operator=o', '')]],
    ['leaving out what is not there', 'ERR_USAGE', ['--no-default-oidc']],
  ] as const) {
    it(`${what}_fail`, async () => {
      const { run } = await newHome();
      const result = await run(['signing-config', 'create', ...words]);
      assert.deepEqual([codeOf(result), result.code], [code, 2], result.stderr);
    });
  }

  it('without services is how a signature with a key is logged nowhere', async () => {
    const { must, home } = await newHome();
    const [config, file, bundle, key] = ['none.json', 'file', 'bundle', 'k'].map((name) =>
      join(home, name),
    ) as [string, string, string, string];
    await writeFile(file, 'hello');
    await must(['generate-key-pair', '--output-key-prefix', key], { BOLTSEAL_PASSWORD: '' });
    await must(['signing-config', 'create', '--out', config]);
    const words = ['sign-blob', '--key', `${key}.key`, '--signing-config', config, '--bundle', bundle, file];
    await must(words, { BOLTSEAL_PASSWORD: '' });
    const { verificationMaterial } = JSON.parse(await readFile(bundle, 'utf8'));
    assert.deepEqual(Object.keys(verificationMaterial), ['publicKey']);
  });
});
