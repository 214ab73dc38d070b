/** One run of the action, from its inputs to its exit code. */
import { BoltsealError } from '../core/errors.ts';
import { type ActionContext, actionRuntime } from './context.ts';
import { explain } from './explain.ts';
import { type OutputName, outputSpecs } from './inputs.ts';
import type { ModeResult } from './mode.ts';
import { lookInWorkspace } from './peers.ts';
import { runInfo, skipReason } from './run-info.ts';
import {
  flag,
  isGivenEmpty,
  isInputGiven,
  type Mode,
  maskSecrets,
  readMode,
  readSettings,
} from './settings.ts';
import { signMode } from './sign.ts';
import { summaryMarkdown } from './summary.ts';
import { type ActionIo, createToolkit, type Toolkit } from './toolkit.ts';
import { verifyMode } from './verify.ts';

const modes: Readonly<Record<Mode, (context: ActionContext) => Promise<ModeResult>>> = {
  sign: signMode,
  attest: signMode,
  verify: verifyMode,
};

/** Runs the action and resolves to its exit code. Never rejects. */
export async function runAction(io: ActionIo): Promise<number> {
  const toolkit = createToolkit(io);
  try {
    maskSecrets(io, toolkit);
    const { env } = io;
    const mode = readMode(env);
    const reason = await skipReason({
      env,
      mode,
      pullRequests: flag(env, 'pull-requests'),
      isKeyEmpty: isGivenEmpty(env, 'key'),
      hasKey: isInputGiven(env, 'key'),
    });
    if (reason !== undefined) {
      toolkit.notice(reason, { title: 'Boltseal: skipped' });
      setOutputs(toolkit, { skipped: 'true' });
      return 0;
    }
    const settings = readSettings(io, toolkit);
    if (env['GITHUB_WORKSPACE']) lookInWorkspace(env['GITHUB_WORKSPACE']);
    const runtime = actionRuntime(io, toolkit);
    const context: ActionContext = { toolkit, settings, run: runInfo(io), runtime, signal: io.signal };
    return finish(await modes[mode](context), toolkit);
  } catch (error) {
    report(io.signal.aborted ? io.signal.reason : error, toolkit);
    return 1;
  }
}

function finish(result: ModeResult, toolkit: Toolkit): number {
  const { references, bundles, commands, logIndexes, failures, rows } = result;
  setOutputs(toolkit, {
    digests: references.join('\n'),
    bundles: bundles.join('\n'),
    'verify-command': commands[0]?.command ?? '',
    'log-index': logIndexes.join('\n'),
    skipped: 'false',
  });
  if (rows.length > 0) toolkit.addSummary(summaryMarkdown(result));
  for (const { title, command } of commands) toolkit.info(`${title}: ${command}`);
  reportAll(failures, toolkit);
  if (failures.length > 0) return 1;
  if (rows.length > 0) return 0;
  // Success needs something that succeeded.
  report(new BoltsealError('ERR_INTERNAL', 'nothing was signed or verified'), toolkit);
  return 1;
}

/** Sets every output, so that none is left from nothing. */
function setOutputs(toolkit: Toolkit, values: Readonly<Partial<Record<OutputName, string>>>): void {
  for (const { name } of outputSpecs) toolkit.setOutput(name, values[name] ?? '');
}

/** Annotations that GitHub shows of a step. */
const maxAnnotations = 10;

/** Tells each failure once: what is wrong with all images is told for all of them. */
function reportAll(errors: readonly BoltsealError[], toolkit: Toolkit): void {
  const told = new Map(errors.map((error) => explain(error)).map((one) => [one.text, one]));
  for (const [index, { title, text }] of [...told.values()].entries()) {
    if (index < maxAnnotations) toolkit.error(text, { title });
    else toolkit.info(text);
  }
}

function report(error: unknown, toolkit: Toolkit): void {
  const { title, text } = explain(error);
  toolkit.error(text, { title });
}
