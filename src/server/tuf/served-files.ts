/** What of a repository clients may have, by name. */
import type { TufContents } from './load.ts';
import type { TufFile } from './tuf-repository.ts';

/** The files of `contents`, and the `extra` ones that nothing names any more. */
export function servedFiles(
  { roots, targets, snapshot, timestamp, files }: TufContents,
  extra: ReadonlyMap<string, Uint8Array>,
): ReadonlyMap<string, TufFile> {
  const served = new Map<string, TufFile>();
  const add = (name: string, bytes: Uint8Array): void => void served.set(name, { bytes, isImmutable: true });
  for (const [name, bytes] of [...extra, ...files]) add(name, bytes);
  for (const root of roots) add(`${root.metadata.signed.version}.root.json`, root.bytes);
  add(`${targets.metadata.signed.version}.targets.json`, targets.bytes);
  add(`${snapshot.metadata.signed.version}.snapshot.json`, snapshot.bytes);
  served.set('timestamp.json', { bytes: timestamp.bytes, isImmutable: false });
  return served;
}
