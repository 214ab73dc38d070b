/**
 * The targets of a private Sigstore's TUF repository, made of the services that there are and were: what clients trust,
 * and what they sign with.
 *
 * | Target                                                       | read by                   |
 * | ------------------------------------------------------------ | ------------------------- |
 * | `trusted_root.json`                                          | cosign 3, sigstore-go, npm `sigstore` |
 * | `signing_config.v0.2.json`                                   | cosign 3, sigstore-go     |
 * | `signing_config_rekor_v2.v0.2.json`                          | who asks for Rekor v2     |
 * | `rekor.pub`, `ctfe.pub`, `fulcio*.crt.pem`, `tsa_*.crt.pem`  | cosign 2, by `custom.sigstore` |
 */
import { hash } from 'node:crypto';
import { equalBytes, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { parseCertificate } from '../../formats/certificate.ts';
import { encodePem } from '../../formats/pem.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import {
  type ConfiguredService,
  encodeSigningConfig,
  type ServiceSet,
} from '../../formats/signing-config.ts';
import type { TimeRange } from '../../formats/time-range.ts';
import { encodeTrustedRoot, trustedAuthority, trustedLog } from '../../formats/trusted-root.ts';
import type { TufTarget } from './targets-list.ts';

/** A period that has a start; an end means that the instance is retired. */
export type InstancePeriod = TimeRange & { readonly start: Date };

/** A certificate authority or a timestamp authority, in use or retired. */
export interface AuthorityInstance {
  /** Base URL; paths such as `/api/v2/signingCert` are added to it. */
  readonly url: string;
  /** DER, the root last. A certificate authority's begins with what issues, a timestamp authority's with what signs. */
  readonly chain: readonly Uint8Array[];
  readonly validFor: InstancePeriod;
}

/** A log, in use or retired. Each must have a key of its own. */
export interface LogInstance {
  readonly url: string;
  readonly publicKey: PublicKey;
  readonly validFor: InstancePeriod;
  /** Of Rekor v2: the origin of its checkpoints, which is the host name of its URL. */
  readonly origin?: string | undefined;
}

/** A service that issues identity tokens. */
export interface IssuerInstance {
  readonly url: string;
  readonly validFor: InstancePeriod;
}

/** All instances of one Sigstore, those that are in use and those that are retired, in any order. */
export interface SigstoreInstances {
  /** Who runs it: in each service of the signing configuration. */
  readonly operator: string;
  readonly certificateAuthorities: readonly AuthorityInstance[];
  readonly timestampAuthorities: readonly AuthorityInstance[];
  readonly ctLogs: readonly LogInstance[];
  /** Rekor v1. */
  readonly rekorLogs: readonly LogInstance[];
  /** Rekor v2. */
  readonly rekor2Logs: readonly LogInstance[];
  readonly issuers: readonly IssuerInstance[];
}

/**
 * The targets for these instances. Retired ones stay in the trusted root with their end, and are in no signing
 * configuration. Throws `ERR_SERVER_CONFIG` when two logs share a key, or a key is of a kind that clients do not accept,
 * and what reading a certificate throws.
 */
export function buildTargets(instances: SigstoreInstances): readonly TufTarget[] {
  checkLogs(instances);
  return [
    { name: 'trusted_root.json', bytes: trustedRoot(instances) },
    { name: 'signing_config.v0.2.json', bytes: signingConfig(instances, instances.rekorLogs, 1) },
    {
      name: 'signing_config_rekor_v2.v0.2.json',
      bytes: signingConfig(instances, instances.rekor2Logs, 2),
    },
    ...keyTargets('rekor', 'Rekor', instances.rekorLogs),
    ...keyTargets('ctfe', 'CTFE', instances.ctLogs),
    ...fulcioTargets(instances.certificateAuthorities),
    ...timestampTargets(instances.timestampAuthorities),
  ];
}

/** sigstore-go finds logs by their ids, cosign 2 accepts no Rekor but with an ECDSA key, CT clients no other curve. */
function checkLogs({ ctLogs, rekorLogs, rekor2Logs }: SigstoreInstances): void {
  const keys = new Set<string>();
  for (const { url, publicKey } of [...ctLogs, ...rekorLogs, ...rekor2Logs]) {
    if (keys.has(publicKey.hint)) {
      throw new BoltsealError('ERR_SERVER_CONFIG', `the log ${url} has the key of another log`);
    }
    keys.add(publicKey.hint);
  }
  for (const { url, publicKey } of [...ctLogs, ...rekorLogs]) {
    if (publicKey.type === 'ecdsa-p256') continue;
    throw new BoltsealError('ERR_SERVER_CONFIG', `the log ${url} must have an ECDSA P-256 key`);
  }
  for (const { url, publicKey, origin } of rekor2Logs) {
    if (origin !== undefined && (publicKey.type === 'ecdsa-p256' || publicKey.type === 'ed25519')) continue;
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `the log ${url} must have an origin and an Ed25519 or P-256 key`,
    );
  }
}

/** The protocol wants the oldest instance first. */
function oldestFirst<T extends { readonly validFor: InstancePeriod }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => a.validFor.start.getTime() - b.validFor.start.getTime());
}

