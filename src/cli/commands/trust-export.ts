import { BoltsealError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell-word.ts';
import type { CommandContext } from '../command.ts';
import { writeDocument } from '../document-file.ts';
import { writeFiles } from '../files.ts';

/** Writes what is trusted to a file, for machines without a network. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output, signal } = context;
  const configFile = flags.get('signing-config-out');
  const file = flags.get('out');
  const runtime = await context.serviceRuntime();
  const { loadTrust } = await import('../../flows/trust.ts');
  const { source, rootBytes, signingConfigBytes } = await loadTrust(
    { offline: flags.get('offline'), signal },
    runtime,
  );
  if (configFile !== undefined) {
    if (signingConfigBytes === undefined) {
      throw new BoltsealError('ERR_SIGNING_CONFIG', `${source.where} has no signing configuration to write`);
    }
    await writeFiles([{ path: configFile, content: signingConfigBytes, mode: 0o644 }]);
  }
  const fetched = source.fetched?.toISOString();
  await writeDocument(context, 'boltseal.trust-export/1', 'trustedRoot', rootBytes, {
    source: { kind: source.kind, where: source.where, fetched },
    ...(configFile === undefined ? {} : { signingConfigFile: configFile }),
  });
  output.say(
    `The trusted root of ${source.where}, ${originOf(source.kind)} ${ageOf(source.fetched, runtime.now())}.`,
  );
  if (file !== undefined)
    output.say(
      `use it with: boltseal verify --trusted-root ${shellWord(file)} …, or cosign’s --trusted-root`,
    );
}

function originOf(kind: string): string {
  if (kind === 'tuf') return 'asked for just now:';
  return kind === 'embedded' ? 'which Boltseal was published with:' : 'as it was kept:';
}

/** `as of 2026-01-31, 3 days old`. */
function ageOf(fetched: Date | undefined, now: Date): string {
  if (fetched === undefined) return '';
  const days = Math.max(0, Math.floor((now.getTime() - fetched.getTime()) / 86_400_000));
  const age = days === 0 ? 'today' : days === 1 ? 'yesterday' : `${days} days ago`;
  return `${fetched.toISOString().slice(0, 10)} (${age})`;
}
