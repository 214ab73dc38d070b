/** What is refused here and accepted by `@sigstore/verify`, in authorities. */
import { X509Certificate } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import type { CertificateFacts } from './der-form.ts';
import { type Difference, links } from './difference.ts';
import {
  type AuthorityFacts,
  authoritiesOf,
  type Facts,
  isAuthority,
  purposesOf,
  unknownCritical,
  usesOf,
} from './facts.ts';
import { codeSigning, refused, timeStamping, timesOf } from './refusal.ts';

const anyPurpose = '2.5.29.37.0';

/** The authorities that may have issued the signer's certificate. */
function issuersOf({ authorities, certificates: [leaf] }: Facts): readonly AuthorityFacts[] {
  if (leaf === undefined) return [];
  return authorities.filter(({ chain }) => chain.some(({ subject }) => equalBytes(subject, leaf.issuer)));
}

/** Every authority that stands behind a trial: what issued the certificate, and what timestamped. */
function chainsOf(facts: Facts): readonly (readonly CertificateFacts[])[] {
  const stamping = facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp));
  return [
    ...issuersOf(facts).map(({ chain }) => chain),
    // Their first certificate issues nothing.
    ...stamping.map(({ chain }) => chain.slice(1)),
  ];
}

/** Whether no authority of those meant is whole, and one of all is not. */
function isWrong(all: readonly AuthorityFacts[], meant: readonly AuthorityFacts[]): boolean {
  const isWhole = ({ chain }: AuthorityFacts): boolean => chain.every(({ faults }) => faults.length === 0);
  return !meant.some(isWhole) && !all.every(isWhole);
}

/** Whether a certificate was issued by others of a chain that the last one issued, by OpenSSL's word. */
function leadsToLast(from: CertificateFacts, chain: readonly CertificateFacts[]): boolean {
  try {
    const anchor = chain.at(-1);
    const all = chain.map(({ der }) => new X509Certificate(der));
    const seen: string[] = [];
    for (let one = new X509Certificate(from.der); anchor !== undefined; ) {
      if (equalBytes(one.raw, anchor.der)) return true;
      seen.push(one.fingerprint256);
      const above = all.find(
        (issuer) =>
          !seen.includes(issuer.fingerprint256) &&
          one.issuer === issuer.subject &&
          one.verify(issuer.publicKey),
      );
      if (above === undefined) return false;
      one = above;
    }
    return false;
  } catch {
    return false;
  }
}

function isValidAt({ der }: CertificateFacts, time: number): boolean {
  try {
    const { validFrom, validTo } = new X509Certificate(der);
    return time >= Date.parse(validFrom) && time <= Date.parse(validTo);
  } catch {
    return false;
  }
}

/** Differences in authorities. */
export const authorityDifferences: readonly Difference[] = [
  refused(
    'authority-form',
    'It reads what it needs of the certificates of a trusted root, and nothing else of them.',
    'A certificate is DER in the form of RFC 5280',
    `${links.x509}#section-4.1`,
    // Where its parts are not at their places, whose it is cannot be told.
    (facts) =>
      isWrong(facts.authorities, issuersOf(facts)) ||
      facts.timestamps.some((stamp) => isWrong(facts.timestampAuthorities, authoritiesOf(facts, stamp))),
  ),
  refused(
    'authority-purpose',
    'It does not look at the extended key usage of authorities.',
    'An authority with extended key usages issues certificates for these alone',
    `${links.x509}#section-4.2.1.12`,
    (facts) => {
      const isFor = (chain: readonly CertificateFacts[], purpose: string): boolean =>
        chain.every((one) => {
          const purposes = purposesOf(one);
          return purposes === undefined || purposes.includes(purpose) || purposes.includes(anyPurpose);
        });
      return (
        issuersOf(facts).some(({ chain }) => !isFor(chain, codeSigning)) ||
        facts.timestamps.some((stamp) =>
          authoritiesOf(facts, stamp).some(({ chain }) => !isFor(chain.slice(1), timeStamping)),
        )
      );
    },
  ),
  refused(
    'authority-use',
    'It judges only the authorities of the chain that it builds, not all that a trusted root lists together.',
    'Each certificate that issues is an authority, and may sign certificates when it has a key usage',
    `${links.x509}#section-6.1.4`,
    (facts) =>
      chainsOf(facts).some((chain) =>
        chain.some((one) => !isAuthority(one) || ((usesOf(one) ?? 0x0400) & 0x0400) === 0),
      ),
  ),
  refused(
    'authority-constraints',
    'It does not look at name constraints, nor at critical extensions of authorities.',
    'A certificate with a critical extension that is not known must be rejected; name constraints must be applied, and none are here',
    `${links.x509}#section-4.2.1.10`,
    (facts) =>
      chainsOf(facts).some((chain) =>
        chain.some(
          (one) => unknownCritical(one).length > 0 || one.extensions.some(({ oid }) => oid === '2.5.29.30'),
        ),
      ),
  ),
  refused(
    'authority-anchor-last',
    'It makes a chain of all certificates of an authority that ends with any that is self-signed.',
    'The last certificate of an authority must be the trust anchor',
    links.rootProto,
    (facts) =>
      [...issuersOf(facts), ...facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp))].some(
        ({ chain }) => !chain.every((one) => leadsToLast(one, chain)),
      ),
  ),
  refused(
    'authority-period',
    'It judges the times of the certificates in the chain that it builds, and of no other of the authority.',
    'Clients must check timestamps against the entire chain of the authority',
    links.rootProto,
    (facts) =>
      [...issuersOf(facts), ...facts.timestamps.flatMap((stamp) => authoritiesOf(facts, stamp))].some(
        ({ chain }) => chain.some((one) => timesOf(facts).some((time) => !isValidAt(one, time))),
      ),
  ),
];
