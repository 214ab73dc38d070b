/** What is trusted, and which services sign: the instance in use, or files that a workflow brings. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoltsealError } from '../core/errors.ts';
import { configOfInstance } from '../flows/signing-services.ts';
import { type LoadedTrust, loadTrust } from '../flows/trust.ts';
import { parseSigningConfig, type SigningConfig } from '../formats/signing-config.ts';
import type { ActionContext } from './context.ts';

type TrustContext = Pick<ActionContext, 'settings' | 'runtime' | 'signal'>;

/** What is trusted. Throws what `loadTrust` throws. */
export async function trustFor({ settings, runtime, signal }: TrustContext): Promise<LoadedTrust> {
  const { trustedRoot } = settings;
  if (trustedRoot === undefined || !isContent(trustedRoot)) {
    return loadTrust({ trustedRootFile: trustedRoot, signal }, runtime);
  }
  const folder = await mkdtemp(join(runtime.env['RUNNER_TEMP'] || tmpdir(), 'boltseal-'));
  try {
    const path = join(folder, 'trusted_root.json');
    await writeFile(path, trustedRoot);
    return await loadTrust({ trustedRootFile: path, signal }, runtime);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The signing configuration that was given. Throws `ERR_FILE_READ` and what parsing throws. */
export async function givenSigningConfig({ settings }: TrustContext): Promise<SigningConfig | undefined> {
  const { signingConfig } = settings;
  if (signingConfig === undefined) return undefined;
  const what = 'the signing configuration';
  if (isContent(signingConfig)) return parseSigningConfig(Buffer.from(signingConfig), what);
  const bytes = await readFile(signingConfig).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_READ', `${what} ${signingConfig} cannot be read`, {
      cause,
      hint: 'Paths are relative to the workspace. Is the repository checked out in this job?',
    });
  });
  return parseSigningConfig(bytes, `${what} ${signingConfig}`);
}

/** The services of the instance that is trusted. Throws `ERR_SIGNING_CONFIG` when nothing names any. */
export async function instanceConfig(context: TrustContext, loaded: LoadedTrust): Promise<SigningConfig> {
  const { runtime, signal } = context;
  const config =
    loaded.signingConfig ?? (await configOfInstance(loaded, () => loadTrust({ signal }, runtime)));
  if (config !== undefined) return config;
  throw new BoltsealError(
    'ERR_SIGNING_CONFIG',
    'trusted-root says who is trusted, and nothing says which services sign',
    { hint: 'Give signing-config too. `boltseal signing-config create` makes one.' },
  );
}

/** Whether an input is the document itself and not the path of a file. */
function isContent(text: string): boolean {
  return text.startsWith('{');
}
