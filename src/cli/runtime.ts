/** The ports of flows, set up from flags. */
import type { LogEvent, Runtime } from '../core/runtime.ts';
import { createRuntime } from '../node/runtime.ts';
import type { TlsSettings } from '../node/tls.ts';
import type { Flags } from './command.ts';
import type { CliIo } from './io.ts';
import type { Output } from './output.ts';

/** Which flags about connections a runtime heeds: those of registries, or none. */
export type RuntimePurpose = 'registries' | 'others';

/**
 * A runtime of one command. Flags such as `--allow-insecure-registry` and `--registry-client-cert` are about registries:
 * what speaks to certificate authorities, logs, trust roots and issuers of tokens has another runtime, without them.
 */
export async function runtimeFor(
  flags: Flags,
  output: Output,
  io: CliIo,
  purpose: RuntimePurpose,
): Promise<Runtime> {
  return createRuntime({
    env: io.env,
    log: (event) => printEvent(event, output),
    tls: purpose === 'registries' ? await tlsSettings(flags) : undefined,
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
