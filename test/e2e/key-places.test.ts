import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { action, workflowText } from '../../src/cli/github-workflow.ts';
import { parsePublicKey } from '../../src/formats/public-key.ts';
import { openPrivateKey } from '../../src/keys/private-key.ts';
import { serveApi } from '../support/api-server.ts';
import { type GitHubChoices, githubDouble } from '../support/github.ts';
import { gitlabDouble } from '../support/gitlab.ts';
import { serveKubernetes } from '../support/kubernetes.ts';
import { needPrograms, runProgram } from '../support/programs.ts';
import { type CliWorld, runInProcess } from '../support/run-cli.ts';
import { softHsm } from '../support/softhsm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { workflowProblems } from '../support/workflow-parser.ts';

const names = ['COSIGN_PASSWORD', 'COSIGN_PRIVATE_KEY', 'COSIGN_PUBLIC_KEY'];

/** A folder, and the command line as it runs there. */
async function folderOf(t: TestContext, env: Record<string, string>) {
  const back = process.cwd();
  t.after(() => process.chdir(back));
  const folder = await temporaryDirectory(t);
  await mkdir(join(folder, '.git'));
  process.chdir(folder);
  return {
    folder,
    file: (name: string) => readFile(join(folder, name), 'utf8'),
    run: (words: readonly string[], world: CliWorld = {}) =>
      runInProcess(words, { ...world, env: { ...env, ...world.env } }),
  };
}

/** GitHub, and a repository to be set up. */
async function repository(t: TestContext, choices: GitHubChoices = {}) {
  const github = githubDouble({ prefix: '/api/v3', ...choices });
  // Plain http to this machine; TLS is for the tests with real programs.
  const { url } = await serveApi(t, github.handler, 'http');
  const env = { GITHUB_HOST: url, GITHUB_TOKEN: 'ghp_test' };
  return { github, ...(await folderOf(t, env)) };
}

