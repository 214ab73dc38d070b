/** The keys of a private Sigstore: made at the first start or named in the configuration, and loaded at every start. */
import { join } from 'node:path';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { KeyDerivation } from '../../formats/encrypted-key.ts';
import type { KeyType } from '../../formats/public-key.ts';
import { encryptKeyPair, newPrivateKey } from '../../keys/generate.ts';
import { localSigner } from '../../keys/local-signer.ts';
import type { KeyOptions } from '../../keys/provider.ts';
import { loadSigner } from '../../keys/reference.ts';
import type { Signer } from '../../keys/signer.ts';
import type { DataFolder, NewFile } from './folder.ts';
import type { KeyRecord } from './state.ts';

/** A key that was just made or found: who signs with it, how the state remembers it, and the files to write for it. */
export interface PreparedKey {
  readonly signer: Signer;
  readonly record: KeyRecord;
  readonly files: readonly NewFile[];
}

/** What keys are loaded and made with. */
export interface KeyRing {
  readonly options: KeyOptions;
  /** The passphrase of new key files. */
  readonly passphrase: () => Promise<Uint8Array>;
  /** Key files share a salt: the passphrase is worked on once. */
  readonly derivation: KeyDerivation;
  /** Keys that are open, by their public half. */
  readonly opened: Map<string, Promise<Signer>>;
}

/**
 * The key for a new part called `id`: the one `reference` names, else a new one of `type` for a file of its own.
 * Throws what the key provider throws, and `ERR_SERVER_CONFIG` when the key is not of `allowed` types.
 */
export async function prepareKey(
  id: string,
  type: KeyType,
  allowed: readonly KeyType[],
  reference: string | undefined,
  ring: KeyRing,
): Promise<PreparedKey> {
  if (reference !== undefined) {
    const signer = await loadSigner(reference, ring.options);
    const { publicKey, reference: pinned } = signer;
    checkType(id, signer, allowed);
    ring.opened.set(publicKey.pem, Promise.resolve(signer));
    const record = { reference, ...(pinned === undefined ? {} : { pinned }), publicKey: publicKey.pem };
    return { signer, record, files: [] };
  }
  const key = await newPrivateKey(type);
  const pair = await encryptKeyPair(key, await ring.passphrase(), `the new key ${id}`, ring.derivation);
  const signer = localSigner(key, `the new key ${id}`);
  ring.opened.set(signer.publicKey.pem, Promise.resolve(signer));
  const file = `keys/${id}.key`;
  return {
    signer,
    record: { file, publicKey: signer.publicKey.pem },
    files: [
      { name: file, content: utf8(pair.privateKeyPem), mode: 0o600 },
      { name: `keys/${id}.pub`, content: utf8(pair.publicKeyPem), mode: 0o644 },
    ],
  };
}

/**
 * The signer of a key of the state. Throws `ERR_SERVER_DATA` when it is not the key that the state remembers, and what
 * the key provider throws.
 */
export function openKey(id: string, record: KeyRecord, folder: DataFolder, ring: KeyRing): Promise<Signer> {
  const found = ring.opened.get(record.publicKey);
  if (found !== undefined) return found;
  const opening = load(id, record, folder, ring);
  ring.opened.set(record.publicKey, opening);
  return opening;
}

async function load(id: string, record: KeyRecord, folder: DataFolder, ring: KeyRing): Promise<Signer> {
  const { file, reference, pinned, publicKey } = record;
  const options = { ...ring.options, derivation: ring.derivation };
  const found = await loadSigner(
    file === undefined ? (reference ?? '') : join(folder.sigstore, file),
    options,
  );
  if (found.publicKey.pem === publicKey) return found;
  // The reference means the newest version of a key, and this one is older.
  const older = pinned === undefined ? undefined : await loadSigner(pinned, options);
  if (older?.publicKey.pem === publicKey) return older;
  throw new BoltsealError('ERR_SERVER_DATA', `the key ${id} is not the one this Sigstore was made with`, {
    hint: 'What clients trust is the old key. Bring it back, or retire it: boltseal serve rotate',
  });
}

function checkType(id: string, signer: Signer, allowed: readonly KeyType[]): void {
  const { type } = signer.publicKey;
  if (allowed.includes(type)) return;
  throw new BoltsealError('ERR_SERVER_CONFIG', `the key for ${id} is ${type}`, {
    hint: `Clients accept ${allowed.join(', ')} there.`,
  });
}
