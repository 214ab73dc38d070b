/** GitHub Actions. */
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Runtime } from '../../core/runtime.ts';
import { askIssuer, gaveNoToken, objectOf } from '../request.ts';
import type { IdentitySource, MissingToken, TokenQuery } from '../source.ts';
import { readEventFile } from '../visibility.ts';
import { yamlWord } from '../yaml-word.ts';

type Environment = Runtime['env'];

/**
 * The identity token of a job, which GitHub gives to jobs with `id-token: write`. It is valid for five minutes: ask late.
 * {@link https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token}
 */
export const githubActionsSource: IdentitySource = {
  name: 'github-actions',
  aliases: ['github'],
  summary: 'GitHub Actions, for jobs with `id-token: write`',
  needs: 'it must be a job of GitHub Actions with the permission `id-token: write`',
  isPresent: async ({ runtime: { env } }) => isGranted(env),
  async getToken(query) {
    const { runtime, audience, signal } = query;
    const url = runtime.env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '';
    const answer = await askIssuer({
      runtime,
      signal,
      url: `${url}${url.includes('?') ? '&' : '?'}audience=${encodeURIComponent(audience)}`,
      method: 'GET',
      headers: { authorization: `bearer ${runtime.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''}` },
      who: 'GitHub Actions',
    });
    const token = objectOf(answer)?.['value'];
    if (answer.status === 200 && typeof token === 'string') return token;
    const isOver = answer.status === 401 || answer.status === 403;
    throw gaveNoToken(
      'GitHub Actions',
      answer.status,
      isOver ? 'Tokens can be asked for while the job runs, and not after it.' : undefined,
    );
  },
  missing: explain,
};

function isGranted(env: Environment): boolean {
  return (
    (env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '') !== '' && (env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? '') !== ''
  );
}

async function explain({ runtime: { env } }: TokenQuery): Promise<MissingToken | undefined> {
  if (env['GITHUB_ACTIONS'] !== 'true') return undefined;
  const event = env['GITHUB_EVENT_PATH'] ? await readEventFile(env['GITHUB_EVENT_PATH']) : undefined;
  const fork = isPullRequest(env) && isJsonObject(event) ? headOfFork(event) : undefined;
  if (fork !== undefined) return ofFork(fork);
  if (env['GITHUB_ACTOR'] === 'dependabot[bot]') return ofDependabot;
  return ofMissingPermission(env);
}

/** Events whose run in the base repository is treated as one of the fork. `pull_request_target` is not among them. */
function isPullRequest(env: Environment): boolean {
  return /^pull_request(?:_review|_review_comment)?$/.test(env['GITHUB_EVENT_NAME'] ?? '');
}

/** The repository that a pull request comes from when it is another one; `an unknown repository` when that is gone. */
function headOfFork(event: JsonObject): string | undefined {
  const pullRequest = event['pull_request'];
  if (!isJsonObject(pullRequest)) return undefined;
  const [head, base] = [repositoryOf(pullRequest['head']), repositoryOf(pullRequest['base'])];
  if (base === undefined) return undefined;
  // The repository of a fork that was deleted is null.
  return head === base ? undefined : (head ?? 'a repository that is gone');
}

function repositoryOf(side: unknown): string | undefined {
  const repository = isObject(side) ? side['repo'] : undefined;
  const name = isObject(repository) ? repository['full_name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function ofFork(fork: string): MissingToken {
  return {
    problem: `this run is for a pull request from ${fork}, and GitHub gives such runs no identity token`,
    hint: [
      'Granting `id-token: write` cannot help: a stranger’s code must not sign as your repository. Sign after the merge',
      '(on: push), and leave the signing out of such runs:',
      '',
      "  if: github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository",
    ].join('\n'),
  };
}

/** {@link https://docs.github.com/en/code-security/dependabot/troubleshooting-dependabot/troubleshooting-dependabot-on-github-actions} */
const ofDependabot: MissingToken = {
  problem: 'Dependabot started this run, and GitHub treats it like one of a fork: it has no identity token',
  hint: [
    'Granting `id-token: write` does not help here. Sign after the merge (on: push), and leave the signing out of such',
    'runs:',
    '',
    "  if: github.actor != 'dependabot[bot]'",
  ].join('\n'),
};

/** {@link https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-cloud-providers#adding-permissions-settings} */
function ofMissingPermission(env: Environment): MissingToken {
  const file =
    /\/(\.github\/workflows\/[^@]+)@/.exec(env['GITHUB_WORKFLOW_REF'] ?? '')?.[1] ?? 'the workflow';
  const job = yamlWord(env['GITHUB_JOB'] || 'sign');
  return {
    problem: 'this job of GitHub Actions may not ask for an identity token',
    hint: [
      `Add to ${file}:`,
      '',
      '  jobs:',
      `    ${job}:`,
      '      permissions:',
      '        id-token: write   # to sign with the identity of the workflow',
      '        contents: read    # what is not listed is taken away: list what the job needs',
      '        packages: write   # to push to ghcr.io',
      '',
      'A reusable workflow (on: workflow_call) also needs it in the workflow that calls it. In a container that a step',
      'runs, pass on ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN.',
    ].join('\n'),
  };
}