describe('init github', () => {
  it('stores a key pair, writes workflow and public key, and says what remains', async (t) => {
    const { github, run, file } = await repository(t);
    const { code, stdout, stderr } = await run(['init', 'github', 'acme/app']);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '');
    const [password = '', key = '', pem] = names.map((name) => github.secrets.get(`acme/app ${name}`)?.value);
    assert.match(password, /^[\w-]{43}$/);
    assert.equal((await openPrivateKey(key, password)).publicKey.pem, pem);
    assert.equal(await file('cosign.pub'), pem);
    const workflow = await file('.github/workflows/sign.yml');
    assert.match(workflow, /containers\.127\.0\.0\.1:\d+\/\$\{\{ github\.repository \}\}/);
    for (const name of names) assert.ok(stderr.includes(`${name} stored in`), stderr);
    assert.match(stderr, /boltseal verify --key cosign\.pub/);
    for (const secret of [password, 'ghp_test', 'BEGIN ENCRYPTED']) assert.ok(!stderr.includes(secret));
  });

  it('gives one document, and takes a password, a key type and names for its files', async (t) => {
    const { github, run, file } = await repository(t);
    const words = ['init', 'github', 'acme', '-o', 'json', '--key-type', 'ed25519'];
    const files = ['--output-key-prefix', 'release', '--workflow-file', 'ci/w.yml'];
    const { code, stdout } = await run([...words, ...files], { env: { COSIGN_PASSWORD: 'pw' } });
    assert.equal(code, 0);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'boltseal.init-github/1');
    assert.deepEqual([document.owner, document.keyType, document.secrets], ['acme', 'ed25519', names]);
    assert.equal(document.publicKey, await file('release.pub'));
    assert.equal(github.secrets.get('acme COSIGN_PASSWORD')?.value, 'pw');
    assert.ok((await file('ci/w.yml')).includes('secrets.COSIGN_PRIVATE_KEY'));
    assert.ok(!stdout.includes('PRIVATE KEY-----') && !stdout.includes('"pw"'));
  });

  it('without a key asks nobody, and its workflow has no secrets', async (t) => {
    const { github, run, file, folder } = await repository(t);
    const { code } = await run(['init', 'github', '--keyless', 'acme/app'], { env: { GITHUB_TOKEN: '' } });
    assert.equal(code, 0);
    assert.equal(github.requests.length, 0);
    assert.deepEqual((await readdir(folder)).sort(), ['.git', '.github']);
    const workflow = await file('.github/workflows/sign.yml');
    assert.ok(workflow.includes('id-token: write') && !workflow.includes('COSIGN'));
  });

  it('with --dry-run changes nothing, and prints the workflow', async (t) => {
    const { github, run, folder } = await repository(t);
    const now = new Date().toISOString();
    github.secrets.set('acme/app COSIGN_PASSWORD', { value: 'x', created: now, updated: now });
    const { code, stdout, stderr } = await run(['init', 'github', '--dry-run', 'acme/app']);
    assert.equal(code, 0);
    assert.equal(parse(stdout).jobs.sign.steps[0].uses, action);
    assert.match(stderr, /COSIGN_PASSWORD would be replaced/);
    assert.ok(github.requests.every(({ method }) => method === 'GET'));
    assert.deepEqual(await readdir(folder), ['.git']);
    const json = await run(['init', 'github', '--dry-run', 'acme/app', '-o', 'json']);
    assert.equal(JSON.parse(json.stdout).dryRun, true);
  });

  it('replaces nothing without a yes_fail', async (t) => {
    const { github, run, file, folder } = await repository(t);
    const init = (...more: readonly string[]) => run(['init', 'github', 'acme/app', '-o', 'json', ...more]);
    const refused = async (expected: string, ...more: readonly string[]) => {
      const { code, stdout } = await init(...more);
      assert.equal(code, 1);
      assert.equal(JSON.parse(stdout).code, expected);
    };
    await writeFile(join(folder, 'cosign.pub'), 'mine');
    await refused('ERR_FILE_EXISTS');
    assert.equal(github.requests.length, 0);
    assert.equal((await init('--yes')).code, 0);
    const first = await file('cosign.pub');
    await refused('ERR_FILE_EXISTS');
    await refused('ERR_KEY_EXISTS', '--output-key-prefix', 'b', '--workflow-file', 'b.yml');
    assert.equal(github.secrets.get('acme/app COSIGN_PUBLIC_KEY')?.value, first);
    assert.equal((await init('--yes')).code, 0);
    assert.notEqual(await file('cosign.pub'), first);
  });

  it('stores nothing empty, and writes nothing when something goes wrong_fail', async (t) => {
    const { github, run, folder } = await repository(t, {
      disturb: ({ method, path }) =>
        method === 'PUT' && path.endsWith('PUBLIC_KEY')
          ? { status: 403, body: { message: 'no' } }
          : undefined,
    });
    const init = (env: Record<string, string>) => run(['init', 'github', 'acme/app', '-o', 'json'], { env });
    const codeOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout).code;
    assert.equal(codeOf(await init({ COSIGN_PASSWORD: '' })), 'ERR_PASSWORD_MISSING');
    assert.equal(github.secrets.size, 0);
    assert.equal(codeOf(await init({ GITHUB_TOKEN: '', GH_TOKEN: '' })), 'ERR_KEY_ACCESS');
    const failed = await init({});
    assert.equal(codeOf(failed), 'ERR_KEY_ACCESS');
    assert.match(failed.stderr, /COSIGN_PRIVATE_KEY stored in/);
    assert.deepEqual(await readdir(folder), ['.git']);
  });

  it('prints the public key when it cannot be written_fail', async (t) => {
    const { github, run } = await repository(t);
    const { code, stderr } = await run(['init', 'github', 'acme/app', '--output-key-prefix', 'none/cosign']);
    assert.equal(code, 1);
    assert.ok(stderr.includes(github.secrets.get('acme/app COSIGN_PUBLIC_KEY')?.value ?? '?'));
  });

  it('its workflows are right to GitHub’s own parser, and give the action what it takes', async () => {
    const inputs = parse(await readFile(join(import.meta.dirname, '../../action.yml'), 'utf8')).inputs;
    for (const keyless of [false, true]) {
      const text = workflowText({ registry: 'ghcr.io', keyless });
      assert.deepEqual(await workflowProblems('sign.yml', text), []);
      const { build, sign } = parse(text).jobs;
      const step = sign.steps.find(({ uses }: { uses: string }) => uses === action);
      for (const name of Object.keys(step.with)) assert.ok(Object.hasOwn(inputs, name), name);
      // What the build runs must not be able to sign.
      assert.ok(!JSON.stringify(build).includes('COSIGN') && build.permissions['id-token'] === undefined);
      assert.equal(sign.permissions['id-token'], keyless ? 'write' : undefined);
    }
    const wrong = workflowText({ registry: 'ghcr.io', keyless: false }).replace('steps:', 'stepz:');
    assert.notDeepEqual(await workflowProblems('sign.yml', wrong), []);
  });
});

