/**
 * CI/CD variables of GitLab: of a project or of a group.
 * {@link https://docs.gitlab.com/api/project_level_variables/}
 */
import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json.ts';
import type { KmsFailure } from '../providers/kms-failure.ts';
import { ciNames, notKept, type Part, partsOf, type SecretPlace } from './place.ts';
import { type Asker, askRest, type RestAnswer, type RestService } from './rest.ts';
import { serverOf } from './server.ts';

/** A project or group, once it is known which. */
export interface GitLabVariables {
  readonly service: RestService;
  readonly asker: Asker;
  /** From the slash on: `/projects/acme%2Fapp/variables`. */
  readonly path: string;
  readonly what: string;
}

const tokenHint =
  'Make one in GitLab under Edit profile, Access tokens, with the scope api; whoever it is for must be a maintainer of the ' +
  'project or an owner of the group. A CI job has its variables already: use --key env://COSIGN_PRIVATE_KEY there.';

/**
 * The variables of the project or group `owner`: its path, such as `acme/app`, or its number. A project goes before a group
 * of the same name. Throws `ERR_USAGE`, `ERR_KEY_ACCESS` without a token, and as {@link askRest}.
 */
export async function openGitLabVariables(owner: string, asker: Asker): Promise<GitLabVariables> {
  const parts = owner.split('/');
  if (owner.length > 1_024 || !parts.every((part) => /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(part))) {
    throw new BoltsealError('ERR_USAGE', 'the reference gitlab://… does not name a project or group', {
      hint: 'It is gitlab:// with the path (acme/app) or the number of a project, or those of a group.',
    });
  }
  const service = gitlabService(asker);
  const name = encodeURIComponent(owner);
  const what = `${owner} on ${new URL(service.base).host}`;
  const project = await askRest(
    service,
    { method: 'GET', path: `/projects/${name}`, what: `looking for ${what}`, accept: [200, 404] },
    asker,
  );
  if (project.status === 200) {
    return {
      service,
      asker,
      path: `/projects/${name}/variables`,
      what: `the variables of the project ${what}`,
    };
  }
  const group = {
    method: 'GET',
    path: `/groups/${name}`,
    what: `looking for ${what}`,
    accept: [200],
  } as const;
  await askRest(service, group, asker);
  return { service, asker, path: `/groups/${name}/variables`, what: `the variables of the group ${what}` };
}

function gitlabService({ runtime }: Asker): RestService {
  const token = runtime.env['GITLAB_TOKEN'];
  if (token === undefined || token === '') {
    throw new BoltsealError(
      'ERR_KEY_ACCESS',
      'the variable GITLAB_TOKEN is not set, and GitLab wants a token',
      {
        hint: tokenHint,
      },
    );
  }
  const { origin, pathname } = serverOf(runtime.env['GITLAB_HOST'] || 'https://gitlab.com', 'GITLAB_HOST');
  const path = pathname.replace(/\/+$/, '');
  return {
    name: 'GitLab',
    base: `${origin}${path}${path.endsWith('/api/v4') ? '' : '/api/v4'}`,
    headers: { 'private-token': token },
    explain,
  };
}

/** The value of the variable `name`; undefined when there is none. It may be a secret. */
export async function readVariable(variables: GitLabVariables, name: string): Promise<string | undefined> {
  const { service, asker, path, what } = variables;
  const doing = `reading ${name} of ${what}`;
  const request = { method: 'GET', path: `${path}/${name}`, what: doing, accept: [200, 404] } as const;
  const { status, json } = await askRest(service, request, asker);
  if (status === 404) return undefined;
  const value = isJsonObject(json) ? json['value'] : undefined;
  if (typeof value === 'string') return value;
  throw new BoltsealError('ERR_KEY_PROVIDER', `${doing}: GitLab does not tell its value`, {
    hint: 'A hidden variable is never told. Store the pair again as variables that are not hidden.',
  });
}

/** The place where the variables of a key pair are kept. Throws as {@link openGitLabVariables}. */
export async function openGitLabPlace(owner: string, asker: Asker): Promise<SecretPlace> {
  const variables = await openGitLabVariables(owner, asker);
  const names: readonly string[] = Object.values(ciNames);
  const before = await Promise.all(names.map((name) => readVariable(variables, name)));
  const existing = names.filter((_, index) => before[index] !== undefined);
  return {
    what: variables.what,
    existing,
    async store(pair, password, stored = () => undefined) {
      for (const part of partsOf(pair, password, ciNames)) {
        await write(variables, part, existing.includes(part.name));
        const kept = await readVariable(variables, part.name);
        if (kept === undefined || kept !== textOf(part)) throw notKept(part.name, variables.what);
        stored(part.name);
      }
    },
  };
}

function textOf({ name, value }: Part): string {
  return fromUtf8(value, name);
}

/** As cosign: a plain variable that is neither masked, which keys of several lines cannot be, nor for protected branches only. */
async function write(
  { service, asker, path, what }: GitLabVariables,
  part: Part,
  isThere: boolean,
): Promise<void> {
  const body = {
    key: part.name,
    value: textOf(part),
    masked: false,
    protected: false,
    variable_type: 'env_var',
    ...(part.name === ciNames.password ? { environment_scope: '*' } : {}),
  };
  const doing = `storing ${part.name} in ${what}`;
  await askRest(
    service,
    isThere
      ? { method: 'PUT', path: `${path}/${part.name}`, what: doing, body, accept: [200] }
      : { method: 'POST', path, what: doing, body, accept: [201] },
    asker,
  );
}

function explain({ status }: RestAnswer): Partial<KmsFailure> | undefined {
  if (status === 401) {
    return {
      problem: 'does not accept the token in GITLAB_TOKEN: it is wrong, expired or revoked',
      hint: tokenHint,
    };
  }
  if (status === 403) return { hint: tokenHint };
  if (status === 404) {
    return {
      problem: 'has no such project or group, or this token may not see it',
      hint: 'Is the name right? For an own server set GITLAB_HOST to its address, such as https://gitlab.example.com.',
    };
  }
  if (status === 409) {
    return {
      hint: 'There are several of that name, one for each environment. Keep one, with the scope * (all).',
    };
  }
  return undefined;
}
