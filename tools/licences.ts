/** The licences of libraries whose code becomes part of a bundle, as they ask for. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes `path` with the licence of every package that `moduleIds`, paths of files, are of. */
export async function writeLicences(path: string, moduleIds: readonly string[]): Promise<void> {
  const folders = new Set<string>();
  for (const id of moduleIds) {
    const folder = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  const texts = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      const file = (await readdir(folder)).find((entry) => /^licen[cs]e(?:\.|$)/i.test(entry));
      if (file === undefined) throw new Error(`${name} has no licence file`);
      return `${name} ${version} (${license})\n\n${await readFile(join(folder, file), 'utf8')}`;
    }),
  );
  await writeFile(path, texts.join(`\n${'-'.repeat(80)}\n\n`));
}
