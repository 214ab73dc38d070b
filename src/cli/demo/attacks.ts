/** What an attacker who can write to the registry may try; each of these must be refused. */
import type { Digest } from '../../core/digest.ts';
import { fromUtf8, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { SignedManifest } from '../../flows/sign-image.ts';
import { signatureLayer } from '../../formats/cosign-layer.ts';
import { type Descriptor, mediaTypes } from '../../formats/oci.ts';
import { bundleManifest } from '../../formats/referrer-manifest.ts';
import { encodeSimpleSigning } from '../../formats/simple-signing.ts';
import { signPredicateType } from '../../formats/statement.ts';
import { attachReferrer } from '../../registry/attach.ts';
import type { CallOptions, Repository } from '../../registry/repository.ts';
import { attachSignatureLayer } from '../../registry/signature-tag.ts';

/** Puts a changed image under the tag of the signed one. */
export async function replaceImage(
  repository: Repository,
  signed: Digest,
  tag: string,
  options: CallOptions,
): Promise<Descriptor> {
  const stored = await repository.getManifest(signed, options);
  if (!stored) throw new BoltsealError('ERR_IMAGE_NOT_FOUND', `${repository.name} has no manifest ${signed}`);
  const manifest = JSON.parse(fromUtf8(stored.bytes, 'the manifest')) as object;
  const changed = utf8(
    JSON.stringify({ ...manifest, annotations: { 'org.opencontainers.image.title': 'changed' } }),
  );
  return (await repository.putManifest(changed, stored.descriptor.mediaType, { ...options, tag })).descriptor;
}

/** Attaches the signatures of one image to another. */
export async function replaySignatures(
  repository: Repository,
  signed: SignedManifest,
  target: Descriptor,
  runtime: Runtime,
  options: CallOptions,
): Promise<void> {
  for (const { format, bundle, payload, signature } of signed.signatures) {
    if (format === 'cosign') {
      const layer = signatureLayer(payload, signature);
      await attachSignatureLayer(repository, { layer, subject: target.digest }, runtime, options);
    } else if (bundle) {
      const parts = { bundle, subject: target, predicateType: signPredicateType, created: runtime.now() };
      const { bytes, descriptor } = bundleManifest(parts);
      const referrer = { manifest: bytes, descriptor, subject: target.digest };
      await attachReferrer(repository, referrer, runtime, options);
    }
  }
}

/** Keeps a signature and changes what it is said to sign. */
export async function forgePayload(
  repository: Repository,
  signed: SignedManifest,
  target: Descriptor,
  runtime: Runtime,
  options: CallOptions,
): Promise<void> {
  const signature = signed.signatures.find(({ format }) => format === 'cosign')?.signature;
  if (!signature) throw new BoltsealError('ERR_INTERNAL', 'the demo has no signature in the cosign format');
  const payload = encodeSimpleSigning(repository.dockerReference, target.digest, {});
  await repository.putBlob(payload, options);
  const layer = signatureLayer(payload, signature);
  await attachSignatureLayer(repository, { layer, subject: target.digest }, runtime, options);
}

/** The media types of images, for a look at what kind of image is copied. */
export const imageKinds: Readonly<Record<string, string>> = {
  [mediaTypes.manifest]: 'an image',
  [mediaTypes.index]: 'a multi-platform image',
  [mediaTypes.dockerManifest]: 'an image',
  [mediaTypes.dockerManifestList]: 'a multi-platform image',
};
