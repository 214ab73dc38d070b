/** The client of a transparency log with the API of Rekor v1. */
import { BoltsealError } from '../core/errors.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { RecordableSignature } from './recordable-signature.ts';
import type { ServiceOptions, ServiceRuntime } from './service-request.ts';

/** Adds a signature to the log at `url`, or finds the entry that is there already. */
export async function addEntryV1(
  _url: string,
  _signature: RecordableSignature,
  _runtime: ServiceRuntime,
  _options: ServiceOptions = {},
): Promise<LogEntry> {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
