/**
 * Witnesses: others who check that the log only grows, and sign its checkpoints to say so. One that is run by other
 * people with a store of its own is the cheapest way to notice a log that forks.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-witness.md}
 */
import { base64, concatBytes, equalBytes, fromUtf8, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { FetchResponse, Runtime } from '../../core/runtime.ts';
import {
  type NoteSignature,
  type NoteVerifier,
  parseCheckpoint,
  parseSignatures,
  type SignedCheckpoint,
} from '../../formats/checkpoint.ts';

/** One witness. */
export interface Witness {
  /** Its submission prefix; `/add-checkpoint` comes after it. */
  readonly url: string;
  readonly verifier: NoteVerifier;
}

/** Who witnesses a log. */
export interface WitnessOptions {
  readonly witnesses: readonly Witness[];
  /**
   * How many must have signed before a checkpoint and what waits for it goes out. With 0 nothing waits: their signatures
   * are added to the public checkpoint when they come.
   */
  readonly quorum: number;
}

/** The consistency proof between two sizes of the log. */
export type ConsistencyProof = (first: number, second: number) => Promise<readonly Uint8Array[]>;

/** How long a witness may take. */
const witnessTime = 1_000;

/** Asks the witnesses of one log. */
export class WitnessClient {
  readonly #runtime: Runtime;
  readonly #options: WitnessOptions;
  readonly #proof: ConsistencyProof;
  /** The size that a witness is believed to have signed last. */
  readonly #sizes = new Map<Witness, number>();
  readonly #closing = new AbortController();

  constructor(runtime: Runtime, options: WitnessOptions, proof: ConsistencyProof) {
    this.#runtime = runtime;
    this.#options = options;
    this.#proof = proof;
  }

  get quorum(): number {
    return this.#options.quorum;
  }

  /** Gives up what is under way. */
  close(): void {
    this.#closing.abort();
  }

  /**
   * Signatures of the witnesses on a checkpoint, verified: of all that answer in time, or, where a quorum is needed, of as
   * many as that.
   */
  async collect(note: string): Promise<readonly NoteSignature[]> {
    const checkpoint = parseCheckpoint(note);
    const { witnesses, quorum } = this.#options;
    const signatures: NoteSignature[] = [];
    const ending = new AbortController();
    const asking = witnesses.map(async (witness) => {
      try {
        signatures.push(await this.#ask(witness, checkpoint, note, ending.signal));
      } catch (error) {
        if (!ending.signal.aborted) this.#tell(witness, error);
        return;
      }
      if (quorum > 0 && signatures.length >= quorum) ending.abort();
    });
    const abort = (): void => ending.abort();
    this.#closing.signal.addEventListener('abort', abort);
    const timer = new AbortController();
    const late = this.#runtime.sleep(witnessTime, timer.signal).then(abort, () => undefined);
    await Promise.all(asking);
    timer.abort();
    await late;
    this.#closing.signal.removeEventListener('abort', abort);
    return signatures;
  }

  #tell(witness: Witness, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#runtime.log({
      level: 'warn',
      event: 'log.witness',
      message: `the witness ${witness.verifier.name} did not sign: ${why}`,
      fields: { witness: witness.verifier.name },
    });
  }

  async #ask(
    witness: Witness,
    checkpoint: SignedCheckpoint,
    note: string,
    signal: AbortSignal,
  ): Promise<NoteSignature> {
    const known = Math.min(this.#sizes.get(witness) ?? 0, checkpoint.size);
    let answer = await this.#post(witness, known, checkpoint.size, note, signal);
    if (answer.status === 409) {
      const size = Number(/^(0|[1-9][0-9]{0,15})\n$/.exec(answer.text)?.[1] ?? Number.NaN);
      if (!(size <= checkpoint.size)) throw refused('it has a larger checkpoint, or says so');
      this.#sizes.set(witness, size);
      answer = await this.#post(witness, size, checkpoint.size, note, signal);
    }
    if (answer.status !== 200) throw refused(`it answered ${answer.status}`);
    const { name, keyId } = witness.verifier;
    for (const found of parseSignatures(answer.text, 'the answer of a witness')) {
      if (found.name !== name || !equalBytes(found.keyId, keyId)) continue;
      witness.verifier.verify(checkpoint, found.signature);
      this.#sizes.set(witness, checkpoint.size);
      return found;
    }
    throw refused('its answer has no signature by its key');
  }

  async #post(
    witness: Witness,
    old: number,
    size: number,
    note: string,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const proof = await this.#proof(old, size);
    const lines = [`old ${old}`, ...proof.map(base64), '', note];
    const response = await this.#runtime.fetch(`${witness.url.replace(/\/+$/, '')}/add-checkpoint`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: utf8(lines.join('\n')),
      signal,
      redirect: 'manual',
    });
    return { status: response.status, text: fromUtf8(await readAnswer(response), 'the answer of a witness') };
  }
}

async function readAnswer({ body }: FetchResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limits.checkpointBytes) throw refused('its answer is too long');
  }
  return concatBytes(...chunks);
}

function refused(why: string): BoltsealError {
  return new BoltsealError('ERR_SERVICE_RESPONSE', why);
}
