import { base64, fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { goJson, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { openImage, pinned, resolveImage } from '../../flows/image.ts';
import type { Annotations } from '../../formats/oci.ts';
import { type DiscoveredCandidate, discoverSignatures } from '../../registry/discover.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';

/** Prints the signatures of an image as they are stored. Nothing is verified, and nothing that is there is left out. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output, signal } = context;
  const options = await imageOptions(context);
  const image = await openImage(args[0] ?? '', options, await context.runtime());
  const digest = image.reference.digest ?? (await resolveImage(image, options)).digest;
  const { places, candidates } = await discoverSignatures(image.signatures, digest, { signal });
  const failure = [...places, ...candidates].find(({ error }) => error !== undefined)?.error;
  if (failure !== undefined) throw failure;
  if (candidates.length === 0) {
    throw new BoltsealError('ERR_NO_SIGNATURES', `no signature was found for ${pinned(image, digest)}`, {
      hint: '`boltseal tree` shows everything that is attached.',
    });
  }
  if (output.json) {
    const signatures = candidates.map(({ format, place, manifest, ...rest }) => ({
      format,
      place,
      manifest,
      content: base64(rest.content ?? new Uint8Array()),
      annotations: rest.layer?.annotations ?? {},
    }));
    return void output.document('boltseal.download-signature/1', {
      reference: pinned(image, digest),
      signatures,
    });
  }
  for (const candidate of candidates) output.data(`${line(candidate)}\n`);
}

/** A bundle as it is, an older signature in the members cosign gives it. */
function line(candidate: DiscoveredCandidate): string {
  if (candidate.error !== undefined) throw candidate.error;
  const { format, layer, content } = candidate;
  if (format === 'bundle') return fromUtf8(content, `the bundle ${layer.digest}`).trim();
  const annotations = layer.annotations ?? {};
  return goJson({
    Base64Signature: annotations['dev.cosignproject.cosign/signature'] ?? '',
    Payload: base64(content),
    Cert: annotations['dev.sigstore.cosign/certificate'] ?? null,
    Chain: annotations['dev.sigstore.cosign/chain'] ?? null,
    Bundle: jsonOf(annotations, 'dev.sigstore.cosign/bundle'),
    RFC3161Timestamp: jsonOf(annotations, 'dev.sigstore.cosign/rfc3161timestamp'),
  });
}

function jsonOf(annotations: Annotations, name: string): Json {
  const text = annotations[name];
  if (text === undefined || text === '') return null;
  return parseJson(Buffer.from(text), { what: `the annotation ${name}`, maxBytes: limits.bundleBytes });
}
