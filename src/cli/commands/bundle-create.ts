import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { BundleParts } from '../../flows/create-bundle.ts';
import { type BlobBundle, parseBlobBundle } from '../../formats/blob-bundle.ts';
import { readArtifact, readWhole } from '../blob-input.ts';
import {
  attestationOf,
  certificatesOf,
  type PartName,
  partBytes,
  signatureOf,
  timestampOf,
} from '../bundle/parts.ts';
import { writeBundle } from '../bundle/written-bundle.ts';
import type { CommandContext } from '../command.ts';
import type { FlagId } from '../flags.ts';
import { keyContext } from '../keys.ts';

/** The flags that name a part; each may be `-`, but one of them only. */
const files = {
  artifact: 'bundle-artifact',
  attestation: 'bundle-attestation',
  bundle: 'old-bundle',
  signature: 'bundle-signature',
  certificate: 'bundle-certificate',
  timestamp: 'bundle-timestamp',
  key: 'key',
} as const satisfies Readonly<Record<string, FlagId>>;

/** Makes a bundle of a signature and what belongs to it. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output, signal } = context;
  checkStdin(context);
  const old = await readPart(context, 'bundle', (bytes, what) => parseBlobBundle(bytes, what));
  const ignoresLog = flags.get('ignore-tlog');
  if (ignoresLog && old?.logEntry !== undefined) {
    throw new BoltsealError('ERR_USAGE', 'the bundle has a log entry, and --ignore-tlog would lose it', {
      hint: 'Leave --ignore-tlog out, and name the log: --rekor-url URL.',
    });
  }
  const parts = await readParts(context, old);
  const rekorUrl = ignoresLog ? undefined : flags.get('bundle-rekor-url');
  const { createBundle } = await import('../../flows/create-bundle.ts');
  const { bytes, bundle } = await createBundle(parts, { rekorUrl, signal }, await context.runtime());
  const { logEntries, timestamps } = bundle.material;
  if (logEntries.length === 0 && !ignoresLog) {
    output.say('It has no log entry: --rekor-url URL finds that of the signature and includes it.');
  }
  await writeBundle(context, 'boltseal.bundle-create/1', bytes, {
    logEntries: logEntries.length,
    timestamps: timestamps.length,
  });
}

function checkStdin({ flags }: CommandContext): void {
  const [first, second] = Object.values(files).filter((id) => flags.get(id) === '-');
  if (first === undefined || second === undefined) return;
  throw new BoltsealError('ERR_USAGE', 'standard input can be one part only', {
    hint: 'Give a file for every part but one.',
  });
}

/** The part that a flag names; undefined without the flag. */
async function readPart<T>(
  context: CommandContext,
  name: PartName,
  read: (content: Uint8Array, what: string) => T,
): Promise<T | undefined> {
  const path = context.flags.get(files[name]);
  if (path === undefined) return undefined;
  const what = `the ${name} ${path === '-' ? 'on standard input' : path}`;
  return read(await readWhole(path, `the ${name}`, partBytes[name], context), what);
}

async function readParts(context: CommandContext, old: BlobBundle | undefined): Promise<BundleParts> {
  const { flags } = context;
  const content = await readContent(context, old);
  const artifact = flags.get('bundle-artifact');
  const timestamp = await readPart(context, 'timestamp', timestampOf);
  return {
    content,
    signer: await readSigner(context, old),
    artifact: artifact === undefined ? undefined : await readArtifact(artifact, context),
    timestamps: timestamp === undefined ? [] : [timestamp],
    logEntry: old?.logEntry,
  };
}

/** What was signed: one thing, whichever flags name it. */
async function readContent(
  context: CommandContext,
  old: BlobBundle | undefined,
): Promise<BundleParts['content']> {
  const attestation = await readPart(context, 'attestation', attestationOf);
  const signature = await readPart(context, 'signature', signatureOf);
  const given = [attestation, old?.content, signature].filter((one) => one !== undefined);
  const [first, ...others] = given;
  if (first === undefined) {
    throw new BoltsealError('ERR_USAGE', 'there is no signature to make a bundle of', {
      hint: 'Give it: --signature FILE, --attestation FILE (a DSSE envelope), or --bundle FILE (of an older cosign).',
    });
  }
  // cosign wants --signature or --bundle beside --attestation, so that the same signature may be there twice.
  for (const other of others) {
    if (equalBytes(signatureBytes(first), signatureBytes(other))) continue;
    throw new BoltsealError('ERR_USAGE', '--attestation, --bundle and --signature are different signatures', {
      hint: 'A bundle holds one: give one of them.',
    });
  }
  return first;
}

function signatureBytes(content: BundleParts['content']): Uint8Array {
  if (content.kind === 'signature') return content.signature;
  return content.envelope.signatures[0]?.signature ?? new Uint8Array(0);
}

/** Who signed: as the flags say, else as the older bundle says. */
async function readSigner(
  context: CommandContext,
  old: BlobBundle | undefined,
): Promise<BundleParts['signer']> {
  const { flags, output } = context;
  const key = flags.get('key');
  const certificates =
    (await readPart(context, 'certificate', certificatesOf)) ??
    (key === undefined && old?.signer?.kind === 'certificates' ? old.signer.certificates : undefined);
  if (key !== undefined && certificates !== undefined) {
    throw new BoltsealError('ERR_USAGE', '--key and --certificate contradict each other', {
      hint: 'A bundle names one signer: give one of the two.',
    });
  }
  const leaf = certificates?.[0];
  if (leaf !== undefined) {
    if (certificates !== undefined && certificates.length > 1) {
      output.say('Bundles hold the first certificate only; those above it come from the trusted root.');
    }
    return { kind: 'certificate', certificate: leaf };
  }
  if (key !== undefined) {
    const { loadVerificationKeys } = await import('../../keys/reference.ts');
    const keys = await loadVerificationKeys(key, await keyContext(context, flags.get('allow-http-key')));
    const [only, ...more] = keys;
    if (only !== undefined && more.length === 0) return { kind: 'key', key: only };
    throw new BoltsealError('ERR_USAGE', `--key stands for ${keys.length} public keys, and one signed`);
  }
  if (old?.signer?.kind === 'publicKey') {
    const { parsePublicKey } = await import('../../formats/public-key.ts');
    return { kind: 'key', key: parsePublicKey(old.signer.spki, 'the key in the bundle') };
  }
  throw new BoltsealError('ERR_USAGE', 'who signed is not said', {
    hint: 'Give --certificate FILE for a keyless signature, or --key FILE, the public key, for one by a key pair.',
  });
}
