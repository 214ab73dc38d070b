import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ApiAnswer, apiFetch, serveApi } from '../../../test/support/api-server.ts';
import { type GitLabChoices, type GitLabDouble, gitlabDouble } from '../../../test/support/gitlab.ts';
import { inProcessRuntime } from '../../../test/support/in-process.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { createRuntime } from '../../node/runtime.ts';
import { readTlsSettings } from '../../node/tls.ts';
import { generateKeyPair } from '../generate.ts';
import { loadSigner, loadVerificationKeys } from '../reference.ts';
import { openGitLabPlace } from './gitlab.ts';

const password = utf8('hush-hush');
const pair = await generateKeyPair('ecdsa-p256', password);
const names = ['COSIGN_PASSWORD', 'COSIGN_PRIVATE_KEY', 'COSIGN_PUBLIC_KEY'];

interface World extends GitLabDouble {
  readonly runtime: Runtime;
}

function world(choices: GitLabChoices = {}, env: Runtime['env'] = {}): World {
  const double = gitlabDouble(choices);
  return {
    ...double,
    runtime: inProcessRuntime(apiFetch(double.handler), { GITLAB_TOKEN: 'glpat-test', ...env }),
  };
}

async function store(owner: string, { runtime }: Pick<World, 'runtime'>): Promise<void> {
  await (await openGitLabPlace(owner, { runtime })).store(pair, password);
}

const refused = (code: ErrorCode, text?: RegExp) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (text !== undefined) assert.match(`${error.message} ${error.hint}`, text);
  const shown = JSON.stringify([error.message, error.hint, error.details, String(error.cause)]);
  for (const secret of ['glpat-test', 'hush-hush', 'PRIVATE KEY-----'])
    assert.ok(!shown.includes(secret), shown);
  return true;
};

