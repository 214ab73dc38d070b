/** What every key management service must do for us, run on each of them. */
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, isBoltsealError } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import type { Fetch, FetchResponse } from '../../src/core/runtime.ts';
import type { KeyType, PublicKey } from '../../src/formats/public-key.ts';
import type { KeyContext, KeyProvider } from '../../src/keys/provider.ts';
import { type InProcessRuntime, inProcessRuntime, respond } from './in-process.ts';
import { answer, broken, flood, hang, hangInBody, type Step } from './services.ts';

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

/** Runs the contract. */
export async function kmsContract(t: TestContext, world: KmsWorld): Promise<void> {
  await t.test('makes keys, signs with them and verifies', (t) => everyKind(t, world));
  await t.test('a key that exists is not made again', () => existing(world));
  await t.test('keys that cannot be used are refused', () => unusable(world));
  if (world.rotate !== undefined) await t.test('a key that was rotated', () => rotated(world, world.rotate));
  await t.test('a wrong signature is found out', () => wrongSignature(world));
  await t.test('failures that pass, and those that do not', (t) => failures(t, world));
  await t.test('who waits can be interrupted', () => interruption(world));
  await t.test('references that are none', () => malformed(world));
  await t.test('answers of every shape', () => anyAnswer(world));
}

/** A provider with a world in which anything may go wrong. */
interface Lab {
  readonly runtime: InProcessRuntime;
  readonly context: KeyContext;
  /** Bodies of requests, their lengths. */
  readonly sent: number[];
  /** What happens to the next requests; the last of several for ever. */
  script: Step[];
  spoiling: boolean;
}

