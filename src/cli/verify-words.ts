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
  return [
    '--certificate-identity',
    subject,
    '--certificate-oidc-issuer',
    issuer,
    ...(log ? ['--insecure-ignore-tlog'] : []),
    ...trust,
  ];
}

/** What the public half of a key is called where its private half is `x.key`. */
function publicKeyName(key: string): string {
  return key.endsWith('.key') ? `${key.slice(0, -'.key'.length)}.pub` : 'cosign.pub';
}
