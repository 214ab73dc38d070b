/** Keeps a TUF repository fresh for as long as its server runs. */
import type { Runtime } from '../../core/runtime.ts';
import type { TufRepository } from './tuf-repository.ts';

const hour = 3_600_000;

/**
 * Tends the repository every hour (or `every` milliseconds) until `signal` is aborted, and then resolves. It never
 * rejects: what fails is logged (`tuf.tend`) and tried again the next time.
 */
export async function keepTended(
  runtime: Pick<Runtime, 'sleep' | 'log'>,
  repository: Pick<TufRepository, 'tend'>,
  signal: AbortSignal,
  every: number = hour,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await runtime.sleep(every, signal);
    } catch {
      return;
    }
    try {
      await repository.tend();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      runtime.log({
        level: 'warn',
        event: 'tuf.tend',
        message: `The TUF repository could not be signed again: ${reason}`,
      });
    }
  }
}
