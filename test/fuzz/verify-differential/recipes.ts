/** The kinds of bundles that are mutated. */
import { World } from '../../support/sigstore-world.ts';
import type { Recipe } from './build.ts';

const cert = { signer: 'certificate', version: '0.3', timestamps: 0 } as const;
const message = { ...cert, content: 'message' } as const;
const envelope = { ...cert, content: 'envelope' } as const;

/** Every kind that both verifiers know, without its world. */
const kinds: readonly Omit<Recipe, 'world'>[] = [
  { ...message, name: 'message, Rekor v1', entries: ['hashedrekord 0.0.1'] },
  { ...message, name: 'message, Rekor v1, timestamp', entries: ['hashedrekord 0.0.1'], timestamps: 1 },
  {
    ...message,
    name: 'message, Rekor v1 without its time, timestamp',
    entries: ['hashedrekord 0.0.1'],
    proven: 'proof',
    timestamps: 1,
  },
  {
    ...message,
    name: 'message, v0.1, promise alone',
    version: '0.1',
    entries: ['hashedrekord 0.0.1'],
    proven: 'promise',
  },
  { ...message, name: 'message, v0.2, chain', version: '0.2', entries: ['hashedrekord 0.0.1'] },
  { ...message, name: 'message, Rekor v2, timestamp', entries: ['hashedrekord 0.0.2'], timestamps: 1 },
  {
    ...message,
    name: 'message, both Rekors, timestamp',
    entries: ['hashedrekord 0.0.1', 'hashedrekord 0.0.2'],
    timestamps: 1,
  },
  { ...message, name: 'message, RSA', entries: ['hashedrekord 0.0.1'], key: 'rsa' },
  { ...message, name: 'message, P-384', entries: ['hashedrekord 0.0.1'], key: 'P-384', hash: 'sha384' },
  { ...envelope, name: 'DSSE, dsse', entries: ['dsse 0.0.1'] },
  {
    ...envelope,
    name: 'DSSE, v0.1, promise alone',
    version: '0.1',
    entries: ['dsse 0.0.1'],
    proven: 'promise',
  },
  { ...envelope, name: 'DSSE, v0.2, intoto', version: '0.2', entries: ['intoto 0.0.2'] },
  { ...envelope, name: 'DSSE, intoto, timestamp', entries: ['intoto 0.0.2'], timestamps: 1 },
  { ...envelope, name: 'DSSE, Rekor v2, timestamp', entries: ['hashedrekord 0.0.2'], timestamps: 1 },
  { ...envelope, name: 'DSSE, Rekor v2 as npm writes it', entries: ['dsse 0.0.2'], timestamps: 1 },
  { ...envelope, name: 'DSSE, Ed25519', entries: ['dsse 0.0.1'], key: 'ed25519' },
  { ...message, name: 'message, key', signer: 'key', entries: ['hashedrekord 0.0.1'] },
  { ...envelope, name: 'DSSE, key, Rekor v2', signer: 'key', entries: ['hashedrekord 0.0.2'], timestamps: 1 },
  { ...message, name: 'message, key, no log', signer: 'key', entries: [] },
  { ...envelope, name: 'DSSE, key, no log', signer: 'key', entries: [] },
];

/** All kinds, of a Sigstore with a P-256 and of one with a P-384 authority. */
export function newRecipes(): readonly Recipe[] {
  return (['P-256', 'P-384'] as const).flatMap((caCurve) => {
    const world = new World({ caCurve });
    return kinds.map((kind) => ({ ...kind, world, name: `${kind.name} (${caCurve} authority)` }));
  });
}
