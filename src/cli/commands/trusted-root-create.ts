import { hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { TimeRange } from '../../formats/time-range.ts';
import {
  encodeTrustedRoot,
  type TrustedAuthority,
  type TrustedLog,
  type TrustedRoot,
  trustedAuthority,
} from '../../formats/trusted-root.ts';
import type { CommandContext } from '../command.ts';
import { writeDocument } from '../document-file.ts';
import { givenAuthorities, givenLogs } from '../trusted-root-parts.ts';

/** Makes a trusted root of single services, byte for byte as cosign 3 makes it. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output } = context;
  const [tlogs, certificateAuthorities, ctlogs, timestampAuthorities] = await Promise.all([
    givenLogs(flags, 'rekor'),
    givenAuthorities(flags, 'fulcio'),
    givenLogs(flags, 'ctfe'),
    givenAuthorities(flags, 'tsa'),
  ]);
  const base = await defaultServices(context);
  const root: TrustedRoot = {
    tlogs: oneOfEach([...base.tlogs, ...tlogs]),
    certificateAuthorities: oldestFirst([...base.certificateAuthorities, ...certificateAuthorities]),
    ctlogs: oneOfEach([...base.ctlogs, ...ctlogs]),
    timestampAuthorities: oldestFirst([...base.timestampAuthorities, ...timestampAuthorities]),
  };
  if (Object.values(root).every((list) => list.length === 0)) {
    output.warn('this trusted root is empty: it trusts nobody');
  }
  await writeDocument(context, 'boltseal.trusted-root-create/1', 'trustedRoot', encodeTrustedRoot(root));
}

const nobody: TrustedRoot = { tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };

/** What is wanted of the instance in use; authorities are named after their roots, as cosign does. */
async function defaultServices(context: CommandContext): Promise<TrustedRoot> {
  const { flags, signal } = context;
  const wanted = {
    rekor: flags.get('default-rekor'),
    fulcio: flags.get('default-fulcio'),
    ctfe: flags.get('default-ctfe'),
    tsa: flags.get('default-tsa'),
  };
  if (!flags.get('with-default-services')) {
    const left = Object.entries(wanted).find(([, isWanted]) => !isWanted)?.[0];
    if (left === undefined) return nobody;
    throw new BoltsealError('ERR_USAGE', `--no-default-${left} is only of use with --with-default-services`);
  }
  const { loadTrust } = await import('../../flows/trust.ts');
  const { root } = await loadTrust({ offline: flags.get('offline'), signal }, await context.serviceRuntime());
  const named = ({ uri, chain, validFor }: TrustedAuthority): TrustedAuthority =>
    trustedAuthority(uri, chain, validFor);
  return {
    tlogs: wanted.rekor ? root.tlogs : [],
    certificateAuthorities: wanted.fulcio ? root.certificateAuthorities.map(named) : [],
    ctlogs: wanted.ctfe ? root.ctlogs : [],
    timestampAuthorities: wanted.tsa ? root.timestampAuthorities.map(named) : [],
  };
}

function oldestFirst<T extends { readonly validFor: TimeRange }>(list: readonly T[]): readonly T[] {
  const start = ({ validFor }: T): number => validFor.start?.getTime() ?? 0;
  return [...list].sort((a, b) => start(a) - start(b));
}

/** Of two logs with one id, the later one. */
function oneOfEach(logs: readonly TrustedLog[]): readonly TrustedLog[] {
  return oldestFirst([...new Map(logs.map((log) => [hex(log.logId), log])).values()]);
}
