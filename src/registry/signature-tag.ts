/** Adding signatures in the cosign format to the `.sig` or `.att` manifest of an image, so that nobody's get lost. */
import { type Digest, digestOf } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson } from '../core/json.ts';
import type { Runtime } from '../core/runtime.ts';
import {
  signatureConfig,
  signatureConfigDescriptor,
  signatureManifest,
  signatureTag,
} from '../formats/cosign-layer.ts';
import { type Descriptor, descriptorJson, type Manifest, mediaTypes, parseManifest } from '../formats/oci.ts';
import { conditionalPut, entriesOf, extended, type ManifestState } from './manifest-list.ts';
import type { CallOptions, Repository } from './repository.ts';
import { addToSharedList, type SharedList } from './shared-list.ts';
import { replaceMember } from './splice.ts';

/** What is known of a `.sig` tag before there is a signature to add. */
export interface PreparedSignatureTag {
  /** The manifest that was there. */
  readonly manifest: Digest | undefined;
  /** Its layers. */
  readonly layers: readonly Descriptor[];
  /** Configurations that are stored already. */
  readonly configs: ReadonlySet<Digest>;
}

/**
 * Does ahead what adding a signature over `payload` needs: the configuration of a `.sig` manifest depends on the payload
 * and not on the signature, so that it can be stored while a key is still being derived.
 */
export async function prepareSignatureTag(
  repository: Repository,
  { payload, subject }: { readonly payload: Digest; readonly subject: Digest },
  options: CallOptions = {},
): Promise<PreparedSignatureTag> {
  const tag = signatureTag(subject);
  const stored = await repository.getManifest(tag, options);
  const layers = stored === undefined ? [] : readSignatures(stored, `${repository.name}:${tag}`).layers;
  const config = signatureConfig([...layers.map(({ digest }) => digest), payload]);
  await repository.putBlob(config, options);
  return { manifest: stored?.descriptor.digest, layers, configs: new Set([digestOf(config)]) };
}

/** A layer to append to the `.sig` manifest, or to one like it. */
export interface SignatureLayerToAttach {
  /** The layer with its annotations. Its blob is already stored. */
  readonly layer: Descriptor;
  /** The image. */
  readonly subject: Digest;
  /** Before the tag: cosign's `--attachment-tag-prefix`. */
  readonly tagPrefix?: string | undefined;
  /** The tag of another manifest that is made in the same way, of attestations. */
  readonly tag?: string | undefined;
  /** What {@link prepareSignatureTag} did. */
  readonly prepared?: PreparedSignatureTag | undefined;
}

/** Where {@link attachSignatureLayer} attached. */
export interface AttachedSignatureLayer {
  /** The digest of the `.sig` manifest as last read; others may add to it later, which changes the digest. */
  readonly manifest: Digest;
  /** The layer as the registry returns it. */
  readonly layer: Descriptor;
}

/**
 * Appends a layer to the image's `.sig` manifest, which is made when there is none; every other layer is kept as it is.
 * Resolves only when the layer stays there. Throws `ERR_ATTACH_CONFLICT` when it does not.
 */
export async function attachSignatureLayer(
  repository: Repository,
  attached: SignatureLayerToAttach,
  runtime: Runtime,
  options: CallOptions = {},
): Promise<AttachedSignatureLayer> {
  const tag = attached.tag ?? signatureTag(attached.subject, attached.tagPrefix);
  const list = signatureList(repository, tag, attached.prepared?.configs ?? new Set(), options);
  const { layer } = attached;
  const ours = new Map([[layerKey(layer), goJson(descriptorJson(layer))]]);
  const state = await addToSharedList(list, ours, runtime, options.signal);
  const { stored } = state;
  const found =
    stored && entriesOf(stored, 'layers', list.name, layerKey).find(({ key }) => key === layerKey(layer));
  if (stored === undefined || found === undefined) {
    throw new BoltsealError('ERR_ATTACH_CONFLICT', `the signature did not stay in ${list.name}`);
  }
  return { manifest: stored.descriptor.digest, layer: found.descriptor };
}

/**
 * The list of signatures. Its configuration must describe every layer. Uploading it takes time in which others may write,
 * so a write uses the right one only when it is stored already, and is mended once the list has come to rest.
 */
function signatureList(
  repository: Repository,
  tag: string,
  stored: ReadonlySet<Digest>,
  options: CallOptions,
): SharedList<ManifestState> {
  const name = `${repository.name}:${tag}`;
  const configs = new Set(stored);
  const put = conditionalPut(repository, tag, options);
  let owesConfig = false;
  return {
    name,
    async read(): Promise<ManifestState> {
      const found = await repository.getManifest(tag, options);
      if (found === undefined) {
        return { stored: found, version: undefined, entries: new Map(), hasRecentEntry: false };
      }
      readSignatures(found, name);
      const entries = entriesOf(found, 'layers', name, layerKey).map(({ key, text }) => [key, text] as const);
      return {
        stored: found,
        version: found.descriptor.digest,
        entries: new Map(entries),
        hasRecentEntry: false,
      };
    },
    async write({ stored: current }, added): Promise<string> {
      const mediaType = current?.descriptor.mediaType ?? mediaTypes.manifest;
      const bytes = extended(current?.bytes ?? signatureManifest([]), 'layers', added, name, layerKey);
      const layers = layerDigests(bytes, name);
      const config = signatureConfigDescriptor(layers);
      // The first manifest has no configuration that could stay.
      if (current === undefined && !configs.has(config.digest)) await storeConfig(layers);
      owesConfig = !configs.has(config.digest);
      return put(current, owesConfig ? bytes : withConfig(bytes, config, name), mediaType);
    },
    async mend({ stored: current }): Promise<boolean> {
      if (!owesConfig || current === undefined) return false;
      const layers = layerDigests(current.bytes, name);
      if (readSignatures(current, name).config.digest === signatureConfigDescriptor(layers).digest)
        return false;
      await storeConfig(layers);
      return true;
    },
  };

  async function storeConfig(layers: readonly Digest[]): Promise<void> {
    configs.add((await repository.putBlob(signatureConfig(layers), options)).digest);
  }
}

/** The manifest under a `.sig` tag. Throws `ERR_REGISTRY_UNSUPPORTED` when the tag holds something else. */
function readSignatures(
  stored: { readonly bytes: Uint8Array; readonly descriptor: Descriptor },
  name: string,
): Manifest {
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, name);
  if (manifest.kind === 'manifest') return manifest;
  throw new BoltsealError('ERR_REGISTRY_UNSUPPORTED', `the tag ${name} holds an index, not signatures`, {
    hint: 'Delete that tag, or keep signatures in another repository with --signature-repository.',
  });
}

function layerDigests(bytes: Uint8Array, name: string): readonly Digest[] {
  const manifest = parseManifest(bytes, undefined, name);
  return manifest.kind === 'manifest' ? manifest.layers.map(({ digest }) => digest) : [];
}

/** `bytes` with another configuration of the same media type. */
function withConfig(bytes: Uint8Array, config: Descriptor, name: string): Uint8Array {
  const manifest = parseManifest(bytes, undefined, name);
  const mediaType = manifest.kind === 'manifest' ? manifest.config.mediaType : config.mediaType;
  return utf8(
    replaceMember(fromUtf8(bytes, name), 'config', goJson(descriptorJson({ ...config, mediaType }))),
  );
}

/** Two signatures over one payload are two layers with one digest: the annotations tell them apart. */
function layerKey({ digest, annotations = {} }: Descriptor): string {
  const sorted = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${digest} ${JSON.stringify(sorted)}`;
}
