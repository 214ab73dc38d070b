/** Finding what may be a signature of an image: every place at once, each object once, each failure reported. */
import type { Digest } from '../core/digest.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { bundleMediaTypePrefix } from '../formats/bundle.ts';
import { isSignatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import { type Descriptor, type Manifest, mediaTypes, parseManifest } from '../formats/oci.ts';
import { bundleLayer, referrersTag } from '../formats/referrer-manifest.ts';
import type { CallOptions, ReferrersList, Repository } from './repository.ts';

/** Where signatures are looked for. */
export type SignaturePlace = 'referrers-api' | 'fallback-tag' | 'signature-tag';

/** What one place had. */
export interface PlaceReport {
  readonly place: SignaturePlace | 'file';
  /** For people: what was asked. */
  readonly where: string;
  /** Candidates found, unreadable ones included. */
  readonly found: number;
  /** Entries that are something else than signatures, by artifact type or layer media type. */
  readonly others?: readonly Descriptor[];
  /** Why the place could not be read, or not to its end. Candidates found before still count. */
  readonly error?: BoltsealError;
}

/** Something that may be a signature: its bytes, verified against their digest and not decoded; or why it is unreadable. */
export type DiscoveredCandidate = CandidateOrigin &
  (
    | { readonly content: Uint8Array; readonly layer: Descriptor; readonly error?: undefined }
    | { readonly error: BoltsealError; readonly layer?: Descriptor; readonly content?: undefined }
  );

interface CandidateOrigin {
  readonly format: 'bundle' | 'cosign';
  readonly place: SignaturePlace;
  /** The manifest that carries it. */
  readonly manifest: Digest;
}

/** What {@link discoverSignatures} found. */
export interface DiscoveredSignatures {
  readonly places: readonly PlaceReport[];
  readonly candidates: readonly DiscoveredCandidate[];
}

/** Options of {@link discoverSignatures}. */
export interface DiscoverOptions extends CallOptions {
  /** Content the caller has already, by its digest: it is not fetched. */
  readonly known?: ReadonlyMap<Digest, Uint8Array> | undefined;
  /** Before the `.sig` tag: cosign's `--attachment-tag-prefix`. */
  readonly tagPrefix?: string | undefined;
}

interface Found {
  readonly report: PlaceReport;
  readonly candidates: readonly DiscoveredCandidate[];
}

/** Candidates fetched at once per image; the registry client bounds requests over all images. */
const parallel = 16;

/**
 * Every signature candidate of the image `digest`: bundles among its referrers, and the layers of its `.sig` manifest,
 * in the order of the lists. Throws only when `options.signal` is aborted; everything else is in the result.
 */
export async function discoverSignatures(
  repository: Repository,
  digest: Digest,
  options: DiscoverOptions = {},
): Promise<DiscoveredSignatures> {
  const fetched = createFetcher(repository, options);
  const found = await Promise.all([
    discoverBundles(repository, digest, fetched, options),
    discoverLayers(repository, digest, fetched, options),
  ]);
  options.signal?.throwIfAborted();
  return {
    places: found.map(({ report }) => report),
    candidates: found.flatMap(({ candidates }) => candidates),
  };
}

type Fetcher = (layer: Descriptor, maxBytes: number) => Promise<Uint8Array>;

/** Fetches each blob once, also when several candidates point to it. */
function createFetcher(repository: Repository, options: DiscoverOptions): Fetcher {
  const underway = new Map<string, Promise<Uint8Array>>();
  return (layer, maxBytes) => {
    const known = options.known?.get(layer.digest);
    if (known !== undefined && known.length === layer.size) return Promise.resolve(known);
    const key = `${layer.digest} ${layer.size}`;
    const fetch = underway.get(key) ?? repository.getBlob(layer, { signal: options.signal, maxBytes });
    underway.set(key, fetch);
    return fetch;
  };
}

async function discoverBundles(
  repository: Repository,
  subject: Digest,
  fetched: Fetcher,
  options: DiscoverOptions,
): Promise<Found> {
  const api = `the referrers of ${subject} in ${repository.name}`;
  let list: ReferrersList;
  try {
    list = await repository.referrers(subject, { signal: options.signal });
  } catch (error) {
    const failure = wrapError(error, 'ERR_INTERNAL', `${api} could not be listed`);
    return {
      report: { place: 'referrers-api', where: api, found: 0, others: [], error: failure },
      candidates: [],
    };
  }
  const place: SignaturePlace = list.source === 'api' ? 'referrers-api' : 'fallback-tag';
  const others: Descriptor[] = list.descriptors.filter((entry) => !mayBeBundle(entry));
  const entries = list.descriptors.filter(mayBeBundle);
  const results = await mapParallel(entries, (entry) =>
    readBundle(repository, entry, place, fetched, options),
  );
  const candidates = results.flatMap(({ candidate }) => (candidate === undefined ? [] : [candidate]));
  others.push(...results.flatMap(({ other }) => (other === undefined ? [] : [other])));
  const name = place === 'referrers-api' ? api : `${repository.name}:${referrersTag(subject)}`;
  const error = list.problem === undefined ? {} : { error: list.problem };
  return { report: { place, where: name, found: candidates.length, others, ...error }, candidates };
}

/**
 * Whether an entry is worth a look. Only an artifact type that clearly says something else rules it out: cosign writes
 * `application/vnd.oci.empty.v1+json` or nothing into fallback entries.
 */
function mayBeBundle(entry: Descriptor): boolean {
  const type = entry.artifactType ?? '';
  const isManifest = entry.mediaType === mediaTypes.manifest || entry.mediaType === mediaTypes.dockerManifest;
  return isManifest && (type === '' || type === mediaTypes.empty || type.startsWith(bundleMediaTypePrefix));
}

interface BundleResult {
  readonly candidate?: DiscoveredCandidate;
  readonly other?: Descriptor;
}

async function readBundle(
  repository: Repository,
  entry: Descriptor,
  place: SignaturePlace,
  fetched: Fetcher,
  options: DiscoverOptions,
): Promise<BundleResult> {
  const origin: CandidateOrigin = { format: 'bundle', place, manifest: entry.digest };
  let layer: Descriptor | undefined;
  try {
    const manifest = await readCarrier(repository, entry, options);
    layer = bundleLayer(manifest);
    if (layer === undefined) return { other: { ...entry, ...typeOf(manifest) } };
    return { candidate: { ...origin, layer, content: await fetched(layer, limits.bundleBytes) } };
  } catch (cause) {
    const error = wrapError(cause, 'ERR_INTERNAL', `the referrer ${entry.digest} could not be read`);
    return { candidate: { ...origin, ...(layer === undefined ? {} : { layer }), error } };
  }
}

async function readCarrier(
  repository: Repository,
  entry: Descriptor,
  options: DiscoverOptions,
): Promise<Manifest> {
  const stored = await repository.getManifest(entry.digest, { signal: options.signal });
  if (stored === undefined) {
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `the referrer ${entry.digest} is listed and not there`, {
      hint: 'It may have been deleted without its entry in the list.',
    });
  }
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, `the referrer ${entry.digest}`);
  if (manifest.kind === 'manifest') return manifest;
  throw new BoltsealError('ERR_MANIFEST_INVALID', `the referrer ${entry.digest} is an index`);
}

