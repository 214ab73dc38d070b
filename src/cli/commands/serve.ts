import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { BoltsealError } from '../../core/errors.ts';
import type { HttpResponse, HttpService } from '../../core/http.ts';
import type { Runtime } from '../../core/runtime.ts';
import { createHttpClient } from '../../node/http-client.ts';
import { type Listener, type ListenOptions, listen } from '../../node/http-server.ts';
import { createRuntime } from '../../node/runtime.ts';
import { publicUrls, type ServiceName, type SigstoreConfig } from '../../server/config/config.ts';
import { type DataFolder, readState } from '../../server/sigstore/folder.ts';
import { openSigstore, type Sigstore } from '../../server/sigstore/open.ts';
import type { CommandContext } from '../command.ts';
import { createServeLog } from '../serve-log.ts';
import { serveConfig, serveFolder, serveKeys } from '../serve-setup.ts';

/** How often what must be signed again is looked for, in milliseconds. */
const tendEvery = 300_000;

/** Runs a private Sigstore until the process is told to end. */
export async function run(context: CommandContext): Promise<undefined> {
  keepMemorySmall();
  const config = await serveConfig(context.flags, { listen: true });
  const folder = serveFolder(context, config);
  const runtime = serveRuntime(context, config);
  const tls = config.tls === undefined ? undefined : await readTls(config.tls);
  const service = lateService();
  const listener = await listen(service, {
    ...config.listen,
    ...(tls === undefined ? {} : { tls }),
    closeTime: config.limits.shutdownTime,
    maxConnections: config.limits.connections,
  });
  const listeners = [listener];
  let sigstore: Sigstore | undefined;
  try {
    const urls = publicUrls(config, listener.url);
    sigstore = await open(context, runtime, config, folder, urls);
    const admin = config.admin === undefined ? undefined : await listen(sigstore.admin, config.admin);
    if (admin !== undefined) listeners.push(admin);
    service.use(sigstore.service);
    announce(context, sigstore, config, { folder, urls, admin: admin?.url });
    const stopWatching = watchReload(config, listener, runtime);
    await tendUntil(context.signal, sigstore, runtime);
    stopWatching();
    context.output.say('Ending: requests under way are answered.');
  } finally {
    await Promise.all(listeners.map((one) => one.close()));
    await sigstore?.close();
  }
}

/**
 * A server makes much garbage that dies young, and V8 gives it ever more room as load grows: 320 MiB in all, against 210
 * when that room stays as small as it is at first, at the same rates (bench/RESULTS.md). A flag on the command line of
 * Node wins.
 */
function keepMemorySmall(): void {
  const given = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  if (!given.includes('semi-space')) setFlagsFromString('--semi-space-growth-factor=1');
}

async function open(
  context: CommandContext,
  runtime: Runtime,
  config: SigstoreConfig,
  folder: DataFolder,
  urls: Readonly<Record<ServiceName, string>>,
): Promise<Sigstore> {
  const isDevelopment = context.flags.get('dev');
  const isNew = (await readState(folder)) === undefined;
  // Told to end, the server gives up opening its keys; once they are open, requests under way are still signed for.
  const opening = new AbortController();
  const stop = (): void => opening.abort(context.signal.reason);
  context.signal.addEventListener('abort', stop);
  const { signal } = opening;
  return openSigstore(runtime, {
    config,
    folder,
    urls,
    ring: serveKeys(context, runtime, config, { isNew, isDevelopment, signal }),
    clientFor: (authorities) =>
      authorities === undefined
        ? runtime.fetch
        : createHttpClient({ env: runtime.env, tls: { caCertificates: authorities } }),
    isDevelopment,
  }).finally(() => context.signal.removeEventListener('abort', stop));
}

/** A runtime whose log is the server's: for people on a terminal with `--dev`, as configured otherwise. */
function serveRuntime({ flags, io, output }: CommandContext, config: SigstoreConfig): Runtime {
  const isText = flags.get('dev') && flags.get('config') === undefined;
  const format = isText ? 'text' : config.logging.format;
  const level = output.verbose ? 'debug' : config.logging.level;
  return createRuntime({ env: io.env, log: createServeLog({ format, level }, io.stderr) });
}

