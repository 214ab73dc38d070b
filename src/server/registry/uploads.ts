import { createHash, type Hash } from 'node:crypto';
import { type Digest, type DigestAlgorithm, digestAlgorithm } from '../../core/digest.ts';
import { hex } from '../../core/encoding.ts';
import type { HttpRequest } from '../../core/http.ts';
import { announcedLength, type RegistryLimits } from './bounds.ts';
import { Refusal } from './refusal.ts';
import type { RegistryStorage, StagedContent } from './storage.ts';

/** An upload under way. */
export interface UploadSession {
  readonly id: string;
  readonly repository: string;
  readonly staged: StagedContent;
  readonly algorithm: DigestAlgorithm;
  /** Over everything staged so far. */
  hash: Hash;
  busy: boolean;
  lastUsed: number;
}

/** The uploads of a registry. */
export interface Uploads {
  /** How many are under way. */
  readonly count: number;
  open(repository: string, algorithm: DigestAlgorithm): Promise<UploadSession>;
  /** The session, which must belong to `repository`; throws a {@link Refusal} when there is none. */
  find(repository: string, id: string): UploadSession;
  /** Runs `work` with a session that nobody else is using. */
  use<T>(session: UploadSession, work: () => Promise<T>): Promise<T>;
  /**
   * Adds the body of a request to a session: all of it or, when the client goes away or breaks a limit, nothing, so
   * that the same request can simply be sent again.
   */
  receive(session: UploadSession, request: HttpRequest): Promise<void>;
  /** The digest of everything received, in the algorithm of `expected`. */
  digest(session: UploadSession, expected: Digest): Promise<Digest>;
  /** Ends a session without a result. */
  discard(session: UploadSession): Promise<void>;
  /** Forgets a session whose content was committed. */
  forget(session: UploadSession): void;
  discardAll(): Promise<void>;
}

/** What {@link openUploads} needs. */
export interface UploadsOptions {
  readonly storage: RegistryStorage;
  readonly limits: RegistryLimits;
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
}

/** Keeps the uploads of a registry; those that rest too long are given up when others are asked for. */
export function openUploads({ storage, limits, now, random }: UploadsOptions): Uploads {
  const sessions = new Map<string, UploadSession>();
  let opening = 0;

  const discard = async (session: UploadSession): Promise<void> => {
    sessions.delete(session.id);
    await session.staged.discard();
  };
  const expire = async (): Promise<void> => {
    const oldest = now() - limits.sessionIdleTime;
    for (const session of sessions.values()) {
      // The map is in the order of last use, so the first young one ends the search.
      if (session.lastUsed > oldest) return;
      if (!session.busy) await discard(session);
    }
  };
  const touch = (session: UploadSession): void => {
    session.lastUsed = now();
    sessions.delete(session.id);
    sessions.set(session.id, session);
  };

  return {
    get count() {
      return sessions.size;
    },
    async open(repository, algorithm) {
      await expire();
      if (sessions.size + opening >= limits.sessions) {
        throw new Refusal('TOOMANYREQUESTS', 'too many uploads are under way', {
          headers: { 'retry-after': '5' },
        });
      }
      opening++;
      try {
        const staged = await storage.stage();
        const hash = createHash(algorithm);
        const id = sessionId(random(16));
        const session = { id, repository, staged, algorithm, hash, busy: false, lastUsed: now() };
        sessions.set(id, session);
        return session;
      } finally {
        opening--;
      }
    },
    find(repository, id) {
      const session = sessions.get(id);
      const isIdle = session !== undefined && session.lastUsed <= now() - limits.sessionIdleTime;
      if (session === undefined || session.repository !== repository || (isIdle && !session.busy)) {
        throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'no such upload');
      }
      return session;
    },
    async use(session, work) {
      if (session.busy || !sessions.has(session.id)) {
        throw new Refusal('BLOB_UPLOAD_INVALID', 'another request is using this upload', { status: 409 });
      }
      session.busy = true;
      try {
        return await work();
      } finally {
        session.busy = false;
        if (sessions.has(session.id)) touch(session);
      }
    },
    receive: (session, request) => receive(session, request, limits.blobBytes),
    async digest(session, expected) {
      const algorithm = digestAlgorithm(expected);
      if (algorithm === session.algorithm) return `${algorithm}:${session.hash.copy().digest('hex')}`;
      const hash = createHash(algorithm);
      for await (const chunk of session.staged.read()) hash.update(chunk);
      return `${algorithm}:${hash.digest('hex')}`;
    },
    discard,
    forget(session) {
      sessions.delete(session.id);
    },
    async discardAll() {
      await Promise.all([...sessions.values()].map(discard));
    },
  };
}

async function receive(session: UploadSession, request: HttpRequest, maxBytes: number): Promise<void> {
  const { staged } = session;
  const before = staged.size;
  const announced = announcedLength(request);
  if (before + (announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) {
    if (announced !== undefined && announced > 0) throw incomplete();
    return;
  }
  const hash = session.hash.copy();
  try {
    for await (const chunk of request.body) {
      if (request.signal.aborted) throw incomplete();
      if (staged.size + chunk.length > maxBytes) throw tooLarge(maxBytes);
      hash.update(chunk);
      await staged.append(chunk);
    }
    if (request.signal.aborted) throw incomplete();
    if (announced !== undefined && staged.size - before !== announced) throw incomplete();
    session.hash = hash;
  } catch (error) {
    await staged.truncate(before);
    throw error;
  }
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('SIZE_INVALID', `a blob may have at most ${maxBytes} bytes`, { status: 413 });
}

function incomplete(): Refusal {
  return new Refusal('SIZE_INVALID', 'the body does not have the announced length');
}

/** A random (version 4) UUID, which the specification asks for. */
function sessionId(bytes: Uint8Array): string {
  const id = new Uint8Array(bytes);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x40;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  const text = hex(id);
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join(
    '-',
  );
}
