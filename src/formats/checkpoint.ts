/**
 * Checkpoints: what a transparency log signs about its tree, as a note that carries one signature line for each signer.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md tlog-checkpoint},
 * {@link https://github.com/C2SP/C2SP/blob/main/signed-note.md signed-note}
 *
 *     example.com/log            origin
 *     15368                      tree size
 *     31JQUq8EyQx5lpqtKRqryJzA+77WD2xmTyuB4uIlXeE=     root
 *                                (more lines; an empty one ends the text that is signed)
 *     — example.com/log Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
 */
import { base64, concatBytes, equalBytes, fromBase64, fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { hashLength } from './merkle.ts';

/** What a log says about its tree. */
export interface Checkpoint {
  /** The log's name: for Rekor v1 `host - treeID`, for others without white space. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Lines after the root; none of the logs that are known today needs any. */
  readonly extensions: readonly string[];
}

/** One signature line of a note. */
export interface NoteSignature {
  /** The name of the key. */
  readonly name: string;
  /** Four bytes that tell keys of one name apart; how they are made depends on the key's kind. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A checkpoint with its signatures, decoded but not verified. */
export interface SignedCheckpoint extends Checkpoint {
  /** What the signatures are over: the lines up to the empty one, with their final newline. */
  readonly body: string;
  readonly signatures: readonly NoteSignature[];
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_CHECKPOINT_INVALID', `${what} is not a checkpoint: ${why}`);
}

const signaturePrefix = '— ';

/**
 * White space, the plus sign, control characters, and halves of surrogate pairs. Properties such as `\p{Cc}` would say the
 * same; the first of a process take half a millisecond.
 */
const notInNames = /[\s+\0-\x1f\x7f-\x9f\ud800-\udfff]/u;

/** Whether `text` can be the name of a key: not empty, no white space, no plus sign, nothing unprintable. */
export function isKeyName(text: string): boolean {
  return text !== '' && !notInNames.test(text) && text.length <= limits.originLength;
}

/**
 * The text that is signed. Throws `ERR_CHECKPOINT_INVALID` for an origin or extension that is empty or has several lines.
 */
export function encodeCheckpointBody(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint;
  for (const line of [origin, ...extensions]) {
    if (line === '' || /[\0-\x1f\x7f-\x9f]/.test(line))
      throw invalid('this', 'a line is empty or has control characters');
  }
  return [origin, String(size), base64(root), ...extensions, ''].join('\n');
}

/** A signature line, with its newline. */
export function encodeNoteSignature({ name, keyId, signature }: NoteSignature): string {
  return `${signaturePrefix}${name} ${base64(concatBytes(keyId, signature))}\n`;
}

/** The note of a text (which ends with a newline) and signatures. */
export function encodeNote(body: string, signatures: readonly NoteSignature[]): string {
  return `${body}\n${signatures.map(encodeNoteSignature).join('')}`;
}

/**
 * Reads a checkpoint. Throws `ERR_CHECKPOINT_INVALID`, and `ERR_LIMIT_EXCEEDED` when it is too large or has too many
 * signatures. Nothing is verified.
 */
export function parseCheckpoint(input: string | Uint8Array, what = 'the checkpoint'): SignedCheckpoint {
  const length = typeof input === 'string' ? Buffer.byteLength(input) : input.length;
  if (length > limits.checkpointBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${length} bytes; the limit is ${limits.checkpointBytes}`,
    );
  }
  const text = typeof input === 'string' ? input : decode(input, what);
  // Of control characters only the newline may be in a note.
  if (/[\0-\x09\x0b-\x1f\x7f-\x9f]/.test(text)) throw invalid(what, 'it has control characters');
  const gap = text.lastIndexOf('\n\n');
  if (gap === -1 || !text.endsWith('\n')) throw invalid(what, 'it has no signatures');
  const body = text.slice(0, gap + 1);
  return { ...parseBody(body, what), body, signatures: parseSignatures(text.slice(gap + 2), what) };
}

/**
 * Reads signature lines, as they end a note and as a witness answers them. Throws `ERR_CHECKPOINT_INVALID`, and
 * `ERR_LIMIT_EXCEEDED` when they are too many.
 */
export function parseSignatures(text: string, what: string): NoteSignature[] {
  if (!text.endsWith('\n')) throw invalid(what, 'it has no signatures');
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > limits.checkpointSignatures) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${lines.length} signatures`);
  }
  return lines.map((line) => parseSignature(line, what));
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return fromUtf8(bytes, what);
  } catch {
    throw invalid(what, 'it is not UTF-8');
  }
}

