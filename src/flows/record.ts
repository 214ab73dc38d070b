/** Recording a signature: in transparency logs, and with timestamp authorities. */
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { LogEntry, VerificationMaterial } from '../formats/verification-material.ts';
import type { ChosenLog, ChosenService, ChosenServices } from '../services/choose-services.ts';
import {
  contentOf,
  type RecordableContent,
  type RecordableSignature,
  requireLoggable,
} from '../services/recordable-signature.ts';
import { addEntryV1 } from '../services/rekor-v1.ts';
import { addEntryV2 } from '../services/rekor-v2.ts';
import { mayTryAnother } from '../services/service-error.ts';
import type { ServiceOptions, ServiceRuntime } from '../services/service-request.ts';
import { requestTimestamp } from '../services/timestamp.ts';

export type { RecordableContent, RecordableSignature };

/** Where signatures are recorded: in each of the logs and with each of the authorities. */
export type RecordingServices = Pick<ChosenServices, 'logs' | 'timestampAuthorities'>;

/** How signatures are recorded. */
export interface RecorderOptions extends Omit<ServiceOptions, 'signal'> {
  /** Whether signatures come with certificates, which need a proven time. */
  readonly keyless?: boolean | undefined;
  /** Ids of the logs that are trusted, 32 bytes each; see `RekorV2Options`. */
  readonly logIds?: readonly Uint8Array[] | undefined;
}

/** What proves that a signature is public, and when it was made. */
export type RecordedMaterial = Pick<VerificationMaterial, 'timestamps' | 'logEntries'>;

/** How one signature is recorded. */
export interface RecordOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether it was timestamped before, so that nothing here has to prove its time. */
  readonly isTimestamped?: boolean | undefined;
}

/** What records signatures. */
export interface Recorder {
  /** How many entries and timestamps come with each signature, each of another log or authority. */
  readonly required: { readonly logEntries: number; readonly timestamps: number };
  /** Throws `ERR_SIGNING_CONFIG` when signatures by this key over this kind of content cannot be recorded. */
  requireRecordable(publicKey: PublicKey, content: RecordableContent): void;
  /**
   * Records a signature everywhere at once. The first failure ends what is still under way and rejects: with
   * `ERR_SIGNING_CONFIG` before anything is sent, else with what the services reject with.
   */
  record(signature: RecordableSignature, options?: RecordOptions): Promise<RecordedMaterial>;
}

/** Attempts with a service that is not the last one that can be asked. */
const attemptsBeforeNext = 2;

/**
 * A recorder. A service that is down is replaced by its alternatives. Throws `ERR_SIGNING_CONFIG` when signatures come with
 * certificates and nothing here proves a time: logs of the second version sign none, so that they need a timestamp
 * authority beside them.
 */
export function createRecorder(
  services: RecordingServices,
  runtime: ServiceRuntime,
  options: RecorderOptions = {},
): Recorder {
  const { logs, timestampAuthorities } = services;
  const requireTime = (): void => {
    if (timestampAuthorities.length > 0 || logs.some(({ version }) => version === 1)) return;
    throw new BoltsealError(
      'ERR_SIGNING_CONFIG',
      'nothing would prove when the signature was made: there is no timestamp authority, and no log that signs times',
      {
        hint: 'A certificate is valid for minutes, and only a proven time makes its signatures last. Add a timestamp authority, or a log of Rekor v1.',
      },
    );
  };
  if (options.keyless === true) requireTime();
  const requireRecordable: Recorder['requireRecordable'] = (publicKey, content) => {
    for (const { version } of logs) requireLoggable(version, publicKey, content);
  };
  return {
    required: { logEntries: logs.length, timestamps: timestampAuthorities.length },
    requireRecordable,
    async record(signature, { signal, isTimestamped = false } = {}) {
      if (signature.certificate !== undefined && !isTimestamped) requireTime();
      requireRecordable(signature.publicKey, contentOf(signature));
      const ending = new AbortController();
      const both = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
      const call = { ...options, signal: both };
      const stamped = signature.stampedBytes ?? signature.signature;
      const [logEntries, timestamps] = await Promise.all([
        allOrNone(ending, logs, (log) => addEntry(log, signature, runtime, call)),
        allOrNone(ending, timestampAuthorities, (one) => timestamp(one, stamped, runtime, call)),
      ]);
      return { logEntries, timestamps };
    },
  };
}

/** What `work` makes of every item, all at once. The first failure ends the others, and rejects once they have ended. */
async function allOrNone<T, R>(
  ending: AbortController,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const settled = await Promise.allSettled(
    items.map(async (item) => {
      try {
        return await work(item);
      } catch (error) {
        ending.abort(error);
        throw ending.signal.reason;
      }
    }),
  );
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function addEntry(
  log: ChosenLog,
  signature: RecordableSignature,
  runtime: ServiceRuntime,
  options: RecorderOptions & ServiceOptions,
): Promise<LogEntry> {
  const add = log.version === 1 ? addEntryV1 : addEntryV2;
  return firstThatWorks(log, runtime, options, (url, call) => add(url, signature, runtime, call));
}

function timestamp(
  authority: ChosenService,
  stamped: Uint8Array,
  runtime: ServiceRuntime,
  options: ServiceOptions,
): Promise<Uint8Array> {
  return firstThatWorks(authority, runtime, options, (url, call) =>
    requestTimestamp(url, stamped, runtime, call),
  );
}

/** Asks a service, and its alternatives while the one before is down; the last of them gets all the time there is. */
async function firstThatWorks<T, Options extends ServiceOptions>(
  service: ChosenService,
  runtime: ServiceRuntime,
  options: Options,
  ask: (url: string, options: Options) => Promise<T>,
): Promise<T> {
  const others = [...service.alternatives];
  for (let url = service.url; ; ) {
    const next = others.shift();
    const attempts = Math.min(attemptsBeforeNext, options.attempts ?? attemptsBeforeNext);
    try {
      return await ask(url, next === undefined ? options : { ...options, attempts });
    } catch (error) {
      if (next === undefined || !mayTryAnother(error)) throw error;
      runtime.log({
        level: 'warn',
        event: 'service.alternative',
        message: `${error instanceof Error ? error.message : 'a service failed'}; asking ${new URL(next).origin} instead`,
      });
      url = next;
    }
  }
}
