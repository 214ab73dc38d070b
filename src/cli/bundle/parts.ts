/** The parts of a bundle as files hold them: cosign writes several of them in base64 around the usual form. */
import { fromUtf8, utf8 } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { BundleParts } from '../../flows/create-bundle.ts';
import { readBlobContent } from '../../formats/blob-bundle.ts';
import { parsePemCertificates } from '../../formats/certificate.ts';
import { parseTimestampText } from '../../formats/cosign-layer.ts';
import { parseEnvelope } from '../../formats/dsse.ts';

/** What a file holds, in base64 (in one line or several) or as it is. */
function decoded(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content).toString('latin1').replace(/\s+/g, '');
  const isBase64 = text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return isBase64 ? new Uint8Array(Buffer.from(text, 'base64')) : content;
}

/** What a file of `--signature` is: a signature, or, as `attest-blob` of cosign writes it, a DSSE envelope. */
export function signatureOf(content: Uint8Array, what: string): BundleParts['content'] {
  const bytes = decoded(content);
  if (bytes.length === 0) throw new BoltsealError('ERR_USAGE', `${what} is empty`);
  return readBlobContent(Buffer.from(bytes).toString('base64'), what);
}

/** The envelope of a file of `--attestation`. */
export function attestationOf(content: Uint8Array, what: string): BundleParts['content'] {
  const text = fromUtf8(content, what).trim();
  return { kind: 'envelope', envelope: parseEnvelope(utf8(text), what), text };
}

/** The certificates of a file: PEM, PEM in base64, or the DER of one. */
export function certificatesOf(content: Uint8Array, what: string): readonly Uint8Array[] {
  const bytes = decoded(content);
  const isPem = Buffer.from(bytes).includes('-----BEGIN ');
  return isPem ? parsePemCertificates(bytes, what).map(({ der }) => der) : [bytes];
}

/** The timestamp of a file: DER of a response, or cosign’s JSON around it. Throws `ERR_TIMESTAMP_INVALID`. */
export function timestampOf(content: Uint8Array, what: string): Uint8Array {
  if (content[0] !== 0x7b) return content;
  try {
    return parseTimestampText(fromUtf8(content, what));
  } catch (cause) {
    if (!isBoltsealError(cause)) throw cause;
    throw new BoltsealError('ERR_TIMESTAMP_INVALID', `${what} is not a timestamp`, { cause });
  }
}

/** A part that is a file. */
export type PartName = 'signature' | 'attestation' | 'bundle' | 'certificate' | 'timestamp';

/** Most bytes of each file. */
export const partBytes: Readonly<Record<PartName, number>> = {
  signature: limits.bundleBytes,
  attestation: limits.bundleBytes,
  bundle: limits.bundleBytes,
  // In base64, twice.
  certificate: limits.certificateBytes * limits.pemBlocks * 2,
  timestamp: limits.timestampBytes * 2,
};
