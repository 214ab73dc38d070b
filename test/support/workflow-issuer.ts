/** An issuer of identity tokens as GitHub's is for workflows, on a port of its own. */
import { listen } from '../../src/node/http-server.ts';
import type { Releases } from './temporary.ts';
import { createTestIssuer, type TestIssuer } from './test-issuer.ts';

/** The claims of a token: a release of `acme/app`, whose workflow is in the repository itself. */
export const workflowClaims: Readonly<Record<string, string>> = {
  sub: 'repo:acme/app:ref:refs/heads/main',
  event_name: 'push',
  sha: '1f'.repeat(20),
  workflow: 'Release <&>',
  repository: 'acme/app',
  repository_id: '11',
  repository_owner: 'acme',
  repository_owner_id: '12',
  repository_visibility: 'private',
  ref: 'refs/heads/main',
  workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main',
  workflow_sha: '1f'.repeat(20),
  job_workflow_ref: 'acme/app/.github/workflows/release.yml@refs/heads/main',
  job_workflow_sha: '1f'.repeat(20),
  run_id: '13',
  run_attempt: '1',
  runner_environment: 'github-hosted',
};

/** An issuer that answers over HTTP. */
export interface WorkflowIssuer {
  readonly url: string;
  /** A token with {@link workflowClaims} and those given. */
  token(claims?: Readonly<Record<string, string>>): string;
}

/** Starts one, which ends with the test. */
export async function startWorkflowIssuer(releases: Releases): Promise<WorkflowIssuer> {
  let issuer: TestIssuer | undefined;
  const listener = await listen({
    async answer({ method, url }) {
      const answered = await issuer?.fetch(url, { method, headers: {}, redirect: 'manual' });
      if (answered === undefined) return { status: 503, headers: {}, body: null };
      const { status, body } = answered;
      return { status, headers: { 'content-type': 'application/json' }, body };
    },
  });
  releases.after(() => listener.close());
  const opened = createTestIssuer(listener.url, () => new Date());
  issuer = opened;
  return {
    url: listener.url,
    token: (claims = {}) => opened.token({ ...workflowClaims, ...claims }),
  };
}
