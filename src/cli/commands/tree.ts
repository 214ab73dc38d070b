import { type Attachment, treeImage } from '../../flows/tree-image.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';
import { reportFailures } from '../outcomes.ts';
import { errorDocument } from '../report-error.ts';
import { inline } from '../style.ts';

/** Lists what is attached to an image. */
export async function run(context: CommandContext): Promise<number | undefined> {
  const { args, output } = context;
  const tree = await treeImage(args[0] ?? '', await imageOptions(context), await context.runtime());
  const { reference, digest, attachments, failures } = tree;
  if (output.json) {
    output.document('boltseal.tree/1', {
      reference,
      digest,
      attachments,
      failures: failures.map(errorDocument),
    });
  } else {
    output.data(`${reference}\n`);
    attachments.forEach((one, index) => {
      output.data(lines(one, index === attachments.length - 1 && failures.length === 0).join(''));
    });
    if (attachments.length === 0 && failures.length === 0) output.say('nothing is attached to this image');
  }
  return reportFailures(
    failures.map((error) => ({ error })),
    context,
  );
}

const titles: Readonly<Record<Attachment['kind'], string>> = {
  signatures: 'signatures, cosign format',
  attestations: 'attestations, cosign format',
  sbom: 'SBOM, cosign format',
  referrer: 'referrer',
};

function lines(one: Attachment, last: boolean): readonly string[] {
  const said = one.predicateType ?? one.artifactType;
  const about = said === undefined ? undefined : inline(said);
  const stem = last ? ' ' : '│';
  return [
    `${last ? '└' : '├'}─ ${titles[one.kind]}${about === undefined ? '' : ` (${about})`}: ${one.reference}\n`,
    ...one.content.map(
      ({ digest, mediaType }, index) =>
        `${stem}  ${index === one.content.length - 1 ? '└' : '├'}─ ${digest} ${inline(mediaType)}\n`,
    ),
  ];
}
