import { BoltsealError } from '../../core/errors.ts';
import {
  type ConfiguredService,
  encodeSigningConfig,
  type ServiceSelector,
  type ServiceSet,
  type SigningConfig,
} from '../../formats/signing-config.ts';
import type { CommandContext, Flags } from '../command.ts';
import { writeDocument } from '../document-file.ts';
import { type FlagId, flagName } from '../flags.ts';
import { parseSpec, specPeriod, specUrl } from '../service-spec.ts';
import { quoted } from '../values.ts';

/** Makes a signing configuration of single services, byte for byte as cosign 3 makes it. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags } = context;
  const given = {
    ca: givenServices(flags, 'config-fulcio'),
    oidc: givenServices(flags, 'oidc-providers'),
    rekor: givenServices(flags, 'config-rekor'),
    tsa: givenServices(flags, 'config-tsa'),
  };
  const base = await defaultServices(context);
  const config: SigningConfig = {
    ca: [...base.ca, ...given.ca],
    oidc: [...base.oidc, ...given.oidc],
    rekor: joined(base.rekor, given.rekor, 'rekor-config', flags),
    tsa: joined(base.tsa, given.tsa, 'tsa-config', flags),
  };
  const bytes = encodeSigningConfig(config, { emptySelectors: true });
  await writeDocument(context, 'boltseal.signing-config-create/1', 'signingConfig', bytes);
}

const nobody: SigningConfig = { ca: [], oidc: [], rekor: { services: [] }, tsa: { services: [] } };

/** What is wanted of the instance in use. */
async function defaultServices(context: CommandContext): Promise<SigningConfig> {
  const { flags, signal } = context;
  const isV2 = flags.get('with-default-rekor-v2');
  const wanted = {
    fulcio: flags.get('default-fulcio'),
    oidc: flags.get('default-oidc'),
    rekor: flags.get('default-rekor'),
    tsa: flags.get('default-tsa'),
  };
  if (!flags.get('with-default-services') && !isV2) {
    const left = Object.entries(wanted).find(([, isWanted]) => !isWanted)?.[0];
    if (left === undefined) return nobody;
    throw new BoltsealError('ERR_USAGE', `--no-default-${left} is only of use with --with-default-services`);
  }
  const { loadTrust } = await import('../../flows/trust.ts');
  const loaded = await loadTrust({ offline: flags.get('offline'), signal }, await context.serviceRuntime());
  const config = isV2 ? loaded.rekorV2SigningConfig : loaded.signingConfig;
  if (config === undefined) {
    const what = isV2 ? 'signing configuration for Rekor v2' : 'signing configuration';
    throw new BoltsealError('ERR_SIGNING_CONFIG', `${loaded.source.where} has no ${what}`);
  }
  return {
    ca: wanted.fulcio ? config.ca : [],
    oidc: wanted.oidc ? config.oidc : [],
    rekor: wanted.rekor ? config.rekor : nobody.rekor,
    tsa: wanted.tsa ? config.tsa : nobody.tsa,
  };
}

function givenServices(
  flags: Flags,
  id: 'config-fulcio' | 'oidc-providers' | 'config-rekor' | 'config-tsa',
): readonly ConfiguredService[] {
  const source = `--${flagName(id)}`;
  return flags.get(id).map((text) => {
    const spec = parseSpec(text, source, {
      required: ['url', 'api-version', 'start-time', 'operator'],
      optional: ['end-time'],
    });
    const version = spec['api-version'];
    if (!/^\d{1,10}$/.test(version) || Number(version) > 0xffff_ffff) {
      throw new BoltsealError(
        'ERR_USAGE',
        `${source}: ${quoted(version)} is no version: it is a whole number`,
      );
    }
    return {
      url: specUrl(spec.url, source),
      majorApiVersion: Number(version),
      validFor: specPeriod(spec['start-time'], spec['end-time'], source),
      operator: spec.operator,
    };
  });
}

/** Services with their selector: the one given, else that of the default services. */
function joined(
  base: ServiceSet,
  added: readonly ConfiguredService[],
  id: 'rekor-config' | 'tsa-config',
  flags: Flags,
): ServiceSet {
  const text = flags.get(id);
  const services = [...base.services, ...added];
  if (added.length > 0 && text === undefined) throw misuse(id, `is missing: it says how many are asked`);
  if (services.length === 0 && text !== undefined) throw misuse(id, 'says how many of no services are asked');
  const selector = text === undefined ? base.selector : parseSelector(text, id, services.length);
  return { services, ...(selector === undefined ? {} : { selector }) };
}

function parseSelector(text: string, id: FlagId, count: number): ServiceSelector {
  const word = text.toUpperCase();
  if (word === 'ANY' || word === 'ALL') return { selector: word };
  const number = /^EXACT:(\d{1,9})$/.exec(word)?.[1];
  if (number === undefined) throw misuse(id, `is ${quoted(text)}; it must be ANY, ALL or EXACT:N`);
  if (Number(number) < 1 || Number(number) > count) {
    throw misuse(id, `asks for ${number} of ${count} services`);
  }
  return { selector: 'EXACT', count: Number(number) };
}

function misuse(id: FlagId, why: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `--${id} ${why}`, {
    hint: 'ANY asks one of the services, ALL every one, EXACT:2 two of them.',
  });
}
