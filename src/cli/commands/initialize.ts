import type { InitializedTrust } from '../../flows/initialize-trust.ts';
import { initializeTrust } from '../../flows/initialize-trust.ts';
import { tufRoles } from '../../services/tuf/document.ts';
import type { CommandContext } from '../command.ts';

/** Chooses the Sigstore that is used from now on. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output, signal, io } = context;
  const initialized = await initializeTrust(
    {
      mirror: flags.get('mirror'),
      root: flags.get('root'),
      rootChecksum: flags.get('root-checksum'),
      signal,
    },
    await context.serviceRuntime(),
  );
  if (output.json) output.document('boltseal.initialize/1', documentOf(initialized));
  else print(context, initialized);
  const before = ['TUF_MIRROR', 'TUF_ROOT_JSON'].filter((name) => (io.env[name] ?? '') !== '');
  if (before.length > 0) {
    output.warn(`${before.join(' and ')} is set and comes before what was initialised now`);
  }
}

function documentOf(initialized: InitializedTrust): object {
  const { mirror, isPublic, versions, expires, source } = initialized;
  return {
    mirror,
    isPublic,
    fetched: source.fetched?.toISOString(),
    roles: Object.fromEntries(
      tufRoles.map((role) => [role, { version: versions[role], expires: expires[role].toISOString() }]),
    ),
    services: servicesOf(initialized),
  };
}

/** The URLs of services by kind: those that sign now, and all that are trusted. */
function servicesOf({ root, signingConfig }: InitializedTrust): Readonly<Record<string, readonly string[]>> {
  const urls = (list: readonly { readonly url: string }[] = []): string[] => [
    ...new Set(list.map(({ url }) => url)),
  ];
  return {
    certificateAuthorities: [...new Set(root.certificateAuthorities.map(({ uri }) => uri))],
    logs: [...new Set(root.tlogs.map(({ baseUrl }) => baseUrl))],
    certificateLogs: [...new Set(root.ctlogs.map(({ baseUrl }) => baseUrl))],
    timestampAuthorities: [...new Set(root.timestampAuthorities.map(({ uri }) => uri))],
    issuers: urls(signingConfig?.oidc),
    signsWith: urls([
      ...(signingConfig?.ca ?? []),
      ...(signingConfig?.rekor.services ?? []),
      ...(signingConfig?.tsa.services ?? []),
    ]),
  };
}

function print({ output }: CommandContext, initialized: InitializedTrust): void {
  const { mirror, isPublic, versions, expires, signingConfig } = initialized;
  const { style } = output;
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  const which = isPublic ? 'the public Sigstore' : 'the Sigstore';
  output.say(`${style.green('in use')} ${which} of ${mirror}`);
  output.say(
    `  root      version ${versions.root}, until ${day(expires.root)}; checked once a day, and good until ${day(expires.timestamp)} without`,
  );
  const services = servicesOf(initialized);
  const lines: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['authority', services['certificateAuthorities']],
    ['logs', services['logs']],
    ['CT logs', services['certificateLogs']],
    ['time', services['timestampAuthorities']],
    ['issuers', services['issuers']],
  ];
  for (const [name, urls = []] of lines) {
    if (urls.length > 0) output.say(style.dim(`  ${name.padEnd(9)} ${urls.join(', ')}`));
  }
  const issuer = services['issuers']?.[0] ?? 'ISSUER';
  if (signingConfig !== undefined) output.say('sign with:   boltseal sign IMAGE');
  output.say(
    `verify with: boltseal verify --certificate-identity WHO --certificate-oidc-issuer ${issuer} IMAGE`,
  );
}
