/**
 * Standard output and standard error of this process. Node's streams for them take 5 ms to make when they are pipes, which
 * is what scripts and CI systems give; so a little text is written without them.
 */
import { fstatSync, writeSync } from 'node:fs';
import type { TextSink } from './io.ts';

/** Standard output or standard error. */
export interface ProcessOutput extends TextSink {
  /** Why something could not be written; that the reader went away is no failure. */
  readonly failure: Error | undefined;
  /** Resolves when everything was written, or cannot be. */
  flushed(): Promise<void>;
}

/** The stream of Node for the same. It is made when it is needed. */
type Stream = Pick<NodeJS.WriteStream, 'write' | 'on' | 'isTTY' | 'columns' | 'writableLength' | 'destroyed'>;

/**
 * Bytes that are written without a stream. A pipe takes that much while nobody reads it (POSIX guarantees 4 KiB at once),
 * and a process that waits in a write can hear no signal.
 */
const maxDirectBytes = 4096;

/** What is written to the file descriptor `fd`, of which `open` makes the stream. */
export function processOutput(fd: number, open: () => Stream): ProcessOutput {
  let failure: Error | undefined;
  let isGone = false;
  let left = maxDirectBytes;
  let opened: Stream | undefined;
  const failed = (error: Error): void => {
    if (isCode(error, 'EPIPE') || isCode(error, 'EOF')) isGone = true;
    else failure ??= error;
  };
  const stream = (): Stream => {
    if (opened === undefined) {
      opened = open();
      opened.on('error', failed);
    }
    return opened;
  };
  let mayBeTerminal: boolean | undefined;
  // A terminal is a character device; only a stream knows more.
  const isDevice = (): boolean => (mayBeTerminal ??= isCharacterDevice(fd));
  return {
    get failure() {
      return failure;
    },
    get isTTY() {
      return isDevice() && stream().isTTY;
    },
    get columns() {
      return isDevice() ? stream().columns : undefined;
    },
    write(content) {
      if (isGone) return;
      // A character of a text is three bytes at most. A console of Windows wants no bytes but text.
      const isSmall = content.length * 3 <= left;
      if (opened !== undefined || !isSmall || (process.platform === 'win32' && isDevice())) {
        stream().write(content);
        return;
      }
      let rest = typeof content === 'string' ? Buffer.from(content) : content;
      left -= rest.length;
      try {
        while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
      } catch (error) {
        // Somebody made the pipe one that does not wait, and it is full: the stream writes the rest when it can.
        if (isCode(error, 'EAGAIN')) stream().write(rest);
        else failed(error as Error);
      }
    },
    flushed: () => (opened === undefined ? Promise.resolve() : flushed(opened)),
  };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function isCharacterDevice(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    // The stream says what is wrong.
    return true;
  }
}

function flushed(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    // The error of a stream that failed comes a moment later.
    if (stream.writableLength === 0 || stream.destroyed) setImmediate(resolve);
    else stream.write('', () => setImmediate(resolve));
  });
}
