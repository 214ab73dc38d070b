/** Keys: loading, making and importing them, and signing with them. */
export { type KeyType, keyTypes, type PublicKey, parsePublicKey } from '../formats/public-key.ts';
export * from './generate.ts';
export * from './import.ts';
export * from './local-signer.ts';
export * from './password.ts';
export * from './private-key.ts';
export * from './provider.ts';
export * from './reference.ts';
export type { SecretPlace } from './secrets/place.ts';
export type { Password, PasswordSource, Signer } from './signer.ts';
