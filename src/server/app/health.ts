/** Health, readiness and metrics: what monitoring asks. */
import {
  jsonAnswer,
  type Route,
  type Service,
  ServiceRefusal,
  textAnswer,
  uncached,
} from '../http/service.ts';
import type { Metrics } from './metrics.ts';

/** Why a process should get no requests at present, each reason a short text without anything secret; empty when it should. */
export type Readiness = () => readonly string[] | Promise<readonly string[]>;

/** Whether the process is alive (`/healthz`, as Fulcio answers it), and whether it is ready (`/readyz`). */
export function createHealth(readiness: Readiness): Service {
  return { name: 'health', routes: healthRoutes(readiness), refuse };
}

/** {@link createHealth}, and `/metrics`: for an address that only monitoring can reach. */
export function createAdmin(readiness: Readiness, metrics: Metrics): Service {
  const read: Route = {
    method: 'GET',
    path: '/metrics',
    name: 'metrics',
    answer: async () => textAnswer(200, metrics.contentType, await metrics.text(), uncached),
  };
  return { name: 'admin', routes: [...healthRoutes(readiness), read], refuse };
}

function healthRoutes(readiness: Readiness): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      name: 'healthz',
      answer: () => jsonAnswer(200, { status: 'SERVING' }, uncached),
    },
    {
      method: 'GET',
      path: '/readyz',
      name: 'readyz',
      async answer() {
        const reasons = await readiness();
        return reasons.length === 0
          ? jsonAnswer(200, { status: 'SERVING' }, uncached)
          : jsonAnswer(503, { status: 'NOT_SERVING', reasons }, { ...uncached, 'retry-after': '5' });
      },
    },
  ];
}

function refuse(error: unknown): ReturnType<typeof jsonAnswer> {
  return error instanceof ServiceRefusal
    ? jsonAnswer(error.status, { code: error.status, message: error.message }, error.headers)
    : jsonAnswer(500, { code: 500, message: 'internal error' });
}
