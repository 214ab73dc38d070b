/** Codecs: one file for each specification, bytes in and types out. */
export * from './annotations.ts';
export * from './bundle.ts';
export * from './cosign-layer.ts';
export * from './dsse.ts';
export * from './encrypted-key.ts';
export * from './oci.ts';
export * from './pem.ts';
export * from './public-key.ts';
export * from './reference.ts';
export * from './referrer-manifest.ts';
export * from './simple-signing.ts';
export * from './statement.ts';
export * from './verification-material.ts';
