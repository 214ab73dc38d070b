/** A double of the CI/CD variables of GitLab's API, by its reference pages. */
import type { ApiAnswer, ApiHandler, ApiRequest } from './api-server.ts';

/** The double, and what happened to it. */
export interface GitLabDouble {
  readonly handler: ApiHandler;
  /** Whole variables by owner and key: `projects acme/app COSIGN_PASSWORD`. */
  readonly variables: Map<string, Readonly<Record<string, unknown>>>;
  readonly requests: ApiRequest[];
}

/** How a double is. */
export interface GitLabChoices {
  readonly projects?: readonly string[];
  readonly groups?: readonly string[];
  readonly token?: string;
  /** Answers in place of the double when it returns something. */
  readonly disturb?: (request: ApiRequest) => ApiAnswer | undefined;
}

/** A new double. */
export function gitlabDouble(choices: GitLabChoices = {}): GitLabDouble {
  const {
    projects = ['acme/app', '42'],
    groups = ['acme', 'acme/sub'],
    token = 'glpat-test',
    disturb,
  } = choices;
  const variables = new Map<string, Readonly<Record<string, unknown>>>();
  const requests: ApiRequest[] = [];
  const notFound = (what: string): ApiAnswer => ({ status: 404, body: { message: `404 ${what} Not Found` } });

  function answer({ method, path, body }: ApiRequest): ApiAnswer {
    const match = /^\/api\/v4\/(projects|groups)\/([^/?]+)(?:\/variables(?:\/([A-Z_]+))?)?$/.exec(path);
    if (match === null) return notFound('Page');
    const [, kind = '', escaped = '', key] = match;
    const owner = decodeURIComponent(escaped);
    if (!(kind === 'projects' ? projects : groups).includes(owner)) {
      return notFound(kind === 'projects' ? 'Project' : 'Group');
    }
    if (!path.includes('/variables')) return { status: 200, body: { id: 7, path_with_namespace: owner } };
    const sent = body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
    const place = `${kind} ${owner} ${key ?? String(sent['key'])}`;
    const kept = variables.get(place);
    if (method === 'POST' && key === undefined) {
      if (kept !== undefined) {
        return {
          status: 400,
          body: { message: { key: [`(${String(sent['key'])}) has already been taken`] } },
        };
      }
      variables.set(place, { environment_scope: '*', ...sent });
      return { status: 201, body: variables.get(place) ?? {} };
    }
    if (kept === undefined) return notFound('Variable');
    if (method === 'PUT') variables.set(place, { ...kept, ...sent });
    return { status: 200, body: variables.get(place) ?? {} };
  }

  return {
    variables,
    requests,
    handler(request) {
      requests.push(request);
      const disturbed = disturb?.(request);
      if (disturbed !== undefined) return disturbed;
      if (request.path === '/api/v4/') return { status: 404, body: { error: '404 Not Found' } };
      if (request.headers['private-token'] !== token)
        return { status: 401, body: { message: '401 Unauthorized' } };
      return answer(request);
    },
  };
}
