/**
 * The one table of flags. Parsing, environment names, help, completion and the reference pages are made from it;
 * a command only lists which of them it takes.
 */

import { fileFlags } from './flags/files.ts';
import { generalFlags } from './flags/general.ts';
import { keyFlags } from './flags/keys.ts';
import { registryConnectionFlags } from './flags/registry.ts';
import { serverFlags } from './flags/server.ts';
import { signFlags } from './flags/signing.ts';
import type { FlagSpec } from './flags/spec.ts';
import { trustFlags } from './flags/trust.ts';
import { verifyFlags } from './flags/verification.ts';

export { type FlagGroup, type FlagSpec, type FlagType, flagGroups } from './flags/spec.ts';

type Fixed = typeof keyFlags &
  typeof signFlags &
  typeof verifyFlags &
  typeof fileFlags &
  typeof trustFlags &
  typeof serverFlags &
  typeof generalFlags &
  typeof registryConnectionFlags;

const table: Fixed = {
  ...keyFlags,
  ...signFlags,
  ...verifyFlags,
  ...fileFlags,
  ...trustFlags,
  ...serverFlags,
  ...generalFlags,
  ...registryConnectionFlags,
};

/** The key of a flag in the table. */
export type FlagId = keyof Fixed;

/** The table, in the order of help and reference. */
export const flags: Readonly<Record<FlagId, FlagSpec>> = table;

type Given<S> = S extends { type: 'strings' | 'texts' }
  ? readonly string[]
  : S extends { type: 'boolean' }
    ? boolean
    : S extends { type: 'integer' | 'duration' }
      ? number
      : S extends { type: 'enum'; values: readonly (infer V)[] }
        ? V
        : string;

/** The type of a flag’s value: never undefined where the flag has a default or may be repeated. */
export type FlagValue<Id extends FlagId> = Fixed[Id] extends
  | { default: unknown }
  | { type: 'strings' | 'texts' }
  ? Given<Fixed[Id]>
  : Given<Fixed[Id]> | undefined;

/** Any flag’s value. */
export type AnyFlagValue = boolean | number | string | readonly string[] | undefined;

/** Flags that every command takes. */
export const globalFlags: readonly FlagId[] = ['timeout', 'output-file', 'quiet', 'verbose', 'help'];

/** Flags of every command that talks to a registry. */
export const registryFlags: readonly FlagId[] = [
  'registry-username',
  'registry-password',
  'registry-token',
  'registry-cacert',
  'registry-client-cert',
  'registry-client-key',
  'registry-server-name',
  'registry-auth-realm',
  'allow-http-registry',
  'allow-insecure-registry',
];

/** Who signs and what records it, for commands that sign. */
export const signingFlags: readonly FlagId[] = [
  'key',
  'identity-token',
  'oidc-issuer',
  'oidc-client-id',
  'oidc-client-secret-file',
  'oidc-provider',
  'oidc-redirect-url',
  'oidc-disable-ambient-providers',
  'fulcio-auth-flow',
  'log',
  'tlog-upload',
  'consent',
  'timestamp',
  'rekor-version',
  'defer-log',
  'signing-config',
  'fulcio-url',
  'rekor-url',
  'timestamp-server-url',
  'trusted-root',
];

/** A flag of {@link identityFlags}. */
export type IdentityFlag = Extract<FlagId, 'repo' | 'workflow' | 'ref' | `certificate-${string}`>;

/** Who must have signed keyless, for commands that verify. */
export const identityFlags: readonly IdentityFlag[] = [
  'certificate-identity',
  'certificate-identity-regexp',
  'certificate-oidc-issuer',
  'certificate-oidc-issuer-regexp',
  'repo',
  'workflow',
  'ref',
  'certificate-github-workflow-name',
  'certificate-github-workflow-ref',
  'certificate-github-workflow-repository',
  'certificate-github-workflow-sha',
  'certificate-github-workflow-trigger',
];

/** Who must have signed and what must stand behind it, for commands that verify. */
export const verificationFlags: readonly FlagId[] = [
  'key',
  'allow-http-key',
  ...identityFlags,
  'trusted-root',
  'offline',
  'insecure-ignore-tlog',
  'insecure-ignore-sct',
  'use-signed-timestamps',
  'signature-digest-algorithm',
];

/** The long name of a flag, without dashes. */
export function flagName(id: FlagId): string {
  return flags[id].name ?? id;
}

/** The environment variables that set a flag, the first that is not empty wins. */
export function flagVariables(id: FlagId): readonly string[] {
  const spec = flags[id];
  if (spec.noEnv) return [];
  const suffix = environmentName(flagName(id));
  return [`BOLTSEAL_${suffix}`, ...(spec.env ?? []), `COSIGN_${suffix}`];
}

/** `registry-token` as `REGISTRY_TOKEN`. */
export function environmentName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
