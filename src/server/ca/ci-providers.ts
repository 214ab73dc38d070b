/**
 * How certificates for CI systems are filled from the claims of their identity tokens. What is not built in is
 * configured in the same form.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oidc.md}
 */
import { BoltsealError } from '../../core/errors.ts';
import { type FulcioExtensionName, fulcioExtensionNames } from '../../formats/fulcio-extensions.ts';
import { parseTemplate, type Template } from './template.ts';

/** A CI system, as it is configured: each text is a template, or the name of a claim. */
export interface CiProvider {
  /** Values for claims that a token may lack. */
  readonly defaults: Readonly<Record<string, string>>;
  /** By name of the extension, as {@link fulcioExtensionNames} spells them. */
  readonly extensions: Readonly<Record<string, string>>;
  readonly subjectAlternativeName: string;
}

/** A CI system whose templates were read. */
export interface ReadCiProvider {
  readonly defaults: Readonly<Record<string, string>>;
  readonly extensions: readonly (readonly [name: FulcioExtensionName, template: Template])[];
  readonly subjectAlternativeName: Template;
}

/** The CI systems that are known without configuration, by the names Fulcio gives them. */
export const builtInCiProviders: Readonly<Record<string, CiProvider>> = {
  'github-workflow': {
    defaults: { url: 'https://github.com', environment: '' },
    extensions: {
      'github-workflow-trigger': 'event_name',
      'github-workflow-sha': 'sha',
      'github-workflow-name': 'workflow',
      'github-workflow-repository': 'repository',
      'github-workflow-ref': 'ref',
      'build-signer-uri': '{{ .url }}/{{ .job_workflow_ref }}',
      'build-signer-digest': 'job_workflow_sha',
      'runner-environment': 'runner_environment',
      'source-repository-uri': '{{ .url }}/{{ .repository }}',
      'source-repository-digest': 'sha',
      'source-repository-ref': 'ref',
      'source-repository-identifier': 'repository_id',
      'source-repository-owner-uri': '{{ .url }}/{{ .repository_owner }}',
      'source-repository-owner-identifier': 'repository_owner_id',
      'build-config-uri': '{{ .url }}/{{ .workflow_ref }}',
      'build-config-digest': 'workflow_sha',
      'build-trigger': 'event_name',
      'run-invocation-uri':
        '{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}',
      'source-repository-visibility-at-signing': 'repository_visibility',
      'deployment-environment': 'environment',
    },
    subjectAlternativeName: '{{ .url }}/{{ .job_workflow_ref }}',
  },
  'gitlab-pipeline': {
    defaults: { url: 'https://gitlab.com', environment: '' },
    extensions: {
      'build-signer-uri': 'https://{{ .ci_config_ref_uri }}',
      'build-signer-digest': 'ci_config_sha',
      'runner-environment': 'runner_environment',
      'source-repository-uri': '{{ .url }}/{{ .project_path }}',
      'source-repository-digest': 'sha',
      'source-repository-ref': 'refs/{{ if eq .ref_type "branch" }}heads/{{ else }}tags/{{ end }}{{ .ref }}',
      'source-repository-identifier': 'project_id',
      'source-repository-owner-uri': '{{ .url }}/{{ .namespace_path }}',
      'source-repository-owner-identifier': 'namespace_id',
      'build-config-uri': 'https://{{ .ci_config_ref_uri }}',
      'build-config-digest': 'ci_config_sha',
      'build-trigger': 'pipeline_source',
      'run-invocation-uri': '{{ .url }}/{{ .project_path }}/-/jobs/{{ .job_id }}',
      'source-repository-visibility-at-signing': 'project_visibility',
      'deployment-environment': 'environment',
    },
    subjectAlternativeName: 'https://{{ .ci_config_ref_uri }}',
  },
  'buildkite-job': {
    defaults: { url: 'https://buildkite.com' },
    extensions: {
      'run-invocation-uri':
        '{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}/builds/{{ .build_number }}#{{ .job_id }}',
      'runner-environment': 'runner_environment',
      'source-repository-digest': 'build_commit',
      'build-trigger': 'build_source',
    },
    subjectAlternativeName: '{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}',
  },
  'circleci-job': {
    defaults: { api_url: 'https://circleci.com/api/v2', platform_url: 'https://app.circleci.com/' },
    extensions: {
      'build-config-uri': '{{ .api_url }}/pipeline/{{ index . "oidc.circleci.com/pipeline-id" }}/config',
      'build-signer-uri':
        '{{ .api_url }}/projects/{{ index . "oidc.circleci.com/project-id" }}/pipeline-definitions/{{ index . "oidc.circleci.com/pipeline-definition-id" }}',
      'run-invocation-uri':
        '{{ .platform_url }}/workflow/{{ index . "oidc.circleci.com/workflow-id" }}/job/{{ index . "oidc.circleci.com/job-id" }}',
      'runner-environment':
        '{{ if eq (index . "oidc.circleci.com/ssh-rerun") "true" }}ssh-rerun{{ else }}""{{ end }}',
      'source-repository-ref': '{{ index . "oidc.circleci.com/vcs-ref" }}',
      'source-repository-uri': '{{ index . "oidc.circleci.com/vcs-origin" }}',
    },
    subjectAlternativeName:
      '{{ .api_url }}/projects/{{ index . "oidc.circleci.com/project-id" }}/pipeline-definitions/{{ index . "oidc.circleci.com/pipeline-definition-id" }}',
  },
  'codefresh-workflow': {
    defaults: {
      platform_url: 'https://g.codefresh.io',
      scm_repo_url: '',
      scm_ref: '',
      runner_environment: '',
    },
    extensions: {
      'build-signer-uri': '{{ .platform_url }}/build/{{ .workflow_id }}',
      'runner-environment': 'runner_environment',
      'source-repository-uri': 'scm_repo_url',
      'source-repository-ref': 'scm_ref',
      'build-config-uri': '{{ .platform_url }}/api/pipelines/{{ .pipeline_id }}',
      'run-invocation-uri': '{{ .platform_url }}/build/{{ .workflow_id }}',
    },
    subjectAlternativeName:
      '{{ .platform_url }}/{{ .account_name }}/{{ .pipeline_name }}:{{ .account_id }}/{{ .pipeline_id }}',
  },
  'buddy-pipeline': {
    defaults: { base_url: 'https://app.buddy.works', revision: '', ref: '' },
    extensions: {
      'build-signer-uri':
        '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}/pipelines/pipeline/{{ .pipeline_id }}',
      'build-trigger': 'triggered_on',
      'runner-environment': 'runner_environment',
      'source-repository-uri': '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}',
      'source-repository-digest': 'revision',
      'source-repository-ref': 'ref',
      'source-repository-owner-uri': '{{ .base_url }}/{{ .workspace_domain }}',
      'run-invocation-uri':
        '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}/pipelines/pipeline/{{ .pipeline_id }}/execution/{{ .execution_id }}',
    },
    subjectAlternativeName:
      '{{ .base_url }}/{{ .workspace_domain }}/{{ .project_name }}/pipelines/pipeline/{{ .pipeline_id }}',
  },
};

