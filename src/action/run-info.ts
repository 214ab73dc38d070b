/** The run that the action is a step of: what it is for, and whether it may sign. */
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { readEventFile } from '../identity/visibility.ts';
import type { Mode } from './settings.ts';
import type { ActionIo } from './toolkit.ts';

/** The variables that the runner sets about a run. {@link https://docs.github.com/en/actions/reference/workflows-and-actions/variables} */
export interface RunInfo {
  /** `push`, `pull_request`, … */
  readonly event: string;
  /** `OWNER/NAME`. */
  readonly repository: string;
  readonly workflow: string;
  readonly commit: string;
  readonly actor: string;
  /** The page of this attempt. */
  readonly url: string;
  /** `https://github.com`, or a server of one’s own, without a slash at its end. */
  readonly server: string;
}

/** What the environment says of this run. */
export function runInfo({ env }: Pick<ActionIo, 'env'>): RunInfo {
  const server = (env['GITHUB_SERVER_URL'] || 'https://github.com').replace(/\/+$/, '');
  const repository = env['GITHUB_REPOSITORY'] ?? '';
  const attempt = env['GITHUB_RUN_ATTEMPT'] || '1';
  return {
    event: env['GITHUB_EVENT_NAME'] ?? '',
    repository,
    workflow: env['GITHUB_WORKFLOW'] ?? '',
    commit: env['GITHUB_SHA'] ?? '',
    actor: env['GITHUB_ACTOR'] ?? '',
    url: `${server}/${repository}/actions/runs/${env['GITHUB_RUN_ID'] ?? ''}/attempts/${attempt}`,
    server,
  };
}

/** What decides whether a run may sign. */
export interface SkipQuery {
  readonly env: ActionIo['env'];
  readonly mode: Mode;
  /** Whether runs for pull requests of the repository itself sign. */
  readonly pullRequests: boolean;
  /** Whether a key was given, and is empty, as secrets are where they are not handed out. */
  readonly isKeyEmpty: boolean;
  /** Whether a key was given. */
  readonly hasKey: boolean;
}

/**
 * Why nothing is to be done in this run; undefined when it is to go on. Code of strangers is never signed as the
 * repository's own, and what has no secrets and no identity token does not fail for that.
 */
export async function skipReason(query: SkipQuery): Promise<string | undefined> {
  const { env, mode, pullRequests } = query;
  const event = env['GITHUB_EVENT_PATH'] ? await readEventFile(env['GITHUB_EVENT_PATH']) : undefined;
  const stranger = strangerOf(env, isJsonObject(event) ? event : {});
  const cannot = cannotSign(query);
  if (mode === 'verify') {
    const isRestricted = stranger !== undefined || isDependabot(env);
    return isRestricted && query.isKeyEmpty
      ? `${stranger ?? dependabot}, and such runs get no secrets: there is no key to verify with`
      : undefined;
  }
  if (stranger !== undefined) {
    return `${stranger}: what a stranger wrote is not signed as if it were this repository's. Sign after the merge, on push`;
  }
  if (isDependabot(env) && (cannot || isPullRequest(env))) {
    return `${dependabot}, and GitHub treats it like one of a fork: nothing is signed. Sign after the merge, on push`;
  }
  if (isPullRequest(env) && !pullRequests) {
    return 'this run is for a pull request: nothing is signed. Images are signed on push; `pull-requests: true` signs in such runs too';
  }
  return undefined;
}

const dependabot = 'Dependabot started this run';

function isDependabot(env: ActionIo['env']): boolean {
  return env['GITHUB_ACTOR'] === 'dependabot[bot]';
}

function isPullRequest(env: ActionIo['env']): boolean {
  return (env['GITHUB_EVENT_NAME'] ?? '').startsWith('pull_request');
}

/** Without its secret, or without a permission that it could not be given either. */
function cannotSign({ env, isKeyEmpty, hasKey }: SkipQuery): boolean {
  return isKeyEmpty || (!hasKey && (env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '') === '');
}

/**
 * Whose code it is when it is not that of the repository: a pull request from a fork, or a run that such a one set off.
 * {@link https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows}
 */
function strangerOf(env: ActionIo['env'], event: JsonObject): string | undefined {
  const pullRequest = event['pull_request'];
  if (isPullRequest(env) && isJsonObject(pullRequest)) {
    const base = nameOf(pullRequest['base']) ?? env['GITHUB_REPOSITORY'];
    // The repository of a fork that was deleted is null.
    const head = nameOf(pullRequest['head']);
    if (head !== base) return `this run is for a pull request from ${head ?? 'a repository that is gone'}`;
  }
  const before = event['workflow_run'];
  if (env['GITHUB_EVENT_NAME'] === 'workflow_run' && isJsonObject(before)) {
    const head = fullName(before['head_repository']);
    const isOfPullRequest = `${before['event']}`.startsWith('pull_request');
    if (isOfPullRequest && head !== env['GITHUB_REPOSITORY'])
      return `a run for a pull request from ${head ?? 'a repository that is gone'} set this run off`;
  }
  return undefined;
}

function nameOf(side: Json | undefined): string | undefined {
  return isJsonObject(side) ? fullName(side['repo']) : undefined;
}

function fullName(repository: Json | undefined): string | undefined {
  const name = isJsonObject(repository) ? repository['full_name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}
