/** What a command is: an entry of the command table, and a file that runs. */
import type { Runtime } from '../core/runtime.ts';
import type { CosignFlagSet } from './cosign-flags.ts';
import type { FlagId, FlagValue } from './flags.ts';
import type { CliIo } from './io.ts';
import type { Output } from './output.ts';

/** The positional arguments of a command. */
export interface ArgumentSpec {
  /** How usage names one argument. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The only words allowed. */
  readonly values?: readonly string[];
  /** What a shell offers. */
  readonly complete?: 'file' | 'image' | 'command';
}

/** An example of help. */
export interface Example {
  readonly text: string;
  readonly command: string;
}

/** One entry of the command table. */
export interface CommandSpec {
  /** One word, or two (`download signature`). */
  readonly name: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Paragraphs of help. */
  readonly description: readonly string[];
  readonly args?: ArgumentSpec;
  /** Flags beside those that every command takes. */
  readonly flags: readonly FlagId[];
  /** Flags of cosign that are understood or refused. */
  readonly cosign?: readonly CosignFlagSet[];
  readonly examples: readonly Example[];
  /** Runs until it is told to end: there is no time limit unless `--timeout` is given. */
  readonly isEndless?: boolean;
  /** Imports the file of the command: only when it runs. */
  readonly load: () => Promise<CommandModule>;
}

/** What a command’s file exports. */
export interface CommandModule {
  /** Runs the command. Returns the exit code when it is not 0; throws to end with an error. */
  readonly run: (context: CommandContext) => Promise<number | undefined>;
}

/** The flags as given, by environment or by default. */
export interface Flags {
  /** The value of a flag that the command lists. */
  get<Id extends FlagId>(id: Id): FlagValue<Id>;
  /** Whether the command line or a variable gives the flag. */
  given(id: FlagId): boolean;
}

/** What a command gets. */
export interface CommandContext {
  readonly command: CommandSpec;
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly output: Output;
  readonly io: CliIo;
  /** Aborted by Ctrl-C and by `--timeout`; pass it to everything that waits. */
  readonly signal: AbortSignal;
  /** The ports of flows that speak to registries; made when first asked for. */
  runtime(): Promise<Runtime>;
  /** The ports of everything else that is asked: certificate authorities, logs, trust roots, issuers of tokens. */
  serviceRuntime(): Promise<Runtime>;
}
