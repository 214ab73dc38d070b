/** What a source of identity tokens is. */
import type { Runtime } from '../core/runtime.ts';

/** What a token is asked for with. */
export interface TokenQuery {
  readonly runtime: Runtime;
  /** Whom the token must be for. */
  readonly audience: string;
  readonly signal: AbortSignal;
}

/** Why a source has no token although its system is there, and what to do about it. */
export interface MissingToken {
  /** What is missing, as a clause: `this job of GitHub Actions has no permission to …`. */
  readonly problem: string;
  /** What to do; may be several lines. */
  readonly hint: string;
}

/** A place where a program finds an identity token without asking a person. */
export interface IdentitySource {
  /** As `--oidc-provider` names it; cosign’s name. */
  readonly name: string;
  /** Other names for it. */
  readonly aliases?: readonly string[];
  /** What it is, for help and errors. */
  readonly summary: string;
  /** What makes it present, for the error when it was asked for and is not. */
  readonly needs: string;
  /**
   * It belongs to the machine and not to the job: not used when the job runs in a CI system that should have a token of
   * its own and has none, because the signature would be somebody else’s.
   */
  readonly ofMachine?: boolean;
  /** Whether a token can be asked for here. */
  isPresent(query: TokenQuery): Promise<boolean>;
  /** The token. Throws `ERR_IDENTITY_PROVIDER`, or `ERR_SERVICE_…` when it cannot be reached. */
  getToken(query: TokenQuery): Promise<string>;
  /** Why it is not present, when its system is there all the same. */
  missing?(query: TokenQuery): Promise<MissingToken | undefined>;
}
