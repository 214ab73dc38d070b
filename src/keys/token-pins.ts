/** What is known of the PINs of tokens while a process uses their keys. */
import type { BoltsealError } from '../core/errors.ts';

/** Shared by keys of the same tokens: a person is asked once, and a PIN that was wrong is not tried again. */
export interface TokenPins {
  /** What `ask` answered the first time for this token. */
  askOnce(token: string, ask: () => Promise<string>): Promise<string>;
  /** Notes why the token refused a PIN. */
  refuse(token: string, pin: string, why: BoltsealError): void;
  /** Why it did. */
  refused(token: string, pin: string): BoltsealError | undefined;
}

/** Nothing is known yet. */
export function tokenPins(): TokenPins {
  const asked = new Map<string, Promise<string>>();
  const refusals: { readonly token: string; readonly pin: string; readonly why: BoltsealError }[] = [];
  let last: Promise<unknown> = Promise.resolve();
  return {
    askOnce(token, ask) {
      const known = asked.get(token);
      if (known !== undefined) return known;
      // One question at a time.
      const answer = last.then(ask);
      last = answer.catch(() => undefined);
      asked.set(token, answer);
      return answer;
    },
    refuse(token, pin, why) {
      refusals.push({ token, pin, why });
    },
    refused: (token, pin) => refusals.find((one) => one.token === token && one.pin === pin)?.why,
  };
}
