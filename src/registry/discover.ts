/**
 * Finding signatures: referrers and the `.sig` tag at once, then everything they list, each object fetched once, in
 * parallel. Nothing is decoded or judged here, and no failure is dropped: each is reported where it happened.
 */
import type { Digest } from '../core/digest.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { bundleMediaTypePrefix } from '../formats/bundle.ts';
import { isSignatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import { type Descriptor, type Manifest, mediaTypes, parseManifest } from '../formats/oci.ts';
import { bundleLayer, referrersTag } from '../formats/referrer-manifest.ts';
import type { CallOptions, Repository } from './repository.ts';

/** One place signatures were looked for, and what came of it. */
export interface PlaceReport {
  readonly place: 'referrers-api' | 'fallback-tag' | 'signature-tag' | 'file';
  /** The place, for people: `ghcr.io/acme/app:sha256-….sig`. */
  readonly where: string;
  /** How many things it lists; 0 when it is not there. */
  readonly found: number;
  /** Listed things that are no signatures, such as SBOMs of other tools: their artifact types. */
  readonly others?: readonly string[];
  /** Why it could not be read, or not wholly. */
  readonly error?: BoltsealError;
}

interface CandidateOrigin {
  readonly format: 'bundle' | 'cosign';
  readonly place: 'referrers-api' | 'fallback-tag' | 'signature-tag';
  /** The manifest that carries it. */
  readonly manifest: Digest;
}

/** Something that may be a signature: its bytes, or why they could not be had. */
export type DiscoveredCandidate = CandidateOrigin &
  (
    | { readonly layer: Descriptor; readonly content: Uint8Array; readonly error?: undefined }
    | { readonly layer?: Descriptor; readonly error: BoltsealError }
  );

/** What {@link discoverSignatures} found. */
export interface Discovery {
  readonly places: readonly PlaceReport[];
  readonly candidates: readonly DiscoveredCandidate[];
}

/** Options of {@link discoverSignatures}. */
export interface DiscoverOptions extends CallOptions {
  /** Contents that need not be fetched, by digest. */
  readonly known?: ReadonlyMap<Digest, Uint8Array>;
}

/** Everything that may be a signature of `subject` in `repository`. Never throws: failures are part of the result. */
export async function discoverSignatures(
  repository: Repository,
  subject: Digest,
  options: DiscoverOptions = {},
): Promise<Discovery> {
  const [referrers, tag] = await Promise.all([
    fromReferrers(repository, subject, options),
    fromSignatureTag(repository, subject, options),
  ]);
  return {
    places: [referrers.place, tag.place],
    candidates: [...referrers.candidates, ...tag.candidates],
  };
}

interface Found {
  readonly place: PlaceReport;
  readonly candidates: readonly DiscoveredCandidate[];
}

async function fromReferrers(
  repository: Repository,
  subject: Digest,
  options: DiscoverOptions,
): Promise<Found> {
  const where = `${repository.name}, referrers of ${subject}`;
  try {
    const list = await repository.referrers(subject, options);
    const place = list.source === 'api' ? 'referrers-api' : 'fallback-tag';
    const others: string[] = [];
    const fetched = await Promise.all(
      list.descriptors.map((listed) =>
        mayBeBundle(listed)
          ? bundleCandidate(repository, listed, place, options, others)
          : void others.push(listed.artifactType ?? listed.mediaType),
      ),
    );
    return {
      place: {
        place,
        where: place === 'fallback-tag' ? `${repository.name}:${referrersTag(subject)}` : where,
        found: list.descriptors.length,
        ...(others.length > 0 ? { others } : {}),
        ...(list.problem ? { error: list.problem } : {}),
      },
      candidates: fetched.filter((candidate) => candidate !== undefined),
    };
  } catch (error) {
    const problem = wrapError(error, 'ERR_INTERNAL', `listing the ${where} failed`);
    return { place: { place: 'referrers-api', where, found: 0, error: problem }, candidates: [] };
  }
}

/**
 * Whether a listed referrer is worth fetching. Its artifact type is whatever its writer made of it: cosign's fallback
 * entries carry that of the empty config, or none.
 */
function mayBeBundle({ mediaType, artifactType = '' }: Descriptor): boolean {
  if (mediaType !== mediaTypes.manifest) return false;
  return (
    artifactType === '' || artifactType === mediaTypes.empty || artifactType.startsWith(bundleMediaTypePrefix)
  );
}

async function bundleCandidate(
  repository: Repository,
  listed: Descriptor,
  place: 'referrers-api' | 'fallback-tag',
  options: DiscoverOptions,
  others: string[],
): Promise<DiscoveredCandidate | undefined> {
  const origin = { format: 'bundle', place, manifest: listed.digest } as const;
  let layer: Descriptor | undefined;
  try {
    const manifest = await readManifest(repository, listed.digest, options);
    layer = bundleLayer(manifest);
    if (!layer) {
      others.push(manifest.artifactType ?? manifest.config.mediaType);
      return undefined;
    }
    return { ...origin, layer, content: await readContent(repository, layer, limits.bundleBytes, options) };
  } catch (error) {
    const problem = wrapError(error, 'ERR_INTERNAL', `reading the signature ${listed.digest} failed`);
    return { ...origin, ...(layer ? { layer } : {}), error: problem };
  }
}

async function fromSignatureTag(
  repository: Repository,
  subject: Digest,
  options: DiscoverOptions,
): Promise<Found> {
  const tag = signatureTag(subject);
  const where = `${repository.name}:${tag}`;
  const place = 'signature-tag';
  try {
    const stored = await repository.getManifest(tag, options);
    if (!stored) return { place: { place, where, found: 0 }, candidates: [] };
    const { digest, mediaType } = stored.descriptor;
    const manifest = parseManifest(stored.bytes, mediaType, where);
    const layers = manifest.kind === 'manifest' ? manifest.layers.filter(isSignatureLayer) : [];
    const read = layers.slice(0, limits.signatureLayers);
    const candidates = await Promise.all(
      read.map(async (layer): Promise<DiscoveredCandidate> => {
        const origin = { format: 'cosign', place, manifest: digest, layer } as const;
        try {
          return { ...origin, content: await readContent(repository, layer, limits.payloadBytes, options) };
        } catch (error) {
          return {
            ...origin,
            error: wrapError(error, 'ERR_INTERNAL', `reading the signature ${layer.digest} failed`),
          };
        }
      }),
    );
    return { place: { place, where, found: layers.length, ...tooMany(layers, where) }, candidates };
  } catch (error) {
    const problem = wrapError(error, 'ERR_INTERNAL', `reading ${where} failed`);
    return { place: { place, where, found: 0, error: problem }, candidates: [] };
  }
}

function tooMany(layers: readonly Descriptor[], where: string): { readonly error?: BoltsealError } {
  if (layers.length <= limits.signatureLayers) return {};
  const message = `${where} has ${layers.length} signatures; only ${limits.signatureLayers} are looked at`;
  return { error: new BoltsealError('ERR_LIMIT_EXCEEDED', message) };
}

async function readManifest(repository: Repository, digest: Digest, options: CallOptions): Promise<Manifest> {
  const stored = await repository.getManifest(digest, options);
  if (!stored) {
    throw new BoltsealError(
      'ERR_REGISTRY_RESPONSE',
      `${repository.name} lists the referrer ${digest} and does not have it`,
    );
  }
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, digest);
  if (manifest.kind !== 'manifest')
    throw new BoltsealError('ERR_MANIFEST_INVALID', `the referrer ${digest} is an index`);
  return manifest;
}

async function readContent(
  repository: Repository,
  layer: Descriptor,
  maxBytes: number,
  options: DiscoverOptions,
): Promise<Uint8Array> {
  return options.known?.get(layer.digest) ?? repository.getBlob(layer, { signal: options.signal, maxBytes });
}
