/** The program of the action: the process, its signals and its exit. */
import { BoltsealError } from '../core/errors.ts';
import { runAction } from './main.ts';

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The runner cancels with the first, and ends the process itself when it takes too long.
  process.once(signal, () => {
    controller.abort(new BoltsealError('ERR_INTERRUPTED', 'the run was cancelled', { details: { signal } }));
  });
}

runAction({
  env: process.env,
  platform: process.platform,
  stdout: process.stdout,
  signal: controller.signal,
}).then((code) => {
  // Connections that are kept alive would hold the process.
  process.stdout.write('', () => process.exit(code));
});
