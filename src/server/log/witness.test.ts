import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { fromBase64, utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import {
  encodeNoteSignature,
  type NoteSigner,
  parseCheckpoint,
  verifyCheckpoint,
} from '../../formats/checkpoint.ts';
import { emptyRoot, verifyConsistency } from '../../formats/merkle.ts';
import { cosignatureSigner, noteSigner } from '../../formats/note-keys.ts';
import { localSigner } from '../../keys/local-signer.ts';
import { createRuntime } from '../../node/runtime.ts';
import { openLog } from './engine.ts';
import type { NewEntry } from './log.ts';
import type { OpenLog } from './options.ts';
import { sqliteStorage } from './storage/sqlite.ts';

const origin = 'log.example.com';
const newKey = () => localSigner(generateKeyPairSync('ed25519').privateKey, 'the key');
const key = noteSigner(origin, newKey());

function entry(text: string): NewEntry {
  const body = utf8(text);
  return { placeless: true, build: () => ({ leaf: body, body }) };
}

/** A witness as C2SP tlog-witness describes it. */
class TestWitness {
  readonly signer: NoteSigner;
  readonly url: string;
  readonly statuses: number[] = [];
  /** What it does instead of answering. */
  instead: ((signal: AbortSignal | undefined) => Promise<string>) | undefined;
  size = 0;
  root: Uint8Array = emptyRoot;

  constructor(name: string) {
    this.signer = cosignatureSigner(name, newKey());
    this.url = `https://${name}/`;
  }

  async answer(body: string, signal: AbortSignal | undefined): Promise<{ status: number; text: string }> {
    if (this.instead !== undefined) return { status: 200, text: await this.instead(signal) };
    const gap = body.indexOf('\n\n');
    const [oldLine = '', ...proof] = body.slice(0, gap).split('\n');
    const checkpoint = parseCheckpoint(body.slice(gap + 2));
    verifyCheckpoint(checkpoint, [key.verifier], origin);
    const old = Number(/^old (\d+)$/.exec(oldLine)?.[1]);
    if (old > checkpoint.size) return { status: 400, text: '' };
    if (old !== this.size) return { status: 409, text: `${this.size}\n` };
    const hashes = proof.map((line) => fromBase64(line, 'the proof'));
    verifyConsistency(old, checkpoint.size, hashes, this.root, checkpoint.root);
    this.size = checkpoint.size;
    this.root = checkpoint.root;
    const signature = await this.signer.sign(checkpoint, checkpoint.body, 1_700_000_000_000);
    const { name, keyId } = this.signer.verifier;
    return { status: 200, text: encodeNoteSignature({ name, keyId, signature }) };
  }
}

/** Reaches witnesses by their URL, and nobody else. */
function fetchTo(witnesses: readonly TestWitness[]): Fetch {
  return async (url, { body, signal, method }) => {
    assert.equal(method, 'POST');
    const witness = witnesses.find((one) => `${one.url}add-checkpoint` === url);
    if (witness === undefined || !(body instanceof Uint8Array)) throw new Error('no such host');
    const { status, text } = await witness.answer(new TextDecoder().decode(body), signal);
    witness.statuses.push(status);
    async function* bytes() {
      yield utf8(text);
    }
    return { status, headers: { get: () => null }, body: bytes() };
  };
}

async function open(
  t: TestContext,
  witnesses: readonly TestWitness[],
  quorum: number,
  runtime: Partial<Runtime> = {},
): Promise<OpenLog> {
  const storage = await sqliteStorage('memory');
  const log = await openLog(
    { ...createRuntime(), fetch: fetchTo(witnesses), ...runtime },
    {
      storage,
      id: 'log',
      origin,
      key,
      witnesses: {
        quorum,
        witnesses: witnesses.map(({ url, signer }) => ({ url, verifier: signer.verifier })),
      },
    },
  );
  t.after(async () => {
    await log.close();
    await storage.close();
  });
  return log;
}

/** Names that signed a note, the log itself first. */
function signers(note: string, witnesses: readonly TestWitness[]): string[] {
  const verifiers = [key.verifier, ...witnesses.map(({ signer }) => signer.verifier)];
  return verifyCheckpoint(parseCheckpoint(note), verifiers, origin).map(({ name }) => name);
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

const busy = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_BUSY');

/** Never answers. */
const silent = (signal: AbortSignal | undefined): Promise<string> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));

