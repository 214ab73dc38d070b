/** The body of a request as it arrives. */
import type { IncomingMessage } from 'node:http';

type Result = IteratorResult<Uint8Array, undefined>;

const done: Result = { done: true, value: undefined };

/**
 * The chunks of a request body, read at most once, with back pressure. Whoever stops early leaves the rest unread and
 * the connection open, because there is still an answer to be sent; the iterator that Node makes would close it, and
 * costs as much as the rest of a small request.
 */
export class IncomingBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  readonly #incoming: IncomingMessage;
  /** What came while nobody waited: seldom more than one chunk, as the stream is paused then. */
  readonly #chunks: Uint8Array[] = [];
  #isStarted = false;
  #isOver = false;
  #failure: Error | undefined;
  #resolve: ((result: Result) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this;
  }

  next(): Promise<Result> {
    if (!this.#isStarted) this.#start();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.resolve(done);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#incoming.isPaused()) this.#incoming.resume();
    });
  }

  async return(): Promise<Result> {
    this.#isOver = true;
    this.#chunks.length = 0;
    if (this.#isStarted) this.#stop();
    this.#incoming.pause();
    return done;
  }

  #start(): void {
    const incoming = this.#incoming;
    this.#isStarted = true;
    if (incoming.readableEnded) this.#finish(undefined);
    else if (incoming.destroyed) this.#onClose();
    else
      incoming
        .on('data', this.#onData)
        .once('end', this.#onEnd)
        .once('error', this.#onError)
        .once('close', this.#onClose);
  }

  #stop(): void {
    // The listener for errors stays: one that nobody listens to would end the process.
    this.#incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
  }

  #finish(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = error;
    this.#stop();
    if (error === undefined) this.#resolve?.(done);
    else this.#reject?.(error);
    this.#resolve = undefined;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#resolve === undefined) {
      this.#chunks.push(chunk);
      this.#incoming.pause();
      return;
    }
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve({ done: false, value: chunk });
  };

  readonly #onEnd = (): void => this.#finish(undefined);

  readonly #onError = (error: Error): void => this.#finish(error);

  readonly #onClose = (): void =>
    this.#finish(this.#incoming.complete ? undefined : new Error('the connection was closed'));
}
