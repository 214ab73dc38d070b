/** Credentials of a registry, and the port they come through. */

/** What a registry or its token service is shown. The origin says where it is stored, never what it is. */
export type Credential =
  /** A user name and a password or personal access token. */
  | {
      readonly kind: 'basic';
      readonly username: string;
      readonly password: string;
      readonly origin: string;
    }
  /** An OAuth2 refresh token, which the token service turns into access tokens. */
  | { readonly kind: 'identity-token'; readonly token: string; readonly origin: string }
  /** A bearer token for the registry itself. */
  | { readonly kind: 'registry-token'; readonly token: string; readonly origin: string };

/**
 * Finds the credential of one repository; undefined when none is stored. `registry` is a reference's, exactly: a
 * credential of another host or port is never returned. Throws `ERR_REGISTRY_CREDENTIALS` when something stored
 * cannot be read.
 */
export type CredentialSource = (
  registry: string,
  repository: string,
  options?: { readonly signal?: AbortSignal | undefined },
) => Promise<Credential | undefined>;
