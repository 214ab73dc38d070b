import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where a resource leaves its release: a test's context, or `{ after }` of `node:test` for a whole file or suite.
 * Releases run when the test is over, whatever its result.
 */
export interface Releases {
  after(release: () => Promise<void>): void;
}

/** The absolute path of a new, empty folder that is removed with everything in it when the test is over. */
export async function temporaryDirectory(releases: Releases, prefix = 'boltseal-'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  releases.after(() => removeDirectory(folder));
  return folder;
}

/** Removes a folder and everything in it; does nothing when it is gone. */
export function removeDirectory(folder: string): Promise<void> {
  // The retries are for a program that was killed a moment ago and whose last write is still under way.
  return rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
