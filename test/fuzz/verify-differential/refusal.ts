/** What differences that are refused here are told with. */
import { equalBytes } from '../../../src/core/encoding.ts';
import type { CertificateFacts } from './der-form.ts';
import type { Difference } from './difference.ts';
import { authoritiesOf, type EntryFacts, type Facts, type LogFacts, logsOf } from './facts.ts';

/** Extended key usages of signers and of timestamp authorities. */
export const codeSigning = '1.3.6.1.5.5.7.3.3';
export const timeStamping = '1.3.6.1.5.5.7.3.8';

/** A difference that cannot be taken out of a trial, and that depends on what else there is. */
export function refused(
  id: string,
  reason: string,
  rule: string,
  link: string,
  applies: Difference['applies'],
): Difference {
  return { id, refusedBy: 'ours', reason, rule, link, applies };
}

/** A difference that cannot be taken out of a trial, which then is refused whatever else there is. */
export function forbidden(...parts: Parameters<typeof refused>): Difference {
  return { ...refused(...parts), isNeverAccepted: true };
}

/** The bytes of base64, as lenient as Node reads it; none for anything else. */
export function decoded(text: unknown): Uint8Array {
  return typeof text === 'string' ? new Uint8Array(Buffer.from(text, 'base64')) : new Uint8Array(0);
}

/** What a trusted root may call a key of a log, by its curve or kind. */
const kindsOfKeys: Readonly<Record<string, RegExp>> = {
  prime256v1: /^(?:PKIX_ECDSA_P256_SHA_256|5)$/,
  secp384r1: /^(?:PKIX_ECDSA_P384_SHA_(?:256|384)|12|19)$/,
  secp521r1: /^(?:PKIX_ECDSA_P521_SHA_(?:256|512)|13|20)$/,
  ed25519: /^(?:PKIX_ED25519|7)$/,
  rsa: /^(?:PKCS1_RSA_PKCS1V5|PKIX_RSA_PKCS1V5|PKIX_RSA_PKCS1V15_\d+_SHA256|1|3|9|10|11)$/,
};

/** Whether the key of a log is what the trusted root says it is, in its one spelling. */
export function isSaidKey({ key, keyDetails, keyBytes }: LogFacts): boolean {
  if (key === undefined) return false;
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? '';
  const type = keyDetails.startsWith('PKCS1_') ? 'pkcs1' : 'spki';
  const written = key.export({ type, format: 'der' } as { type: 'spki'; format: 'der' });
  return (kindsOfKeys[kind]?.test(keyDetails) ?? false) && equalBytes(written, keyBytes);
}

/** The logs that an entry names and whose key can be used: one that cannot is as good as not there. */
export function usableLogsOf(facts: Facts, entry: EntryFacts): readonly LogFacts[] {
  return logsOf(facts, entry).filter(isSaidKey);
}

/** The time that a GeneralizedTime says, to the millisecond. */
export function genTimeOf(text: string): Date {
  const [, year, month, day, hour, minute, second, fraction = ''] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?Z$/.exec(text) ?? [];
  const milliseconds = fraction.padEnd(3, '0').slice(0, 3);
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}Z`);
}

/** Times that are proven: by logs and timestamp authorities of the trusted root, in milliseconds. */
export function timesOf(facts: Facts): readonly number[] {
  const stamped = facts.timestamps
    .filter((stamp) => authoritiesOf(facts, stamp).length > 0)
    .map(({ genTime }) => genTimeOf(genTime).getTime());
  const promised = facts.entries
    .filter((entry) => entry.promise !== undefined && usableLogsOf(facts, entry).length > 0)
    .map(({ integratedTime }) => Number(integratedTime) * 1_000);
  return [...stamped, ...promised].filter((time) => !Number.isNaN(time));
}

/** The timestamps of certificate logs in a certificate: log, hash and signature algorithm; undefined when malformed. */
export function sctsOf({
  extensions,
}: CertificateFacts): readonly { readonly log: Uint8Array; readonly algorithm: string }[] | undefined {
  const value = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.11129.2.4.2')?.value;
  if (value === undefined) return [];
  const head = (value[1] ?? 0) < 0x80 ? 2 : 2 + ((value[1] ?? 0) & 0x7f);
  const view = Buffer.from(value.subarray(head));
  const found: { log: Uint8Array; algorithm: string }[] = [];
  try {
    if (view.readUInt16BE(0) !== view.length - 2 || view.length === 2) return undefined;
    for (let at = 2; at < view.length; ) {
      const sct = view.subarray(at + 2, at + 2 + view.readUInt16BE(at));
      at += 2 + view.readUInt16BE(at);
      const extensionsEnd = 43 + sct.readUInt16BE(41);
      const length = sct.readUInt16BE(extensionsEnd + 2);
      if (sct[0] !== 0 || sct.length !== extensionsEnd + 4 + length || at > view.length) return undefined;
      found.push({
        log: sct.subarray(1, 33),
        algorithm: sct.subarray(extensionsEnd, extensionsEnd + 2).toString('hex'),
      });
    }
    return found;
  } catch {
    return undefined;
  }
}
