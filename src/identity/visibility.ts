/** Who can see the repository that a signature comes from, as the token and the CI system say. */
import { readFile, stat } from 'node:fs/promises';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import type { IdentityToken } from './token.ts';

/** Who can see a repository: everyone, everyone of the organization, its members, or it is not known. */
export type Visibility = 'public' | 'internal' | 'private' | 'unknown';

/** What {@link repositoryVisibility} found. */
export interface RepositoryVisibility {
  readonly visibility: Visibility;
  /** The repository, such as `acme/app`; undefined when it is not named. */
  readonly repository?: string;
  /** What says so: the name of a claim or variable, for people. Empty when nothing does. */
  readonly from: string;
}

/** What {@link repositoryVisibility} reads. */
export interface VisibilityQuery {
  readonly token?: IdentityToken | undefined;
  readonly env: Runtime['env'];
  /** Reads the file that describes the event of GitHub Actions; {@link readEventFile} by default. */
  readonly readEventFile?: ((path: string) => Promise<Json | undefined>) | undefined;
}

/**
 * The visibility of the repository: from the claims of the token when they say it, because they are what a certificate
 * publishes; else from what the CI system tells its jobs. When both say it, the narrower counts. Never throws: what
 * cannot be read is `unknown`.
 * {@link https://docs.github.com/en/actions/reference/security/oidc}
 * {@link https://docs.gitlab.com/ci/secrets/id_token_authentication/}
 */
export async function repositoryVisibility(query: VisibilityQuery): Promise<RepositoryVisibility> {
  const found = [...claimed(query.token), ...(await fromEnvironment(query))];
  const narrowest = found.reduce<RepositoryVisibility | undefined>(
    (narrow, one) => (narrow === undefined || rank(one) < rank(narrow) ? one : narrow),
    undefined,
  );
  return narrowest ?? { visibility: 'unknown', from: '' };
}

const ranks: Readonly<Record<Visibility, number>> = { private: 0, internal: 1, public: 2, unknown: 3 };

function rank({ visibility }: RepositoryVisibility): number {
  return ranks[visibility];
}

function claimed(token: IdentityToken | undefined): readonly RepositoryVisibility[] {
  const claims = token?.claims ?? {};
  return [
    ...known(claims['repository_visibility'], claims['repository'], 'the claim repository_visibility'),
    ...known(claims['project_visibility'], claims['project_path'], 'the claim project_visibility'),
  ];
}

async function fromEnvironment({
  env,
  readEventFile: read = readEventFile,
}: VisibilityQuery): Promise<readonly RepositoryVisibility[]> {
  const found = [
    ...known(env['CI_PROJECT_VISIBILITY'], env['CI_PROJECT_PATH'], 'the variable CI_PROJECT_VISIBILITY'),
  ];
  const path = env['GITHUB_EVENT_PATH'];
  if (env['GITHUB_ACTIONS'] !== 'true' || path === undefined || path === '') return found;
  const event = await read(path);
  const repository = isJsonObject(event) ? event['repository'] : undefined;
  if (!isJsonObject(repository)) return found;
  const name = repository['full_name'] ?? env['GITHUB_REPOSITORY'];
  return [...found, ...known(visibilityOf(repository), name, 'the event of GitHub Actions')];
}

/** Events of older GitHub servers say only whether the repository is private, which may mean internal. */
function visibilityOf(repository: JsonObject): Json | undefined {
  if (repository['visibility'] !== undefined) return repository['visibility'];
  return typeof repository['private'] === 'boolean'
    ? repository['private']
      ? 'private'
      : 'public'
    : undefined;
}

function known(
  value: Json | undefined,
  name: Json | undefined,
  from: string,
): readonly RepositoryVisibility[] {
  const visibility = (['public', 'internal', 'private'] as const).find((one) => one === value);
  if (visibility === undefined) return [];
  return [{ visibility, from, ...(typeof name === 'string' && name !== '' ? { repository: name } : {}) }];
}

/** The JSON of the file that GitHub Actions writes about the event it runs for; undefined when it cannot be read. */
export async function readEventFile(path: string): Promise<Json | undefined> {
  try {
    const { size } = await stat(path);
    if (size > limits.eventFileBytes) return undefined;
    return parseJson(await readFile(path), { what: 'the event', maxBytes: limits.eventFileBytes });
  } catch {
    return undefined;
  }
}
