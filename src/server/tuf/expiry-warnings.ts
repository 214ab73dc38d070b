/** Says in time that metadata is going to expire. */
import type { Runtime } from '../../core/runtime.ts';
import { type TufRole, tufRoles } from './metadata.ts';
import type { TufStatus } from './tuf-repository.ts';

const day = 86_400_000;

/**
 * Warns (`tuf.expiry`) of each role whose metadata expires within 30 days or a quarter of its lifetime (`expires`,
 * milliseconds), once a day. What could be signed again was signed before that.
 */
export function expiryWarnings(
  runtime: Pick<Runtime, 'now' | 'log'>,
  expires: Readonly<Record<TufRole, number>>,
): (status: TufStatus) => void {
  const warned = new Map<TufRole, number>();
  return ({ daysToExpiry }) => {
    const now = runtime.now().getTime();
    for (const role of tufRoles) {
      const days = daysToExpiry[role];
      const isNear = days * day < Math.min(30 * day, expires[role] / 4);
      if (!isNear || now - (warned.get(role) ?? 0) < day) continue;
      warned.set(role, now);
      const what = days < 0 ? 'has expired' : 'is going to expire';
      runtime.log({
        level: 'warn',
        event: 'tuf.expiry',
        message: `The ${role} metadata of the TUF repository ${what}, and its keys are not at hand.`,
        fields: { role, days: Math.floor(days) },
      });
    }
  };
}
