/** The words of a command line that verifies a signature, as strictly as its signer can be told. */
import type { SignedBy, VerifiedMaterial } from '../verify/verdict.ts';
import type { Flags } from './command.ts';

/** What {@link verifyWords} needs of an evidence. */
export interface SignedEvidence {
  readonly signedBy: SignedBy;
  readonly material: VerifiedMaterial;
}

/** Flags of `boltseal verify`, and of cosign's, for a signature that was just made with `flags`. */
export function verifyWords({ signedBy, material }: SignedEvidence, flags: Flags): readonly string[] {
  const root = flags.get('trusted-root');
  const trust = root === undefined ? [] : ['--trusted-root', root];
  const log = material.logEntries.length === 0;
  if (signedBy.kind === 'key') {
    const key = ['--key', publicKeyName(flags.get('key') ?? '')];
    return log ? key : [...key, ...trust];
  }
  const { subject, issuer } = signedBy.identity;
  // cosign judges the certificate by its own clock when it is told of no proven time.
  const isStamped = material.times.some(({ source }) => source === 'timestamp');
  return [
    '--certificate-identity',
    subject,
    '--certificate-oidc-issuer',
    issuer,
    ...(log ? ['--insecure-ignore-tlog', ...(isStamped ? ['--use-signed-timestamps'] : [])] : []),
    ...trust,
  ];
}

/**
 * What verifies what `key` signed: the place that keeps it, which gives its public key out; the file that is written beside
 * a key file; or the usual name for keys that are private alone, in variables and on standard input. The PIN of a token is
 * for signing.
 */
function publicKeyName(key: string): string {
  if (key.startsWith('pkcs11:'))
    return key.replace(/([?&;])pin-(?:value|source)=[^&;]*[&;]?/g, '$1').replace(/[?&;]$/, '');
  if (/^(?!env:)[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(key)) return key;
  return key.endsWith('.key') ? `${key.slice(0, -'.key'.length)}.pub` : 'cosign.pub';
}