/** Answers 503 until there is something to answer with: the port is taken, and known, before anything is made. */
function lateService(): HttpService & { use(service: HttpService): void } {
  const starting: HttpResponse = { status: 503, headers: { 'retry-after': '1' }, body: null };
  let current: HttpService | undefined;
  return {
    use(service) {
      current = service;
    },
    answer: (request) => (current === undefined ? Promise.resolve(starting) : current.answer(request)),
  };
}

async function readTls(
  files: NonNullable<SigstoreConfig['tls']>,
): Promise<NonNullable<ListenOptions['tls']>> {
  const file = async (path: string): Promise<Uint8Array> => {
    try {
      return await readFile(path);
    } catch (cause) {
      throw new BoltsealError('ERR_FILE_READ', `cannot read ${path}`, { cause });
    }
  };
  return { cert: await file(files.cert), key: await file(files.key) };
}

/** SIGHUP reads the TLS certificate again, as when it was renewed; without one it does nothing. */
function watchReload({ tls }: SigstoreConfig, listener: Listener, runtime: Runtime): () => void {
  const reload = async (): Promise<void> => {
    if (tls === undefined) return;
    try {
      listener.replaceTls(await readTls(tls));
      runtime.log({ level: 'info', event: 'tls.replaced', message: 'the TLS certificate was read again' });
    } catch (error) {
      const message = `the TLS certificate could not be replaced: ${error instanceof Error ? error.message : error}`;
      runtime.log({ level: 'warn', event: 'tls.failure', message });
    }
  };
  process.on('SIGHUP', reload);
  return () => void process.off('SIGHUP', reload);
}

async function tendUntil(signal: AbortSignal, sigstore: Sigstore, runtime: Runtime): Promise<void> {
  while (!signal.aborted) {
    try {
      await runtime.sleep(tendEvery, signal);
    } catch {
      return;
    }
    await sigstore.tend();
  }
}

function announce(
  context: CommandContext,
  sigstore: Sigstore,
  config: SigstoreConfig,
  places: {
    readonly folder: DataFolder;
    readonly urls: Readonly<Record<ServiceName, string>>;
    readonly admin: string | undefined;
  },
): void {
  const { folder, urls, admin } = places;
  const { output } = context;
  const root = sigstore.tuf.file('1.root.json')?.bytes ?? new Uint8Array(0);
  const checksum = createHash('sha256').update(root).digest('hex');
  const isDevelopment = context.flags.get('dev');
  if (output.json) {
    output.document('boltseal.serve/1', {
      url: urls.ca,
      urls,
      ...(admin === undefined ? {} : { admin }),
      dataFolder: folder.path,
      isNew: sigstore.isNew,
      tufRoot: `${urls.tuf}/1.root.json`,
      tufRootSha256: checksum,
    });
  }
  const made = sigstore.isNew ? 'made now' : 'found';
  output.say(`A private Sigstore is running at ${urls.ca} (data folder ${folder.path}, ${made}).`);
  if (admin !== undefined) output.say(`Metrics: ${admin}/metrics`);
  output.say('');
  output.say('Each user points boltseal, cosign or both at it once:');
  output.say('');
  for (const program of ['boltseal', 'cosign']) {
    output.say(`  ${program} initialize --mirror ${urls.tuf} --root ${urls.tuf}/1.root.json \\`);
    output.say(`    --root-checksum ${checksum}`);
  }
  output.say('');
  output.say('and then signs and verifies without a word about it:');
  output.say('');
  const issuer = isDevelopment ? urls.ca : (config.issuers[0]?.url ?? 'ISSUER');
  for (const program of ['boltseal', 'cosign']) {
    output.say(`  ${program} sign IMAGE`);
    output.say(`  ${program} verify --certificate-identity WHO --certificate-oidc-issuer ${issuer} IMAGE`);
  }
  output.say('');
  if (isDevelopment) {
    output.warn('this is a development server: its issuer gives anyone who asks a token for any identity');
    output.say(`  boltseal token --url ${urls.ca} --email you@example.com`);
    output.say(`  its registry: ${new URL(urls.ca).host}/NAME`);
    output.say('');
  } else if (config.issuers.length + config.metaIssuers.length === 0 && config.fulcioConfig === undefined) {
    output.warn(
      'no issuer of identity tokens is configured, so nobody can get a certificate (setting `issuers`)',
    );
  }
}
