/** A person signs in. What they see goes to standard error; nothing but data goes to standard output. */
import { BoltsealError } from '../core/errors.ts';
import { signInWithBrowser } from '../identity/browser.ts';
import { signInAsClient } from '../identity/client-credentials.ts';
import { type DeviceCode, signInOnDevice } from '../identity/device.ts';
import type { SignInOptions } from '../identity/sign-in.ts';
import type { IdentityToken } from '../identity/token.ts';
import { signInWithTypedCode } from '../identity/typed-code.ts';
import { openBrowser } from './browser.ts';
import type { CommandContext } from './command.ts';
import { isInteractive } from './keys.ts';
import { visible } from './style.ts';

/** How somebody signs in. */
export type SignInWay = 'browser' | 'typed' | 'device' | 'client';

/** Where and as what. */
export interface SignInSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly redirectUrl: string | undefined;
  readonly beforeSignIn: (() => Promise<void>) | undefined;
}

/** Signs in the way that was chosen. Throws `ERR_SIGN_IN`, `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`. */
export async function signIn(
  context: CommandContext,
  way: SignInWay,
  settings: SignInSettings,
): Promise<IdentityToken> {
  const { beforeSignIn, ...where } = settings;
  const options: SignInOptions = {
    ...where,
    runtime: await context.serviceRuntime(),
    signal: context.signal,
  };
  if (way === 'client') return signInAsClient(options);
  await beforeSignIn?.();
  const token = await ways[way](context, options);
  context.output.say(`Signed in as ${token.subject}.`);
  return token;
}

const ways: Readonly<
  Record<
    Exclude<SignInWay, 'client'>,
    (context: CommandContext, options: SignInOptions) => Promise<IdentityToken>
  >
> = {
  async browser(context, options) {
    const { listen } = await import('../node/http-server.ts');
    const token = await signInWithBrowser({
      ...options,
      listen: (service, where) => listen(service, where),
      openBrowser: (url) => openBrowser(context.io, url),
      announce: (url) =>
        tell(context, `Sign in with your browser. If it shows no page for that, open this one:\n${url}`),
    });
    if (token !== undefined) return token;
    tell(context, 'No browser can be opened here.');
    return ways.typed(context, options);
  },
  async typed(context, options) {
    if (!isInteractive(context)) {
      throw new BoltsealError('ERR_SIGN_IN', 'no browser can be opened, and no code can be typed in', {
        hint: 'This is no terminal. --fulcio-auth-flow device shows a code for another device.',
      });
    }
    return signInWithTypedCode({
      ...options,
      async askCode(url) {
        tell(context, `Open this page, sign in, and copy the code that it shows:\n${url}`);
        const { askText } = await import('./prompt.ts');
        return askText('Code:', context.signal);
      },
    });
  },
  device: (context, options) =>
    signInOnDevice({
      ...options,
      show: (code) => tell(context, deviceText(code, context.flags.get('timeout'))),
    }),
};

/** `limit` is what the whole command may take, milliseconds; 0 is no limit. */
function deviceText({ userCode, url, completeUrl, lifetime }: DeviceCode, limit: number): string {
  const where =
    completeUrl === undefined
      ? [`Open ${url} in a browser and type in the code`, '', `  ${userCode}`]
      : [`Open ${completeUrl}`, 'in a browser and compare the code that it shows:', '', `  ${userCode}`];
  const seconds = Math.floor(Math.min(lifetime, limit === 0 ? lifetime : limit) / 1_000);
  return [...where, '', `Waiting for you to sign in, at most ${seconds} seconds…`].join('\n');
}

/** What somebody must see to go on: `--quiet` does not silence it. */
function tell({ io }: CommandContext, text: string): void {
  io.stderr.write(`${visible(text)}\n`);
}

/** What {@link confirmPublicLog} is about. */
export interface PublicLogNotice {
  /** The base URL of the log. */
  readonly log: string;
  /** Whether the user agreed already: `--yes`, `--log public`. */
  readonly consent: boolean;
}

/**
 * Tells what a public log keeps of whoever signs in, and asks whether to go on unless they agreed already. Where nobody can
 * be asked it only tells. Throws `ERR_LOG_PRIVACY` when they do not agree. For {@link TokenSourceOptions.beforeSignIn}.
 */
export async function confirmPublicLog(
  context: CommandContext,
  { log, consent }: PublicLogNotice,
): Promise<void> {
  context.output.say(
    `${log} is a public log. It will show who signed: your email address or account, the issuer that says so, the time, ` +
      'and the digest of what you sign. Nobody can remove that later.',
  );
  if (consent || !isInteractive(context)) return;
  const { askYesNo } = await import('./prompt.ts');
  if (await askYesNo('Publish it?', context.signal)) return;
  throw new BoltsealError('ERR_LOG_PRIVACY', `nothing was signed: you did not agree to publish in ${log}`, {
    hint: '--yes agrees without a question. A private Sigstore (`boltseal serve`) publishes nothing.',
  });
}
