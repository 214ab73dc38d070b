/** What belongs to a request through everything that is done for it: its id, in every event that is logged meanwhile. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogEvent, Runtime } from '../../core/runtime.ts';

/** A runtime that knows for which request it is used. */
export interface RequestScope {
  /** The runtime given, whose events have the field `id` of the request they come from, when they come from one. */
  readonly runtime: Runtime;
  /** Does `work` for the request `id`. */
  run<T>(id: string, work: () => T): T;
}

/**
 * A scope around `runtime`: services are made with its runtime, and the app with its `run`. An event that has an `id` of
 * its own keeps that.
 */
export function createRequestScope(runtime: Runtime): RequestScope {
  const ids = new AsyncLocalStorage<string>();
  const log = (event: LogEvent): void => {
    const id = ids.getStore();
    runtime.log(id === undefined ? event : { ...event, fields: { id, ...event.fields } });
  };
  // A view, so that what the runtime gives only when asked is not asked for here.
  const scoped: Runtime = Object.create(runtime, { log: { value: log, enumerable: true } });
  return { runtime: scoped, run: (id, work) => ids.run(id, work) };
}
