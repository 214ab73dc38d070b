import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { assert as check, property, uint8Array } from 'fast-check';
import { parse } from 'yaml';
import {
  type Answer,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { unverifiedToken } from '../../test/support/unverified-token.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { FetchInit, Runtime } from '../core/runtime.ts';
import { firstField, lengthDelimited } from './protobuf.ts';
import type { IdentitySource, TokenQuery } from './source.ts';
import { filesystemSource } from './sources/filesystem.ts';
import { googleImpersonation, googleSource } from './sources/google.ts';
import { ambientToken, explainMissing, identitySources } from './sources.ts';

const token = unverifiedToken();

interface World {
  readonly query: TokenQuery;
  readonly runtime: InProcessRuntime;
}

/** A world in which every request gets the next of `answers`, and the last one again and again. */
function world(env: Runtime['env'], ...answers: readonly (Answer | Error)[]): World {
  let next = 0;
  const runtime = inProcessRuntime(async (_url, init) => {
    bodies.set(runtime, init.body);
    const answer = answers[Math.min(next++, answers.length - 1)];
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('nobody is asked here');
    return respond(answer);
  }, env);
  return { runtime, query: { runtime, audience: 'sigstore', signal: new AbortController().signal } };
}

const bodies = new WeakMap<InProcessRuntime, FetchInit['body']>();

/** The sources without those that look at this very machine. */
const sources = identitySources.filter(({ name }) => !/^(?:filesystem|google)/.test(name));

const json = (value: unknown, status = 200): Answer => ({ status, body: JSON.stringify(value) });

async function fails(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<string> {
  let shown = '';
  await assert.rejects(work, (error) => {
    shown = isBoltsealError(error) ? `${error.message}\n${error.hint ?? ''}` : String(error);
    return isBoltsealError(error, ...codes);
  });
  return shown;
}

const github = {
  GITHUB_ACTIONS: 'true',
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/token?api-version=2.0',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-secret',
};

suite('GitHub Actions', () => {
  test('asks for the audience with the token of the job', async () => {
    const { query, runtime } = world(github, json({ value: token, count: 1 }));
    const found = await ambientToken(query, { sources });
    assert.equal(found?.token, token);
    const [request] = runtime.seen;
    assert.equal(request?.method, 'GET');
    assert.equal(request?.url.href, 'https://actions.example/token?api-version=2.0&audience=sigstore');
    assert.equal(request?.headers['authorization'], 'bearer request-secret');
  });

  test('asks again after failures that pass, and not for ever', async () => {
    const lost = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    const passing = world(github, { status: 503 }, lost, json({ value: token }));
    assert.equal((await ambientToken(passing.query, { sources }))?.token, token);
    const lasting = world(github, { status: 503, headers: { 'retry-after': '1' } });
    await fails(ambientToken(lasting.query, { sources }), 'ERR_SERVICE_UNAVAILABLE');
    assert.equal(lasting.runtime.seen.length, 4);
    await fails(ambientToken(world(github, lost).query, { sources }), 'ERR_SERVICE_NETWORK');
  });

  const refusals: Readonly<Record<string, readonly [Answer, ErrorCode]>> = {
    'a refusal': [json({ message: 'no' }, 403), 'ERR_IDENTITY_PROVIDER'],
    'an answer without a token': [json({ count: 0 }), 'ERR_IDENTITY_PROVIDER'],
    'an answer that is not JSON': [{ status: 200, body: '<html>' }, 'ERR_IDENTITY_PROVIDER'],
    'a token that is none': [json({ value: 'x' }), 'ERR_IDENTITY_TOKEN'],
    'a token for somebody else': [json({ value: unverifiedToken({ aud: 'other' }) }), 'ERR_IDENTITY_TOKEN'],
    'a redirect': [{ status: 302, headers: { location: 'https://evil.example/' } }, 'ERR_SERVICE_RESPONSE'],
    'an answer that is too large': [{ status: 200, body: new Uint8Array(300_000) }, 'ERR_SERVICE_RESPONSE'],
    'an answer that never ends': [{ status: 200, body: endless() }, 'ERR_SERVICE_RESPONSE'],
  };
  for (const [name, [answer, code]] of Object.entries(refusals)) {
    test(`${name}_fail`, async () => {
      const { query, runtime } = world(github, answer);
      const shown = await fails(ambientToken(query, { sources }), code);
      assert.equal(runtime.seen.length, 1);
      assert.ok(!shown.includes('request-secret') && !shown.includes('api-version'), shown);
    });
  }

  test('without TLS nothing is sent_fail', async () => {
    const { query, runtime } = world(
      { ...github, ACTIONS_ID_TOKEN_REQUEST_URL: 'http://actions.example/token' },
      json({ value: token }),
    );
    await fails(ambientToken(query, { sources }), 'ERR_SERVICE_INSECURE');
    assert.equal(runtime.seen.length, 0);
  });

  test('without the permission the very YAML is shown', async () => {
    const { query } = world({
      GITHUB_ACTIONS: 'true',
      GITHUB_JOB: 'build-and-sign',
      GITHUB_WORKFLOW_REF: 'acme/app/.github/workflows/release.yml@refs/heads/main',
    });
    const shown = await fails(ambientToken(query, { sources }), 'ERR_IDENTITY_MISSING');
    assert.ok(shown.includes('.github/workflows/release.yml'));
    const permissions = { 'id-token': 'write', contents: 'read', packages: 'write' };
    assert.deepEqual(yamlIn(shown, 'jobs:'), { jobs: { 'build-and-sign': { permissions } } });
  });
});

/** The YAML that begins with the line `first`, as it is printed. */
function yamlIn(text: string, first: string): unknown {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === first);
  const indent = lines[start]?.search(/\S/) ?? 0;
  const end = lines.findIndex((line, index) => index > start && line.trim() === '');
  return parse(
    lines
      .slice(start, end === -1 ? undefined : end)
      .map((line) => line.slice(indent))
      .join('\n'),
  );
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield new Uint8Array(65_536);
}

suite('GitHub Actions, where no permission can help', () => {
  const side = (name: string | null): object => ({ repo: name === null ? null : { full_name: name } });
  const event = async (t: TestContext, content: unknown): Promise<string> => {
    const path = join(await temporaryDirectory(t), 'event.json');
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };
  const explanation = async (env: Runtime['env']): Promise<string> =>
    fails(ambientToken(world({ GITHUB_ACTIONS: 'true', ...env }).query, { sources }), 'ERR_IDENTITY_MISSING');

  for (const head of ['stranger/app', null]) {
    test(`a pull request from ${head ?? 'a fork that was deleted'}`, async (t) => {
      const path = await event(t, { pull_request: { head: side(head), base: side('acme/app') } });
      const shown = await explanation({ GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: path });
      assert.ok(shown.includes('cannot help') && !shown.includes('permissions:'), shown);
    });
  }

  test('Dependabot', async () => {
    const shown = await explanation({ GITHUB_EVENT_NAME: 'pull_request', GITHUB_ACTOR: 'dependabot[bot]' });
    assert.ok(shown.includes("github.actor != 'dependabot[bot]'") && !shown.includes('permissions:'), shown);
  });

  test('a pull request within the repository, and events that cannot be read, get the YAML', async (t) => {
    const own = { pull_request: { head: side('acme/app'), base: side('acme/app') } };
    const fork = { pull_request: { head: side('stranger/app'), base: side('acme/app') } };
    const cases: readonly Runtime['env'][] = [
      { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: await event(t, own) },
      // A run of the base repository, with its permissions.
      { GITHUB_EVENT_NAME: 'pull_request_target', GITHUB_EVENT_PATH: await event(t, fork) },
      { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: await event(t, 'no JSON') },
      { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: await event(t, [{ pull_request: 7 }]) },
      {
        GITHUB_EVENT_NAME: 'pull_request',
        GITHUB_EVENT_PATH: await event(t, { pull_request: { head: 1, base: [] } }),
      },
      { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: '/nowhere/event.json' },
    ];
    for (const env of cases)
      assert.ok((await explanation(env)).includes('id-token: write   #'), JSON.stringify(env));
  });
});

suite('GitLab CI', () => {
  test('its token arrives in the variable', async () => {
    const found = await ambientToken(world({ GITLAB_CI: 'true', SIGSTORE_ID_TOKEN: `${token}\n` }).query, {
      sources,
    });
    assert.equal(found?.token, token);
  });

  test('without it the very YAML is shown', async () => {
    const { query } = world({ GITLAB_CI: 'true', CI_JOB_NAME: 'build: [amd64]' });
    const shown = await fails(ambientToken(query, { sources }), 'ERR_IDENTITY_MISSING');
    assert.ok(shown.includes('.gitlab-ci.yml'));
    const expected = { 'build: [amd64]': { id_tokens: { SIGSTORE_ID_TOKEN: { aud: 'sigstore' } } } };
    assert.deepEqual(yamlIn(shown, '"build: [amd64]":'), expected);
  });

  test('an empty variable is an error, and no other source is tried_fail', async () => {
    const { query, runtime } = world({ ...github, SIGSTORE_ID_TOKEN: ' ' }, json({ value: token }));
    await fails(ambientToken(query, { sources }), 'ERR_IDENTITY_PROVIDER');
    assert.equal(runtime.seen.length, 0);
  });
});

suite('Buildkite', () => {
  const env = {
    BUILDKITE: 'true',
    BUILDKITE_AGENT_ACCESS_TOKEN: 'agent-secret',
    BUILDKITE_JOB_ID: '0184-ab/..',
  };

  test('asks the API of agents', async () => {
    const { query, runtime } = world(env, json({ token }, 201));
    assert.equal((await ambientToken(query, { sources }))?.token, token);
    const [request] = runtime.seen;
    assert.equal(request?.method, 'POST');
    assert.equal(request?.url.href, 'https://agent.buildkite.com/v3/jobs/0184-ab%2F../oidc/tokens');
    assert.equal(request?.headers['authorization'], 'Token agent-secret');
    assert.equal(Buffer.from(bodies.get(runtime) as Uint8Array).toString(), '{"audience":"sigstore"}');
  });

  test('an end point of one’s own', async () => {
    const own = { ...env, BUILDKITE_AGENT_ENDPOINT: 'https://edge.example/v3/' };
    const { query, runtime } = world(own, json({ token }));
    await ambientToken(query, { sources });
    assert.equal(runtime.seen[0]?.url.host, 'edge.example');
  });

  test('a refusal_fail', async () => {
    const shown = await fails(
      ambientToken(world(env, json({}, 401)).query, { sources }),
      'ERR_IDENTITY_PROVIDER',
    );
    assert.ok(!shown.includes('agent-secret'));
  });

  test('without its agent', async () => {
    const shown = await fails(
      ambientToken(world({ BUILDKITE: 'true' }).query, { sources }),
      'ERR_IDENTITY_MISSING',
    );
    assert.ok(shown.includes('mount-buildkite-agent: true'));
  });
});

suite('Google Cloud', () => {
  const flavor = { 'metadata-flavor': 'Google' };
  const product = async (t: TestContext, name: string): Promise<string> => {
    const path = join(await temporaryDirectory(t), 'product_name');
    await writeFile(path, `${name}\n`);
    return path;
  };

  test('asks the metadata server for a token with the address of the account', async (t) => {
    const source = googleSource(await product(t, 'Google Compute Engine'));
    const { query, runtime } = world(
      {},
      { status: 200, headers: flavor, body: 'a@b.example' },
      {
        status: 200,
        headers: flavor,
        body: token,
      },
    );
    assert.equal((await ambientToken(query, { sources: [source] }))?.token, token);
    const asked = runtime.seen.map(({ url, headers }) => [url.href, headers['metadata-flavor']]);
    const account = 'http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default';
    assert.deepEqual(asked, [
      [`${account}/email`, 'Google'],
      [`${account}/identity?audience=sigstore&format=full`, 'Google'],
    ]);
  });

  test('is not present on other machines, nor without an account', async (t) => {
    const asked = world({}, { status: 200, headers: flavor, body: 'a@b.example' });
    assert.equal(await googleSource(await product(t, 'Other')).isPresent(asked.query), false);
    assert.equal(await googleSource('/nowhere/product_name').isPresent(asked.query), false);
    assert.equal(asked.runtime.seen.length, 0);
    const google = googleSource(await product(t, 'Google'));
    assert.equal(await google.isPresent(world({}, { status: 404, headers: flavor }).query), false);
    assert.equal(await google.isPresent(world({}, { status: 200, body: 'a@b.example' }).query), false);
    assert.equal(await google.isPresent(world({}, new Error('unreachable')).query), false);
  });

  test('is not used for a job that should have a token of its own_fail', async (t) => {
    const source = googleSource(await product(t, 'Google'));
    const { query, runtime } = world(
      { GITHUB_ACTIONS: 'true' },
      { status: 200, headers: flavor, body: token },
    );
    await fails(ambientToken(query, { sources: [...sources, source] }), 'ERR_IDENTITY_MISSING');
    assert.equal(runtime.seen.length, 0);
    const chosen = await ambientToken(query, { sources: [...sources, source], only: 'google' });
    assert.equal(chosen?.token, token);
  });

  test('acts as another account when told to', async (t) => {
    const source = googleImpersonation(await product(t, 'Google'));
    const { query, runtime } = world(
      { GOOGLE_SERVICE_ACCOUNT_NAME: 'signer@p.iam.gserviceaccount.com' },
      { status: 200, headers: flavor, body: '{"access_token":"access-secret"}' },
      json({ token }),
    );
    assert.equal((await ambientToken(query, { sources: [source] }))?.token, token);
    const last = runtime.seen[1];
    assert.equal(last?.url.host, 'iamcredentials.googleapis.com');
    assert.equal(last?.headers['authorization'], 'Bearer access-secret');
    const denied = world(
      { GOOGLE_SERVICE_ACCOUNT_NAME: 'x@p.iam.gserviceaccount.com' },
      { status: 200, headers: flavor, body: '{"access_token":"access-secret"}' },
      json({}, 403),
    );
    const shown = await fails(ambientToken(denied.query, { sources: [source] }), 'ERR_IDENTITY_PROVIDER');
    assert.ok(shown.includes('serviceAccountOpenIdTokenCreator') && !shown.includes('access-secret'));
  });
});

suite('the file', () => {
  test('is read whole and trimmed', async (t) => {
    const path = join(await temporaryDirectory(t), 'oidc-token');
    await writeFile(path, `${token}\n`);
    const found = await ambientToken(world({}).query, { sources: [filesystemSource(path)] });
    assert.equal(found?.token, token);
  });

  test('a folder or a file that is too large_fail', async (t) => {
    const folder = await temporaryDirectory(t);
    await mkdir(join(folder, 'token'));
    await writeFile(join(folder, 'large'), 'x'.repeat(100_000));
    for (const name of ['token', 'large']) {
      const source = filesystemSource(join(folder, name));
      await fails(ambientToken(world({}).query, { sources: [source] }), 'ERR_IDENTITY_PROVIDER');
    }
  });
});

/** A SPIFFE agent that answers with what `answer` does. */
async function agent(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void,
): Promise<string> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => answer(stream, headers, Buffer.concat(chunks)));
  });
  const path = join(await temporaryDirectory(t), 'api.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(async () => {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return path;
}

