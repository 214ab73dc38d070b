import type { RegistryLimits } from './bounds.ts';
import type { Contents } from './contents.ts';
import { Refusal } from './refusal.ts';
import type { RegistryStorage } from './storage.ts';
import type { Uploads } from './uploads.ts';

/** What every end point works with. */
export interface Context {
  readonly storage: RegistryStorage;
  readonly contents: Contents;
  readonly uploads: Uploads;
  readonly limits: RegistryLimits;
  readonly referrers: boolean;
  readonly allowDelete: boolean;
  readonly validateManifests: boolean;
}

/** Refuses deletion where it is switched off. */
export function requireDelete(context: Context): void {
  if (!context.allowDelete) throw new Refusal('UNSUPPORTED', 'this registry does not delete');
}
