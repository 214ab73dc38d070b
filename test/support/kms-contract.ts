/** What every key management service must do for us, run on each of them. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { anyAnswer } from './kms-any-answer.ts';
import { fails, generate, isSigned, type KmsWorld, lab, load, message } from './kms-lab.ts';
import { answer, broken, flood, hang, hangInBody, type Step } from './services.ts';

export type { KmsWorld };

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
