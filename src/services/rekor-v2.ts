/** The client of a transparency log with the API of Rekor v2. */
import { BoltsealError } from '../core/errors.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { RecordableSignature } from './recordable-signature.ts';
import type { ServiceOptions, ServiceRuntime } from './service-request.ts';

/** How an entry is added to a log of the second version. */
export interface RekorV2Options extends ServiceOptions {
  /** Ids of logs, 32 bytes each: what tells the log apart when an entry is read from its tiles. */
  readonly logIds?: readonly Uint8Array[] | undefined;
}

/** Adds a signature to the log at `url`, or finds the entry that is there already. */
export async function addEntryV2(
  _url: string,
  _signature: RecordableSignature,
  _runtime: ServiceRuntime,
  _options: RekorV2Options = {},
): Promise<LogEntry> {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