/** Issuer and subject are never from a template. */
const fixed: ReadonlySet<string> = new Set(['issuer', 'subject']);

/** Reads the templates of a CI system. Throws `ERR_SERVER_CONFIG`, also for an extension that does not exist. */
export function readCiProvider(name: string, provider: CiProvider): ReadCiProvider {
  const extensions: [FulcioExtensionName, Template][] = [];
  for (const [extension, source] of Object.entries(provider.extensions)) {
    const known = fulcioExtensionNames.find((one) => one === extension);
    if (known === undefined) {
      throw new BoltsealError(
        'ERR_SERVER_CONFIG',
        `CI provider ${name} has an unknown extension ${extension}`,
      );
    }
    if (fixed.has(known) || source.trim() === '') continue;
    extensions.push([known, parseTemplate(source, `extension ${extension} of CI provider ${name}`)]);
  }
  if (provider.subjectAlternativeName.trim() === '') {
    throw new BoltsealError('ERR_SERVER_CONFIG', `CI provider ${name} has no subject alternative name`);
  }
  return {
    defaults: provider.defaults,
    extensions,
    // A name with a hole in it would be the name of many.
    subjectAlternativeName: parseTemplate(
      provider.subjectAlternativeName,
      `the subject alternative name of CI provider ${name}`,
      'refused',
    ),
  };
}