function lab(world: KmsWorld, signal?: AbortSignal): Lab {
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

const generate = (world: KmsWorld, reference: string, type: KeyType, context: KeyContext) => {
  assert.ok(world.provider.generate !== undefined);
  return world.provider.generate(reference, type, context);
};

const load = (world: KmsWorld, reference: string, context: KeyContext) => {
  assert.ok(world.provider.loadSigner !== undefined);
  return world.provider.loadSigner(reference, context);
};

const message = Buffer.from('what is signed');

const isSigned = (key: PublicKey, signature: Uint8Array, bytes: Uint8Array = message): boolean =>
  verify(key.type === 'ed25519' ? null : 'sha256', bytes, key.key, signature);

function fails(code: ErrorCode, world: KmsWorld): (error: unknown) => true {
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

async function everyKind(t: TestContext, world: KmsWorld): Promise<void> {
  for (const type of [...world.makes, ...world.refuses]) {
    await t.test(type, async () => {
      const { context, sent, runtime } = lab(world);
      const reference = world.newReference();
      if (world.refuses.includes(type)) {
        await assert.rejects(generate(world, reference, type, context), fails('ERR_KEY_UNSUPPORTED', world));
        await assert.rejects(load(world, reference, context), fails('ERR_KEY_NOT_FOUND', world));
        return;
      }
      const made = await generate(world, reference, type, context);
      assert.equal(made.publicKey.type, type);
      assert.ok(world.provider.owns(made.reference));
      assert.notEqual(made.reference, reference);
      assert.deepEqual(
        runtime.events.filter(({ level }) => level !== 'debug'),
        [],
      );
      for (const name of [reference, made.reference]) {
        const signer = await load(world, name, context);
        assert.equal(signer.reference, made.reference);
        assert.deepEqual(signer.publicKey.spki, made.publicKey.spki);
        assert.ok(isSigned(made.publicKey, await signer.sign(message)));
        const keys = await world.provider.loadVerificationKeys(name, context);
        assert.deepEqual(
          keys.map(({ pem }) => pem),
          [made.publicKey.pem],
        );
      }
      const signer = await load(world, reference, context);
      const large = Buffer.alloc(3_000_000, 7);
      if (type === 'ed25519') {
        if (world.longestMessage === undefined) return;
        const longest = Buffer.alloc(world.longestMessage, 7);
        assert.ok(isSigned(made.publicKey, await signer.sign(longest), longest));
        const longer = Buffer.alloc(world.longestMessage + 1);
        await assert.rejects(signer.sign(longer), fails('ERR_LIMIT_EXCEEDED', world));
        return;
      }
      sent.length = 0;
      assert.ok(isSigned(made.publicKey, await signer.sign(large), large));
      assert.ok(Math.max(...sent) < 2_000, 'the message itself was sent');
      const many = await Promise.all(Array.from({ length: 8 }, (_, index) => signer.sign(Buffer.of(index))));
      for (const [index, signature] of many.entries())
        assert.ok(isSigned(made.publicKey, signature, Buffer.of(index)));
    });
  }
}

async function existing(world: KmsWorld): Promise<void> {
  const { context, runtime } = lab(world);
  const reference = world.newReference();
  const made = await generate(world, reference, 'ecdsa-p256', context);
  const again = await generate(world, reference, 'ecdsa-p256', context);
  assert.equal(again.reference, made.reference);
  assert.equal(again.publicKey.pem, made.publicKey.pem);
  assert.equal(runtime.events.filter(({ event }) => event === 'keys.exists').length, 1);
  const other = world.makes.find((type) => type !== 'ecdsa-p256');
  assert.ok(other !== undefined);
  await assert.rejects(generate(world, reference, other, context), fails('ERR_KEY_EXISTS', world));
}

async function unusable(world: KmsWorld): Promise<void> {
  const { context } = lab(world);
  const both = async (reference: string, code: ErrorCode): Promise<void> => {
    await assert.rejects(load(world, reference, context), fails(code, world), reference);
    await assert.rejects(
      world.provider.loadVerificationKeys(reference, context),
      fails(code, world),
      reference,
    );
  };
  await both(world.newReference(), 'ERR_KEY_NOT_FOUND');
  const reference = world.newReference();
  const made = await generate(world, reference, 'ecdsa-p256', context);
  const signer = await load(world, reference, context);
  await world.disable(made.reference);
  await both(reference, 'ERR_KEY_DISABLED');
  await both(made.reference, 'ERR_KEY_DISABLED');
  await assert.rejects(signer.sign(message), fails('ERR_KEY_DISABLED', world));
  const { encrypts, strange } = await world.makeOthers();
  await both(encrypts, 'ERR_KEY_UNSUPPORTED');
  for (const one of strange) await both(one, 'ERR_KEY_UNSUPPORTED');
}

async function rotated(world: KmsWorld, rotate: KmsWorld['rotate']): Promise<void> {
  const { context } = lab(world);
  const reference = world.newReference();
  const first = await generate(world, reference, 'ecdsa-p256', context);
  const before = await load(world, reference, context);
  await rotate?.(reference);
  const after = await load(world, reference, context);
  assert.notEqual(after.reference, first.reference);
  assert.notDeepEqual(after.publicKey.spki, first.publicKey.spki);
  // Who signed before goes on with the key that it has.
  assert.ok(isSigned(first.publicKey, await before.sign(message)));
  assert.ok(isSigned(after.publicKey, await after.sign(message)));
  const pems = async (name: string): Promise<readonly string[]> =>
    (await world.provider.loadVerificationKeys(name, context)).map(({ pem }) => pem);
  assert.deepEqual(await pems(reference), [after.publicKey.pem, first.publicKey.pem]);
  assert.deepEqual(await pems(first.reference), [first.publicKey.pem]);
  for (let more = 0; more < 11; more++) await rotate?.(reference);
  const newest = await load(world, reference, context);
  const all = await pems(reference);
  assert.equal(all.length, 13);
  assert.equal(all[0], newest.publicKey.pem);
  await world.disable(first.reference);
  assert.ok(!(await pems(reference)).includes(first.publicKey.pem));
  await assert.rejects(pems(first.reference), fails('ERR_KEY_DISABLED', world));
}

async function wrongSignature(world: KmsWorld): Promise<void> {
  const it = lab(world);
  const reference = world.newReference();
  await generate(world, reference, 'ecdsa-p256', it.context);
  const signer = await load(world, reference, it.context);
  it.spoiling = true;
  await assert.rejects(signer.sign(message), fails('ERR_SIGNING_FAILED', world));
}

async function failures(t: TestContext, world: KmsWorld): Promise<void> {
  const it = lab(world);
  const reference = world.newReference();
  await generate(world, reference, 'ecdsa-p256', it.context);
  const signer = await load(world, reference, it.context);
  const passing: Readonly<Record<string, Step>> = {
    throttled: world.throttled,
    unavailable: answer(503, {}),
    broken: broken(),
  };
  for (const [name, step] of Object.entries(passing)) {
    it.script = [step, step, (_, init) => world.fetch(_.url, init)];
    await signer.sign(message);
    it.script = [step];
    it.sent.length = 0;
    const slept = it.runtime.slept();
    await assert.rejects(signer.sign(message), fails('ERR_KEY_PROVIDER', world), name);
    assert.equal(it.sent.length, limits.kmsAttempts, name);
    assert.ok(it.runtime.slept() > slept, name);
  }
  const pulled = { count: 0 };
  const lasting: readonly (readonly [string, ErrorCode, Step])[] = [
    ['denied', 'ERR_KEY_ACCESS', world.denied],
    ['expired', 'ERR_KEY_ACCESS', world.expired],
    ['redirect', 'ERR_KEY_PROVIDER', answer(307, {}, { location: 'https://elsewhere.example/' })],
    ['flood', 'ERR_KEY_PROVIDER', flood(pulled)],
    ['no JSON', 'ERR_KEY_PROVIDER', answer(200, 'all is well', { 'content-type': 'text/html' })],
    ['empty', 'ERR_KEY_PROVIDER', answer(200, {}, { 'content-type': 'application/json' })],
    ['certificate', 'ERR_KEY_PROVIDER', broken('SELF_SIGNED_CERT_IN_CHAIN')],
  ];
  for (const [name, code, step] of lasting) {
    await t.test(name, async () => {
      it.script = [step];
      it.sent.length = 0;
      await assert.rejects(signer.sign(message), fails(code, world));
      // To some, an empty answer is a list without a key.
      const loads = name === 'empty' ? world.empty : code;
      await assert.rejects(load(world, reference, it.context), fails(loads, world));
      await assert.rejects(world.provider.loadVerificationKeys(reference, it.context), fails(loads, world));
      assert.ok(it.sent.length <= 6, `${it.sent.length} requests`);
    });
  }
  // What came in 64 KiB, three times.
  assert.ok(pulled.count * 65_536 < 4 * limits.kmsAnswerBytes, `${pulled.count}`);
  await t.test('silence', async (t) => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    t.mock.method(AbortSignal, 'timeout', () => timeout(20));
    for (const step of [hang(), hangInBody()]) {
      it.script = [step];
      await assert.rejects(signer.sign(message), fails('ERR_KEY_PROVIDER', world));
    }
  });
}

async function interruption(world: KmsWorld): Promise<void> {
  const controller = new AbortController();
  const it = lab(world, controller.signal);
  const reference = world.newReference();
  await generate(world, reference, 'ecdsa-p256', it.context);
  const signer = await load(world, reference, it.context);
  const own = new AbortController();
  it.script = [hang()];
  const signing = signer.sign(message, { signal: own.signal });
  const loading = load(world, reference, it.context);
  setImmediate(() => {
    own.abort(new Error('enough'));
    controller.abort(new Error('the end'));
  });
  await assert.rejects(signing, { message: 'enough' });
  await assert.rejects(loading, { message: 'the end' });
  await assert.rejects(load(world, reference, it.context), { message: 'the end' });
}

async function malformed(world: KmsWorld): Promise<void> {
  const { context, sent } = lab(world);
  const scheme = /^[a-z]+:\/\//.exec(world.newReference())?.[0] ?? '';
  const bad = [
    '',
    '/',
    '//',
    '///x',
    'a b',
    'x?y',
    'x#y',
    '../x',
    'x/../y',
    'user:pass@host/x',
    'x\n',
    '%2e',
  ];
  for (const rest of [...bad, 'x'.repeat(5_000)]) {
    for (const attempt of [
      () => load(world, `${scheme}${rest}`, context),
      () => world.provider.loadVerificationKeys(`${scheme}${rest}`, context),
      () => generate(world, `${scheme}${rest}`, 'ecdsa-p256', context),
    ])
      await assert.rejects(attempt(), fails('ERR_USAGE', world), rest);
  }
  assert.equal(sent.length, 0);
}

/** Whatever a service answers ends in an error of ours, or in a key; never in an error of somebody else. */
async function anyAnswer(world: KmsWorld): Promise<void> {
  const it = lab(world);
  const reference = world.newReference();
  await generate(world, reference, 'ecdsa-p256', it.context);
  const signer = await load(world, reference, it.context);
  const attempts = [
    () => load(world, reference, it.context),
    () => world.provider.loadVerificationKeys(reference, it.context),
    () => generate(world, reference, 'ecdsa-p256', it.context),
    () => signer.sign(message),
  ];
  const good = await recorded(world, reference);
  const json = fc.jsonValue({ maxDepth: 3 });
  const changed = fc
    .tuple(fc.constantFrom(...good), fc.nat(), json)
    .map(([answer, at, value]) => JSON.stringify(replaced(JSON.parse(answer), at, value)));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        json.map((value) => JSON.stringify(value)),
        fc.string(),
        changed,
      ),
      fc.constantFrom(200, 201, 400, 403, 404),
      fc.nat(attempts.length - 1),
      async (body, status, which) => {
        it.script = [answer(status, body, { 'content-type': 'application/json' })];
        await attempts[which]?.().catch((error: unknown) => {
          assert.ok(isBoltsealError(error), `${body}: ${(error as Error).stack}`);
        });
      },
    ),
    { numRuns: 150 },
  );
}

