/** oras, a program that knows nothing of signatures: what it attached must stay, and it must see what we attach. */
import assert from 'node:assert/strict';
import { runProgram } from '../support/programs.ts';
import type { TestImage } from './laboratory.ts';
import type { Session } from './peers.ts';

/** The artifact type of what {@link attachForeign} attaches. */
export const foreignType = 'application/spdx+json';

/** Lets oras attach a bill of materials to an image. */
export async function attachForeign({ lab, paths }: Session, { image }: TestImage): Promise<void> {
  await lab.file('sbom.json', '{"spdxVersion":"SPDX-2.3"}');
  const file = `sbom.json:${foreignType}`;
  const args = ['attach', '--plain-http', '--artifact-type', foreignType, image.reference, file];
  const { code, stderr } = await runProgram(paths.oras, args, { cwd: lab.folder });
  assert.equal(code, 0, stderr);
}

/** The artifact types of an image's referrers as oras lists them, sorted; of `type` only when one is given. */
export async function referrerTypes(
  { paths }: Session,
  { image }: TestImage,
  type?: string,
): Promise<readonly string[]> {
  const filter = type === undefined ? [] : ['--artifact-type', type];
  const args = ['discover', '--plain-http', '--format', 'json', ...filter, image.reference];
  const { code, stdout, stderr } = await runProgram(paths.oras, args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout)
    .referrers.map((one: { artifactType: string }) => one.artifactType)
    .sort();
}
