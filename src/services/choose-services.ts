/**
 * Which services of a signing configuration are asked: those that are valid now, of the highest version that is understood
 * here, one of each operator (the newest); of these as many as the configuration says.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto SigningConfig}
 */
import { BoltsealError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import type { Runtime } from '../core/runtime.ts';
import type { ConfiguredService, ServiceSelector, SigningConfig } from '../formats/signing-config.ts';
import { isWithin } from '../formats/time-range.ts';
import type { RekorVersion } from './recordable-signature.ts';

export type { RekorVersion };

/** A service that was chosen. */
export interface ChosenService {
  /** Of a timestamp authority the whole URL, of others the one that paths are added to. */
  readonly url: string;
  /** Others that do as well, in the order in which they should be tried when this one is down. */
  readonly alternatives: readonly string[];
}

/** A log that was chosen; its alternatives are of the same version. */
export interface ChosenLog extends ChosenService {
  readonly version: RekorVersion;
}

/** What was chosen. Logs and timestamp authorities that are listed are all asked. */
export interface ChosenServices {
  readonly ca?: ChosenService;
  readonly oidc?: ChosenService;
  readonly logs: readonly ChosenLog[];
  readonly timestampAuthorities: readonly ChosenService[];
}

/** Kinds of services. */
export type ServiceRole = 'ca' | 'oidc' | 'log' | 'timestamp authority';

/** How services are chosen. */
export interface ChooseServicesOptions {
  /** Kinds of which there must be one; without this, what is not in the configuration is not chosen. */
  readonly require?: readonly ServiceRole[] | undefined;
  /** The version of the logs: the one that is chosen when there is a log of it, and with `only` no other. */
  readonly rekor?: { readonly version: RekorVersion; readonly only?: boolean | undefined } | undefined;
}

/** Versions of the APIs that are spoken here. */
const understood = {
  ca: [1],
  oidc: [1],
  log: [2, 1],
  'timestamp authority': [1],
} as const satisfies Readonly<Record<ServiceRole, readonly number[]>>;

/**
 * Chooses services: with the selector ANY one at random (the others are its alternatives), with ALL every one, with EXACT
 * that many at random. A certificate authority and an issuer need no selector: the newest is chosen. All of a kind are of
 * one version.
 *
 * Throws `ERR_SIGNING_CONFIG` when there are too few, and tells of each service why it was left out; of authorities and
 * issuers only when they are required.
 */
export function chooseServices(
  config: SigningConfig,
  options: ChooseServicesOptions,
  runtime: Pick<Runtime, 'now' | 'random'>,
): ChosenServices {
  const chooser: Chooser = { required: options.require ?? [], now: runtime.now(), runtime };
  const ca = chooseOne(chooser, 'ca', config.ca);
  const oidc = chooseOne(chooser, 'oidc', config.oidc);
  const logs = choose(chooser, 'log', config.rekor, rekorVersions(options.rekor));
  const authorities = choose(chooser, 'timestamp authority', config.tsa, understood['timestamp authority']);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(oidc === undefined ? {} : { oidc }),
    logs: logs.map(({ url, alternatives, version }) => ({
      url,
      alternatives,
      version: version === 1 ? 1 : 2,
    })),
    timestampAuthorities: authorities.map(({ url, alternatives }) => ({ url, alternatives })),
  };
}

function rekorVersions(rekor: ChooseServicesOptions['rekor']): readonly number[] {
  const all = understood.log;
  if (rekor === undefined) return all;
  const others = rekor.only === true ? [] : all.filter((version) => version !== rekor.version);
  return [rekor.version, ...others];
}

interface Chooser {
  readonly required: readonly ServiceRole[];
  readonly now: Date;
  readonly runtime: Pick<Runtime, 'random'>;
}

interface Candidates {
  readonly version: number;
  /** One of each operator, the newest. */
  readonly distinct: readonly string[];
  /** The others, newest first. */
  readonly older: readonly string[];
}