describe('witnesses', () => {
  it('add their signatures to the public checkpoint when they come', async (t) => {
    const witnesses = [new TestWitness('w1.example'), new TestWitness('w2.example')];
    const log = await open(t, witnesses, 0);
    for (let size = 1; size <= 3; size++) {
      const { head } = await log.add(entry(`entry ${size}`));
      assert.deepEqual(signers(head.checkpoint, witnesses).slice(0, 1), [origin]);
      await until(async () => signers((await log.head()).checkpoint, witnesses).length === 3);
      assert.equal((await log.head()).size, size);
    }
    assert.deepEqual(
      witnesses.map(({ size, statuses }) => [size, statuses]),
      [
        [3, [200, 200, 200]],
        [3, [200, 200, 200]],
      ],
    );
  });

  it('tell the size they have when it is another', async (t) => {
    const witness = new TestWitness('w1.example');
    const first = await open(t, [witness], 1);
    await first.add(entry('a'));
    await first.add(entry('b'));
    // A process that knows nothing of what the witness has.
    const log = await open(t, [witness], 1);
    await Promise.all(['a', 'b', 'c'].map((text) => log.add(entry(text)))).catch(() => undefined);
    assert.deepEqual(witness.statuses.slice(0, 2), [200, 200]);
    assert.equal(witness.statuses[2], 409);
  });

  it('do not hold up what does not need them', async (t) => {
    const witness = new TestWitness('w1.example');
    witness.instead = silent;
    const log = await open(t, [witness], 0);
    const { head } = await log.add(entry('a'));
    assert.deepEqual(signers(head.checkpoint, [witness]), [origin]);
    assert.equal((await log.add(entry('b'))).index, 1);
  });

  it('hold up everything where a quorum is needed', async (t) => {
    const witnesses = [1, 2, 3].map((n) => new TestWitness(`w${n}.example`));
    const [one, two, three] = witnesses as [TestWitness, TestWitness, TestWitness];
    three.instead = silent;
    let limit: (() => void) | undefined;
    const log = await open(t, witnesses, 2, {
      sleep: (_, signal) =>
        new Promise((resolve, reject) => {
          limit = resolve;
          signal?.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    });
    const { head } = await log.add(entry('a'));
    assert.equal(signers(head.checkpoint, witnesses).length, 3);
    // With two of three away nothing new is shown, and nothing is lost.
    two.instead = silent;
    const asked = one.statuses.length;
    const adding = log.add(entry('b'));
    await until(() => one.statuses.length > asked);
    limit?.();
    await assert.rejects(adding, busy);
    assert.deepEqual(await log.head(), head);
    assert.equal(await log.entry(1), undefined);
    two.instead = undefined;
    const again = await log.add(entry('b'));
    assert.deepEqual([again.index, again.existing, again.head.size], [1, true, 2]);
    assert.equal(signers(again.head.checkpoint, witnesses).length, 3);
  });

  for (const [what, answer] of [
    ['nothing', ''],
    ['no signature', 'hello\n'],
    ['a long answer', '— w1.example AAAAAAAA\n'.repeat(10_000)],
    ['too many signatures', '— w1.example AAAAAAAA\n'.repeat(100)],
    ['a signature by another key', '— w1.example AAAAAAAAAAAA\n'],
  ] as const) {
    it(`count for nothing when they answer ${what}`, async (t) => {
      const witness = new TestWitness('w1.example');
      witness.instead = async () => answer;
      const log = await open(t, [witness], 1);
      await assert.rejects(log.add(entry('a')), busy);
      assert.equal((await log.head()).size, 0);
    });
  }

  it('count for nothing when their signature is wrong', async (t) => {
    const witness = new TestWitness('w1.example');
    const { name, keyId } = witness.signer.verifier;
    witness.instead = async () => encodeNoteSignature({ name, keyId, signature: new Uint8Array(72) });
    const log = await open(t, [witness], 1);
    await assert.rejects(log.add(entry('a')), busy);
  });
});
