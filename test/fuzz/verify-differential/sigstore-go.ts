/** What the verification program of sigstore-go says, for trials that it can be given. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePem } from '../../../src/formats/pem.ts';
import { runProgram } from '../../support/programs.ts';
import { factsOf } from './facts.ts';
import type { Trial } from './trial.ts';

/**
 * Whether it accepts a trial; undefined when it cannot be asked: for entries that npm's `sigstore` alone writes, and for
 * keys without any proven time, which it always wants.
 */
export async function judgeWithGo(
  program: string,
  folder: string,
  trial: Trial,
): Promise<boolean | undefined> {
  const { artifact, signer, logEntries } = trial;
  const { entries, timestamps } = factsOf(trial);
  if (entries.some(({ kind, version }) => kind === 'dsse' && version === '0.0.2')) return undefined;
  const hasTime = timestamps.length > 0 || entries.some(({ promise }) => promise !== undefined);
  if (signer.kind === 'key' && !hasTime) return undefined;
  const file = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const flags: string[] = [];
  if (artifact.kind === 'digest')
    flags.push('-artifact-digest', Buffer.from(artifact.sha256).toString('hex'));
  else flags.push('-artifact', await file('artifact', artifact.bytes));
  if (signer.kind === 'key') {
    const isPem = Buffer.from(signer.key.subarray(0, 5)).toString() === '-----';
    const pem = isPem ? Buffer.from(signer.key).toString() : encodePem('PUBLIC KEY', signer.key);
    flags.push('-publicKey', await file('key.pub', pem), '-requireCTlog=false');
    if (logEntries === 0) flags.push('-requireTlog=false');
  } else {
    const { subject } = signer;
    flags.push('-expectedIssuer', signer.issuer);
    if (subject.kind === 'exact') flags.push('-expectedSAN', subject.value);
    else flags.push('-expectedSANRegex', subject.pattern);
  }
  flags.push('-trustedrootJSONpath', await file('root.json', trial.root));
  const { code } = await runProgram(program, [...flags, await file('bundle.json', trial.bundle)]);
  return code === 0;
}
