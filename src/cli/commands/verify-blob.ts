import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { GivenBlobSignature } from '../../flows/verify-blob.ts';
import { readArtifact, readWhole } from '../blob-input.ts';
import type { CommandContext } from '../command.ts';
import { decodeSignature } from '../values.ts';
import { signerOptions } from '../verification-options.ts';
import { evidenceDocument } from '../verify/evidence-document.ts';

/** Verifies the signature of one file. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const [name = ''] = args;
  const signer = await signerOptions(context);
  const [given, artifact] = await Promise.all([givenSignature(context), readArtifact(name, context)]);
  const { verifyBlobSignature } = await import('../../flows/verify-blob.ts');
  const evidence = await verifyBlobSignature(given, artifact, signer);
  if (output.json) {
    output.document('boltseal.verify-blob/1', { verified: true, ...evidenceDocument(evidence) });
    return;
  }
  output.say('Verified OK');
}

async function givenSignature(context: CommandContext): Promise<GivenBlobSignature> {
  const { args, flags } = context;
  const bundle = flags.get('given-bundle');
  const signature = flags.get('blob-signature-input');
  if ((bundle === undefined) === (signature === undefined)) {
    throw new BoltsealError('ERR_USAGE', 'either --bundle or --signature is needed', {
      hint: '`boltseal sign-blob --bundle FILE` writes a bundle.',
    });
  }
  if (bundle === '-' && args[0] === '-') {
    throw new BoltsealError('ERR_USAGE', 'standard input cannot be both the bundle and the artifact');
  }
  if (bundle !== undefined) {
    return { kind: 'bundle', bytes: await readWhole(bundle, 'the bundle', limits.bundleBytes, context) };
  }
  const text = signature ?? '';
  // cosign takes the signature itself too.
  const content = /^[A-Za-z0-9+/]{60,}={0,2}$/.test(text)
    ? Buffer.from(text)
    : await readWhole(text, 'the signature', limits.keyBytes, context);
  return { kind: 'signature', signature: decodeSignature(content) };
}