describe('generate-key-pair PLACE', () => {
  it('github://', async (t) => {
    const { github, run, file } = await repository(t);
    const world = { env: { COSIGN_PASSWORD: 'pw' } };
    const { code, stdout, stderr } = await run(
      ['generate-key-pair', 'github://acme/app', '-o', 'json'],
      world,
    );
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).reference, 'github://acme/app');
    assert.equal(github.secrets.get('acme/app COSIGN_PUBLIC_KEY')?.value, await file('cosign.pub'));
    assert.equal(github.secrets.get('acme/app COSIGN_PASSWORD')?.value, 'pw');
    const env = {
      KEY: github.secrets.get('acme/app COSIGN_PRIVATE_KEY')?.value ?? '',
      COSIGN_PASSWORD: 'pw',
    };
    assert.equal((await run(['public-key', '--key', 'env://KEY'], { env })).stdout, await file('cosign.pub'));
    assert.equal(
      (await run(['generate-key-pair', 'github://acme/app', '--output-key-prefix', 'b'], world)).code,
      1,
    );
  });

  it('gitlab:// and k8s://, which sign and verify afterwards', async (t) => {
    const gitlab = gitlabDouble();
    const { url } = await serveApi(t, gitlab.handler, 'http');
    const cluster = await serveKubernetes(t);
    const KUBECONFIG = await cluster.kubeconfig();
    const env = { GITLAB_HOST: url, GITLAB_TOKEN: 'glpat-test', KUBECONFIG };
    const { run, folder } = await folderOf(t, env);
    await writeFile(join(folder, 'blob'), 'a message');
    for (const place of ['gitlab://acme/app', 'k8s://signing/cosign']) {
      const world = { env: { COSIGN_PASSWORD: 'pw' } };
      const made = await run(['generate-key-pair', place, '--yes'], world);
      assert.equal(made.code, 0, made.stderr);
      const bundle = ['--bundle', 'bundle.json', 'blob'];
      assert.equal((await run(['sign-blob', '--key', place, ...bundle])).code, 0);
      const check = await run(['verify-blob', '--key', place, '--insecure-ignore-tlog', ...bundle]);
      assert.equal(check.code, 0, check.stderr);
    }
    const again = await run(['generate-key-pair', 'k8s://signing/cosign', '--yes', '-o', 'json']);
    assert.equal(JSON.parse(again.stdout).code, 'ERR_KEY_EXISTS');
  });

  it('that is none_fail', async (t) => {
    const { run } = await folderOf(t, {});
    for (const [words, code] of [
      [['cosign.key'], 'ERR_USAGE'],
      [['github://a/b', '--kms', 'awskms:///alias/x'], 'ERR_USAGE'],
      [['env://KEY'], 'ERR_USAGE'],
      [['nosuch://KEY'], 'ERR_KEY_REFERENCE_UNKNOWN'],
      [['k8s://signing'], 'ERR_USAGE'],
      [['github://a/b'], 'ERR_KEY_ACCESS'],
    ] as const) {
      const { stdout } = await run(['generate-key-pair', ...words, '-o', 'json']);
      assert.equal(JSON.parse(stdout).code, code, words.join(' '));
    }
  });
});

