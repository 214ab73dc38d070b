import { base64, fromUtf8 } from '../../core/encoding.ts';
import { goJson, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { type DownloadedSignature, downloadSignatures } from '../../flows/download-signatures.ts';
import type { Annotations } from '../../formats/oci.ts';
import type { CommandContext } from '../command.ts';
import { imageOptions } from '../image-options.ts';

/** Prints the signatures of an image as they are stored. Nothing is verified, and nothing that is there is left out. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, output } = context;
  const options = await imageOptions(context);
  const { reference, signatures } = await downloadSignatures(args[0] ?? '', options, await context.runtime());
  if (!output.json) return void output.data(signatures.map((one) => `${line(one)}\n`).join(''));
  output.document('boltseal.download-signature/1', {
    reference,
    signatures: signatures.map(({ format, place, manifest, layer, content }) => ({
      format,
      place,
      manifest,
      content: base64(content),
      annotations: layer.annotations ?? {},
    })),
  });
}

/** A bundle as it is, an older signature in the members cosign gives it. */
function line({ format, layer, content }: DownloadedSignature): string {
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