/** The answers that a key is loaded and signed with. */
async function recorded(world: KmsWorld, reference: string): Promise<readonly string[]> {
  const bodies: string[] = [];
  const recording = lab({
    ...world,
    async fetch(url, init) {
      const response = await world.fetch(url, init);
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body ?? []) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (response.status === 200) bodies.push(body.toString('utf8'));
      const known = ['content-type', 'www-authenticate'].flatMap((name): [string, string][] => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      return respond({ status: response.status, headers: Object.fromEntries(known), body });
    },
  });
  const signer = await load(world, reference, recording.context);
  await signer.sign(message);
  await world.provider.loadVerificationKeys(reference, recording.context);
  return bodies;
}

/** `value` with the part that comes as number `at` replaced. */
function replaced(value: unknown, at: number, by: unknown): unknown {
  const paths: (readonly (string | number)[])[] = [];
  const walk = (part: unknown, path: readonly (string | number)[]): void => {
    paths.push(path);
    if (typeof part !== 'object' || part === null) return;
    for (const [name, inner] of Object.entries(part)) walk(inner, [...path, name]);
  };
  walk(value, []);
  const path = paths[at % paths.length] ?? [];
  const put = (part: unknown, [first, ...rest]: readonly (string | number)[]): unknown => {
    if (first === undefined) return by;
    const copy = (Array.isArray(part) ? [...part] : { ...(part as object) }) as Record<
      string | number,
      unknown
    >;
    copy[first] = put(copy[first], rest);
    return copy;
  };
  return put(value, path);
}
