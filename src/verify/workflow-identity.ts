/** The identity of GitHub Actions workflows, from the names that people know them by. */
import { BoltsealError } from '../core/errors.ts';
import type { IdentityRequirement } from './identity.ts';

/** A workflow, as people name it. */
export interface Workflow {
  /** `OWNER/NAME`: the repository whose source was built. */
  readonly repository: string;
  /**
   * The workflow whose job signs: `FILE` in `.github/workflows` of the repository, or
   * `OWNER/NAME/.github/workflows/FILE[@REF]` when it is a reusable workflow that the repository calls.
   */
  readonly workflow?: string | undefined;
  /** The ref that was built, in full: `refs/heads/main` or `refs/tags/v1`. */
  readonly ref?: string | undefined;
  /** By default https://github.com. */
  readonly serverUrl?: string | undefined;
}

/** Who must have signed when it was a workflow. */
export function workflowIdentity(_workflow: Workflow): IdentityRequirement {
  throw new BoltsealError('ERR_INTERNAL', 'workflow identities are not there yet');
}
