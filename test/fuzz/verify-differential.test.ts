/**
 * The kernel and npm's `@sigstore/verify` judge the same bundles, as they are and with seeded mutations: both accept or
 * both refuse, or a difference that is known explains why not. The long form is `tools/differential.ts`; its result is
 * docs/reference/verification-differences.md.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bundleFromJSON } from '@sigstore/bundle';
import { toSignedEntity } from '@sigstore/verify';
import { preAuthEncoding } from '../../src/formats/dsse.ts';
import { newKey } from '../support/test-certificates.ts';
import { vector, vectorNames } from '../vectors/vectors.ts';
import { differences } from './verify-differential/explain.ts';
import type { Original } from './verify-differential/mutator.ts';
import { madeOriginals, vectorOriginals } from './verify-differential/originals.ts';
import { randomOf } from './verify-differential/random.ts';
import {
  judgeMutations,
  judgeOriginals,
  newReport,
  type Report,
  unchanged,
} from './verify-differential/run.ts';
import { saveTrial } from './verify-differential/save.ts';

const seed = 1;
/** Each takes about ten milliseconds, nearly all of them by the other verifier. */
const mutations = 600;

/** What must not have happened, in words. */
function saved({ unexplained, forbidden }: Report): Promise<readonly string[]> {
  return Promise.all([...unexplained, ...forbidden].map(saveTrial));
}

describe('this kernel and @sigstore/verify', () => {
  const made = madeOriginals();
  const vectors = vectorOriginals();
  let valid: readonly Original[] = [];

  it('accept every kind of bundle that is made here', async () => {
    const report = newReport();
    valid = await judgeOriginals(report, made);
    assert.deepEqual(report.counts.get(unchanged), {
      bothAccept: made.length,
      bothRefuse: 0,
      onlyOurs: 0,
      onlyTheirs: 0,
    });
  });

  it('say the same of every vector, or differ as is known', async () => {
    const report = newReport();
    valid = [...valid, ...(await judgeOriginals(report, vectors))];
    assert.deepEqual(await saved(report), []);
    const files = vectorNames()
      .concat(...['attest', 'old', 'services'].map(vectorNames))
      .filter((name) =>
        /"mediaType":\s*"application\/vnd\.dev\.sigstore\.bundle/.test(
          Buffer.from(vector(name)).toString().slice(0, 200),
        ),
      );
    assert.deepEqual(vectors.map(({ name }) => name).sort(), files.sort());
  });

  it(`say the same of ${mutations} mutations, or differ as is known`, async () => {
    const report = newReport();
    await judgeMutations(report, valid, seed, 0, mutations);
    assert.deepEqual(await saved(report), []);
    const counts = [...report.counts.values()];
    // Mutations that are all refused, or change nothing, would test little.
    for (const verdict of ['bothAccept', 'bothRefuse', 'onlyOurs', 'onlyTheirs'] as const) {
      assert.ok(
        counts.some((count) => count[verdict] > 0),
        verdict,
      );
    }
  });

  it('encode envelopes to be signed in the same way, whatever the type of the payload is', () => {
    const key = newKey();
    for (let number = 0; number < 50; number++) {
      const random = randomOf(seed, number);
      const characters = ['a', '/', 'é', '€', '文', '😀', '\u0000', ' ', '+'];
      const payloadType = Array.from({ length: 1 + random.below(12) }, () => random.pick(characters)).join(
        '',
      );
      const payload = random.bytes(random.below(40) + 1);
      const signature = key.sign(preAuthEncoding(payloadType, payload));
      const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
      const bundle = bundleFromJSON({
        mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        verificationMaterial: { publicKey: { hint: '' } },
        dsseEnvelope: { payload: text(payload), payloadType, signatures: [{ sig: text(signature) }] },
      });
      const entity = toSignedEntity(bundle);
      assert.ok(entity.signature.verifySignature(key.publicKey.key), JSON.stringify(payloadType));
    }
  });
});

it('differences have names of their own, and each says by which rule', () => {
  assert.equal(new Set(differences.map(({ id }) => id)).size, differences.length);
  for (const { id, reason, rule, link } of differences) {
    assert.match(id, /^[a-z0-9-]+$/);
    assert.match(reason, /^[A-Z].*\.$/, id);
    assert.match(rule, /^[A-Z].*[^.]$/, id);
    assert.match(link, /^https:\/\//, id);
  }
});
