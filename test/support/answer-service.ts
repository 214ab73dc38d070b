/** One service without a listener and without what the app adds. */
import type { HttpRequest, HttpResponse } from '../../src/core/http.ts';
import { createRouter } from '../../src/server/app/router.ts';
import { readBody, type Service } from '../../src/server/http/service.ts';

/** Answers `request` as the app would: routed, its body read within the route's limit, errors in the service's shape. */
export async function answerService(
  service: Service,
  request: HttpRequest,
  path: string,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const { method, headers, signal } = request;
  const found = createRouter([{ service, prefix: '' }]).find(method === 'HEAD' ? 'GET' : method, '', path);
  let response: HttpResponse;
  try {
    if (found.endpoint === undefined) throw found.refusal;
    const { route } = found.endpoint;
    const body = await readBody(request, route.bodyBytes ?? 0);
    response = await route.answer({ method, path, params: found.params, query, headers, body, signal });
  } catch (error) {
    response = service.refuse(error);
  }
  return method === 'HEAD' ? { ...response, body: null } : response;
}

/** Path and query of a URL; it is never resolved, so that `..` and `//` stay what they are. */
export function splitTarget(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const target = start === -1 ? '/' : url.slice(start);
  const mark = target.indexOf('?');
  return mark === -1
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}
