/** In which formats is written. */
import { BoltsealError } from '../../core/errors.ts';
import type { CommandContext, Flags } from '../command.ts';
import type { SigningSetup } from '../signing-options.ts';

/** The values of `--format`. */
export type Format = 'bundle' | 'cosign' | 'both';

/** The ending of the tag that keeps what is made in the cosign format. */
export type TagEnding = '.sig' | '.att';

/** `--format`, or what cosign’s flag says; a contradiction is an error. */
export function formatOf(flags: Flags): Format {
  const bundleFormat = flags.get('new-bundle-format');
  if (bundleFormat === undefined) return flags.get('format');
  const format = bundleFormat ? 'bundle' : 'cosign';
  if (!flags.given('format') || flags.get('format') === format) return format;
  throw new BoltsealError(
    'ERR_USAGE',
    `--new-bundle-format=${bundleFormat} contradicts --format ${flags.get('format')}`,
    { hint: 'Leave --new-bundle-format out.' },
  );
}

/**
 * The cosign format has a place for log entries with a signed time, as Rekor v1 makes them. Where there are none, a
 * keyless signature in that format could not be verified, and is not made.
 */
export function formatFor(
  asked: Format,
  ending: TagEnding,
  { fitsLayers, isKeyless }: SigningSetup,
  { flags, output }: CommandContext,
): Format {
  if (fitsLayers || asked === 'bundle') return asked;
  const reason = `the log speaks Rekor v2, whose entries the cosign format (${ending}) cannot hold`;
  if (asked === 'cosign' && isKeyless) {
    throw new BoltsealError('ERR_USAGE', `${reason}: nobody could verify such a signature`, {
      hint: 'Use --format bundle, or --rekor-version 1 where there is such a log.',
    });
  }
  if (!isKeyless) {
    output.warn(`${reason}: signatures in that format are not logged`);
    return asked;
  }
  const isAsked = flags.given('format') || flags.given('new-bundle-format');
  if (isAsked) output.warn(`${reason}: only bundles are made`);
  return 'bundle';
}
