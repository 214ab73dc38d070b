/** The registry client: repositories in registries and image layouts, credentials, attaching and discovering. */
export { type AttachedReferrer, attachReferrer, type ReferrerToAttach } from './attach.ts';
export {
  createRegistryClient,
  type OpenOptions,
  openRepository,
  type RegistryClient,
  type RegistryClientOptions,
} from './client.ts';
export type { Credential, CredentialSource } from './credentials/credential.ts';
export {
  type CredentialsRuntime,
  eraseCredential,
  explainCredential,
  type LoginCredential,
  storeCredential,
  storedCredentials,
} from './credentials/stored.ts';
export {
  type DiscoveredCandidate,
  type DiscoveredSignatures,
  type DiscoverOptions,
  discoverSignatures,
  type PlaceReport,
  type SignaturePlace,
} from './discover.ts';
export { createLayout, openLayout } from './layout.ts';
export type {
  CallOptions,
  PendingUpload,
  PutBlobOptions,
  PutManifestOptions,
  PutManifestResult,
  ReferrersList,
  ReferrersSource,
  Repository,
  StoredManifest,
} from './repository.ts';
export {
  type AttachedSignatureLayer,
  attachSignatureLayer,
  type PreparedSignatureTag,
  prepareSignatureTag,
  type SignatureLayerToAttach,
} from './signature-tag.ts';
