/**
 * The file that buildx writes about what it built.
 * {@link https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file}
 */
import { readFile, stat } from 'node:fs/promises';
import { isDigest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

/** One build. */
export interface BuiltImage {
  readonly digest: string;
  /** Names with tags, as they were given to the build. */
  readonly names: readonly string[];
}

/**
 * The builds that `source` tells of: the path of the file, or its content. Of `docker buildx bake` there may be several.
 * Throws `ERR_FILE_READ`, `ERR_LIMIT_EXCEEDED`, `ERR_JSON_INVALID`, `ERR_USAGE` when it tells of none.
 */
export async function readMetadata(source: string): Promise<readonly BuiltImage[]> {
  const bytes = source.startsWith('{') ? Buffer.from(source) : await readBounded(source);
  const document = parseJson(bytes, { what: 'metadata-file', maxBytes: limits.buildMetadataBytes });
  if (!isJsonObject(document)) throw nothingBuilt();
  const builds = [document, ...Object.values(document).filter(isJsonObject)].flatMap(buildOf);
  if (builds.length === 0) throw nothingBuilt();
  return builds;
}

async function readBounded(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > limits.buildMetadataBytes) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `metadata-file ${path} has ${size} bytes`);
    }
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof BoltsealError) throw cause;
    throw new BoltsealError('ERR_FILE_READ', `metadata-file ${path} cannot be read`, {
      cause,
      hint: 'Paths are relative to the workspace. Did the build write it in this job?',
    });
  }
}

function buildOf(build: JsonObject): readonly BuiltImage[] {
  const digest = build['containerimage.digest'];
  if (typeof digest !== 'string') return [];
  requireDigest(digest, 'containerimage.digest in metadata-file');
  return [{ digest, names: namesOf(build['image.name']) }];
}

function namesOf(value: Json | undefined): readonly string[] {
  if (typeof value !== 'string') return [];
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function nothingBuilt(): BoltsealError {
  return new BoltsealError('ERR_USAGE', 'metadata-file tells of no image that was pushed', {
    hint: 'It has containerimage.digest after a build with push: true, or with outputs: type=image,push=true.',
  });
}

/** Throws `ERR_DIGEST_INVALID` unless `text` is a digest. */
export function requireDigest(text: string, what: string): void {
  if (isDigest(text)) return;
  const shown = JSON.stringify(text.slice(0, 80));
  throw new BoltsealError('ERR_DIGEST_INVALID', `${what} is ${shown}, which is no digest`, {
    hint: 'A digest is sha256: and 64 hexadecimal digits.',
  });
}
