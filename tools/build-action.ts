/**
 * Builds the GitHub Action: one file with everything in it, which the runner's own Node.js runs. The same sources and
 * libraries give the same bytes, so that whoever wants can build what a release has.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { writeLicences } from './licences.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Builds the action into `folder`, which is made, and resolves to the file that `action.yml` names, without its folder. */
export async function buildAction(folder: string): Promise<string> {
  const name = 'boltseal-action.cjs';
  const bundle = await rolldown({
    input: join(root, 'src/action/entry.ts'),
    platform: 'node',
    // Of those who use such keys: found in the workspace, if at all.
    external: Object.keys(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')).peerDependencies),
    cwd: root,
    logLevel: 'warn',
  });
  try {
    const { output } = await bundle.write({
      file: join(folder, name),
      format: 'cjs',
      comments: false,
      codeSplitting: false,
      // Node.js reads the whole file before it runs a line of it: half the bytes are 20 ms less.
      minify: true,
    });
    const [chunk, ...others] = output;
    if (others.length > 0) throw new Error('the action is more than one file');
    await writeLicences(join(folder, 'LICENSES.txt'), chunk.moduleIds);
  } finally {
    await bundle.close();
  }
  return name;
}