describe('PKCS#11', () => {
  it('on the command line: a key is made, listed, signs, and verifies with cosign', async (t) => {
    const hsm = await softHsm(t);
    const programs = needPrograms(t, 'cosign3');
    if (hsm === undefined || programs === undefined) return;
    await hsm.addToken('lab');
    const env = { COSIGN_PKCS11_MODULE_PATH: hsm.module, COSIGN_PKCS11_PIN: '1234' };
    const { run, file, folder } = await folderOf(t, env);
    const made = await run(['generate-key-pair', 'pkcs11:token=lab;object=release']);
    assert.equal(made.code, 0, made.stderr);
    const uri = made.stdout.trim();
    assert.match(uri, /^pkcs11:token=lab;serial=/);
    const tokens = await run(['pkcs11-tool', 'list-tokens']);
    assert.match(tokens.stdout, /Token in slot \d+\n\tLabel: lab\n/);
    const [token] = JSON.parse((await run(['pkcs11-tool', 'list-tokens', '-o', 'json'])).stdout).tokens;
    const listed = await run([
      'pkcs11-tool',
      'list-keys-uris',
      '--slot-id',
      String(token.slotId),
      '-o',
      'json',
    ]);
    const [key] = JSON.parse(listed.stdout).keys;
    assert.deepEqual([key.label, key.keyType], ['release', 'ecdsa-p256']);
    assert.match((await run(['pkcs11-tool', 'list-keys-uris'])).stdout, /Object 0\n\tLabel: release\n\tID: /);

    await writeFile(join(folder, 'blob'), 'a message');
    for (const [index, reference] of [uri, key.uri].entries()) {
      assert.equal((await run(['public-key', '--key', reference])).stdout, await file('cosign.pub'));
      const words = ['sign-blob', '--key', reference, '--bundle', `b${index}.json`];
      const signed = await run([...words, '--output-signature', 'sig', 'blob']);
      assert.equal(signed.code, 0, signed.stderr);
      assert.ok(!`${signed.stdout}${signed.stderr}`.includes('1234'));
      const check = [
        'verify-blob',
        '--key',
        'cosign.pub',
        '--insecure-ignore-tlog',
        '--bundle',
        `b${index}.json`,
      ];
      const verified = await runProgram(programs.cosign3, [...check, 'blob'], { cwd: folder });
      assert.equal(verified.code, 0, verified.stderr);
    }
    // A PIN on the command line goes no further than there.
    for (const query of [
      '?pin-value=1234',
      `?module-path=${hsm.module}&pin-value=1234`,
      '?pin-value=1234;module-path=/x',
    ]) {
      const reference = `${uri.replace(/\?.*$/, '')}${query.replace('/x', hsm.module)}`;
      const signed = await run(['sign-blob', '--key', reference, '--bundle', 'p.json', 'blob'], {
        env: { COSIGN_PKCS11_PIN: '' },
      });
      assert.equal(signed.code, 0, signed.stderr);
      assert.match(signed.stderr, /verify with: /);
      assert.ok(!`${signed.stdout}${signed.stderr}`.includes('1234'), signed.stderr);
    }
    const pub = parsePublicKey(await file('cosign.pub'));
    const signature = Buffer.from(await file('sig'), 'base64');
    assert.ok(verify('sha256', Buffer.from('a message'), pub.key, signature));
    const wrong = await run(['sign-blob', '--key', uri, 'blob', '-o', 'json'], {
      env: { COSIGN_PKCS11_PIN: '9999' },
    });
    assert.equal(wrong.code, 20);
  });
});
