/** The registry client: repositories in registries and image layouts, credentials, attaching and discovering. */

export {
  createRegistryClient,
  type OpenOptions,
  openRepository,
  type RegistryClient,
  type RegistryClientOptions,
  resolveReference,
} from './client.ts';
export type { Credential, CredentialSource } from './credentials/credential.ts';
export { type OpenLayoutOptions, openLayout } from './layout.ts';
export { fallbackTag } from './referrers.ts';
export type {
  CallOptions,
  PendingUpload,
  PutBlobOptions,
  PutManifestResult,
  ReferrersList,
  ReferrersSource,
  Repository,
  StoredManifest,
} from './repository.ts';