/** What a referrer without a telling entry turned out to be. */
function typeOf(manifest: Manifest): { artifactType?: string } {
  const type = manifest.artifactType ?? manifest.config.artifactType ?? manifest.layers[0]?.mediaType;
  return type === undefined ? {} : { artifactType: type };
}

async function discoverLayers(
  repository: Repository,
  subject: Digest,
  fetched: Fetcher,
  options: DiscoverOptions,
): Promise<Found> {
  const place = 'signature-tag';
  const tag = signatureTag(subject, options.tagPrefix);
  const name = `${repository.name}:${tag}`;
  try {
    const stored = await repository.getManifest(tag, { signal: options.signal });
    if (stored === undefined) return { report: { place, where: name, found: 0, others: [] }, candidates: [] };
    const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, name);
    if (manifest.kind !== 'manifest') throw new BoltsealError('ERR_MANIFEST_INVALID', `${name} is an index`);
    const origin: CandidateOrigin = { format: 'cosign', place, manifest: stored.descriptor.digest };
    const signatures = manifest.layers.filter(isSignatureLayer);
    const others = manifest.layers.filter((layer) => !isSignatureLayer(layer));
    const looked = signatures.slice(0, limits.signatureLayers);
    const candidates = await mapParallel(looked, (layer) => readLayer(origin, layer, fetched));
    const error = looked.length < signatures.length ? { error: tooManyLayers(name) } : {};
    return { report: { place, where: name, found: candidates.length, others, ...error }, candidates };
  } catch (cause) {
    const error = wrapError(cause, 'ERR_INTERNAL', `${name} could not be read`);
    return { report: { place, where: name, found: 0, others: [], error }, candidates: [] };
  }
}

function tooManyLayers(name: string): BoltsealError {
  const message = `${name} holds more than ${limits.signatureLayers} signatures; only the first ones are looked at`;
  return new BoltsealError('ERR_LIMIT_EXCEEDED', message);
}

async function readLayer(
  origin: CandidateOrigin,
  layer: Descriptor,
  fetched: Fetcher,
): Promise<DiscoveredCandidate> {
  try {
    return { ...origin, layer, content: await fetched(layer, limits.payloadBytes) };
  } catch (cause) {
    const error = wrapError(cause, 'ERR_INTERNAL', `the signature payload ${layer.digest} could not be read`);
    return { ...origin, layer, error };
  }
}

/** `run` over `items`, {@link parallel} at once, results in order. */
async function mapParallel<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      const item = items[at] as T;
      results[at] = await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, work));
  return results;
}
