/** The verification kernel: pure decisions over bytes, keys and digests. */
export * from './artifact.ts';
export * from './authenticate.ts';
export * from './bind.ts';
export * from './entity.ts';
export * from './identity.ts';
export * from './requirements.ts';
export * from './trust.ts';
export * from './verdict.ts';
export * from './verify-blob.ts';
export * from './verify-entity.ts';
export * from './workflow-identity.ts';
