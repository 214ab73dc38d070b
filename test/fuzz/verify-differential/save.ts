/** Keeps a trial that nothing explains, so that it can be looked at. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Differing } from './run.ts';
import type { Verdict } from './trial.ts';

function words(verdict: Verdict): string {
  return verdict.accepted ? 'accepts' : `refuses (${verdict.code}: ${verdict.message.slice(0, 300)})`;
}

/** Writes bundle, trusted root, artifact and what is asked for into a new folder; what happened, and where it is. */
export async function saveTrial({
  number,
  mutator,
  original,
  trial,
  verdicts,
  explained = [],
}: Differing): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-trial-'));
  const { bundle, root, artifact, signer, logEntries } = trial;
  await writeFile(join(folder, 'bundle.json'), bundle);
  await writeFile(join(folder, 'trusted_root.json'), root);
  if (artifact.kind === 'bytes') await writeFile(join(folder, 'artifact'), artifact.bytes);
  if (signer.kind === 'key') await writeFile(join(folder, 'key.pub'), signer.key);
  const asked = {
    artifact: artifact.kind === 'bytes' ? undefined : Buffer.from(artifact.sha256).toString('hex'),
    signer,
    logEntries,
  };
  await writeFile(join(folder, 'asked.json'), JSON.stringify(asked, null, 2));
  return (
    `mutation ${number} (${mutator}) of ${original}: Boltseal ${words(verdicts.ours)}, ` +
    `@sigstore/verify ${words(verdicts.theirs)}; what is wrong with it: ${explained.join(', ') || 'nothing that is known'}; ` +
    `it is in ${folder}`
  );
}
