/** What the browser shows after signing in. Nothing on these pages comes from outside, and they load nothing. */
import type { HttpResponse } from '../core/http.ts';

/** The pages. */
export type PageName = 'done' | 'failed' | 'used' | 'stray' | 'unknown';

interface Page {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

const pages: Readonly<Record<PageName, Page>> = {
  done: {
    status: 200,
    title: 'Signed in',
    text: 'You can close this page and go back to the terminal.',
  },
  failed: {
    status: 400,
    title: 'Not signed in',
    text: 'Something went wrong. The terminal says what.',
  },
  used: {
    status: 400,
    title: 'This sign-in is over',
    text: 'You can close this page. To sign in once more, run the command again.',
  },
  stray: {
    status: 400,
    title: 'This is not your sign-in',
    text: 'The answer does not belong to the sign-in that waits in the terminal, and was ignored. Go on in the page that the terminal opened.',
  },
  unknown: {
    status: 404,
    title: 'Nothing is here',
    text: 'A program waits here for you to sign in. Go on in the page that it opened.',
  },
};

const style =
  ':root{color-scheme:light dark;font:1.1rem/1.5 system-ui,sans-serif}main{max-width:30rem;margin:15vh auto;padding:0 1rem}';

/** One of the pages. Its address holds a code: it must not be kept, framed or told to another page. */
export function signInPage(name: PageName): HttpResponse {
  const { status, title, text } = pages[name];
  const html =
    `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">\n` +
    `<title>${title} – Boltseal</title>\n<style>${style}</style>\n</head>\n<body>\n<main>\n` +
    `<h1>${title}</h1>\n<p>${text}</p>\n</main>\n</body>\n</html>\n`;
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      connection: 'close',
    },
    body: Buffer.from(html),
  };
}