/** The services of the first of `versions` of which one is valid, or undefined when none is. */
function candidatesOf(
  services: readonly ConfiguredService[],
  versions: readonly number[],
  now: Date,
): Candidates | undefined {
  const newestFirst = services
    .filter(({ validFor }) => isWithin(validFor, now))
    .sort((a, b) => startOf(b) - startOf(a));
  for (const version of versions) {
    const operators = new Set<string>();
    const [distinct, older]: [string[], string[]] = [[], []];
    for (const { url, operator, majorApiVersion } of newestFirst) {
      if (majorApiVersion !== version) continue;
      (operators.has(operator) ? older : distinct).push(url);
      operators.add(operator);
    }
    if (distinct.length > 0) return { version, distinct, older };
  }
  return undefined;
}

function startOf({ validFor }: ConfiguredService): number {
  return validFor.start?.getTime() ?? Number.NEGATIVE_INFINITY;
}

/** A service of a kind of which one is enough: the newest. */
function chooseOne(
  chooser: Chooser,
  role: 'ca' | 'oidc',
  services: readonly ConfiguredService[],
): ChosenService | undefined {
  const versions = understood[role];
  const [url] = candidatesOf(services, versions, chooser.now)?.distinct ?? [];
  if (url !== undefined) return { url, alternatives: [] };
  if (chooser.required.includes(role)) throw tooFew(role, services, versions, chooser.now, 1);
  return undefined;
}

function choose(
  chooser: Chooser,
  role: 'log' | 'timestamp authority',
  set: SigningConfig['rekor'],
  versions: readonly number[],
): readonly (ChosenService & { readonly version: number })[] {
  const { services, selector } = set;
  if (selector === undefined && !chooser.required.includes(role)) return [];
  const count = selector === undefined ? 1 : countOf(selector);
  const found = candidatesOf(services, versions, chooser.now);
  if (found === undefined || found.distinct.length < count) {
    throw tooFew(role, services, versions, chooser.now, count);
  }
  const { version, distinct, older } = found;
  if (selector?.selector === 'ALL') return distinct.map((url) => ({ url, alternatives: [], version }));
  const shuffled = shuffle(distinct, chooser.runtime);
  const [first = '', ...others] = shuffled;
  if (selector?.selector === 'ANY') return [{ url: first, alternatives: [...others, ...older], version }];
  return shuffled.slice(0, count).map((url) => ({ url, alternatives: [], version }));
}

function countOf(selector: ServiceSelector): number {
  return selector.selector === 'EXACT' ? selector.count : 1;
}

/** The items in an order of which each is as likely as every other (Fisher and Yates). */
function shuffle<T>(items: readonly T[], runtime: Pick<Runtime, 'random'>): readonly T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const bytes = runtime.random(4);
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    const other = Math.floor((number / 2 ** 32) * (last + 1));
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/** What the kinds are called. */
const roleNames: Readonly<Record<ServiceRole, string>> = {
  ca: 'certificate authority',
  oidc: 'OIDC issuer',
  log: 'transparency log',
  'timestamp authority': 'timestamp authority',
};

function tooFew(
  role: ServiceRole,
  services: readonly ConfiguredService[],
  versions: readonly number[],
  now: Date,
  count: number,
): BoltsealError {
  const name = roleNames[role];
  const wanted =
    count === 1 ? `one ${name}` : `${count} services of the kind ${name}, each of another operator,`;
  const reasons = services.slice(0, 10).map((one) => `${shown(one.url)} ${whyNot(one, versions, now)}`);
  const listed = reasons.length === 0 ? 'it names none' : reasons.join('; ');
  return new BoltsealError(
    'ERR_SIGNING_CONFIG',
    `the signing configuration does not have ${wanted} that can be used now: ${listed}`,
    {
      hint: 'Use another signing configuration, or fetch the present one; check the clock of this machine.',
      details: { role, versions: versions.map(String), services: services.length },
    },
  );
}

/** Why a service was not enough; of one that could be used, that there are not enough like it. */
function whyNot(
  { majorApiVersion, validFor }: ConfiguredService,
  versions: readonly number[],
  now: Date,
): string {
  if (!versions.includes(majorApiVersion)) {
    return `has version ${majorApiVersion} of its API, and ${versions.join(' or ')} is needed`;
  }
  if (validFor.start !== undefined && now < validFor.start) return `begins ${validFor.start.toISOString()}`;
  if (validFor.end !== undefined && now > validFor.end) return `ended ${validFor.end.toISOString()}`;
  return 'is usable, and there are too few like it';
}

function shown(url: string): string {
  return URL.canParse(url) ? printable(new URL(url).origin) : 'a service without a usable address';
}
