import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { readWhole } from '../blob-input.ts';
import { writeBundle } from '../bundle/written-bundle.ts';
import type { CommandContext } from '../command.ts';

/** Makes a bundle of version 0.3 of an older one. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, output, signal } = context;
  const named = [...args, flags.get('upgraded-bundle')].filter((path) => path !== undefined);
  const [path, second] = named;
  if (path === undefined || second !== undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      path === undefined ? 'no bundle is named' : 'two bundles are named',
      {
        hint: 'boltseal bundle upgrade FILE --out FILE',
      },
    );
  }
  const what = path === '-' ? 'standard input' : path;
  const given = await readWhole(path, 'the bundle', limits.bundleBytes, context);
  const { upgradeBundle } = await import('../../flows/upgrade-bundle.ts');
  const rekorUrl = flags.get('bundle-rekor-url');
  const upgraded = await upgradeBundle(given, what, { rekorUrl, signal }, await context.runtime());
  const { from, bytes, leftOut, proven } = upgraded;
  if (from === '0.3') output.say(`${what} has version 0.3 already; it stays as it is.`);
  if (leftOut.length > 0) {
    output.say('Version 0.3 holds the first certificate only; those above it come from the trusted root.');
    for (const subject of leftOut) output.say(`  left out: ${subject}`);
  }
  for (const index of proven) output.say(`The log gave the inclusion proof of entry ${index}.`);
  await writeBundle(context, 'boltseal.bundle-upgrade/1', bytes, {
    from,
    leftOut,
    proven: proven.map(String),
  });
}
