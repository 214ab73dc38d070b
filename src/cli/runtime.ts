/** The ports of flows, set up from flags. */
import type { LogEvent, Runtime } from '../core/runtime.ts';
import { createRuntime } from '../node/runtime.ts';
import type { TlsSettings } from '../node/tls.ts';
import type { Flags } from './command.ts';
import type { CliIo } from './io.ts';
import type { Output } from './output.ts';

/** The runtime of one command; `tls` tells whether the command has the flags for it. */
export async function runtimeFor(flags: Flags, output: Output, io: CliIo, tls: boolean): Promise<Runtime> {
  return createRuntime({
    env: io.env,
    log: (event) => printEvent(event, output),
    tls: tls ? await tlsSettings(flags) : undefined,
  });
}

/** The settings of the flags; files are read only when there are any. */
async function tlsSettings(flags: Flags): Promise<TlsSettings> {
  const files = {
    caFile: flags.get('registry-cacert'),
    certificateFile: flags.get('registry-client-cert'),
    keyFile: flags.get('registry-client-key'),
  };
  const serverName = flags.get('registry-server-name');
  const insecureSkipVerify = flags.get('allow-insecure-registry');
  if (Object.values(files).every((file) => file === undefined)) return { serverName, insecureSkipVerify };
  const { readTlsSettings } = await import('../node/tls.ts');
  return readTlsSettings({ ...files, serverName, insecureSkipVerify });
}

function printEvent(event: LogEvent, output: Output): void {
  if (event.level === 'warn') output.warn(event.message);
  else if (event.level === 'info') output.say(event.message);
  else output.debug(`${event.event}: ${event.message}${fieldsOf(event)}`);
}

function fieldsOf(event: LogEvent): string {
  const fields = Object.entries(event.fields ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  return fields.length === 0 ? '' : ` (${fields.join(' ')})`;
}
