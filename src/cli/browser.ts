/** Opening a page in the browser of whoever sits at the terminal. */
import { spawn } from 'node:child_process';
import type { CliIo } from './io.ts';

type Environment = CliIo['env'];

/** A program that did not fail by then shows the page: some end only when their window is closed. */
const patience = 3_000;

/**
 * Whether a browser can be opened that the person at the terminal sees: on Linux with a display, and not at the other end
 * of an SSH connection. `BROWSER`, which editors set in their remote terminals, says that there is one.
 */
export function hasBrowser({ env, platform }: Pick<CliIo, 'env' | 'platform'>): boolean {
  if (isSet(env, 'BROWSER')) return true;
  if (isSet(env, 'SSH_CONNECTION') || isSet(env, 'SSH_TTY')) return false;
  if (platform === 'darwin' || platform === 'win32') return true;
  return ['DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME'].some((name) => isSet(env, name));
}

function isSet(env: Environment, name: string): boolean {
  return (env[name] ?? '') !== '';
}

/** A program and its arguments; no shell reads them. */
type Command = readonly [program: string, ...args: string[]];

/** The programs that open pages, the first that works is enough. {@link https://www.freedesktop.org/wiki/Software/xdg-utils/} */
export function browserCommands(
  { env, platform }: Pick<CliIo, 'env' | 'platform'>,
  url: string,
): readonly Command[] {
  const chosen = (env['BROWSER'] ?? '').split(':').flatMap((text) => commandOf(text, url));
  if (platform === 'darwin') return [...chosen, ['open', url]];
  // `start` is a word of a shell, which would read the ampersands of the URL.
  if (platform === 'win32') return [...chosen, ['rundll32', 'url.dll,FileProtocolHandler', url]];
  const windows: readonly Command[] = isSet(env, 'WSL_DISTRO_NAME') ? [['wslview', url]] : [];
  return [...chosen, ...windows, ['xdg-open', url]];
}

/** A part of `BROWSER`: a program with arguments, `%s` where the page goes if not at the end. */
function commandOf(text: string, url: string): readonly Command[] {
  const [program, ...args] = text.split(' ').filter((word) => word !== '');
  if (program === undefined) return [];
  if (!text.includes('%s')) return [[program, ...args, url]];
  return [[program, ...args.map((word) => word.replaceAll('%s', url))]];
}

/** Opens `url`, which is http or https. Rejects when no program can. */
export async function openBrowser(io: Pick<CliIo, 'env' | 'platform'>, url: string): Promise<void> {
  const failures: unknown[] = [];
  for (const command of browserCommands(io, url)) {
    try {
      await run(command, io.env);
      return;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, 'no browser can be opened');
}

function run([program, ...args]: Command, env: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'ignore', detached: true, env: { ...env } });
    const timer = setTimeout(resolve, patience);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with ${code}`));
    });
    child.unref();
  });
}
