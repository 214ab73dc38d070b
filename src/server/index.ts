/**
 * Servers to run in one's own process: at present an OCI registry, for tests and demonstrations.
 *
 * @module boltseal/server
 */
export type { HttpRequest, HttpResponse, HttpResponseHeaders, HttpService } from '../core/http.ts';
export type { BasicAuth, BearerAuth, RegistryAuth } from './registry/access.ts';
export type { RegistryLimits } from './registry/bounds.ts';
export { folderStorage } from './registry/folder-storage.ts';
export { type MemoryStorageOptions, memoryStorage } from './registry/memory-storage.ts';
export {
  createRegistry,
  type RegistryOptions,
  type RegistryRuntime,
  type RegistryServer,
} from './registry/registry.ts';
export type { RecordKind, RegistryStorage, StagedContent, StorageRecord } from './registry/storage.ts';