function inUse<T extends { readonly validFor: InstancePeriod }>(list: readonly T[]): T[] {
  return list.filter(({ validFor }) => validFor.end === undefined);
}

/** What timestamps are asked at; the others' URLs are written as they are. */
function timestampUrl(url: string): string {
  return `${url}/api/v1/timestamp`;
}

function trustedRoot(instances: SigstoreInstances): Uint8Array {
  const log = ({ url, publicKey, validFor, origin }: LogInstance) =>
    trustedLog({ baseUrl: url, publicKey, validFor, origin });
  return encodeTrustedRoot({
    tlogs: oldestFirst([...instances.rekorLogs, ...instances.rekor2Logs]).map(log),
    ctlogs: oldestFirst(instances.ctLogs).map(log),
    certificateAuthorities: oldestFirst(instances.certificateAuthorities).map(({ url, chain, validFor }) =>
      trustedAuthority(url, chain, validFor),
    ),
    timestampAuthorities: oldestFirst(instances.timestampAuthorities).map(({ url, chain, validFor }) =>
      trustedAuthority(timestampUrl(url), chain, validFor),
    ),
  });
}

/** The npm `sigstore` package takes the newest log whatever its version, so each configuration has logs of one version. */
function signingConfig(
  instances: SigstoreInstances,
  logs: readonly LogInstance[],
  logVersion: 1 | 2,
): Uint8Array {
  const { operator } = instances;
  const services = (
    list: readonly { readonly url: string; readonly validFor: InstancePeriod }[],
    majorApiVersion: number,
    urlOf: (url: string) => string = (url) => url,
  ): ConfiguredService[] =>
    oldestFirst(inUse(list))
      .reverse()
      .map(({ url, validFor: { start } }) => ({
        url: urlOf(url),
        majorApiVersion,
        validFor: { start },
        operator,
      }));
  const set = (list: readonly ConfiguredService[]): ServiceSet =>
    list.length === 0 ? { services: [] } : { services: list, selector: { selector: 'ANY' } };
  return encodeSigningConfig({
    ca: services(instances.certificateAuthorities, 1),
    oidc: services(instances.issuers, 1),
    rekor: set(services(logs, logVersion)),
    tsa: set(services(instances.timestampAuthorities, 1, timestampUrl)),
  });
}

function target(
  name: string,
  pem: string,
  usage: 'Rekor' | 'CTFE' | 'Fulcio' | 'TSA',
  uri: string,
  isRetired: boolean,
): TufTarget {
  const sigstore = { status: isRetired ? 'Expired' : 'Active', usage, uri };
  return { name, bytes: utf8(pem), custom: { sigstore } };
}

/** `rekor.pub` is the one in use; the others are named after the beginning of the hash of their key. */
function keyTargets(name: string, usage: 'Rekor' | 'CTFE', logs: readonly LogInstance[]): TufTarget[] {
  const current = oldestFirst(inUse(logs)).at(-1);
  return oldestFirst(logs).map((log) => {
    const { publicKey, url, validFor } = log;
    const suffix = log === current ? '' : `_${shortHash(publicKey.spki)}`;
    return target(`${name}${suffix}.pub`, publicKey.pem, usage, url, validFor.end !== undefined);
  });
}

/**
 * Every certificate by itself, each once: roots as `fulcio_v1`, what they issued as `fulcio_intermediate_v1`. cosign 2
 * trusts roots and intermediates of retired authorities as well.
 */
function fulcioTargets(authorities: readonly AuthorityInstance[]): TufTarget[] {
  const current = oldestFirst(inUse(authorities)).at(-1);
  const found = new Map<string, TufTarget>();
  const list = oldestFirst(authorities).sort((a, b) => Number(b === current) - Number(a === current));
  for (const { url, chain, validFor } of list) {
    for (const der of chain) {
      const key = shortHash(der);
      if (found.has(key)) continue;
      const base = isSelfIssued(der) ? 'fulcio_v1' : 'fulcio_intermediate_v1';
      const isTaken = [...found.values()].some(({ name }) => name === `${base}.crt.pem`);
      const name = isTaken ? `${base}_${key}.crt.pem` : `${base}.crt.pem`;
      found.set(key, target(name, encodePem('CERTIFICATE', der), 'Fulcio', url, validFor.end !== undefined));
    }
  }
  return [...found.values()];
}

function isSelfIssued(der: Uint8Array): boolean {
  const { subject, issuer } = parseCertificate(der, 'a certificate of an authority');
  return equalBytes(subject, issuer);
}

/** Those of the authority in use alone: cosign 2 takes all of them for one chain, and wants one leaf in it. */
function timestampTargets(authorities: readonly AuthorityInstance[]): TufTarget[] {
  const current = oldestFirst(inUse(authorities)).at(-1);
  if (current === undefined) return [];
  const { url, chain } = current;
  return chain.map((der, index) => {
    const isLast = index === chain.length - 1;
    const name = index === 0 ? 'tsa_leaf' : isLast ? 'tsa_root' : `tsa_intermediate_${index - 1}`;
    return target(`${name}.crt.pem`, encodePem('CERTIFICATE', der), 'TSA', timestampUrl(url), false);
  });
}

function shortHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 16);
}
