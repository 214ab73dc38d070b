/** GitLab CI, whose tokens arrive in variables that a job asks for. */
import type { IdentitySource, MissingToken } from '../source.ts';
import { yamlWord } from '../yaml-word.ts';
import { environmentSource, tokenVariable } from './environment.ts';

/**
 * The `id_tokens` of a job of GitLab CI. {@link environmentSource} comes before it and takes the token; this explains why
 * there is none.
 * {@link https://docs.gitlab.com/ci/yaml/#id_tokens}
 */
export const gitlabSource: IdentitySource = {
  name: 'gitlab-ci',
  aliases: ['gitlab'],
  summary: `the id_tokens of GitLab CI, in ${tokenVariable}`,
  needs: `it must be a job of GitLab CI with ${tokenVariable} among its id_tokens`,
  isPresent: async (query) => isGitlab(query.runtime.env) && (await environmentSource.isPresent(query)),
  getToken: (query) => environmentSource.getToken(query),
  async missing({ runtime: { env }, audience }): Promise<MissingToken | undefined> {
    if (!isGitlab(env)) return undefined;
    const job = env['CI_JOB_NAME'] ?? 'sign';
    const file = env['CI_CONFIG_PATH'] || '.gitlab-ci.yml';
    return {
      problem: 'this job of GitLab CI asks for no identity token',
      hint: [
        `Add to the job in ${file}:`,
        '',
        `  ${yamlWord(job)}:`,
        '    id_tokens:',
        `      ${tokenVariable}:`,
        `        aud: ${yamlWord(audience)}`,
      ].join('\n'),
    };
  },
};

function isGitlab(env: Readonly<Record<string, string | undefined>>): boolean {
  return env['GITLAB_CI'] === 'true';
}
