/** A key management service in which anything may go wrong. */
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { type ErrorCode, isBoltsealError } from '../../src/core/errors.ts';
import type { Fetch, FetchResponse } from '../../src/core/runtime.ts';
import type { KeyType, PublicKey } from '../../src/formats/public-key.ts';
import type { GeneratedKey, KeyContext, KeyProvider } from '../../src/keys/provider.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { type InProcessRuntime, inProcessRuntime, respond } from './in-process.ts';
import type { Step } from './services.ts';

/** One service, as its provider reaches it, and what can be done to it. */
export interface KmsWorld {
  readonly provider: KeyProvider;
  readonly fetch: Fetch;
  readonly env?: Readonly<Record<string, string>>;
  /** A reference to a key that is not there. */
  newReference(): string;
  /** The kinds of keys that are tried, of those that it makes. */
  readonly makes: readonly KeyType[];
  /** The kinds that it does not make. */
  readonly refuses: readonly KeyType[];
  /** The longest message that an Ed25519 key signs; undefined when there is no limit of its own. */
  readonly longestMessage?: number;
  /** Disables the key, or the version, behind a reference. */
  disable(reference: string): Promise<void>;
  /** Gives a key another version; absent where keys have one only. */
  rotate?(reference: string): Promise<void>;
  /** Makes a key behind a reference that encrypts, and a key of a kind that is not supported. */
  makeOthers(): Promise<{ readonly encrypts: string; readonly strange: readonly string[] }>;
  /** How it answers who asks too often, who may not ask, and whose credentials are expired. */
  readonly throttled: Step;
  readonly denied: Step;
  readonly expired: Step;
  /** What it means that an answer about a key is `{}`. */
  readonly empty: ErrorCode;
  /** An answer with a signature, with another one in its place. */
  spoil(answer: Record<string, unknown>): Record<string, unknown>;
  /** What must not be in an error. */
  readonly secrets: readonly string[];
}

/** A provider with a world in which anything may go wrong. */
export interface Lab {
  readonly runtime: InProcessRuntime;
  readonly context: KeyContext;
  /** Bodies of requests, their lengths. */
  readonly sent: number[];
  /** What happens to the next requests; the last of several for ever. */
  script: Step[];
  spoiling: boolean;
}

/** A lab on `world`; `signal` is that of the context. */
export function lab(world: KmsWorld, signal?: AbortSignal): Lab {
  const sent: number[] = [];
  let taken = 0;
  const it: Lab = {
    runtime: inProcessRuntime(
      async (url, init) => {
        sent.push(init.body instanceof Uint8Array ? init.body.length : 0);
        const step = it.script[Math.min(taken++, it.script.length - 1)];
        if (step !== undefined) {
          return await step({ method: init.method, url, headers: init.headers, body: '' }, init);
        }
        const response = await world.fetch(url, init);
        return it.spoiling && response.status === 200 ? await spoiled(response, world) : response;
      },
      { ...world.env },
    ),
    context: {
      get runtime() {
        return it.runtime;
      },
      password: () => Promise.reject(new Error('no password is needed')),
      readStdin: () => Promise.reject(new Error('standard input is not read')),
      signal,
    },
    sent,
    get script() {
      return script;
    },
    set script(steps) {
      script = steps;
      taken = 0;
    },
    spoiling: false,
  };
  let script: Step[] = [];
  return it;
}

async function spoiled(response: FetchResponse, world: KmsWorld): Promise<FetchResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  const body = JSON.stringify(world.spoil(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
  return respond({ status: response.status, headers: { 'content-type': 'application/json' }, body });
}

/** Makes a key. */
export const generate = (
  world: KmsWorld,
  reference: string,
  type: KeyType,
  context: KeyContext,
): Promise<GeneratedKey> => {
  assert.ok(world.provider.generate !== undefined);
  return world.provider.generate(reference, type, context);
};

/** Loads a signer. */
export const load = (world: KmsWorld, reference: string, context: KeyContext): Promise<Signer> => {
  assert.ok(world.provider.loadSigner !== undefined);
  return world.provider.loadSigner(reference, context);
};

/** What is signed. */
export const message: Uint8Array = Buffer.from('what is signed');

/** Whether `signature` is one over `bytes`. */
export const isSigned = (key: PublicKey, signature: Uint8Array, bytes: Uint8Array = message): boolean =>
  verify(key.type === 'ed25519' ? null : 'sha256', bytes, key.key, signature);

/** A check that an error has `code` and tells no secret. */
export function fails(code: ErrorCode, world: KmsWorld): (error: unknown) => true {
  return (error) => {
    assert.ok(isBoltsealError(error), String(error));
    assert.equal(error.code, code, `${error.message} ${String(error.cause)}`);
    assert.ok(error.message.length < 1_000);
    const causes = String((error.cause as Error | undefined)?.message ?? '');
    for (const secret of world.secrets) {
      assert.ok(!`${error.message}${error.hint}${causes}${JSON.stringify(error.details)}`.includes(secret));
    }
    // Whatever a logger prints of it must not hold what an SDK puts into its errors.
    if (error.cause instanceof Error) assert.deepEqual(Object.keys(error.cause), []);
    return true;
  };
}
