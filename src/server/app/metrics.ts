/** Prometheus metrics of a private Sigstore. Labels are fixed and few: nothing of a request becomes one. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { LogHead } from '../log/log.ts';

/** A log as its gauges see it. */
export interface LogSource {
  /** `rekor`, `rekor2`, `ct`. */
  readonly name: string;
  /** The last public head. */
  head(): Promise<Pick<LogHead, 'size' | 'time'>>;
  /** Entries that wait to be added. */
  pending(): number;
  /** Whether it can no longer be written. */
  isStopped(): boolean;
}

/** What can be seen of a running Sigstore. */
export interface MetricSources {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly logs?: readonly LogSource[];
  /** When the TUF metadata of each role expires, milliseconds since 1970. */
  readonly tufExpires?: () => Readonly<Record<string, number>>;
  /** Adds what Node tells of its process: CPU, memory, event loop, garbage collection. No unless told. */
  readonly process?: boolean;
}

const counted = {
  certificate: ['certificates_issued_total', 'Certificates issued.'],
  timestamp: ['timestamps_issued_total', 'Timestamps issued.'],
  entry: [
    'log_entries_accepted_total',
    'Requests to add an entry to a log that were answered with the entry.',
  ],
  rateLimited: ['rate_limited_total', 'Requests refused because one subject or address made too many.'],
  overloaded: ['overloaded_total', 'Requests refused because there is too much to do.'],
} as const;

/** What is counted beside requests. */
export type CountedEvent = keyof typeof counted;

/** Where measurements go. */
export interface Metrics {
  /** A request was answered: `status` is its HTTP status, `seconds` how long that took. */
  answered(service: string, route: string, method: string, status: number, seconds: number): void;
  count(event: CountedEvent): void;
  /** Asked for the requests under way whenever metrics are read. */
  watchInFlight(count: () => number): void;
  /** Everything, in the text format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
}

const prefix = 'boltseal_';
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);

/**
 * Metrics of one process. The text has no more lines than services and routes have, whatever is asked of them.
 * {@link https://prometheus.io/docs/practices/naming/}
 */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (sources.process === true) collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: `${prefix}http_requests_total`,
    help: 'Requests answered.',
    labelNames: ['service', 'route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: `${prefix}http_request_duration_seconds`,
    help: 'Seconds from the headers of a request to those of its answer.',
    labelNames: ['service', 'route'],
    buckets,
    registers,
  });
  const counters = Object.fromEntries(
    Object.entries(counted).map(([event, [name, help]]) => [
      event,
      new Counter({ name: prefix + name, help, registers }),
    ]),
  ) as Record<CountedEvent, Counter>;
  const inFlight: (() => number)[] = [];
  gauge('http_requests_in_flight', 'Requests under way.', [], registers, (set) =>
    set(
      {},
      inFlight.reduce((sum, count) => sum + count(), 0),
    ),
  );
  watchLogs(sources, registers);
  watchTuf(sources, registers);
  return {
    answered(service, route, method, status, seconds) {
      const known = methods.has(method) ? method : 'other';
      requests.inc({ service, route, method: known, status: `${Math.floor(status / 100)}xx` });
      durations.observe({ service, route }, seconds);
    },
    count: (event) => counters[event].inc(),
    watchInFlight: (count) => void inFlight.push(count),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

type SetGauge = (labels: Record<string, string>, value: number) => void;

function gauge(
  name: string,
  help: string,
  labelNames: readonly string[],
  registers: Registry[],
  read: (set: SetGauge) => void | Promise<void>,
): void {
  new Gauge({
    name: prefix + name,
    help,
    labelNames,
    registers,
    collect() {
      return read((labels, value) => this.set(labels, value));
    },
  });
}

function watchLogs({ logs = [], now }: MetricSources, registers: Registry[]): void {
  if (logs.length === 0) return;
  const ofHeads = (
    name: string,
    help: string,
    read: (head: Pick<LogHead, 'size' | 'time'>) => number,
  ): void =>
    gauge(name, help, ['log'], registers, async (set) => {
      for (const log of logs) {
        // A store that cannot be read must not hide the other metrics; `log_stopped` and readiness tell of it.
        const head = await log.head().catch(() => undefined);
        if (head !== undefined) set({ log: log.name }, read(head));
      }
    });
  ofHeads('log_size', 'Entries that the last public checkpoint of a log covers.', ({ size }) => size);
  ofHeads('log_checkpoint_age_seconds', 'Seconds since the newest entry of a log.', ({ time }) =>
    Math.max(0, (now() - time) / 1_000),
  );
  gauge('log_pending_entries', 'Entries that wait to be added to a log.', ['log'], registers, (set) => {
    for (const log of logs) set({ log: log.name }, log.pending());
  });
  gauge('log_stopped', '1 when a log can no longer be written safely.', ['log'], registers, (set) => {
    for (const log of logs) set({ log: log.name }, Number(log.isStopped()));
  });
}

function watchTuf({ tufExpires, now }: MetricSources, registers: Registry[]): void {
  if (tufExpires === undefined) return;
  const help = 'Seconds until the TUF metadata of a role expires; clients stop working when one has.';
  gauge('tuf_expires_seconds', help, ['role'], registers, (set) => {
    for (const [role, time] of Object.entries(tufExpires())) set({ role }, (time - now()) / 1_000);
  });
}
