import { createRuntime } from '../../node/runtime.ts';
import { publicUrls } from '../../server/config/config.ts';
import { type Rotatable, rotateSigstore } from '../../server/sigstore/rotate.ts';
import type { CommandContext } from '../command.ts';
import { createServeLog } from '../serve-log.ts';
import { serveConfig, serveFolder, serveKeys } from '../serve-setup.ts';

/** Replaces a key of a private Sigstore that is not running. */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, io, output } = context;
  const kind = args[0] as Rotatable;
  const config = await serveConfig(context.flags, { listen: false });
  const folder = serveFolder(context, config);
  const log = createServeLog({ format: 'text', level: output.verbose ? 'debug' : 'info' }, io.stderr);
  const runtime = createRuntime({ env: io.env, log });
  const { host, port } = config.listen;
  const name = host.includes(':') ? `[${host}]` : host;
  const scheme = config.tls === undefined ? 'http' : 'https';
  const rotation = await rotateSigstore(kind, {
    runtime,
    config,
    folder,
    urls: publicUrls(config, `${scheme}://${name}:${port}`),
    ring: serveKeys(context, runtime, config, {
      isNew: false,
      isDevelopment: false,
      signal: context.signal,
    }),
  });
  output.say(`${rotation.id} is in use from the next start; ${rotation.retired} is retired.`);
  if (!rotation.isPublished) output.warn('clients do not find it yet: a TUF key is not here');
  if (output.json) output.document('boltseal.serve-rotate/1', { ...rotation });
}
