/**
 * Signatures by every kind of key, over every hash, in messages and envelopes: what this kernel, npm's
 * `@sigstore/verify` and sigstore-go make of the same bundle. Where npm's cannot verify one, sigstore-go says who is
 * right.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { build, keyFor, type Recipe } from '../fuzz/verify-differential/build.ts';
import { judgeWithGo } from '../fuzz/verify-differential/sigstore-go.ts';
import { judgeOurs, judgeTheirs } from '../fuzz/verify-differential/trial.ts';
import { needPrograms } from '../support/programs.ts';
import { World } from '../support/sigstore-world.ts';
import { temporaryDirectory } from '../support/temporary.ts';

type Kind = NonNullable<Recipe['key']>;
type Hash = NonNullable<Recipe['hash']>;

const hashes: readonly Hash[] = ['sha256', 'sha384', 'sha512'];

/** The hashes that each kind of key signs with: what the algorithm registry says, and SHA-256 as cosign 2 did. */
const own: Readonly<Record<Kind, readonly Hash[]>> = {
  'P-256': ['sha256'],
  'P-384': ['sha256', 'sha384'],
  'P-521': ['sha256', 'sha512'],
  rsa: ['sha256'],
  // It has no choice; what a log would keep is a digest, and that is not what it signs.
  ed25519: [],
};

/** Whether the others accept what is accepted here; and refuse what is refused here. */
interface Expected {
  readonly ours: boolean;
  readonly npm: boolean;
  readonly go: boolean;
}

function expected(kind: Kind, content: Recipe['content'], hash: Hash): Expected {
  if (kind === 'ed25519') {
    // A message is logged by its digest, and a pure signature is over none.
    const isEnvelope = content === 'envelope';
    return { ours: isEnvelope, npm: isEnvelope, go: isEnvelope };
  }
  const ours = own[kind].includes(hash);
  // It takes the hash from the unsigned digest algorithm of a message, and SHA-256 for every envelope.
  const npm = content === 'message' || hash === 'sha256';
  return { ours, npm, go: ours };
}

it('signatures of every kind of key are accepted by sigstore-go as here, and by npm where it can', async (t) => {
  const programs = needPrograms(t, 'sigstore-go-verification');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const world = new World();
  const found: Record<string, Expected> = {};
  const wanted: Record<string, Expected> = {};
  for (const kind of Object.keys(own) as Kind[]) {
    for (const content of ['message', 'envelope'] as const) {
      for (const hash of kind === 'ed25519' ? (['sha512'] as const) : hashes) {
        const recipe: Recipe = {
          name: 'x',
          world,
          version: '0.3',
          content,
          entries: [content === 'message' ? 'hashedrekord 0.0.1' : 'dsse 0.0.1'],
          timestamps: 0,
          signer: 'certificate',
          hash,
        };
        const trial = build(recipe, { key: keyFor(kind) });
        const go = await judgeWithGo(programs['sigstore-go-verification'], folder, trial);
        assert.ok(go !== undefined);
        const name = `${kind}, ${content}, ${hash}`;
        found[name] = { ours: (await judgeOurs(trial)).accepted, npm: judgeTheirs(trial).accepted, go };
        wanted[name] = expected(kind, content, hash);
      }
    }
  }
  assert.deepEqual(found, wanted);
});
