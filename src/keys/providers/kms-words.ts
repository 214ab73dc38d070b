/** What is said of keys in every key management service. */
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { KeyType } from '../../formats/public-key.ts';

/** The error for a name that a key of another kind has. */
export function isAnotherKind(name: string, service: string, found: KeyType, wanted: KeyType): BoltsealError {
  return new BoltsealError('ERR_KEY_EXISTS', `${name} exists in ${service}: ${found}, not ${wanted}`, {
    hint: `Choose another name, or use the key as it is: --key-type ${found}.`,
  });
}

/** Says that a key is used that was there before. */
export function existsAlready(runtime: Pick<Runtime, 'log'>, name: string, service: string): void {
  runtime.log({
    level: 'warn',
    event: 'keys.exists',
    message: `${name} exists in ${service} already: nothing was made`,
  });
}

/** The error for a key with a history that is too long. */
export function tooManyVersions(name: string, service: string): BoltsealError {
  return new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `the key ${name} in ${service} has more than ${limits.kmsKeyVersions} versions`,
    { hint: 'Name the version to verify with in the reference, or disable versions that nothing needs.' },
  );
}

/** The error for a kind of key that a service does not make. */
export function makesNone(service: string, keyType: KeyType): BoltsealError {
  return new BoltsealError('ERR_KEY_UNSUPPORTED', `${service} makes no ${keyType} keys`, {
    hint: 'Choose another --key-type; ecdsa-p256 is what every verifier knows.',
  });
}
