/** The commands that verify what was just signed, as strictly as its signer can be told. */
import { shellWord } from '../core/shell-word.ts';
import type { Annotations } from '../formats/oci.ts';
import type { Evidence } from '../verify/verdict.ts';

/** What a command must say. */
export interface Verifiable {
  /** `NAME@DIGEST`, all by one signer. */
  readonly references: readonly string[];
  readonly evidence: Evidence;
  /** Where the trusted root is, when it is not that of the instance in use. */
  readonly trustedRoot: string | undefined;
  readonly annotations: Annotations;
  readonly signatureRepository: string | undefined;
  /** The predicate type of an attestation. */
  readonly predicateType?: string | undefined;
}

/** What the file of the public key is called in commands. */
export const publicKeyFile = 'cosign.pub';

/** The command for Boltseal. */
export function boltsealCommand(what: Verifiable): string {
  const elsewhere = what.signatureRepository;
  const words = [
    ...['npx', 'boltseal', ...commandWords(what)],
    ...signerWords(what, ['--insecure-ignore-tlog', '--use-signed-timestamps']),
    ...(elsewhere === undefined ? [] : ['--signature-repository', elsewhere]),
    // A comma before another pair begins an annotation of its own.
    ...annotationWords(what.annotations, /^[^=]+=(?!.*,.*=)/),
    ...what.references,
  ];
  return words.map(shellWord).join(' ');
}

/** The command for cosign 3. */
export function cosignCommand(what: Verifiable): string {
  const { references, signatureRepository } = what;
  const words = [
    'cosign',
    ...commandWords(what),
    ...signerWords(what, ['--insecure-ignore-tlog=true', '--use-signed-timestamps']),
    // cosign reads a list of pairs, in which none of these can stand.
    ...annotationWords(what.annotations, /^[^=,"]+=[^=,"]*$/),
    ...references,
  ];
  const command = words.map(shellWord).join(' ');
  // cosign has no flag for it.
  return signatureRepository === undefined
    ? command
    : `COSIGN_REPOSITORY=${shellWord(signatureRepository)} ${command}`;
}

function commandWords({ predicateType }: Verifiable): readonly string[] {
  return predicateType === undefined ? ['verify'] : ['verify-attestation', '--type', predicateType];
}

function signerWords(
  { evidence, trustedRoot }: Verifiable,
  [withoutLog, withTimestamp]: readonly [string, string],
): readonly string[] {
  const { signedBy, material } = evidence;
  const isLogged = material.logEntries.length > 0;
  const trust = trustedRoot === undefined ? [] : ['--trusted-root', trustedRoot];
  if (signedBy.kind === 'key') {
    const key = ['--key', publicKeyFile];
    if (isLogged) return [...key, ...trust];
    return withoutLog.includes('=') ? [...key, withoutLog] : key;
  }
  const { subject, issuer } = signedBy.identity;
  return [
    ...['--certificate-identity', subject, '--certificate-oidc-issuer', issuer],
    ...(isLogged ? [] : [withoutLog, withTimestamp]),
    ...trust,
  ];
}

/** Those annotations that the command can require. */
function annotationWords(annotations: Annotations, possible: RegExp): readonly string[] {
  const pairs = Object.entries(annotations).map(([name, value]) => `${name}=${value}`);
  return pairs.filter((pair) => possible.test(pair)).flatMap((pair) => ['-a', pair]);
}
