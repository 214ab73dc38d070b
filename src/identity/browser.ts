/** Signing in with a browser on this machine: the authorization code flow of OAuth 2.0 for native programs (RFC 8252). */
import { timingSafeEqual } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import { allowsPlainHttp } from '../core/host-kind.ts';
import type { HttpRequest, HttpResponse, HttpService } from '../core/http.ts';
import { limits } from '../core/limits.ts';
import { authorizationUrl, readCode, redeemCode } from './authorization-code.ts';
import { beginSignIn, type SignIn, type SignInOptions, tooLate, unguessable } from './sign-in.ts';
import { type PageName, signInPage } from './sign-in-page.ts';
import type { IdentityToken } from './token.ts';

/** A listener on this machine. */
export interface LoopbackListener {
  readonly port: number;
  /** Takes no more requests; resolves when all connections are closed. */
  close(): Promise<void>;
}

/** Listens on an address of this machine. Port 0 is a free one. */
export type ListenOnLoopback = (
  service: HttpService,
  options: {
    readonly host: string;
    readonly port: number;
    readonly closeTime: number;
    readonly maxConnections: number;
  },
) => Promise<LoopbackListener>;

/** What signing in with a browser needs beside the issuer. */
export interface BrowserSignInOptions extends SignInOptions {
  readonly listen: ListenOnLoopback;
  /** Opens the page; rejects when there is no browser. */
  openBrowser(url: string): Promise<void>;
  /** Is told the page once a browser was opened, so that a person can open it too. */
  announce(url: string): void;
}

const defaultRedirectUrl = 'http://localhost:0/auth/callback';

/**
 * Opens the page of the issuer and waits until the browser comes back. Undefined when no browser can be opened. Throws
 * `ERR_SIGN_IN` when it is refused, or not finished within `limits.signInTime`; `ERR_USAGE` for a redirect URL where
 * nothing can listen; and what the issuer’s end points throw. The listener is closed whatever happens.
 * {@link https://www.rfc-editor.org/rfc/rfc8252#section-7.3}
 */
export async function signInWithBrowser(options: BrowserSignInOptions): Promise<IdentityToken | undefined> {
  const redirect = readRedirectUrl(options.redirectUrl ?? defaultRedirectUrl);
  const signIn = await beginSignIn(options);
  const ended = new AbortController();
  const callback = createCallback(signIn, redirect);
  const listener = await options.listen(callback.service, {
    host: redirect.hostname === 'localhost' ? '127.0.0.1' : redirect.hostname.replace(/^\[|\]$/g, ''),
    port: redirect.port === '' ? 80 : Number(redirect.port),
    closeTime: 1_000,
    maxConnections: 32,
  });
  try {
    redirect.port = String(listener.port);
    const url = callback.pageUrl();
    const open = options.openBrowser(url).then(
      () => {
        options.announce(url);
        return new Promise<never>(() => {});
      },
      () => undefined,
    );
    const late = options.runtime
      .sleep(limits.signInTime, AbortSignal.any([options.signal, ended.signal]))
      .then(() => {
        throw tooLate(limits.signInTime);
      });
    return await Promise.race([callback.token, open, late]);
  } finally {
    ended.abort();
    await listener.close();
  }
}

/** Only http, and only this machine: it is a program that listens, and not a web server. */
function readRedirectUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url?.protocol === 'http:' &&
    allowsPlainHttp(url.hostname) &&
    url.search === '' &&
    url.hash === '' &&
    url.username === ''
  ) {
    return url;
  }
  throw new BoltsealError(
    'ERR_USAGE',
    'the redirect URL is not an http URL of this machine without a query',
    {
      hint: 'Such as --oidc-redirect-url http://localhost:8085/auth/callback, as it is registered with the issuer.',
    },
  );
}

interface Callback {
  readonly service: HttpService;
  /** Resolves when the browser came back with a code that was redeemed. */
  readonly token: Promise<IdentityToken>;
  /** The page to open; asked once the port is known. */
  pageUrl(): string;
}

function createCallback(signIn: SignIn, redirect: URL): Callback {
  const state = unguessable(signIn.runtime);
  const nonce = unguessable(signIn.runtime);
  let resolve: (token: IdentityToken) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const token = new Promise<IdentityToken>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  // It may fail before anybody waits for it.
  token.catch(() => {});
  let strays = 0;
  let isUsed = false;
  const finish = async (parameters: URLSearchParams): Promise<HttpResponse> => {
    isUsed = true;
    try {
      resolve(await redeemCode(signIn, readCode(signIn, parameters), redirect.href, nonce));
      return signInPage('done');
    } catch (error) {
      reject(error);
      return signInPage('failed');
    }
  };
  const stray = (page: PageName): HttpResponse => {
    if (++strays > limits.strayCallbacks) {
      reject(
        new BoltsealError('ERR_SIGN_IN', 'something keeps sending answers of other sign-ins to this machine'),
      );
    }
    return signInPage(page);
  };
  return {
    token,
    pageUrl: () => authorizationUrl(signIn, { redirectUri: redirect.href, state, nonce }),
    service: {
      async answer(request) {
        const parameters = callbackParameters(request, redirect);
        if (parameters === undefined) return stray('unknown');
        // Whoever does not know the state was not sent by the page that was opened; that one may still come.
        if (!isSame(parameters.get('state') ?? '', state)) return stray('stray');
        return isUsed ? stray('used') : finish(parameters);
      },
    },
  };
}

/** The parameters of a request to the redirect URL; undefined for any other, and when one is repeated. */
function callbackParameters({ method, url: text }: HttpRequest, redirect: URL): URLSearchParams | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (method !== 'GET' || url?.pathname !== redirect.pathname) return undefined;
  const names = [...url.searchParams.keys()];
  return names.length === new Set(names).size ? url.searchParams : undefined;
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