const framed = (message: Uint8Array): Uint8Array => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

const svid = (text: string): Uint8Array =>
  Buffer.concat([
    lengthDelimited(1, Buffer.from('spiffe://td.example/w')),
    lengthDelimited(2, Buffer.from(text)),
  ]);

/** Answers with a body and then a status. */
const grpc =
  (body: Uint8Array, trailers: Readonly<Record<string, string>> = { 'grpc-status': '0' }) =>
  (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ ...trailers }));
    stream.end(body);
  };

suite('SPIFFE', () => {
  const workload = unverifiedToken({ sub: 'spiffe://td.example/w' });

  test('the first JWT-SVID for the audience', async (t) => {
    const seen: [IncomingHttpHeaders, Buffer][] = [];
    const message = Buffer.concat([
      lengthDelimited(1, svid(workload)),
      lengthDelimited(1, svid('another')),
      // A field that is not known.
      Uint8Array.of(0x78, 0x01),
    ]);
    const path = await agent(t, (stream, headers, body) => {
      seen.push([headers, body]);
      grpc(framed(message))(stream);
    });
    for (const SPIFFE_ENDPOINT_SOCKET of [`unix://${path}`, path]) {
      const found = await ambientToken(world({ SPIFFE_ENDPOINT_SOCKET }).query, { sources });
      assert.equal(found?.subject, 'spiffe://td.example/w');
    }
    const [headers, body] = seen[0] ?? [];
    assert.equal(headers?.[':path'], '/SpiffeWorkloadAPI/FetchJWTSVID');
    assert.equal(headers?.['workload.spiffe.io'], 'true');
    assert.equal(headers?.['content-type'], 'application/grpc');
    // 0a 08 "sigstore": the field audience, of 8 bytes.
    assert.equal(body?.toString('latin1'), '\0\0\0\0\n\n\bsigstore');
  });

  const refusals: Readonly<Record<string, readonly [(stream: ServerHttp2Stream) => void, ErrorCode]>> = {
    'no identity': [
      (stream) => {
        stream.respond(
          { ':status': 200, 'grpc-status': '7', 'grpc-message': 'no identity%20issued' },
          { endStream: true },
        );
      },
      'ERR_IDENTITY_PROVIDER',
    ],
    'a status after the message': [
      grpc(new Uint8Array(), { 'grpc-status': '14', 'grpc-message': '%zz' }),
      'ERR_IDENTITY_PROVIDER',
    ],
    'no SVID': [grpc(framed(new Uint8Array())), 'ERR_IDENTITY_PROVIDER'],
    'an SVID without a token': [grpc(framed(lengthDelimited(1, svid('')))), 'ERR_IDENTITY_PROVIDER'],
    'an SVID that is no token': [grpc(framed(lengthDelimited(1, svid('x')))), 'ERR_IDENTITY_TOKEN'],
    'a message that is cut off': [
      grpc(framed(lengthDelimited(1, svid(workload))).subarray(0, 40)),
      'ERR_SERVICE_RESPONSE',
    ],
    'a message that is no protobuf': [grpc(framed(Buffer.from('hello'))), 'ERR_SERVICE_RESPONSE'],
    'two messages': [grpc(Buffer.concat([framed(svid('a')), framed(svid('b'))])), 'ERR_SERVICE_RESPONSE'],
    'a compressed message': [grpc(Buffer.from([1, 0, 0, 0, 0])), 'ERR_SERVICE_RESPONSE'],
    'too much': [grpc(new Uint8Array(400_000)), 'ERR_SERVICE_RESPONSE'],
    'no gRPC': [
      (stream) => {
        stream.respond({ ':status': 404 });
        stream.end('not found');
      },
      'ERR_SERVICE_RESPONSE',
    ],
    'a connection that breaks': [(stream) => stream.session?.destroy(), 'ERR_SERVICE_RESPONSE'],
  };
  for (const [name, [answer, code]] of Object.entries(refusals)) {
    test(`${name}_fail`, async (t) => {
      const path = await agent(t, answer);
      const { query } = world({ SPIFFE_ENDPOINT_SOCKET: `unix://${path}` });
      await fails(ambientToken(query, { sources }), code, 'ERR_SERVICE_NETWORK');
    });
  }

  test('nobody listens, or the socket is not one_fail', async (t) => {
    const folder = await temporaryDirectory(t);
    const nobody = world({ SPIFFE_ENDPOINT_SOCKET: `unix://${folder}/none.sock` });
    await fails(ambientToken(nobody.query, { sources }), 'ERR_SERVICE_NETWORK');
    for (const text of ['tcp://127.0.0.1:8081', 'unix:relative', 'unix://host/path', 'x']) {
      const { query } = world({ SPIFFE_ENDPOINT_SOCKET: text });
      await fails(ambientToken(query, { sources }), 'ERR_IDENTITY_PROVIDER');
    }
  });

  test('the signal ends the waiting_fail', async (t) => {
    const controller = new AbortController();
    const path = await agent(t, () => controller.abort(new Error('enough')));
    const { query } = world({ SPIFFE_ENDPOINT_SOCKET: path });
    await assert.rejects(ambientToken({ ...query, signal: controller.signal }, { sources }), /enough/);
  });

  test('no bytes make another error of the protobuf reader', () => {
    check(
      property(uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          firstField(bytes, 1);
        } catch (error) {
          assert.ok(isBoltsealError(error, 'ERR_SERVICE_RESPONSE'), String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('a field is read back', () => {
    check(
      property(uint8Array({ maxLength: 400 }), (content) => {
        const message = Buffer.concat([lengthDelimited(3, Uint8Array.of(1)), lengthDelimited(200, content)]);
        assert.deepEqual(Buffer.from(firstField(message, 200) ?? []), Buffer.from(content));
      }),
      { numRuns: 300 },
    );
  });
});

suite('which source', () => {
  test('none on a machine that is no CI system', async () => {
    assert.equal(await ambientToken(world({}).query, { sources }), undefined);
    assert.equal(await explainMissing(world({ HOME: '/home/a' }).query, sources), undefined);
  });

  test('one is named for every CI system that is recognized', async () => {
    for (const name of ['CI', 'CIRCLECI', 'CF_BUILD_ID', 'JENKINS_URL', 'TF_BUILD', 'TEAMCITY_VERSION']) {
      const { query } = world({ [name]: 'true' });
      const shown = await fails(ambientToken(query, { sources }), 'ERR_IDENTITY_MISSING');
      assert.ok(shown.includes('SIGSTORE_ID_TOKEN'), name);
    }
    assert.equal(await ambientToken(world({ CI: 'false' }).query, { sources }), undefined);
  });

  test('the one that is named, and no other', async () => {
    const env = { ...github, SIGSTORE_ID_TOKEN: token };
    const { query, runtime } = world(env, json({ value: unverifiedToken({ sub: 'workflow' }) }));
    assert.equal((await ambientToken(query, { sources }))?.subject, 'someone');
    for (const only of ['github-actions', 'github']) {
      assert.equal((await ambientToken(query, { sources, only }))?.subject, 'workflow');
    }
    assert.equal(runtime.seen.length, 2);
    await fails(ambientToken(query, { sources, only: 'spiffe' }), 'ERR_IDENTITY_MISSING');
    await fails(ambientToken(query, { sources, only: 'gihub-actions' }), 'ERR_USAGE');
  });

  test('a source that fails is not replaced by another_fail', async () => {
    const broken: IdentitySource = {
      name: 'broken',
      summary: '',
      needs: '',
      isPresent: async () => true,
      getToken: async () => 'x',
    };
    const { query } = world({ SIGSTORE_ID_TOKEN: token });
    await fails(ambientToken(query, { sources: [broken, ...sources] }), 'ERR_IDENTITY_TOKEN');
  });

  test('names are unique', () => {
    const names = identitySources.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    assert.equal(names.length, new Set(names).size);
  });
});
