/** What is refused here and accepted by `@sigstore/verify`, in log entries. */
import { X509Certificate } from 'node:crypto';
import { equalBytes, hex } from '../../../src/core/encoding.ts';
import type { Document } from './build.ts';
import { type Difference, links } from './difference.ts';
import {
  type EntryFacts,
  type Facts,
  hashesOf,
  isSecond,
  type LogFacts,
  logsOf,
  ownHash,
  verifies,
} from './facts.ts';
import { digestNumbers, entryFits } from './forms.ts';
import { decoded, forbidden, refused, timesOf, usableLogsOf } from './refusal.ts';
import { hasKeyTwice } from './spelling.ts';

function someEntry(test: (entry: EntryFacts, facts: Facts) => boolean): Difference['applies'] {
  return (facts) =>
    facts.entries.some((entry) => usableLogsOf(facts, entry).length > 0 && test(entry, facts));
}

/** The text of a checkpoint that is signed, and its signature lines. */
function noteOf({
  proof,
}: EntryFacts):
  | { readonly lines: readonly string[]; readonly text: string; readonly signatures: string }
  | undefined {
  if (proof === undefined) return undefined;
  const gap = proof.checkpoint.indexOf('\n\n');
  const text = proof.checkpoint.slice(0, gap + 1);
  return { lines: text.split('\n'), text, signatures: proof.checkpoint.slice(gap + 2) };
}

