/** Who verifies whose bundles, with identities, certificates, logs and timestamps of one private Sigstore. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { knownBlobFailure } from './known-failures.ts';
import { checkSection, numbered, table } from './page.ts';
import {
  type BlobPeerName,
  blobPeerNames,
  blobPeers,
  type Content,
  contents,
  type LogVersion,
  logVersions,
  type SignedBlob,
} from './sigstore-peers.ts';
import { useSigstore } from './sigstore-session.ts';

const session = useSigstore();

/** What was observed: an outcome, and the reason where it is not a success. */
interface Outcome {
  readonly text: 'yes' | 'no' | 'not signed' | '–';
  readonly reason?: string;
}

const outcomes = new Map<string, Outcome>();
const cellName = (log: LogVersion, content: Content, signer: BlobPeerName, verifier: BlobPeerName): string =>
  [log, content, signer, verifier].join('/');
let isSkipped = false;

it('the very first entry of a log has index 0, which cosign 2 takes for missing', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const signed = await blobPeers.Boltseal.sign(open, 'Rekor v1', 'blob');
  assert.ok(signed);
  for (const verifier of blobPeerNames) {
    const { ok, message } = await blobPeers[verifier].verify(open, 'blob', signed);
    assert.equal(ok, verifier !== 'cosign 2', message);
    if (!ok) assert.match(message, /nil value in transaction log entry/);
  }
});

for (const log of logVersions) {
  for (const content of contents) {
    describe(`${content}, ${log}`, { concurrency: 2 }, () => {
      for (const signer of blobPeerNames) {
        it(`by ${signer}`, async (t) => {
          const open = await session(t);
          if (open === undefined) {
            isSkipped = true;
            return;
          }
          const observe = (verifier: BlobPeerName, outcome: Outcome): void =>
            void outcomes.set(cellName(log, content, signer, verifier), outcome);
          const refused = knownBlobFailure({ signer, log, content });
          let signed: SignedBlob | undefined;
          try {
            signed = await blobPeers[signer].sign(open, log, content);
          } catch (error) {
            assert.ok(refused !== undefined, `${signer} could not sign: ${error}`);
            assert.match(String(error), refused.says);
            for (const verifier of blobPeerNames)
              observe(verifier, { text: 'not signed', reason: refused.reason });
            return;
          }
          assert.ok(refused === undefined || signed === undefined, 'a known failure no longer happens');
          for (const verifier of blobPeerNames) {
            if (signed === undefined) {
              observe(verifier, { text: '–' });
              continue;
            }
            const { ok, message } = await blobPeers[verifier].verify(open, content, signed);
            const known = knownBlobFailure({ signer, verifier, log, content });
            if (known === undefined) assert.ok(ok, `${verifier} refused what ${signer} signed: ${message}`);
            else {
              assert.equal(ok, false, 'a known failure no longer happens');
              assert.match(message, known.says);
            }
            observe(verifier, known === undefined ? { text: 'yes' } : { text: 'no', reason: known.reason });
          }
        });
      }
    });
  }
}

it('docs/reference/interop.md says what was observed', async (t) => {
  if (isSkipped) {
    t.skip('skipped: programs are missing');
    return;
  }
  const notes = numbered();
  const rows = logVersions.flatMap((log) =>
    contents.flatMap((content) =>
      blobPeerNames.map((signer) => [
        `${content === 'blob' ? 'file' : 'statement in an envelope'} by ${signer}, ${log}`,
        ...blobPeerNames.map((verifier) => {
          const { text, reason } = outcomes.get(cellName(log, content, signer, verifier)) ?? { text: '?' };
          return reason === undefined ? text : `${text} ${notes.note(reason)}`;
        }),
      ]),
    ),
  );
  const head = ['Signed', ...blobPeerNames.map((name) => `${name} verifies`)];
  const first =
    'cosign 2 refuses the very first entry of a log as well: it takes the index 0 for a missing one.';
  await checkSection('sigstore', [table(head, rows), `${notes.list()}\n\n${first}`].join('\n\n'));
});
