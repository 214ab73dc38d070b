/**
 * Sign and verify container images.
 *
 *     import { loadVerificationKeys, verifyImage } from 'boltseal';
 *     import { createRuntime } from 'boltseal/node';
 *
 *     const runtime = createRuntime();
 *     const keys = loadVerificationKeys('cosign.pub', { runtime });
 *     const { reference } = await verifyImage('ghcr.io/you/app:v1', { keys }, runtime);
 *
 * Functions return data with evidence, or throw a {@link BoltsealError} with a stable code. They read nothing from the
 * process and write nothing to the console: network, clock, randomness and environment come in as a {@link Runtime}.
 * The parts stand in `boltseal/core`, `/formats`, `/verify`, `/registry`, `/keys` and `/flows`; a registry for tests is
 * in `boltseal/server`.
 *
 * @module boltseal
 */
export type { Digest } from './core/digest.ts';
export {
  BoltsealError,
  type ErrorCode,
  type ErrorDetails,
  type ErrorKind,
  type ErrorOptions,
  type ExitName,
  errorTable,
  exitCodes,
  isBoltsealError,
} from './core/errors.ts';
export type {
  Fetch,
  FetchInit,
  FetchResponse,
  LogEvent,
  RequestBody,
  RequestHeaders,
  Runtime,
} from './core/runtime.ts';
export * from './flows/index.ts';
export type { Annotations, Descriptor } from './formats/oci.ts';
export {
  type LayoutReference,
  parseReference,
  type Reference,
  type RegistryReference,
  referenceName,
} from './formats/reference.ts';
export { generateKeyPair, type KeyPairFiles } from './keys/generate.ts';
export { importKeyPair } from './keys/import.ts';
export {
  type KeyOptions,
  type KeyType,
  keyTypes,
  loadSigner,
  loadVerificationKeys,
  openPrivateKey,
  type Password,
  type PasswordSource,
  type PublicKey,
  parsePublicKey,
  type Signer,
} from './keys/index.ts';
export { createRegistryClient, type RegistryClient, type RegistryClientOptions } from './registry/client.ts';
export type { Credential, CredentialSource } from './registry/credentials/credential.ts';
export { storedCredentials } from './registry/credentials/stored.ts';
export type { PlaceReport, SignaturePlace } from './registry/discover.ts';
export type { Claim, EntityOrigin, SignatureFormat, SignedEntity } from './verify/entity.ts';
export type { Evidence, Refusal } from './verify/verdict.ts';
