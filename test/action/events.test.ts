/** Which runs sign: those that may. The others skip at once, with a notice, and never fail. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { type RunInfo, runInfo, type SkipQuery, skipReason } from '../../src/action/run-info.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { installAction, runStep } from './step.ts';

const own = { full_name: 'acme/app' };
const pullRequest = (head: object | null) => ({
  repository: own,
  pull_request: { head: { repo: head }, base: { repo: own } },
});
const fork = pullRequest({ full_name: 'stranger/app' });
const inside = pullRequest(own);
const workflowRun = (event: string, head: string) => ({
  repository: own,
  workflow_run: { event, head_repository: { full_name: head } },
});

interface Case {
  readonly name: string;
  readonly event: string;
  readonly payload: object;
  readonly query?: Partial<SkipQuery>;
  readonly env?: Readonly<Record<string, string>>;
  readonly skips: boolean;
}

const dependabot = { GITHUB_ACTOR: 'dependabot[bot]' };
const permitted = { ACTIONS_ID_TOKEN_REQUEST_URL: 'https://example.com/token' };

const cases: readonly Case[] = [
  { name: 'push', event: 'push', payload: { repository: own }, skips: false },
  { name: 'release', event: 'release', payload: { repository: own }, skips: false },
  { name: 'schedule', event: 'schedule', payload: { schedule: '0 3 * * *' }, skips: false },
  { name: 'workflow_dispatch', event: 'workflow_dispatch', payload: {}, skips: false },
  { name: 'merge_group', event: 'merge_group', payload: { repository: own }, skips: false },
  { name: 'pull request', event: 'pull_request', payload: inside, skips: true },
  {
    name: 'pull request, asked for',
    event: 'pull_request',
    payload: inside,
    query: { pullRequests: true },
    skips: false,
  },
  { name: 'fork', event: 'pull_request', payload: fork, skips: true },
  {
    name: 'fork, asked for',
    event: 'pull_request',
    payload: fork,
    query: { pullRequests: true },
    skips: true,
  },
  {
    name: 'fork that is gone',
    event: 'pull_request',
    payload: pullRequest(null),
    query: { pullRequests: true },
    skips: true,
  },
  {
    name: 'fork in pull_request_target',
    event: 'pull_request_target',
    payload: fork,
    query: { pullRequests: true },
    env: permitted,
    skips: true,
  },
  { name: 'review of a fork', event: 'pull_request_review', payload: fork, skips: true },
  {
    name: 'run after one of a fork',
    event: 'workflow_run',
    payload: workflowRun('pull_request', 'stranger/app'),
    env: permitted,
    skips: true,
  },
  {
    name: 'run after one of the repository',
    event: 'workflow_run',
    payload: workflowRun('push', 'acme/app'),
    env: permitted,
    skips: false,
  },
  {
    name: 'Dependabot, pull request',
    event: 'pull_request',
    payload: inside,
    query: { pullRequests: true },
    env: dependabot,
    skips: true,
  },
  { name: 'Dependabot, push, no permission', event: 'push', payload: {}, env: dependabot, skips: true },
  {
    name: 'Dependabot, push, empty secret',
    event: 'push',
    payload: {},
    query: { isKeyEmpty: true },
    env: dependabot,
    skips: true,
  },
  {
    name: 'Dependabot, push, permitted',
    event: 'push',
    payload: {},
    env: { ...dependabot, ...permitted },
    skips: false,
  },
  { name: 'verify, fork', event: 'pull_request', payload: fork, query: { mode: 'verify' }, skips: false },
  {
    name: 'verify, fork, empty key',
    event: 'pull_request',
    payload: fork,
    query: { mode: 'verify', isKeyEmpty: true },
    skips: true,
  },
  {
    name: 'verify, push, empty key',
    event: 'push',
    payload: {},
    query: { mode: 'verify', isKeyEmpty: true },
    skips: false,
  },
  { name: 'attest, fork', event: 'pull_request', payload: fork, query: { mode: 'attest' }, skips: true },
  { name: 'an event that is no object', event: 'push', payload: [], skips: false },
];

test('who may sign', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const { name, event, payload, query, env, skips } of cases) {
    const path = join(folder, 'event.json');
    await writeFile(path, JSON.stringify(payload));
    const reason = await skipReason({
      mode: 'sign',
      pullRequests: false,
      isKeyEmpty: false,
      hasKey: false,
      ...query,
      env: { GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: path, GITHUB_REPOSITORY: 'acme/app', ...env },
    });
    assert.equal(reason !== undefined, skips, `${name}: ${reason}`);
  }
});

test('an event file that is missing or broken decides nothing', async (t) => {
  const folder = await temporaryDirectory(t);
  const path = join(folder, 'event.json');
  await writeFile(path, '{');
  for (const at of [path, join(folder, 'missing'), '']) {
    const env = { GITHUB_EVENT_NAME: 'push', GITHUB_EVENT_PATH: at };
    const query: SkipQuery = { env, mode: 'sign', pullRequests: false, isKeyEmpty: false, hasKey: true };
    assert.equal(await skipReason(query), undefined);
    const pull = { ...query, env: { ...env, GITHUB_EVENT_NAME: 'pull_request' } };
    assert.notEqual(await skipReason(pull), undefined, 'a pull request stays one');
  }
});

test('a server of one’s own is named as it names itself', () => {
  const env = {
    GITHUB_SERVER_URL: 'https://github.example.com/',
    GITHUB_REPOSITORY: 'acme/app',
    GITHUB_RUN_ID: '7',
    GITHUB_RUN_ATTEMPT: '2',
  };
  const { server, url }: RunInfo = runInfo({ env });
  assert.equal(server, 'https://github.example.com');
  assert.equal(url, 'https://github.example.com/acme/app/actions/runs/7/attempts/2');
  assert.equal(runInfo({ env: {} }).server, 'https://github.com');
});

suite('as the runner runs it', () => {
  test('a pull request, of a fork and of the repository: a notice, no error, nothing asked', async (t) => {
    const action = await installAction(t);
    for (const payload of [fork, inside]) {
      const started = performance.now();
      // As it is there: no secret, no permission, and no image because nothing was pushed.
      const inputs = { images: '127.0.0.1:1/acme/app', digest: '', key: '', password: '' };
      const step = await runStep(t, action, { event: 'pull_request', payload, inputs });
      assert.equal(step.code, 0, step.stdout);
      assert.equal(step.annotations('notice').length, 1);
      assert.deepEqual([...step.annotations('error'), ...step.annotations('warning')], []);
      assert.deepEqual(step.outputs, {
        digests: '',
        bundles: '',
        'verify-command': '',
        'log-index': '',
        skipped: 'true',
      });
      assert.equal(step.summary, '');
      assert.ok(performance.now() - started < 5_000, 'it does not wait');
    }
  });
});
