/** Machines of Google Cloud: Compute Engine, Kubernetes Engine, Cloud Build, Cloud Run. */
import { readFile } from 'node:fs/promises';
import { limits } from '../../core/limits.ts';
import { askIssuer, gaveNoToken, type IssuerAnswer, objectOf } from '../request.ts';
import type { IdentitySource, TokenQuery } from '../source.ts';

/** Where the firmware says who built the machine. */
const productNameFile = '/sys/class/dmi/id/product_name';
/** By its address: a name could lead elsewhere. It is reached without TLS, and never leaves the machine’s own network. */
const metadataServer = 'http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default';
const credentialsApi = 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts';
const serviceAccountVariable = 'GOOGLE_SERVICE_ACCOUNT_NAME';

/**
 * The service account of the machine. It belongs to the machine and not to the job that runs there.
 * {@link https://cloud.google.com/compute/docs/instances/verifying-instance-identity}
 */
export function googleSource(file: string = productNameFile): IdentitySource {
  return {
    name: 'google-workload-identity',
    aliases: ['google'],
    summary: 'the service account of a machine of Google Cloud',
    needs: 'it must be a machine of Google Cloud with a service account',
    ofMachine: true,
    async isPresent(query) {
      if (!(await isGoogle(file))) return false;
      // A machine need not have an account.
      const answer = await askMetadata(query, '/email').catch(() => undefined);
      query.signal.throwIfAborted();
      return answer?.status === 200;
    },
    async getToken(query) {
      // Without `full` the token has no email, which is what Fulcio certifies.
      const answer = await askMetadata(
        query,
        `/identity?audience=${encodeURIComponent(query.audience)}&format=full`,
      );
      if (answer.status === 200) return Buffer.from(answer.body).toString();
      throw gaveNoToken('the metadata server of Google Cloud', answer.status);
    },
  };
}

/**
 * A service account that the one of the machine may act as, named by `GOOGLE_SERVICE_ACCOUNT_NAME`.
 * {@link https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken}
 */
export function googleImpersonation(file: string = productNameFile): IdentitySource {
  return {
    name: 'google-impersonate',
    summary: `the service account ${serviceAccountVariable}, on a machine of Google Cloud`,
    needs: `${serviceAccountVariable} must be set, on a machine of Google Cloud`,
    isPresent: async ({ runtime: { env } }) =>
      (env[serviceAccountVariable] ?? '') !== '' && (await isGoogle(file)),
    async getToken(query) {
      const { runtime, audience, signal } = query;
      const access = objectOf(await askMetadata(query, '/token'))?.['access_token'];
      if (typeof access !== 'string') throw gaveNoToken('the metadata server of Google Cloud', 200);
      const answer = await askIssuer({
        runtime,
        signal,
        url: `${credentialsApi}/${encodeURIComponent(runtime.env[serviceAccountVariable] ?? '')}:generateIdToken`,
        method: 'POST',
        headers: { authorization: `Bearer ${access}`, 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify({ audience, includeEmail: true })),
        who: 'the IAM credentials API of Google Cloud',
      });
      const token = objectOf(answer)?.['token'];
      if (answer.status === 200 && typeof token === 'string') return token;
      const hint =
        answer.status === 403
          ? `The machine’s account needs the role roles/iam.serviceAccountOpenIdTokenCreator on ${serviceAccountVariable}.`
          : undefined;
      throw gaveNoToken('the IAM credentials API of Google Cloud', answer.status, hint);
    },
  };
}

async function isGoogle(file: string): Promise<boolean> {
  const name = await readFile(file, 'latin1').catch(() => '');
  return ['Google', 'Google Compute Engine'].includes(name.trim());
}

async function askMetadata({ runtime, signal }: TokenQuery, path: string): Promise<IssuerAnswer> {
  const answer = await askIssuer({
    runtime,
    signal,
    url: metadataServer + path,
    method: 'GET',
    headers: { 'metadata-flavor': 'Google' },
    who: 'the metadata server of Google Cloud',
    time: limits.localAgentTime,
    attempts: 2,
    allowHttp: true,
  });
  // Whatever answers there must be the real one.
  if (answer.headers.get('metadata-flavor') === 'Google') return answer;
  throw gaveNoToken(
    'the metadata server of Google Cloud',
    answer.status,
    'What answers there is something else.',
  );
}
