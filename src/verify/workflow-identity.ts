/**
 * The identity of GitHub Actions workflows, from the names that people know them by.
 *
 * Two things are in a certificate: the workflow whose job signed (its subject), and the repository whose source was
 * built (an extension). They are in the same repository, but for a reusable workflow that another repository calls: the
 * called one signs, as itself. Whoever may change either can change what is signed, so both are checked: the subject
 * against the workflow, `source-repository-uri` and `source-repository-ref` against the repository and the ref. A
 * subject alone, that of a public reusable workflow, would accept what anybody built with it; a source repository alone
 * would accept any workflow that it calls.
 * {@link https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-with-reusable-workflows},
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md}
 */
import { BoltsealError } from '../core/errors.ts';
import type { FulcioExtensionName } from '../formats/fulcio-extensions.ts';
import type { IdentityRequirement, TextRequirement } from './identity.ts';

/** A workflow, as people name it. Upper and lower case matter: as GitHub shows it. */
export interface Workflow {
  /** `OWNER/NAME`: the repository whose source was built. */
  readonly repository: string;
  /**
   * The workflow whose job signs: `FILE` in `.github/workflows` of the repository, any when it is left out; or
   * `OWNER/NAME/.github/workflows/FILE[@REF]`, a reusable workflow that the repository calls, at any ref when it is left
   * out.
   */
  readonly workflow?: string | undefined;
  /** The ref that was built, in full: `refs/heads/main` or `refs/tags/v1`. Any when it is left out. */
  readonly ref?: string | undefined;
  /** A GitHub Enterprise Server or `https://NAME.ghe.com`; by default https://github.com. */
  readonly serverUrl?: string | undefined;
}

const namePattern = /^[A-Za-z0-9_.-]{1,100}$/;
const filePattern = /^[^/@\s]{1,200}\.ya?ml$/;
const folder = '.github/workflows';

/**
 * Who must have signed when it was this workflow. A workflow named by its file must be of the repository and at the ref
 * that was built; one named in full, at its own ref. What is left out may be anything, everything else is exact. Throws
 * `ERR_USAGE` for names that are none, and for a short ref: `main` may be a branch or a tag, and whoever may make one of
 * the two must not pass for the other.
 */
export function workflowIdentity(workflow: Workflow): IdentityRequirement {
  const { repository, ref } = workflow;
  const server = readServer(workflow.serverUrl ?? 'https://github.com');
  checkRepository(repository);
  if (ref !== undefined) checkRef(ref, '--ref');
  const extensions: Partial<Record<FulcioExtensionName, string>> = {
    'source-repository-uri': `${server}/${repository}`,
    ...(ref === undefined ? {} : { 'source-repository-ref': ref }),
  };
  return {
    subject: subjectOf(server, workflow),
    issuer: { kind: 'exact', value: issuerOf(new URL(server)) },
    extensions,
  };
}

function subjectOf(server: string, { repository, workflow, ref }: Workflow): TextRequirement {
  if (workflow === undefined) {
    return text(`${server}/${repository}/${folder}/`, '[^/@]+', '@', ref);
  }
  if (!workflow.includes('/')) {
    if (!filePattern.test(workflow))
      throw usage(`${JSON.stringify(workflow)} is not the name of a workflow file`);
    return text(`${server}/${repository}/${folder}/${workflow}`, '', '@', ref);
  }
  const match = /^([^/]+\/[^/]+)\/\.github\/workflows\/([^/@]+)(?:@(.+))?$/.exec(workflow);
  const [, owner = '', file = '', at] = match ?? [];
  if (match === null || !filePattern.test(file)) {
    throw usage(`${JSON.stringify(workflow)} is not OWNER/NAME/${folder}/FILE`);
  }
  checkRepository(owner);
  // A reusable workflow may be called by a commit.
  if (at !== undefined && !/^[0-9a-f]{40}$/.test(at)) checkRef(at, 'the ref of the workflow');
  return text(`${server}/${owner}/${folder}/${file}`, '', '@', at);
}

/** `before`, what `pattern` matches, `between` and `after`; anything when `after` is left out. */
function text(before: string, pattern: string, between: string, after: string | undefined): TextRequirement {
  if (pattern === '' && after !== undefined) return { kind: 'exact', value: `${before}${between}${after}` };
  const end = after === undefined ? '.+' : escaped(after);
  return { kind: 'pattern', pattern: `^${escaped(before)}${pattern}${escaped(between)}${end}$` };
}

function escaped(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function usage(message: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', message, { hint });
}

function checkRepository(repository: string): void {
  const [owner = '', name = '', ...more] = repository.split('/');
  if (more.length === 0 && namePattern.test(owner) && namePattern.test(name)) return;
  throw usage(`${JSON.stringify(repository.slice(0, 200))} is not a repository`, 'Name it as OWNER/NAME.');
}

function checkRef(ref: string, what: string): void {
  if (/^refs\/(?:heads|tags|pull)\/[^\s]{1,500}$/.test(ref)) return;
  const shown = ref.slice(0, 200);
  throw usage(
    `${what} must be a ref in full, not ${JSON.stringify(shown)}`,
    ref.startsWith('refs/')
      ? 'Refs begin with refs/heads/, refs/tags/ or refs/pull/.'
      : `Write refs/heads/${shown} for the branch, or refs/tags/${shown} for the tag.`,
  );
}

/** The URL of a server without a slash at its end, as it stands in certificates. */
function readServer(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'https:' && parsed.origin === url.replace(/\/$/, '')) return parsed.origin;
  throw usage(
    `${JSON.stringify(url.slice(0, 200))} is not the URL of a server`,
    'It looks like https://github.example.com.',
  );
}

/**
 * Who issues the tokens of a server's workflows.
 * {@link https://docs.github.com/en/actions/reference/security/oidc}
 */
function issuerOf({ hostname, origin }: URL): string {
  if (hostname === 'github.com') return 'https://token.actions.githubusercontent.com';
  if (/^[a-z0-9-]+\.ghe\.com$/.test(hostname)) return `https://token.actions.${hostname}`;
  return `${origin}/_services/token`;
}
