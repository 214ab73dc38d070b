/** Finding what may be a signature of an image: every place at once, each object once, each failure reported. */
import { mapConcurrent } from '../core/concurrent.ts';
import type { Digest } from '../core/digest.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { attestationTag, isAttestationLayer, layerPredicateType } from '../formats/attestation-layer.ts';
import { bundleMediaTypePrefix } from '../formats/bundle.ts';
import { isSignatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import { type Descriptor, type Manifest, mediaTypes, parseManifest } from '../formats/oci.ts';
import {
  announcedPredicateType,
  bundleAnnotations,
  bundleLayer,
  referrersTag,
} from '../formats/referrer-manifest.ts';
import { signPredicateType } from '../formats/statement.ts';
import type { CallOptions, ReferrersList, Repository, StoredManifest } from './repository.ts';

/** Where signatures are looked for. */
export type SignaturePlace = 'referrers-api' | 'fallback-tag' | 'signature-tag' | 'attestation-tag';

/** What one place had. */
export interface PlaceReport {
  readonly place: SignaturePlace | 'file';
  /** For people: what was asked. */
  readonly where: string;
  /** Candidates found, unreadable ones included. */
  readonly found: number;
  /**
   * Entries that are something else than what is looked for: by artifact type, layer media type, or the predicate type
   * that their annotations announce.
   */
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
  /**
   * The types of statements looked for; that of image signatures unless told. Attestations are looked for under the
   * `.att` tag in place of the `.sig` tag. What announces another type is not fetched, so that an image with many
   * attestations is verified as fast as one without.
   */
  readonly predicateTypes?: readonly string[] | undefined;
}

interface Found {
  readonly report: PlaceReport;
  readonly candidates: readonly DiscoveredCandidate[];
}

/** Candidates fetched at once per image; the registry client bounds requests over all images. */
const parallel = 16;

/**
 * Every signature candidate of the image `digest`: bundles among its referrers, and the layers of its `.sig` manifest or,
 * of attestations, of its `.att` manifest, in the order of the lists. Throws only when `options.signal` is aborted; everything else is in the result.
 */
export async function discoverSignatures(
  repository: Repository,
  digest: Digest,
  options: DiscoverOptions = {},
): Promise<DiscoveredSignatures> {
  const source: Source = { repository, fetch: createFetcher(repository, options), options };
  const { predicateTypes = [signPredicateType], tagPrefix } = options;
  const tags: LayerTag[] = [];
  if (predicateTypes.includes(signPredicateType)) {
    tags.push({ ...signatureLayers, tag: signatureTag(digest, tagPrefix) });
  }
  if (predicateTypes.some((type) => type !== signPredicateType)) {
    tags.push({ ...attestationLayers, tag: attestationTag(digest) });
  }
  const found = await Promise.all([
    discoverBundles(source, digest),
    ...tags.map((one) => discoverLayers(source, one)),
  ]);
  options.signal?.throwIfAborted();
  return {
    places: found.map(({ report }) => report),
    candidates: found.flatMap(({ candidates }) => candidates),
  };
}

/** Where candidates are read from. */
interface Source {
  readonly repository: Repository;
  readonly fetch: Fetcher;
  readonly options: DiscoverOptions;
}

/** Fetches what a candidate is made of, within `limits.signatureBytes` for all of them. */
interface Fetcher {
  /** A manifest by the entry that lists it; undefined when it is not there. */
  manifest(entry: Descriptor): Promise<StoredManifest | undefined>;
  /** A blob, once also when several candidates point to it. */
  blob(layer: Descriptor, maxBytes: number): Promise<Uint8Array>;
  /** Set, and thrown to whoever asks for more, once the bound was reached. */
  readonly exhausted: BoltsealError | undefined;
}

function createFetcher(repository: Repository, options: DiscoverOptions): Fetcher {
  const underway = new Map<string, Promise<Uint8Array>>();
  const { signal, known } = options;
  let left: number = limits.signatureBytes;
  let exhausted: BoltsealError | undefined;
  const take = (bytes: number): void => {
    if (bytes > left) {
      exhausted ??= tooManyBytes(repository.name);
      throw exhausted;
    }
    left -= bytes;
  };
  return {
    get exhausted() {
      return exhausted;
    },
    async manifest(entry) {
      const announced = Math.min(entry.size, limits.manifestBytes);
      take(announced);
      const stored = await repository.getManifest(entry.digest, { signal });
      // Lists have been seen with wrong sizes; the content has the digest, which is what counts.
      take(Math.max(0, (stored?.descriptor.size ?? 0) - announced));
      return stored;
    },
    async blob(layer, maxBytes) {
      const content = known?.get(layer.digest);
      if (content !== undefined && content.length === layer.size) return content;
      const key = `${layer.digest} ${layer.size} ${maxBytes}`;
      const begun = underway.get(key);
      if (begun !== undefined) return begun;
      if (layer.size <= maxBytes) take(layer.size);
      const fetched = repository.getBlob(layer, { signal, maxBytes });
      underway.set(key, fetched);
      return fetched;
    },
  };
}

function tooManyBytes(name: string): BoltsealError {
  const message = `what may be signatures in ${name} has more than ${limits.signatureBytes} bytes together; not all of it is looked at`;
  return new BoltsealError('ERR_LIMIT_EXCEEDED', message);
}

/** Why a place was not read to its end: because of what the list says, or because of the bound on all content. */
function problemOf(
  source: Source,
  candidates: readonly DiscoveredCandidate[],
  problem: BoltsealError | undefined,
): { error?: BoltsealError } {
  const { exhausted } = source.fetch;
  const isCut = exhausted !== undefined && candidates.some(({ error }) => error === exhausted);
  const error = problem ?? (isCut ? exhausted : undefined);
  return error === undefined ? {} : { error };
}

async function discoverBundles(source: Source, subject: Digest): Promise<Found> {
  const { repository, options } = source;
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
  const isOfUse = (entry: Descriptor): boolean => mayBeBundle(entry) && isLookedFor(entry, options);
  const others: Descriptor[] = list.descriptors.filter((entry) => !isOfUse(entry));
  const entries = list.descriptors.filter(isOfUse);
  const results = await mapConcurrent(entries, parallel, (entry) => readBundle(source, entry, place));
  const candidates = results.flatMap(({ candidate }) => (candidate === undefined ? [] : [candidate]));
  others.push(...results.flatMap(({ other }) => (other === undefined ? [] : [other])));
  const name = place === 'referrers-api' ? api : `${repository.name}:${referrersTag(subject)}`;
  const error = problemOf(source, candidates, list.problem);
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

/** Whether a manifest, or its entry, announces one of the types looked for, or none. */
function isLookedFor(
  { annotations = {} }: Pick<Descriptor, 'annotations'>,
  { predicateTypes = [signPredicateType] }: DiscoverOptions,
): boolean {
  const announced = announcedPredicateType({ annotations });
  return announced === undefined || predicateTypes.includes(announced);
}

interface BundleResult {
  readonly candidate?: DiscoveredCandidate;
  readonly other?: Descriptor;
}

async function readBundle(source: Source, entry: Descriptor, place: SignaturePlace): Promise<BundleResult> {
  const origin: CandidateOrigin = { format: 'bundle', place, manifest: entry.digest };
  let layer: Descriptor | undefined;
  try {
    const manifest = await readCarrier(source, entry);
    layer = bundleLayer(manifest);
    if (layer === undefined || !isLookedFor(manifest, source.options)) {
      return { other: { ...entry, ...typeOf(manifest) } };
    }
    return { candidate: { ...origin, layer, content: await source.fetch.blob(layer, limits.bundleBytes) } };
  } catch (cause) {
    const error = wrapError(cause, 'ERR_INTERNAL', `the referrer ${entry.digest} could not be read`);
    return { candidate: { ...origin, ...(layer === undefined ? {} : { layer }), error } };
  }
}

async function readCarrier(source: Source, entry: Descriptor): Promise<Manifest> {
  const stored = await source.fetch.manifest(entry);
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
function typeOf(manifest: Manifest): Pick<Descriptor, 'artifactType' | 'annotations'> {
  const type = manifest.artifactType ?? manifest.config.artifactType ?? manifest.layers[0]?.mediaType;
  const announced = announcedPredicateType(manifest);
  return {
    ...(type === undefined ? {} : { artifactType: type }),
    ...(announced === undefined ? {} : { annotations: { [bundleAnnotations.predicateType]: announced } }),
  };
}

/** A tag whose manifest has one layer for each thing that was signed. */
interface LayerTag {
  readonly tag: string;
  readonly place: SignaturePlace;
  /** Of one layer. */
  readonly maxBytes: number;
  /** Whether a layer is worth a look. */
  isOfUse(layer: Descriptor, options: DiscoverOptions): boolean;
}

const signatureLayers = {
  place: 'signature-tag',
  maxBytes: limits.payloadBytes,
  isOfUse: isSignatureLayer,
} as const;

const attestationLayers = {
  place: 'attestation-tag',
  maxBytes: limits.bundleBytes,
  isOfUse: (layer: Descriptor, options: DiscoverOptions): boolean =>
    isAttestationLayer(layer) && isLookedFor(announcing(layer), options),
} as const;

/** A layer of an `.att` manifest with what it announces where bundles have it. */
function announcing(layer: Descriptor): Descriptor {
  const announced = layerPredicateType(layer);
  if (announced === undefined) return layer;
  return { ...layer, annotations: { ...layer.annotations, [bundleAnnotations.predicateType]: announced } };
}

async function discoverLayers(source: Source, asked: LayerTag): Promise<Found> {
  const { repository, options } = source;
  const { place, tag, isOfUse } = asked;
  const name = `${repository.name}:${tag}`;
  try {
    const stored = await repository.getManifest(tag, { signal: options.signal });
    if (stored === undefined) return { report: { place, where: name, found: 0, others: [] }, candidates: [] };
    const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, name);
    if (manifest.kind !== 'manifest') throw new BoltsealError('ERR_MANIFEST_INVALID', `${name} is an index`);
    const origin: CandidateOrigin = { format: 'cosign', place, manifest: stored.descriptor.digest };
    const signatures = manifest.layers.filter((layer) => isOfUse(layer, options));
    const others = manifest.layers.filter((layer) => !isOfUse(layer, options)).map(announcing);
    const looked = signatures.slice(0, limits.signatureLayers);
    const candidates = await mapConcurrent(looked, parallel, (layer) =>
      readLayer(source, origin, layer, asked.maxBytes),
    );
    const problem = looked.length < signatures.length ? tooManyLayers(name) : undefined;
    const error = problemOf(source, candidates, problem);
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
  source: Source,
  origin: CandidateOrigin,
  layer: Descriptor,
  maxBytes: number,
): Promise<DiscoveredCandidate> {
  try {
    return { ...origin, layer, content: await source.fetch.blob(layer, maxBytes) };
  } catch (cause) {
    const error = wrapError(cause, 'ERR_INTERNAL', `the layer ${layer.digest} could not be read`);
    return { ...origin, layer, error };
  }
}
