/** The world of a command line, passed in so that a whole run fits into a test. */

/** A stream that text is written to. Node’s process streams fit. */
export interface TextSink {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** A stream that is read. Node’s standard input fits. */
export interface ByteSource extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean | undefined;
}

/** Everything a run of the command line touches that is not a file or a socket. */
export interface CliIo {
  readonly stdin: ByteSource;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** Aborted when the user presses Ctrl-C or the process is told to end. */
  readonly signal?: AbortSignal | undefined;
}
