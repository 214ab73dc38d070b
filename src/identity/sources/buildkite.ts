/** Buildkite. */
import { askIssuer, gaveNoToken, objectOf } from '../request.ts';
import type { IdentitySource, MissingToken } from '../source.ts';

const defaultEndpoint = 'https://agent.buildkite.com/v3';

/**
 * The identity token of a job of Buildkite, from the API of its agent.
 * {@link https://buildkite.com/docs/pipelines/security/oidc}
 */
export const buildkiteSource: IdentitySource = {
  name: 'buildkite-agent',
  aliases: ['buildkite'],
  summary: 'the agent of Buildkite',
  needs: 'it must be a job of Buildkite, with BUILDKITE_AGENT_ACCESS_TOKEN and BUILDKITE_JOB_ID',
  isPresent: async ({ runtime: { env } }) =>
    isGiven(env['BUILDKITE_AGENT_ACCESS_TOKEN']) && isGiven(env['BUILDKITE_JOB_ID']),
  async getToken({ runtime, audience, signal }) {
    const { env } = runtime;
    const endpoint = (env['BUILDKITE_AGENT_ENDPOINT'] || defaultEndpoint).replace(/\/+$/, '');
    const answer = await askIssuer({
      runtime,
      signal,
      url: `${endpoint}/jobs/${encodeURIComponent(env['BUILDKITE_JOB_ID'] ?? '')}/oidc/tokens`,
      method: 'POST',
      headers: {
        authorization: `Token ${env['BUILDKITE_AGENT_ACCESS_TOKEN'] ?? ''}`,
        'content-type': 'application/json',
      },
      body: Buffer.from(JSON.stringify({ audience })),
      who: 'the API of Buildkite agents',
    });
    const token = objectOf(answer)?.['token'];
    if (answer.status < 300 && typeof token === 'string') return token;
    throw gaveNoToken('the API of Buildkite agents', answer.status);
  },
  async missing({ runtime: { env } }): Promise<MissingToken | undefined> {
    if (env['BUILDKITE'] !== 'true') return undefined;
    return {
      problem: 'this is a job of Buildkite without the access token of its agent',
      hint: [
        'Inside a container of the docker plugin, hand the agent on:',
        '',
        '  plugins:',
        '    - docker#v5:',
        '        mount-buildkite-agent: true',
      ].join('\n'),
    };
  },
};

function isGiven(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
