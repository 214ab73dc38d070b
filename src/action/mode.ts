/** What a mode of the action comes to. */
import type { BoltsealError } from '../core/errors.ts';
import type { SummaryContent, SummaryRow } from './summary.ts';

/** The result of a step. */
export interface ModeResult {
  readonly title: string;
  readonly rows: readonly SummaryRow[];
  /** The images, `NAME@DIGEST`. */
  readonly references: readonly string[];
  /** Files of bundles. */
  readonly bundles: readonly string[];
  readonly logIndexes: readonly string[];
  /** The first is the output `verify-command`. */
  readonly commands: SummaryContent['commands'];
  /** The public key of a key pair, SPKI. */
  readonly publicKey?: Uint8Array | undefined;
  /** What went wrong with single images. */
  readonly failures: readonly BoltsealError[];
}