/**
 * Reads the text that is signed, up to and with its last newline. Throws `ERR_CHECKPOINT_INVALID`.
 */
function parseBody(body: string, what: string): Checkpoint {
  const [origin = '', size = '', root = '', ...extensions] = body.slice(0, -1).split('\n');
  if (origin === '' || origin.length > limits.originLength) throw invalid(what, 'it has no usable origin');
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw invalid(what, 'its size is not a number');
  }
  if (extensions.includes('')) throw invalid(what, 'it has an empty line');
  return { origin, size: Number(size), root: parseBase64(root, what, hashLength), extensions };
}

function parseSignature(line: string, what: string): NoteSignature {
  const [name = '', encoded = '', ...more] = line.slice(signaturePrefix.length).split(' ');
  if (!line.startsWith(signaturePrefix) || more.length > 0 || !isKeyName(name)) {
    throw invalid(what, 'a signature line is malformed');
  }
  const bytes = parseBase64(encoded, what);
  if (bytes.length < 5) throw invalid(what, 'a signature is too short');
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

function parseBase64(text: string, what: string, length?: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(text, what);
  } catch {
    throw invalid(what, 'a part is not base64');
  }
  if (length !== undefined && bytes.length !== length) throw invalid(what, 'its root has another length');
  return bytes;
}

/** What a key signs: the text, a tree head of RFC 6962, or the text with a time, as witnesses do. */
export type NoteKeyKind = 'note' | 'tree head' | 'cosignature';

/** A signature line that was verified. */
export interface VerifiedNoteSignature {
  readonly name: string;
  readonly kind: NoteKeyKind;
  /** When it was made, in milliseconds since 1970, where the kind of signature says so. */
  readonly time?: number;
}

/** One key that verifies signature lines. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** Throws `ERR_VERIFY_SIGNATURE`. */
  verify(checkpoint: SignedCheckpoint, signature: Uint8Array): VerifiedNoteSignature;
}

/** What a log signs its checkpoints with. */
export interface NoteSigner {
  readonly verifier: NoteVerifier;
  /** The bytes after the key id. `time` is that of the tree head, in milliseconds since 1970. */
  sign(checkpoint: Checkpoint, body: string, time: number): Promise<Uint8Array>;
}

/**
 * Verifies the signatures of a checkpoint by the keys in `verifiers`: every line by one of these must verify, and there
 * must be at least one. Lines by others mean nothing. With `origin` the checkpoint must be of that log. Throws
 * `ERR_VERIFY_SIGNATURE`.
 */
export function verifyCheckpoint(
  checkpoint: SignedCheckpoint,
  verifiers: readonly NoteVerifier[],
  origin?: string,
): readonly VerifiedNoteSignature[] {
  if (origin !== undefined && checkpoint.origin !== origin) {
    throw new BoltsealError(
      'ERR_VERIFY_SIGNATURE',
      `the checkpoint is of the log ${JSON.stringify(checkpoint.origin.slice(0, 100))}, not of ${JSON.stringify(origin)}`,
    );
  }
  const found: VerifiedNoteSignature[] = [];
  for (const { name, keyId, signature } of checkpoint.signatures) {
    const verifier = verifiers.find((one) => one.name === name && equalBytes(one.keyId, keyId));
    if (verifier !== undefined) found.push(verifier.verify(checkpoint, signature));
  }
  if (found.length > 0) return found;
  throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'the checkpoint has no signature by a key that is known', {
    details: {
      signatures: checkpoint.signatures.map(({ name }) => name),
      known: verifiers.map(({ name }) => name),
    },
  });
}

/** Signs a checkpoint. The result is its note, with one signature line. */
export async function signCheckpoint(
  checkpoint: Omit<Checkpoint, 'extensions'>,
  time: number,
  signer: NoteSigner,
): Promise<string> {
  const full = { ...checkpoint, extensions: [] };
  const body = encodeCheckpointBody(full);
  const { name, keyId } = signer.verifier;
  return encodeNote(body, [{ name, keyId, signature: await signer.sign(full, body, time) }]);
}

/** `note` with more signature lines; those it has already are not added again. */
export function addSignatures(note: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(encodeNoteSignature).filter((line) => !note.includes(`\n${line}`));
  return note + [...new Set(lines)].join('');
}