/** signed-note and tlog-checkpoint: three lines or more, none empty, then lines of signatures and nothing else. */
const checkpointForm =
  /^[^\n]+\n(?:0|[1-9][0-9]*)\n(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n(?:[^\n]+\n)*\n(?:— [^\s+]+ (?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\n)+$/u;

function isCheckpoint(checkpoint: string): boolean {
  return checkpointForm.test(checkpoint) && !/[^\P{Cc}\n]/u.test(checkpoint);
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}

/** Lines of signatures: name, key id, signature. */
function signatureLines(
  signatures: string,
): { readonly name: string; readonly id: Buffer; readonly signature: Buffer }[] {
  return [...signatures.matchAll(/— (\S+) (\S+)\n/g)].map(([, name = '', text = '']) => {
    const content = Buffer.from(text, 'base64');
    return { name, id: content.subarray(0, 4), signature: content.subarray(4) };
  });
}

/** The certificate or key that an entry names, DER; empty when it names none that can be read. */
function verifierOf({ body, kind, version }: EntryFacts): Uint8Array {
  const spec = body.spec ?? {};
  const first = (list: Document): Document => (Array.isArray(list) ? (list[0] ?? {}) : {});
  if (version === '0.0.2' && kind !== 'intoto') {
    const signature =
      kind === 'dsse' ? first(spec.dsseV002?.signatures) : (spec.hashedRekordV002?.signature ?? {});
    const { x509Certificate, publicKey } = signature.verifier ?? {};
    return decoded(x509Certificate?.rawBytes ?? publicKey?.rawBytes);
  }
  const text =
    kind === 'hashedrekord'
      ? spec.signature?.publicKey?.content
      : kind === 'dsse'
        ? first(spec.signatures).verifier
        : first(spec.content?.envelope?.signatures).publicKey;
  const pem = Buffer.from(decoded(text)).toString();
  return decoded(/-----BEGIN [A-Z ]+-----([^-]*)-----END/.exec(pem)?.[1]);
}

/** Whether an entry is about the one who signed: the certificate as a whole, or the key. */
function namesSigner(entry: EntryFacts, { trial, certificates: [leaf], key }: Facts): boolean {
  const named = verifierOf(entry);
  if (trial.signer.kind === 'identity') return leaf !== undefined && equalBytes(named, leaf.der);
  const known = key?.export({ type: 'spki', format: 'der' }) ?? new Uint8Array(0);
  if (equalBytes(named, known)) return true;
  try {
    const certificate = new X509Certificate(named);
    return equalBytes(certificate.publicKey.export({ type: 'spki', format: 'der' }), known);
  } catch {
    return false;
  }
}

/** A number, or -1 for what is none. */
function wholeNumber(text: string): bigint {
  return /^-?[0-9]+$/.test(text) ? BigInt(text) : -1n;
}

/** `sha256` of the name or the number that Rekor v2 has for it. */
function digestName(algorithm: Document): string {
  const [name = ''] = Object.entries(digestNumbers).find((one) => one.includes(algorithm)) ?? [];
  return name.replace('SHA2_', 'sha');
}

/** Differences in log entries. */
export const logDifferences: readonly Difference[] = [
  forbidden(
    'entry-signer',
    'It does not compare the certificate or key in a log entry with that of the bundle.',
    'The key or certificate of the entry is the same as the one that signed',
    links.clientEntry,
    someEntry((entry, facts) => !namesSigner(entry, facts)),
  ),
  forbidden(
    'entry-form',
    'It reads of the body of an entry what it compares, and nothing else of it.',
    'The body is parsed as the type that it names: with the fields of that type, each of its form and once',
    links.clientEntry,
    someEntry((entry) => !entryFits(entry) || hasKeyTwice(entry.bodyText)),
  ),
  forbidden(
    'entry-payload-type',
    'It does not compare the type of a payload that an entry names.',
    'What an entry is about matches the artifact: the payload and its type',
    links.clientEntry,
    someEntry(
      ({ kind, body }, { envelope }) =>
        kind === 'intoto' && body.spec?.content?.envelope?.payloadType !== envelope?.payloadType,
    ),
  ),
  forbidden(
    'entry-hash',
    'It compares the digest of an entry, and not what it is the digest of.',
    'What an entry says is over one hash: the one that the signature is over',
    links.clientEntry,
    someEntry(({ kind, body, ...entry }, facts) => {
      if (kind !== 'hashedrekord') return false;
      const named = isSecond({ kind, body, ...entry })
        ? digestName(body.spec?.hashedRekordV002?.data?.algorithm)
        : String(body.spec?.data?.hash?.algorithm);
      return named !== (ownHash(facts) ?? 'sha256');
    }),
  ),
  forbidden(
    'entry-key-kind',
    'It does not look at the kind of key that an entry names.',
    'The kind is that of the key that signed',
    links.algorithms,
    someEntry(({ body, kind, version }, { key }) => {
      if (version !== '0.0.2' || kind === 'intoto') return false;
      const spec = body.spec ?? {};
      const verifier = (spec.dsseV002?.signatures?.[0] ?? spec.hashedRekordV002?.signature)?.verifier;
      const curve = key?.asymmetricKeyDetails?.namedCurve ?? key?.asymmetricKeyType ?? '';
      const named = String(verifier?.keyDetails);
      return !{
        prime256v1: /^(?:PKIX_ECDSA_P256_SHA_256|5)$/,
        secp384r1: /^(?:PKIX_ECDSA_P384_SHA_384|12)$/,
        secp521r1: /^(?:PKIX_ECDSA_P521_SHA_512|13)$/,
        ed25519: /^(?:PKIX_ED25519_PH|8)$/,
        rsa: /^(?:PKIX_RSA_PKCS1V15_(?:2048|3072|4096)_SHA256|9|10|11)$/,
      }[curve]?.test(named);
    }),
  ),
  forbidden(
    'entry-promise-of-second',
    'It takes a signed entry timestamp of Rekor v2 for a time.',
    'Rekor v2 signs no time: it comes from a timestamp authority',
    'https://github.com/sigstore/rekor-tiles/blob/main/CLIENTS.md',
    someEntry((entry) => isSecond(entry) && entry.promise !== undefined),
  ),
  forbidden(
    'entry-promise-without-time',
    'It takes a signed entry timestamp without a time for one of 1970.',
    'The signed entry timestamp is over the time of the entry, which then is there',
    links.rekorProto,
    someEntry(({ promise, integratedTime }) => promise !== undefined && Number(integratedTime) === 0),
  ),
  forbidden(
    'proof-root',
    'It does not look at the root hash of an inclusion proof.',
    'It is the root of the tree of the proof, as the checkpoint has it',
    links.rekorProto,
    someEntry((entry) => {
      const root = noteOf(entry)?.lines[2];
      return entry.proof !== undefined && !equalBytes(decoded(root), entry.proof.rootHash);
    }),
  ),
  forbidden(
    'proof-size',
    'It does not look at the tree size of an inclusion proof.',
    'It is the size of the tree of the proof, as the checkpoint has it',
    links.rekorProto,
    someEntry((entry) => entry.proof !== undefined && noteOf(entry)?.lines[1] !== entry.proof.treeSize),
  ),
  forbidden(
    'proof-index',
    'It does not compare the index of an entry with that of its proof.',
    'Of Rekor v2 both are the same; the index of Rekor v1 counts the trees before this one too, so that it is not smaller',
    links.rekorProto,
    someEntry((entry) => {
      if (entry.proof === undefined) return false;
      const [own, proven] = [wholeNumber(entry.logIndex), wholeNumber(entry.proof.logIndex)];
      return isSecond(entry) ? own !== proven : proven > own;
    }),
  ),
  forbidden(
    'checkpoint-form',
    'It finds lines of signatures wherever they are in a checkpoint, and takes every text before them.',
    'A checkpoint is a note: origin, size and root, no line empty, then an empty line and lines of signatures and nothing else',
    links.checkpoint,
    someEntry(({ proof }) => proof !== undefined && !isCheckpoint(proof.checkpoint)),
  ),
  forbidden(
    'checkpoint-origin',
    'It does not look at the origin of a checkpoint.',
    'The origin names the log: of Rekor v2 its host, of Rekor v1 a host and the number of the tree',
    links.checkpoint,
    someEntry((entry, facts) => {
      const [origin = ''] = noteOf(entry)?.lines ?? [];
      if (entry.proof === undefined) return false;
      const isTree = !isSecond(entry) && /^.+ - [0-9]+$/.test(origin);
      return !isTree && !logsOf(facts, entry).some(({ baseUrl }) => hostOf(baseUrl) === origin);
    }),
  ),
  forbidden(
    'checkpoint-signer',
    'It takes every name of a key that is a part of the URL of the log.',
    'A key has a name, which for a log is its origin',
    links.note,
    someEntry((entry) => {
      const note = noteOf(entry);
      const name = (note?.lines[0] ?? '').replace(/ - [0-9]+$/, '');
      return note !== undefined && !signatureLines(note.signatures).some((line) => line.name === name);
    }),
  ),
  forbidden(
    'checkpoint-signatures',
    'One signature that verifies is enough, whatever others there are by the same key.',
    'If the signature by a known key does not verify, the note is malformed',
    links.note,
    someEntry((entry, facts) => {
      const note = noteOf(entry);
      if (note === undefined) return false;
      return usableLogsOf(facts, entry).some(({ key, logId }) =>
        signatureLines(note.signatures).some(
          ({ id, signature }) =>
            equalBytes(id, logId.subarray(0, 4)) &&
            !hashesOf(key).some((name) => verifies(name, Buffer.from(note.text), key, signature)),
        ),
      );
    }),
  ),
  refused(
    'log-period',
    'It does not look at the period of a log whose entry has no signed time.',
    'A key is used only in the period in which it is valid',
    links.rootProto,
    someEntry((entry, facts) => {
      const times = timesOf(facts);
      const isGood = ({ start, end }: LogFacts): boolean =>
        times.length === 0
          ? end === Number.POSITIVE_INFINITY
          : times.every((time) => time >= start && time <= end);
      return entry.promise === undefined && !usableLogsOf(facts, entry).some(isGood);
    }),
  ),
  forbidden(
    'log-key',
    'It does not look at what a trusted root says of the key of a log.',
    'The trusted root names the kind of key and signature, and the key is of that kind, in its one spelling',
    links.rootProto,
    (facts) => {
      const isUsable = (entry: EntryFacts): boolean => usableLogsOf(facts, entry).length > 0;
      const usable = new Set(facts.entries.filter(isUsable).map(({ logId }) => hex(logId)));
      const isTimeless = facts.certificates.length > 0 && timesOf(facts).length === 0;
      return (
        facts.entries.some((entry) => logsOf(facts, entry).length > 0 && !isUsable(entry)) &&
        (usable.size < facts.trial.logEntries || isTimeless)
      );
    },
  ),
  forbidden(
    'entry-number-negative',
    'It does not look at a time that is not signed, nor at what it does not need of the place of an entry.',
    'The time is one since 1970, and places and sizes are counted from zero',
    links.rekorProto,
    ({ entries }) =>
      entries.some(({ logIndex, integratedTime, proof }) =>
        [logIndex, integratedTime, proof?.logIndex, proof?.treeSize].some((one) => one?.startsWith('-')),
      ),
  ),
  forbidden(
    'entry-twice',
    'Two entries are the same to it only when their bodies are.',
    'Multiple entries of one log must not count twice; an index of a log has one entry',
    links.clientEntry,
    ({ entries }) =>
      new Set(entries.map(({ logId, logIndex }) => `${Buffer.from(logId).toString('hex')} ${logIndex}`))
        .size < entries.length,
  ),
];
