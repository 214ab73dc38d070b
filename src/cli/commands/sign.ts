import { base64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { SignOutcome } from '../../flows/sign-image.ts';
import type { CommandContext, Flags } from '../command.ts';
import { type FileToWrite, writeFiles } from '../files.ts';
import { annotationsOf } from '../image-options.ts';
import { type Format, formatOf } from '../sign/format.ts';
import { showPlan, warnOfTag } from '../sign/plan.ts';
import { signAndReport } from '../sign/run.ts';

/** Signs each image, and prints how to verify it. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, flags } = context;
  const format = formatOf(flags);
  const annotations = annotationsOf(flags, 'annotations');
  checkFiles(context, format);
  for (const reference of args) warnOfTag(reference, context);
  if (flags.get('dry-run')) return showPlan(context, format, 'sign');
  const pairs = Object.entries(annotations).flatMap(([name, value]) => ['-a', `${name}=${value}`]);
  return signAndReport(context, format, {
    schema: 'boltseal.sign/1',
    done: 'signed',
    ending: '.sig',
    options: { annotations, identity: flags.get('identity') },
    verify: ['verify', ...pairs],
    describe: ({ evidence }) => ({ annotations: evidence.annotations }),
    write: (outcomes) => writeAsked(flags, outcomes),
  });
}

/** A file holds one signature, of one format: anything else is refused before anything is signed. */
function checkFiles({ args, flags, output }: CommandContext, format: Format): void {
  const files = ['bundle', 'output-signature', 'output-payload'] as const;
  const asked = files.filter((id) => flags.get(id) !== undefined);
  const [first] = asked;
  if (first === undefined) {
    if (flags.get('upload') || flags.get('dry-run') || output.json) return;
    throw new BoltsealError('ERR_USAGE', 'with --no-upload, the signature would go nowhere', {
      hint: 'Give --bundle FILE, --output-signature FILE or --output json.',
    });
  }
  if (args.length > 1 || flags.get('recursive')) {
    throw new BoltsealError(
      'ERR_USAGE',
      `--${first} takes the signature of one image, and several are signed`,
      {
        hint: 'Sign them one by one, or use --output json, which has all of it.',
      },
    );
  }
  const wrong = asked.find((id) => format === (id === 'bundle' ? 'cosign' : 'bundle'));
  if (wrong !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--${wrong} is of the other format than --format ${format}`, {
      hint: 'Use --format both, which is the default.',
    });
  }
}

async function writeAsked(flags: Flags, outcomes: readonly SignOutcome[]): Promise<void> {
  const signatures = outcomes.flatMap((outcome) =>
    'signed' in outcome ? outcome.signed.flatMap((one) => one.signatures) : [],
  );
  const bundle = signatures.find((one) => one.format === 'bundle')?.bundle;
  const simple = signatures.find((one) => one.format === 'cosign');
  const files: FileToWrite[] = [];
  const add = (path: string | undefined, content: Uint8Array | undefined, mode: number): void => {
    if (path !== undefined && content !== undefined) files.push({ path, content, mode });
  };
  add(flags.get('bundle'), bundle, 0o600);
  add(flags.get('output-signature'), simple && Buffer.from(base64(simple.signature)), 0o644);
  add(flags.get('output-payload'), simple?.payload, 0o644);
  if (files.length > 0) await writeFiles(files);
}
