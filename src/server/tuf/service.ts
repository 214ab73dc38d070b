/** Serves a TUF repository as clients expect a mirror: files by name, and 404 for the root that does not exist yet. */
import type { HttpResponse } from '../../core/http.ts';
import {
  asRefusal,
  bytesAnswer,
  immutable,
  jsonAnswer,
  type Service,
  ServiceRefusal,
  uncached,
} from '../http/service.ts';
import type { TufRepository } from './tuf-repository.ts';

/**
 * The service of a repository: `GET /N.root.json`, `/timestamp.json`, `/N.snapshot.json`, `/N.targets.json` and
 * `/targets/HASH.NAME`. Only names that the repository knows are answered; none of them ever becomes a path. Everything
 * but the timestamp may be cached for ever.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/#detailed-client-workflow}
 */
export function createTufService(repository: Pick<TufRepository, 'find'>): Service {
  const answer = async (name: string): Promise<HttpResponse> => {
    const file = await repository.find(name);
    if (file === undefined) throw new ServiceRefusal(404, 'there is no such file');
    return bytesAnswer(200, typeOf(name), file.bytes, file.isImmutable ? immutable : uncached);
  };
  return {
    name: 'tuf',
    routes: [
      {
        method: 'GET',
        path: '/:name',
        name: 'metadata',
        answer: ({ params }) => answer(params['name'] ?? ''),
      },
      {
        method: 'GET',
        path: '/targets/:name',
        name: 'target',
        answer: ({ params }) => answer(`targets/${params['name'] ?? ''}`),
      },
    ],
    refuse(error) {
      const { status, message, headers } = asRefusal(error) ?? new ServiceRefusal(500, 'internal error');
      return jsonAnswer(status, { code: status, message }, { ...uncached, ...headers });
    },
  };
}

function typeOf(name: string): string {
  if (name.endsWith('.json')) return 'application/json';
  return name.endsWith('.pem') || name.endsWith('.pub')
    ? 'application/x-pem-file'
    : 'application/octet-stream';
}
