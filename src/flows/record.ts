/** Recording a signature: in transparency logs, and with timestamp authorities. */
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { VerificationMaterial } from '../formats/verification-material.ts';
import type { ChosenServices } from '../services/choose-services.ts';
import type { RecordableSignature } from '../services/recordable-signature.ts';
import type { ServiceOptions, ServiceRuntime } from '../services/service-request.ts';

export type { RecordableSignature };

/** Where signatures are recorded: in each of the logs and with each of the authorities. */
export type RecordingServices = Pick<ChosenServices, 'logs' | 'timestampAuthorities'>;

/** How signatures are recorded. */
export interface RecorderOptions extends Omit<ServiceOptions, 'signal'> {
  /** Whether signatures come with certificates, which need a proven time. */
  readonly keyless?: boolean | undefined;
  /** Ids of the logs that are trusted, 32 bytes each; see `RekorV2Options`. */
  readonly logIds?: readonly Uint8Array[] | undefined;
}

/** What records signatures. */
export interface Recorder {
  /** How many entries and timestamps come with each signature, each of another log or authority. */
  readonly required: { readonly logEntries: number; readonly timestamps: number };
  /** Throws `ERR_SIGNING_CONFIG` when signatures by this key over this kind of content cannot be recorded. */
  requireRecordable(publicKey: PublicKey, content: 'envelope' | 'message'): void;
  /** Records a signature everywhere at once; all of it succeeds or the whole fails. */
  record(
    signature: RecordableSignature,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Pick<VerificationMaterial, 'timestamps' | 'logEntries'>>;
}

/** A recorder. Throws `ERR_SIGNING_CONFIG` when what it records could not be verified. */
export function createRecorder(
  _services: RecordingServices,
  _runtime: ServiceRuntime,
  _options: RecorderOptions = {},
): Recorder {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
