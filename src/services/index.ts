/** Clients of the services of a Sigstore: certificate authority, transparency logs, timestamps, and which are asked. */
export * from './choose-services.ts';
export { type CertificateRequestFields, requestCertificate } from './fulcio.ts';
export type { RecordableSignature } from './recordable-signature.ts';
export { addEntryV1 } from './rekor-v1.ts';
export { addEntryV2, type RekorV2Options } from './rekor-v2.ts';
export type { ServiceOptions, ServiceRuntime } from './service-request.ts';
export { requestTimestamp } from './timestamp.ts';
