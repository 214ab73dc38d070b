import { hash } from 'node:crypto';
import { resolve } from 'node:path';
import { base64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { shellWord } from '../../core/shell-word.ts';
import type { SignedBlob } from '../../flows/sign-blob.ts';
import type { DeferredSignature } from '../../formats/deferred-log.ts';
import { encodePem } from '../../formats/pem.ts';
import { readWhole } from '../blob-input.ts';
import type { CommandContext, Flags } from '../command.ts';
import { addDeferred, deferredParts } from '../deferred-file.ts';
import { type FileToWrite, writeFiles } from '../files.ts';
import { keptElsewhere, signingSetup } from '../signing-options.ts';
import { materialDocument, signerDocument } from '../verify/evidence-document.ts';
import { verifyWords } from '../verify-words.ts';

/** Signs one file, and writes the bundle. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, signal } = context;
  const [path = ''] = args;
  checkDestinations(context);
  const artifact = await readWhole(path, 'the artifact', limits.blobBytes, context);
  const setup = await signingSetup(context);
  const { signBlob, signStatement } = await import('../../flows/sign-blob.ts');
  const make = flags.get('in-toto') ? signStatement : signBlob;
  const signed = await make(artifact, { ...setup, signal });
  if (signed.made.deferredBy !== undefined) return keepDeferred(signed, artifact, context);
  await writeAsked(signed, flags);
  report(signed, await keptElsewhere(setup), context);
}

/** What cannot be written is refused before anything is signed. */
function checkDestinations({ flags, output }: CommandContext): void {
  const bundle = flags.get('blob-bundle');
  if (bundle === undefined && flags.get('blob-signature') === undefined && !output.json) {
    throw new BoltsealError('ERR_USAGE', 'where the signature goes is not said', {
      hint: 'Give --bundle FILE (`-` is standard output), --output-signature FILE, or --output json.',
    });
  }
  if (flags.get('defer-log') !== undefined && (bundle === undefined || bundle === '-')) {
    throw new BoltsealError('ERR_USAGE', '--defer-log needs --bundle FILE, where the bundle will go');
  }
  if (flags.get('key') !== undefined && flags.get('output-certificate') !== undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      '--key signs without a certificate, and --output-certificate asks for one',
    );
  }
}

async function keepDeferred(
  signed: SignedBlob,
  artifact: Uint8Array,
  { flags, output }: CommandContext,
): Promise<undefined> {
  const [file = '', bundle = ''] = [flags.get('defer-log'), flags.get('blob-bundle')];
  await addDeferred(file, [deferredBlob(signed, artifact, bundle, flags.get('in-toto'))]);
  output.warn(
    `the log cannot be reached; the bundle is made when it can: boltseal log submit ${shellWord(file)}`,
  );
}

async function writeAsked({ bundle, signature, certificate }: SignedBlob, flags: Flags): Promise<void> {
  const files: FileToWrite[] = [];
  const add = (path: string | undefined, content: Uint8Array, mode: number): void => {
    if (path !== undefined && path !== '-') files.push({ path, content, mode });
  };
  add(flags.get('blob-bundle'), bundle, 0o600);
  add(flags.get('blob-signature'), Buffer.from(base64(signature)), 0o644);
  if (certificate !== undefined) {
    add(flags.get('output-certificate'), Buffer.from(encodePem('CERTIFICATE', certificate)), 0o644);
  }
  if (files.length > 0) await writeFiles(files);
}

function report(
  { bundle, signature, evidence }: SignedBlob,
  keyReference: string | undefined,
  { args, flags, output }: CommandContext,
): void {
  const [path = ''] = args;
  const bundleFile = flags.get('blob-bundle');
  if (output.json) {
    output.document('boltseal.sign-blob/1', {
      bundle: base64(bundle),
      signature: base64(signature),
      ...signerDocument(evidence.signedBy),
      ...(keyReference === undefined ? {} : { keyReference }),
      ...materialDocument(evidence.material),
    });
    return;
  }
  if (bundleFile === '-') output.data(`${Buffer.from(bundle).toString('utf8')}\n`);
  output.say(`${output.style.green('signed')} ${path === '-' ? 'standard input' : path}`);
  for (const { log, logIndex } of evidence.material.logEntries) {
    output.say(output.style.dim(`  log entry ${logIndex} in ${log}`));
  }
  if (keyReference !== undefined) output.say(`signed with: ${shellWord(keyReference)}`);
  if (bundleFile === undefined || bundleFile === '-') return;
  // Of a statement it is one of its subjects that is verified.
  const file = flags.get('in-toto') ? 'SUBJECT' : path;
  const words = ['boltseal', 'verify-blob', '--bundle', bundleFile, ...verifyWords(evidence, flags), file];
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
