import { hash } from 'node:crypto';
import { resolve } from 'node:path';
import { base64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { SignedBlob } from '../../flows/sign-blob.ts';
import type { DeferredSignature } from '../../formats/deferred-log.ts';
import { encodePem } from '../../formats/pem.ts';
import { readWhole } from '../blob-input.ts';
import type { CommandContext } from '../command.ts';
import { addDeferred, deferredParts } from '../deferred-file.ts';
import { type FileToWrite, writeFiles } from '../files.ts';
import { shellWord } from '../shell.ts';
import { signingSetup } from '../signing-options.ts';
import { materialDocument, signerDocument } from '../verify/evidence-document.ts';
import { verifyWords } from '../verify-words.ts';

/** Signs one file, and writes the bundle. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, output, signal } = context;
  const [path = ''] = args;
  const bundleFile = flags.get('blob-bundle');
  const signatureFile = flags.get('blob-signature');
  if (bundleFile === undefined && signatureFile === undefined && !output.json) {
    throw new BoltsealError('ERR_USAGE', 'where the signature goes is not said', {
      hint: 'Give --bundle FILE (`-` is standard output), --output-signature FILE, or --output json.',
    });
  }
  const artifact = await readWhole(path, 'the artifact', limits.blobBytes, context);
  const setup = await signingSetup(context);
  const { signBlob, signStatement } = await import('../../flows/sign-blob.ts');
  const make = flags.get('in-toto') ? signStatement : signBlob;
  const signed = await make(artifact, { ...setup, signal });
  const deferral = flags.get('defer-log');
  if (signed.made.deferredBy !== undefined && deferral !== undefined) {
    if (bundleFile === undefined || bundleFile === '-') {
      throw new BoltsealError(
        'ERR_USAGE',
        'a deferred signature needs --bundle FILE, where its bundle will go',
        {
          cause: signed.made.deferredBy,
        },
      );
    }
    await addDeferred(deferral, [deferredBlob(signed, artifact, bundleFile, flags.get('in-toto'))]);
    output.warn(`the log cannot be reached; the bundle is made when it can: boltseal log submit ${deferral}`);
    return;
  }
  const files: FileToWrite[] = [];
  if (bundleFile !== undefined && bundleFile !== '-') {
    files.push({ path: bundleFile, content: signed.bundle, mode: 0o600 });
  }
  if (signatureFile !== undefined) {
    files.push({ path: signatureFile, content: Buffer.from(base64(signed.signature)), mode: 0o644 });
  }
  const certificateFile = flags.get('output-certificate');
  if (certificateFile !== undefined) {
    if (signed.certificate === undefined) {
      throw new BoltsealError(
        'ERR_USAGE',
        'a key pair signed, and --output-certificate asks for a certificate',
      );
    }
    const pem = encodePem('CERTIFICATE', signed.certificate);
    files.push({ path: certificateFile, content: Buffer.from(pem), mode: 0o644 });
  }
  if (files.length > 0) await writeFiles(files);
  if (output.json) {
    output.document('boltseal.sign-blob/1', {
      bundle: base64(signed.bundle),
      signature: base64(signed.signature),
      ...signerDocument(signed.evidence.signedBy),
      ...materialDocument(signed.evidence.material),
    });
    return;
  }
  if (bundleFile === '-') output.data(`${Buffer.from(signed.bundle).toString('utf8')}\n`);
  output.say(`${output.style.green('signed')} ${path === '-' ? 'standard input' : path}`);
  for (const { log, logIndex } of signed.evidence.material.logEntries) {
    output.say(output.style.dim(`  log entry ${logIndex} in ${log}`));
  }
  if (bundleFile === undefined || bundleFile === '-') return;
  const words = [
    'boltseal',
    'verify-blob',
    '--bundle',
    bundleFile,
    ...verifyWords(signed.evidence, flags),
    path,
  ];
  output.say(`verify with: ${words.map(shellWord).join(' ')}`);
}

function deferredBlob(
  { made }: SignedBlob,
  artifact: Uint8Array,
  bundleFile: string,
  isStatement: boolean,
): DeferredSignature {
  const parts = { bundleFile: resolve(bundleFile), ...deferredParts(made) };
  if (isStatement) return { format: 'statement', payload: artifact, ...parts };
  return { format: 'blob', digest: new Uint8Array(hash('sha256', artifact, 'buffer')), ...parts };
}
