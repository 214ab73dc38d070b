/** Whatever is changed in a bundle: it is refused with an error of ours, or it still means exactly the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { base64, hex } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { type Bundle, encodeBundle, parseBundle } from '../../src/formats/bundle.ts';
import { byKeys } from '../../src/verify/requirements.ts';
import { openTrust } from '../../src/verify/trust.ts';
import { type BlobEvidence, type BlobRequirements, verifyBlob } from '../../src/verify/verify-blob.ts';
import { sha256Hex, statementFor, World } from '../support/sigstore-world.ts';
import { newKey } from '../support/test-certificates.ts';
import { anybody, artifact, signatureOf } from '../support/verification.ts';

const world = new World();
const key = newKey();
const trust = openTrust(world.trustedRoot);
const payload = statementFor(sha256Hex(artifact));
const required: BlobRequirements = { signer: anybody, trust };

const samples: readonly (readonly [name: string, bundle: Bundle, required: BlobRequirements])[] = [
  ['a blob in Rekor v1', world.blob(artifact, { timestamp: true }), { ...required, timestamps: 1 }],
  ['an envelope in Rekor v1', world.envelope(payload), required],
  ['a blob in Rekor v2', world.blob(artifact, { log: 'v2' }), required],
  ['an envelope in Rekor v2', world.envelope(payload, { log: 'v2' }), required],
  [
    'a blob by a key',
    world.blob(artifact, { signer: { key } }),
    { signer: byKeys([key.publicKey]), trust, logEntries: 1 },
  ],
];

/** Everything that an acceptance says. */
function meaning({ bundle, statement, signedBy, material }: BlobEvidence): object {
  return {
    signature: hex(signatureOf(bundle)),
    statement,
    signer:
      signedBy.kind === 'key' ? signedBy : { ...signedBy, certificate: base64(signedBy.certificate.der) },
    material,
    bodies: bundle.material.logEntries.map((entry) => base64(entry.canonicalizedBody)),
  };
}

/** One way to change a document. `at` and `with` choose; both are from 0 to 1. */
interface Change {
  readonly kind: 'bit' | 'cut' | 'grow' | 'swap' | 'remove' | 'double' | 'number' | 'text' | 'byte';
  readonly at: number;
  readonly with: number;
}

type Node = Record<string, unknown> | unknown[];

/** Every place in a document: what holds it, and under which name. */
function places(node: unknown, found: [Node, string][] = []): [Node, string][] {
  if (typeof node !== 'object' || node === null) return found;
  for (const name of Object.keys(node)) {
    found.push([node as Node, name]);
    places((node as Record<string, unknown>)[name], found);
  }
  return found;
}

function changed(json: Uint8Array, changes: readonly Change[]): Uint8Array {
  let text = Buffer.from(json).toString();
  for (const { kind, at, with: by } of changes) {
    if (kind === 'byte') {
      const index = Math.floor(at * text.length);
      text = text.slice(0, index) + String.fromCharCode(Math.floor(by * 128)) + text.slice(index + 1);
      continue;
    }
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      return Buffer.from(text);
    }
    const all = places(document);
    const [holder, name] = all[Math.floor(at * all.length)] ?? [];
    if (holder === undefined || name === undefined) continue;
    change(holder as Record<string, unknown>, name, kind, by, all);
    text = JSON.stringify(document);
  }
  return Buffer.from(text);
}

function change(
  holder: Record<string, unknown>,
  name: string,
  kind: Change['kind'],
  by: number,
  all: readonly [Node, string][],
): void {
  const value = holder[name];
  const other = all[Math.floor(by * all.length)];
  switch (kind) {
    case 'remove':
      if (Array.isArray(holder)) holder.splice(Number(name), 1);
      else delete holder[name];
      return;
    case 'double':
      if (Array.isArray(holder)) holder.push(structuredClone(value));
      return;
    case 'swap':
      if (other !== undefined)
        holder[name] = structuredClone((other[0] as Record<string, unknown>)[other[1]]);
      return;
    case 'number':
      holder[name] = [0, -1, 1, 2 ** 53, '0', '9223372036854775807', 0.5, null][Math.floor(by * 8)];
      return;
    case 'text':
      holder[name] = ['', 'x', '====', '\ud800', 'é', {}, [], true][Math.floor(by * 8)];
      return;
    default:
      if (typeof value === 'string') holder[name] = changedText(value, kind, by);
  }
}

/** Changes bytes: those that base64 stands for, or those of a text, such as a checkpoint. */
function changedText(text: string, kind: Change['kind'], by: number): string {
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0;
  const bytes = [...Buffer.from(text, isBase64 ? 'base64' : 'utf8')];
  const index = Math.floor(by * bytes.length);
  if (kind === 'bit') bytes[index] = (bytes[index] ?? 0) ^ (1 << Math.floor((by * 8_000) % 8));
  else if (kind === 'cut') bytes.splice(index, 1);
  else bytes.splice(index, 0, Math.floor((by * 256_000) % 256));
  return Buffer.from(bytes).toString(isBase64 ? 'base64' : 'utf8');
}

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyChange: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom<Change['kind'][]>(
    'bit',
    'bit',
    'bit',
    'cut',
    'grow',
    'swap',
    'remove',
    'double',
    'number',
    'text',
    'byte',
  ),
  at: unit,
  with: unit,
});

describe('a changed bundle is refused or means the same:', () => {
  for (const [name, bundle, asked] of samples) {
    it(name, async () => {
      const json = encodeBundle(bundle);
      const original = meaning(await verifyBlob(parseBundle(json, 'x'), artifact, asked));
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 3 }), async (changes) => {
          const mutant = changed(json, changes);
          let evidence: BlobEvidence;
          try {
            evidence = await verifyBlob(parseBundle(mutant, 'the bundle'), artifact, asked);
          } catch (error) {
            assert.ok(isBoltsealError(error), `${error instanceof Error ? error.stack : error}`);
            assert.notEqual(error.code, 'ERR_INTERNAL');
            return;
          }
          accepted++;
          assert.deepEqual(meaning(evidence), original);
        }),
        { numRuns: 600, seed: 4_711 },
      );
      // Some changes mean nothing: a hint, an embedded name. Most must.
      assert.ok(accepted < 200, `${accepted} of 600 were accepted`);
    });
  }
});

describe('a changed trusted root', () => {
  it('never makes a bundle verify that did not, nor throws what is foreign', async () => {
    const { encodeTrustedRoot, parseTrustedRoot } = await import('../../src/formats/trusted-root.ts');
    const json = encodeTrustedRoot(world.trustedRoot);
    const stranger = new World().blob(artifact, { timestamp: true });
    const [[, bundle] = []] = samples;
    assert.ok(bundle !== undefined);
    await fc.assert(
      fc.asyncProperty(fc.array(anyChange, { minLength: 1, maxLength: 2 }), async (changes) => {
        for (const one of [bundle, stranger]) {
          try {
            const root = parseTrustedRoot(changed(json, changes));
            await verifyBlob(one, artifact, { ...required, trust: openTrust(root) });
            assert.notEqual(one, stranger);
          } catch (error) {
            assert.ok(isBoltsealError(error), `${error instanceof Error ? error.stack : error}`);
            assert.notEqual(error.code, 'ERR_INTERNAL');
          }
        }
      }),
      { numRuns: 400, seed: 4_712 },
    );
  });
});
