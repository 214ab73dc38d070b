/** What every part of the action works with. */
import type { LogEvent, Runtime } from '../core/runtime.ts';
import { createRuntime } from '../node/runtime.ts';
import type { RunInfo } from './run-info.ts';
import type { Settings } from './settings.ts';
import type { ActionIo, Toolkit } from './toolkit.ts';

/** One run of the action. */
export interface ActionContext {
  readonly toolkit: Toolkit;
  readonly settings: Settings;
  readonly run: RunInfo;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** The runtime of a step, whose log is that of the run. */
export function actionRuntime({ env }: ActionIo, toolkit: Toolkit): Runtime {
  return createRuntime({ env, log: (event) => print(event, toolkit) });
}

function print({ level, event, message }: LogEvent, toolkit: Toolkit): void {
  if (level === 'warn') toolkit.warning(message);
  else if (level === 'info') toolkit.info(message);
  else toolkit.debug(`${event}: ${message}`);
}
