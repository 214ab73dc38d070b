/** Tokens of SoftHSM 2, a module without hardware. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { needPrograms, type ProgramName, runProgram } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';

/** A folder with tokens, for this process and those that it starts. */
export interface SoftHsm {
  /** The absolute path of the module. */
  readonly module: string;
  /** For the environment of other programs. */
  readonly env: { readonly SOFTHSM2_CONF: string };
  /** Makes a token; its PIN is `1234`. */
  addToken(label: string): Promise<void>;
  /** Runs OpenSC's `pkcs11-tool` on the module. */
  tool(...args: readonly string[]): Promise<string>;
}

/** Whether the package that speaks to modules was compiled here. */
export async function isPkcs11Compiled(): Promise<boolean> {
  return await import('pkcs11js' as string).then(
    () => true,
    () => false,
  );
}

/**
 * Tokens for the tests of one file: the module reads its settings once in a process. Undefined, and the test is skipped,
 * when something is missing.
 */
export async function softHsm(t: SuiteSkip): Promise<SoftHsm | undefined> {
  const programs = needPrograms(t, 'softhsm2-util', 'libsofthsm2.so' as ProgramName, 'pkcs11-tool');
  if (programs === undefined) return undefined;
  if (!(await isPkcs11Compiled())) {
    t.skip('skipped: the package pkcs11js could not be compiled (a C++ compiler and Python are needed)');
    return undefined;
  }
  const folder = await temporaryDirectory(t);
  const SOFTHSM2_CONF = join(folder, 'softhsm2.conf');
  await mkdir(join(folder, 'tokens'));
  await writeFile(SOFTHSM2_CONF, `directories.tokendir = ${join(folder, 'tokens')}\nlog.level = ERROR\n`);
  // The module reads the environment of the process itself.
  process.env['SOFTHSM2_CONF'] = SOFTHSM2_CONF;
  const env = { SOFTHSM2_CONF };
  const run = async (program: string, args: readonly string[]) => {
    const result = await runProgram(program, args, { env });
    if (result.code !== 0) throw new Error(`${program} ${args.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  };
  const module = programs['libsofthsm2.so'];
  return {
    module,
    env,
    async addToken(label) {
      const init = ['--init-token', '--free', '--label', label, '--pin', '1234', '--so-pin', '5678'];
      await run(programs['softhsm2-util'], init);
    },
    tool: (...args) => run(programs['pkcs11-tool'], ['--module', module, ...args]),
  };
}

/** What is needed of a test's context. */
export interface SuiteSkip {
  skip(message?: string): void;
  after(release: () => Promise<void>): void;
}
