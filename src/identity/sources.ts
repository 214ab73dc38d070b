/** The table of sources of identity tokens, and how one is chosen. */
import { BoltsealError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { missingInCi } from './ci-systems.ts';
import type { IdentitySource, MissingToken, TokenQuery } from './source.ts';
import { buildkiteSource } from './sources/buildkite.ts';
import { environmentSource } from './sources/environment.ts';
import { filesystemSource } from './sources/filesystem.ts';
import { githubActionsSource } from './sources/github-actions.ts';
import { gitlabSource } from './sources/gitlab.ts';
import { googleImpersonation, googleSource } from './sources/google.ts';
import { spiffeSource } from './sources/spiffe.ts';
import { type IdentityToken, parseIdentityToken } from './token.ts';

/** Every source, in the order in which they are looked at: what is explicit first, what belongs to the machine last. */
export const identitySources: readonly IdentitySource[] = [
  filesystemSource(),
  environmentSource,
  githubActionsSource,
  gitlabSource,
  buildkiteSource,
  spiffeSource,
  googleImpersonation(),
  googleSource(),
];

/** What {@link ambientToken} may be told. */
export interface AmbientOptions {
  /** The only source that is used, by name. It must be present. */
  readonly only?: string | undefined;
  /** Accepted beside the audience that is asked for, when a source gives a token it was not asked for. */
  readonly acceptAudience?: readonly string[] | undefined;
  /** {@link identitySources} by default. */
  readonly sources?: readonly IdentitySource[] | undefined;
}

/**
 * The identity token of the environment; undefined when no source is present and no CI system is recognized, so that
 * a person may be asked. A source that is present and fails is an error, and no other is tried: its signature would be
 * somebody else’s. Throws `ERR_IDENTITY_MISSING` when the CI system is there and the permission is not,
 * `ERR_IDENTITY_PROVIDER`, `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`.
 */
export async function ambientToken(
  query: TokenQuery,
  options: AmbientOptions = {},
): Promise<IdentityToken | undefined> {
  const source = await findSource(query, options);
  return source === undefined ? undefined : tokenOf(source, query, options);
}

/**
 * The source that {@link ambientToken} asks, without asking it; undefined when there is none and somebody may be asked.
 * Throws as that does when there should be one.
 */
export async function findSource(
  query: TokenQuery,
  { sources = identitySources, only }: AmbientOptions = {},
): Promise<IdentitySource | undefined> {
  if (only !== undefined) return named(only, query, sources);
  let missing: MissingToken | undefined;
  for (const source of sources) {
    query.signal.throwIfAborted();
    if (source.ofMachine && missing !== undefined) break;
    if (await source.isPresent(query)) return source;
    missing ??= await source.missing?.(query);
  }
  missing ??= missingInCi(query.runtime.env);
  if (missing === undefined) return undefined;
  throw new BoltsealError('ERR_IDENTITY_MISSING', missing.problem, { hint: missing.hint });
}

/**
 * Why a program in this environment has no token and nobody can be asked either; undefined when no CI system is
 * recognized.
 */
export async function explainMissing(
  query: TokenQuery,
  sources: readonly IdentitySource[] = identitySources,
): Promise<MissingToken | undefined> {
  for (const source of sources) {
    const missing = await source.missing?.(query);
    if (missing !== undefined) return missing;
  }
  return missingInCi(query.runtime.env);
}

async function tokenOf(
  source: IdentitySource,
  query: TokenQuery,
  { acceptAudience = [] }: AmbientOptions,
): Promise<IdentityToken> {
  const { runtime, audience } = query;
  const text = await source.getToken(query);
  const token = parseIdentityToken(text, {
    now: runtime.now(),
    audience: [audience, ...acceptAudience],
    what: `the identity token of ${source.name}`,
  });
  runtime.log({
    level: 'debug',
    event: 'identity.ambient',
    message: `the identity token is that of ${source.name}`,
    fields: { source: source.name, subject: token.subject, issuer: token.issuer },
  });
  return token;
}

async function named(
  name: string,
  query: TokenQuery,
  sources: readonly IdentitySource[],
): Promise<IdentitySource> {
  const source = sources.find((one) => one.name === name || one.aliases?.includes(name));
  if (source === undefined) {
    const names = sources.map((one) => one.name);
    const near = nearest(name, names);
    throw new BoltsealError(
      'ERR_USAGE',
      `there is no provider of identity tokens named ${JSON.stringify(name.slice(0, 80))}`,
      {
        hint: near === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${near}?`,
      },
    );
  }
  if (await source.isPresent(query)) return source;
  const missing = await source.missing?.(query);
  throw new BoltsealError(
    'ERR_IDENTITY_MISSING',
    missing?.problem ?? `the provider ${source.name} is not present here`,
    { hint: missing?.hint ?? `For ${source.summary}, ${source.needs}.` },
  );
}
