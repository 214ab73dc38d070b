/** What `@sigstore/verify` is given, changed where it cannot do what a rule asks for. */
import { constants, publicDecrypt } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { concatBytes, equalBytes } from '../../../src/core/encoding.ts';
import { derAt, derBytes, derTree, oidOf } from './der-tree.ts';
import type { Facts } from './facts.ts';
import type { TheirParts } from './trial.ts';

/** A certificate as `@sigstore/verify` reads it. */
export type TheirCertificate = TheirParts['trust']['certificateAuthorities'][number]['certChain'][number];

/** The same certificate, of which some things are said otherwise. */
export function saying(certificate: TheirCertificate, what: object): TheirCertificate {
  return Object.create(certificate, Object.getOwnPropertyDescriptors(what)) as TheirCertificate;
}

/** Every certificate that they look at, changed. */
export function eachCertificate(
  parts: TheirParts,
  change: (one: TheirCertificate) => TheirCertificate,
): void {
  const { trust, entity } = parts;
  const changed = (list: TheirParts['trust']['certificateAuthorities']) =>
    list.map((authority) => ({ ...authority, certChain: authority.certChain.map(change) }));
  parts.trust = {
    ...trust,
    certificateAuthorities: changed(trust.certificateAuthorities),
    timestampAuthorities: changed(trust.timestampAuthorities),
  };
  if (entity.key.$case === 'certificate') {
    const { certificate } = entity.key;
    parts.entity = { ...entity, key: { $case: 'certificate', certificate: change(certificate) } };
  }
}

const curves = { prime256v1: p256, secp384r1: p384, secp521r1: p521 } as const;

/** Whether a signature over a digest verifies, by another library than the one that is tested. */
export function verifiesDigest({ key, signature, trial }: Facts): boolean {
  const curve = curves[key?.asymmetricKeyDetails?.namedCurve as keyof typeof curves];
  if (trial.artifact.kind !== 'digest' || key === undefined) return false;
  if (key.asymmetricKeyType === 'rsa') {
    try {
      // DigestInfo of SHA-256, which PKCS#1 v1.5 signs.
      const info = Buffer.concat([
        Buffer.from('3031300d060960864801650304020105000420', 'hex'),
        trial.artifact.sha256,
      ]);
      return equalBytes(publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature), info);
    } catch {
      return false;
    }
  }
  if (curve === undefined) return false;
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  try {
    return curve.verify(signature, trial.artifact.sha256, point, {
      prehash: false,
      format: 'der',
      lowS: false,
    });
  } catch {
    return false;
  }
}

/** The certificate with those of its certificate timestamps that are of `logs`, each log once. */
export function withKnownScts(certificate: TheirCertificate, logs: readonly Uint8Array[]): TheirCertificate {
  const tree = derTree(
    new Uint8Array((certificate as unknown as { root: { toDER(): Buffer } }).root.toDER()),
  );
  const list = derAt(
    derAt(tree, 0)?.parts?.find(({ tag }) => tag === 0xa3),
    0,
  )?.parts;
  const extension = list?.find((one) => oidOf(one.parts?.[0]) === '1.3.6.1.4.1.11129.2.4.2');
  const holder = derAt(extension, (extension?.parts?.length ?? 1) - 1, 0);
  if (tree === undefined || holder === undefined) return certificate;
  const content = Buffer.from(holder.content);
  const kept: Uint8Array[] = [];
  const seen = new Set<string>();
  for (let at = 2; at + 35 <= content.length; ) {
    const end = at + 2 + content.readUInt16BE(at);
    const log = content.subarray(at + 3, at + 35);
    const name = log.toString('hex');
    if (logs.some((one) => equalBytes(one, log)) && !seen.has(name)) kept.push(content.subarray(at, end));
    seen.add(name);
    at = end;
  }
  const total = kept.reduce((sum, one) => sum + one.length, 0);
  holder.content = concatBytes(Uint8Array.of(total >> 8, total & 0xff), ...kept);
  holder.parts = undefined;
  const { parse } = certificate.constructor as unknown as { parse(der: Buffer): TheirCertificate };
  return saying(certificate, { clone: () => parse(Buffer.from(derBytes(tree))) });
}
