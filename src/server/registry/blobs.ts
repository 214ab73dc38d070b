import { type Digest, type DigestAlgorithm, digestAlgorithm, isDigest } from '../../core/digest.ts';
import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import { announcedLength } from './bounds.ts';
import { parseChunkRange, parseRange } from './byte-range.ts';
import { type Context, requireDelete } from './context.ts';
import { emptyResponse, Refusal } from './refusal.ts';
import { isRepositoryName } from './routes.ts';
import type { UploadSession } from './uploads.ts';

/**
 * `GET`, `HEAD` and `DELETE` of a blob.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs}
 */
export async function answerBlob(
  context: Context,
  request: HttpRequest,
  name: string,
  digest: Digest,
): Promise<HttpResponse> {
  if (request.method === 'DELETE') {
    requireDelete(context);
    if (await context.contents.removeBlob(name, digest)) return emptyResponse(202);
    throw unknownBlob(digest);
  }
  const size = (await context.contents.find(name))?.blobs.get(digest);
  if (size === undefined) throw unknownBlob(digest);
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    'cache-control': 'max-age=31536000, immutable',
  };
  if (request.method === 'HEAD') {
    return { status: 200, headers: { ...headers, 'content-length': String(size) }, body: null };
  }
  const range = parseRange(request.headers.get('range'), size);
  if (range === 'unsatisfiable') return emptyResponse(416, { 'content-range': `bytes */${size}` });
  const { start, end } = range ?? { start: 0, end: size };
  const body = await context.storage.read(digest, start, end);
  if (body === undefined) throw unknownBlob(digest);
  const length = { 'content-length': String(end - start) };
  if (range === undefined) return { status: 200, headers: { ...headers, ...length }, body };
  const part = { 'content-range': `bytes ${start}-${end - 1}/${size}` };
  return { status: 206, headers: { ...headers, ...length, ...part }, body };
}

/**
 * `POST` to the uploads of a repository: opens an upload, or mounts (`mount` and `from`), or takes the whole blob at
 * once (`digest`). A mount that cannot be becomes an upload.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs}
 */
export async function beginUpload(
  context: Context,
  request: HttpRequest,
  name: string,
  query: URLSearchParams,
  mayRead: (repository: string) => boolean,
): Promise<HttpResponse> {
  const mount = query.get('mount');
  const from = query.get('from');
  if (mount !== null && !isDigest(mount)) throw notADigest();
  if (mount !== null && from !== null && isRepositoryName(from) && mayRead(from)) {
    if (await context.contents.mountBlob(name, mount, from)) return created(name, mount);
  }
  const whole = query.get('digest');
  if (whole !== null && !isDigest(whole)) throw notADigest();
  const session = await context.uploads.open(name, askedAlgorithm(query, whole ?? mount));
  if (whole === null) return emptyResponse(202, progress(session));
  return context.uploads.use(session, async () => {
    try {
      await context.uploads.receive(session, request);
    } catch (error) {
      await context.uploads.discard(session);
      throw error;
    }
    return finish(context, session, whole);
  });
}

/** `GET` (where it stands), `PATCH` (more), `PUT` (the end) and `DELETE` (never mind) of an upload. */
export async function answerUpload(
  context: Context,
  request: HttpRequest,
  name: string,
  id: string,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const { uploads } = context;
  const session = uploads.find(name, id);
  if (request.method === 'GET' || request.method === 'HEAD') return emptyResponse(204, progress(session));
  return uploads.use(session, async () => {
    if (request.method === 'DELETE') {
      await uploads.discard(session);
      return emptyResponse(204);
    }
    if (request.method === 'PATCH') {
      checkChunk(session, request);
      await uploads.receive(session, request);
      return emptyResponse(202, progress(session));
    }
    const digest = query.get('digest') ?? '';
    if (!isDigest(digest)) throw notADigest();
    checkChunk(session, request);
    await uploads.receive(session, request);
    return finish(context, session, digest);
  });
}

async function finish(context: Context, session: UploadSession, digest: Digest): Promise<HttpResponse> {
  if ((await context.uploads.digest(session, digest)) !== digest) {
    await context.uploads.discard(session);
    throw new Refusal('DIGEST_INVALID', 'the content does not have this digest', { detail: { digest } });
  }
  try {
    await context.contents.addBlob(session.repository, digest, session.staged);
  } catch (error) {
    await context.uploads.discard(session);
    throw error;
  }
  context.uploads.forget(session);
  return created(session.repository, digest);
}

/** Chunks come in order; 416 tells the client to ask where the upload stands. */
function checkChunk(session: UploadSession, request: HttpRequest): void {
  const header = request.headers.get('content-range');
  if (header === null) return;
  const range = parseChunkRange(header);
  if (range === undefined) throw new Refusal('BLOB_UPLOAD_INVALID', 'Content-Range is not valid');
  if (range.first !== session.staged.size) {
    throw new Refusal('BLOB_UPLOAD_INVALID', 'the chunk does not continue the upload', {
      status: 416,
      headers: progress(session),
    });
  }
  const announced = announcedLength(request);
  if (announced !== undefined && announced !== range.last - range.first + 1) {
    throw new Refusal('SIZE_INVALID', 'Content-Range and Content-Length do not agree');
  }
}

function progress(session: UploadSession): Record<string, string> {
  return {
    location: `/v2/${session.repository}/blobs/uploads/${session.id}`,
    // An upload without a byte has no last one; every registry answers 0-0 then.
    range: `0-${Math.max(session.staged.size - 1, 0)}`,
    'docker-upload-uuid': session.id,
  };
}

function created(name: string, digest: Digest): HttpResponse {
  const location = `/v2/${name}/blobs/${digest}`;
  return emptyResponse(201, { location, 'docker-content-digest': digest });
}

function askedAlgorithm(query: URLSearchParams, digest: Digest | null): DigestAlgorithm {
  const asked = query.get('digest-algorithm');
  if (asked === null) return digest === null ? 'sha256' : digestAlgorithm(digest);
  if (asked === 'sha256' || asked === 'sha512') return asked;
  throw new Refusal('DIGEST_INVALID', 'the digest algorithm is not supported');
}

function notADigest(): Refusal {
  return new Refusal('DIGEST_INVALID', 'not a sha256 or sha512 digest');
}

function unknownBlob(digest: Digest): Refusal {
  return new Refusal('BLOB_UNKNOWN', 'the repository has no such blob', { detail: { digest } });
}