describe('variables of GitLab', () => {
  it('take a pair of a project or a group, and sign and verify with it', async () => {
    for (const [owner, place] of [
      ['acme/app', 'projects acme/app'],
      ['42', 'projects 42'],
      ['acme/sub', 'groups acme/sub'],
    ] as const) {
      const gitlab = world();
      await store(owner, gitlab);
      const kept = names.map((name) => gitlab.variables.get(`${place} ${name}`)?.['value']);
      assert.deepEqual(kept, ['hush-hush', pair.privateKeyPem, pair.publicKeyPem]);
      const [key] = await loadVerificationKeys(`gitlab://${owner}`, gitlab);
      assert.equal(key?.pem, pair.publicKeyPem);
      // Each time a password is tried takes a quarter of a second.
      if (owner !== 'acme/sub') continue;
      const signer = await loadSigner(`gitlab://${owner}`, gitlab);
      assert.ok(key !== undefined && verify('sha256', utf8('m'), key.key, await signer.sign(utf8('m'))));
    }
  });

  it('say what is lost, and are replaced when that is wanted', async () => {
    const gitlab = world();
    await store('acme/app', gitlab);
    const place = await openGitLabPlace('acme/app', gitlab);
    assert.deepEqual(place.existing, names);
    const another = await generateKeyPair('ecdsa-p256', utf8('other'));
    await place.store(another, utf8('other'));
    const [key] = await loadVerificationKeys('gitlab://acme/app', gitlab);
    assert.equal(key?.pem, another.publicKeyPem);
  });

  it('are never empty_fail', async () => {
    const gitlab = world();
    const place = await openGitLabPlace('acme/app', gitlab);
    await assert.rejects(place.store(pair, new Uint8Array(0)), refused('ERR_PASSWORD_MISSING'));
    assert.equal(gitlab.variables.size, 0);
  });

  const answers: Readonly<Record<string, readonly [ApiAnswer, ErrorCode]>> = {
    'a wrong token': [{ status: 401, body: { message: '401 Unauthorized' } }, 'ERR_KEY_ACCESS'],
    'no permission': [{ status: 403, body: { message: '403 Forbidden' } }, 'ERR_KEY_ACCESS'],
    'one for each environment': [
      { status: 409, body: { message: 'There are multiple' } },
      'ERR_KEY_PROVIDER',
    ],
    'a hidden one': [{ status: 200, body: { key: 'COSIGN_PRIVATE_KEY', value: null } }, 'ERR_KEY_PROVIDER'],
    'an empty one': [{ status: 200, body: { value: '' } }, 'ERR_KEY_EMPTY'],
    'one that is no key': [{ status: 200, body: { value: 'hush-hush' } }, 'ERR_KEY_INVALID'],
    'one that is not there': [{ status: 404, body: {} }, 'ERR_KEY_NOT_FOUND'],
    'a page': [{ status: 200, body: '<html>' }, 'ERR_KEY_PROVIDER'],
    trouble: [{ status: 500, body: { message: '500 Internal Server Error' } }, 'ERR_KEY_PROVIDER'],
  };
  for (const [name, [answer, code]] of Object.entries(answers)) {
    it(`${name}_fail`, async () => {
      const gitlab = world({ disturb: ({ path }) => (path.includes('/variables/') ? answer : undefined) });
      await assert.rejects(loadSigner('gitlab://acme/app', gitlab), refused(code));
      await assert.rejects(loadVerificationKeys('gitlab://acme/app', gitlab), refused(code));
    });
  }

  it('a wrong password, a swapped and a missing part_fail', async () => {
    const gitlab = world();
    await store('acme/app', gitlab);
    const put = (name: string, value: string) => gitlab.variables.set(`projects acme/app ${name}`, { value });
    put('COSIGN_PASSWORD', 'wrong');
    await assert.rejects(loadSigner('gitlab://acme/app', gitlab), refused('ERR_PASSWORD_WRONG'));
    gitlab.variables.delete('projects acme/app COSIGN_PASSWORD');
    await assert.rejects(loadSigner('gitlab://acme/app', gitlab), refused('ERR_PASSWORD_MISSING'));
    await loadSigner('gitlab://acme/app', { ...gitlab, password: 'hush-hush' });
    put('COSIGN_PUBLIC_KEY', pair.privateKeyPem);
    await assert.rejects(loadVerificationKeys('gitlab://acme/app', gitlab), refused('ERR_KEY_PRIVATE_GIVEN'));
    put('COSIGN_PRIVATE_KEY', pair.publicKeyPem);
    await assert.rejects(loadSigner('gitlab://acme/app', gitlab), refused('ERR_KEY_PUBLIC_GIVEN'));
  });

  it('a value that is not what was stored is found out_fail', async () => {
    const gitlab = world({
      disturb: ({ method, path }) =>
        method === 'GET' && path.endsWith('PRIVATE_KEY') && gitlab.variables.size > 0
          ? { status: 200, body: { value: pair.privateKeyPem.trimEnd() } }
          : undefined,
    });
    await assert.rejects(store('acme/app', gitlab), refused('ERR_KEY_PROVIDER'));
  });

  it('need a token, a name that is one, and a server over TLS_fail', async () => {
    await assert.rejects(
      loadSigner('gitlab://acme/app', world({}, { GITLAB_TOKEN: '' })),
      refused('ERR_KEY_ACCESS'),
    );
    await assert.rejects(
      loadSigner('gitlab://acme/none', world()),
      refused('ERR_KEY_NOT_FOUND', /GITLAB_HOST/),
    );
    for (const owner of ['', '/', 'a//b', '../x', 'a/..', 'a?b', 'a b', 'a#b', 'a/%2e%2e']) {
      const gitlab = world();
      await assert.rejects(loadSigner(`gitlab://${owner}`, gitlab), refused('ERR_USAGE'), owner);
      assert.equal(gitlab.requests.length, 0);
    }
    const plain = world({}, { GITLAB_HOST: 'http://gitlab.example.com' });
    await assert.rejects(loadSigner('gitlab://acme/app', plain), refused('ERR_SERVICE_INSECURE'));
  });

  it('are the same to the real cosign, both ways', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const home = await temporaryDirectory(t);
    const gitlab = gitlabDouble({ projects: ['acme/theirs', 'acme/ours'] });
    const server = await serveApi(t, gitlab.handler);
    const env = { GITLAB_HOST: server.url, GITLAB_TOKEN: 'glpat-test' };
    const cosign = async (...args: readonly string[]) => {
      const more = { HOME: home, SSL_CERT_FILE: server.caFile, COSIGN_PASSWORD: 'hush-hush' };
      const result = await runProgram(programs.cosign3, args, { env: { ...env, ...more }, cwd: home });
      assert.equal(result.code, 0, result.stderr);
    };
    const runtime = createRuntime({ env, tls: await readTlsSettings({ caFile: server.caFile }) });
    await cosign('generate-key-pair', 'gitlab://acme/theirs');
    const theirs = gitlab.requests.splice(0);
    await store('acme/ours', { runtime });
    const shape = (method: string, requests: typeof theirs) =>
      requests
        .filter((request) => request.method === method)
        .map(({ body, headers }) => {
          const { value, ...rest } = JSON.parse(body);
          return { type: headers['content-type'], value: typeof value, ...rest };
        });
    assert.deepEqual(shape('POST', gitlab.requests), shape('POST', theirs));

    await writeFile(join(home, 'blob'), 'a message');
    const old = ['--tlog-upload=false', '--new-bundle-format=false', '--use-signing-config=false', '-y'];
    await cosign('sign-blob', '--key', 'gitlab://acme/ours', ...old, '--output-signature', 'sig', 'blob');
    const signature = Buffer.from(await readFile(join(home, 'sig'), 'utf8'), 'base64');
    const [ours] = await loadVerificationKeys('gitlab://acme/ours', { runtime });
    assert.ok(ours !== undefined && verify('sha256', utf8('a message'), ours.key, signature));

    const signer = await loadSigner('gitlab://acme/theirs', { runtime });
    const made = Buffer.from(await signer.sign(utf8('a message'))).toString('base64');
    const check = ['verify-blob', '--insecure-ignore-tlog', '--signature', made, 'blob'];
    await cosign(...check, '--key', 'gitlab://acme/theirs');
  });
});
