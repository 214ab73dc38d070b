import { fileURLToPath } from 'node:url';
import { type ServerProcess, startServer } from './server-process.ts';

/** What moto takes as credentials: anything. */
export const motoEnvironment: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: 'testing',
  AWS_SECRET_ACCESS_KEY: 'testing',
  AWS_REGION: 'eu-central-1',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/**
 * Starts moto as AWS KMS, with the corrections of `moto-kms.py`; `python` is the program `moto-python`. It speaks plain
 * HTTP: who wants what AWS has puts TLS in front.
 */
export function startMoto(python: string): Promise<ServerProcess> {
  return startServer({
    path: python,
    arguments: () => [fileURLToPath(new URL('moto-kms.py', import.meta.url))],
    announces: /moto listens on (\d+)\n/,
    readyPath: '/moto-api/data.json',
  });
}
