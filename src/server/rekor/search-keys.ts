/**
 * What entries of Rekor v1 can be searched by. A key is lower case and one of:
 *
 *     sha256:HEX    a digest: of the artifact, payload, envelope, or a subject of a statement
 *     HEX           SHA-256 of the signer's PEM, for hashedrekord; `sha256:HEX` for the other kinds
 *     TEXT          a subject alternative name of the signer's certificate
 *
 * The real server looks public keys up in the first form alone and so never finds the other kinds; here both are asked
 * for.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/pkg/api/index.go}
 */
import { derTags, parseDer } from '../../core/der.ts';
import { fromUtf8, hex } from '../../core/encoding.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { inTotoPayloadType } from '../../formats/dsse.ts';
import type { GeneralName } from '../../formats/extensions.ts';
import { usernameOid } from '../../formats/fulcio-extensions.ts';
import type { EntryHash } from '../../formats/log-entry-v1.ts';
import { type EntryVerifier, encodeVerifierPem } from '../../formats/log-entry-verifier.ts';
import { sha256 } from '../../formats/merkle.ts';

/** The key that a digest is searched by. */
export function digestKey(hash: EntryHash | 'sha1', digest: Uint8Array): string {
  return `${hash}:${hex(digest)}`;
}

/** The keys that a signer is searched by: one for hashedrekord, the other for all other kinds. */
export function verifierKeys(verifier: EntryVerifier): { readonly bare: string; readonly prefixed: string } {
  const bare = hex(sha256(encodeVerifierPem(verifier)));
  return { bare, prefixed: `sha256:${bare}` };
}

/** The names in a signer's certificate, lower case; none for a bare key. */
export function nameKeys(verifier: EntryVerifier): readonly string[] {
  if (verifier.kind === 'publicKey') return [];
  return verifier.certificate.subjectAltName.flatMap((name) => nameText(name)?.toLowerCase() ?? []);
}

function nameText(name: GeneralName): string | undefined {
  switch (name.type) {
    case 'email':
    case 'dns':
    case 'uri':
      return name.value;
    case 'ip':
      return addressText(name.value);
    case 'other':
      return name.oid === usernameOid ? userName(name.value) : undefined;
    case 'unread':
      return undefined;
  }
}

function userName(value: Uint8Array): string | undefined {
  try {
    return fromUtf8(parseDer(value, 'a name', derTags.utf8String).content, 'a name');
  } catch {
    return undefined;
  }
}

function addressText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const groups = hex(bytes).match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/**
 * The digests that an in-toto statement names: of its subjects, and of the materials of a provenance. Any payload is
 * taken; what is not a statement names none.
 */
export function statementKeys(payloadType: string, payload: Uint8Array): readonly string[] {
  if (payloadType !== inTotoPayloadType || payload.length > limits.indexedStatementBytes) return [];
  let statement: Json;
  try {
    statement = JSON.parse(fromUtf8(payload, 'the payload')) as Json;
  } catch {
    return [];
  }
  if (!isJsonObject(statement)) return [];
  const { subject, predicate } = statement;
  const materials = isJsonObject(predicate) ? predicate['materials'] : undefined;
  const keys: string[] = [];
  for (const item of [...listOf(subject), ...listOf(materials)]) {
    const digest = isJsonObject(item) ? item['digest'] : undefined;
    if (!isJsonObject(digest)) continue;
    for (const [algorithm, value] of Object.entries(digest)) {
      if (typeof value === 'string') keys.push(`${algorithm}:${value}`.toLowerCase());
      if (keys.length === limits.logEntryKeys) return keys;
    }
  }
  return keys;
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]).slice(0, limits.logEntryKeys) : [];
}
