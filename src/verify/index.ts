/** The verification kernel: pure decisions over bytes, keys and digests. */
export * from './authenticate.ts';
export * from './bind.ts';
export * from './entity.ts';
export * from './verdict.ts';
export * from './verify-entity.ts';
