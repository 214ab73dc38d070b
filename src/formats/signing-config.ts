/**
 * Signing configurations: the services that sign, and how many of them are asked. Version 0.2, the one that clients
 * read.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto}
 */
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type ProtoReader, protoReader } from './proto-json.ts';
import { readTimeRange, type TimeRange, timeRangeJson } from './time-range.ts';

/** The media type of signing configurations. */
export const signingConfigMediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';

/** A service. */
export interface ConfiguredService {
  /** Of a timestamp authority the whole URL, of others the one that paths are added to. */
  readonly url: string;
  readonly majorApiVersion: number;
  /** From when on it may be used; an end means it is retired. */
  readonly validFor: TimeRange;
  /** Who runs it; one service of each operator counts. */
  readonly operator: string;
}

const selectors = { ALL: 1, ANY: 2, EXACT: 3 } as const;

/** How many of the services are asked: one, every one, or `count` of them. */
export type ServiceSelector =
  | { readonly selector: 'ANY' | 'ALL' }
  | { readonly selector: 'EXACT'; readonly count: number };

/** Services of which several may be asked; with at least one of them comes a selector, with none comes none. */
export interface ServiceSet {
  readonly services: readonly ConfiguredService[];
  readonly selector?: ServiceSelector;
}

/** A signing configuration. */
export interface SigningConfig {
  readonly ca: readonly ConfiguredService[];
  readonly oidc: readonly ConfiguredService[];
  readonly rekor: ServiceSet;
  readonly tsa: ServiceSet;
}

/**
 * Reads a signing configuration: strict proto JSON (see `proto-json.ts`). Services that are chosen by a selector must
 * have one, and a selector must have services: cosign ends in a panic over the one, the npm `sigstore` package over the
 * other. An empty selector is none. Throws `ERR_TRUSTED_ROOT_INVALID` and what `parseJson` throws.
 */
export function parseSigningConfig(bytes: Uint8Array, what = 'the signing configuration'): SigningConfig {
  const document = parseJson(bytes, { what, maxBytes: limits.signingConfigBytes });
  const reader = protoReader('ERR_TRUSTED_ROOT_INVALID', what);
  const fields = reader.message(document, 'it', [
    'mediaType',
    'caUrls',
    'oidcUrls',
    'rekorTlogUrls',
    'rekorTlogConfig',
    'tsaUrls',
    'tsaConfig',
  ]);
  const mediaType = reader.text(fields.mediaType, 'mediaType');
  if (mediaType !== signingConfigMediaType) {
    throw reader.invalid(`its media type is ${JSON.stringify(mediaType.slice(0, 100))}`);
  }
  const services = (name: 'caUrls' | 'oidcUrls' | 'rekorTlogUrls' | 'tsaUrls'): ConfiguredService[] =>
    reader
      .list(fields[name], name, limits.trustedInstances)
      .map((item, index) => readService(item, reader, `${name}[${index}]`));
  const set = (list: 'rekorTlogUrls' | 'tsaUrls', config: 'rekorTlogConfig' | 'tsaConfig'): ServiceSet =>
    checkSet({ services: services(list), ...readSelector(fields[config], reader, config) }, (why) =>
      reader.invalid(`${list} ${why}`),
    );
  return {
    ca: services('caUrls'),
    oidc: services('oidcUrls'),
    rekor: set('rekorTlogUrls', 'rekorTlogConfig'),
    tsa: set('tsaUrls', 'tsaConfig'),
  };
}

function checkSet(set: ServiceSet, invalid: (why: string) => BoltsealError): ServiceSet {
  const { services, selector } = set;
  if (services.length > 0 && selector === undefined)
    throw invalid('has services, and no selector says how many are asked');
  if (services.length === 0 && selector !== undefined) throw invalid('has a selector and no services');
  return set;
}

function readService(value: Json, reader: ProtoReader, where: string): ConfiguredService {
  const fields = reader.message(value, where, ['url', 'majorApiVersion', 'validFor', 'operator']);
  const url = reader.text(fields.url, `${where}.url`);
  if (!/^https?:\/\/[^/]/.test(url)) throw reader.invalid(`${where}.url is not an http URL`);
  return {
    url,
    majorApiVersion: readUint32(fields.majorApiVersion, reader, `${where}.majorApiVersion`),
    validFor: readTimeRange(fields.validFor, reader, `${where}.validFor`),
    operator: reader.text(fields.operator, `${where}.operator`),
  };
}

function readSelector(
  value: Json | undefined,
  reader: ProtoReader,
  where: string,
): { readonly selector?: ServiceSelector } {
  if (value === undefined) return {};
  const fields = reader.message(value, where, ['selector', 'count']);
  const selector = isUndefinedSelector(fields.selector)
    ? undefined
    : reader.enumName(fields.selector, `${where}.selector`, selectors);
  const count = readUint32(fields.count, reader, `${where}.count`);
  if ((selector === 'EXACT') !== count > 0) {
    throw reader.invalid(`${where} must have a count with the selector EXACT, and only with it`);
  }
  if (selector === undefined) return {};
  return { selector: selector === 'EXACT' ? { selector, count } : { selector } };
}

/** The zero value, written out. */
function isUndefinedSelector(value: Json | undefined): boolean {
  return value === undefined || value === 0 || value === 'SERVICE_SELECTOR_UNDEFINED';
}

function readUint32(value: Json | undefined, reader: ProtoReader, where: string): number {
  const number = reader.int64(value, where);
  if (number < 0n || number > 0xffff_ffffn) throw reader.invalid(`${where} is out of range`);
  return Number(number);
}

/**
 * A signing configuration as cosign 3 writes it: compact, fields in the order of the protocol. cosign also writes an
 * empty selector where there are no services, which says nothing and which `emptySelectors` asks for. Throws
 * `ERR_TRUSTED_ROOT_INVALID` for services without a selector and for a selector without services.
 */
export function encodeSigningConfig(
  config: SigningConfig,
  { emptySelectors = false }: { readonly emptySelectors?: boolean } = {},
): Uint8Array {
  const invalid = (why: string): BoltsealError =>
    new BoltsealError('ERR_TRUSTED_ROOT_INVALID', `a list of the signing configuration ${why}`);
  const rekor = checkSet(config.rekor, invalid);
  const tsa = checkSet(config.tsa, invalid);
  const document = {
    mediaType: signingConfigMediaType,
    ...servicesJson('caUrls', config.ca),
    ...servicesJson('oidcUrls', config.oidc),
    ...servicesJson('rekorTlogUrls', rekor.services),
    ...selectorJson('rekorTlogConfig', rekor, emptySelectors),
    ...servicesJson('tsaUrls', tsa.services),
    ...selectorJson('tsaConfig', tsa, emptySelectors),
  };
  return utf8(JSON.stringify(document));
}

function selectorJson(name: string, { selector }: ServiceSet, emptySelectors: boolean): JsonObject {
  return selector === undefined && !emptySelectors ? {} : { [name]: { ...selector } };
}

function servicesJson(name: string, services: readonly ConfiguredService[]): JsonObject {
  if (services.length === 0) return {};
  return {
    [name]: services.map(({ url, majorApiVersion, validFor, operator }) => ({
      url,
      ...(majorApiVersion === 0 ? {} : { majorApiVersion }),
      validFor: timeRangeJson(validFor),
      ...(operator === '' ? {} : { operator }),
    })),
  };
}
