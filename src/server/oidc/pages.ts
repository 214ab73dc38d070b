/** The few pages of the development issuer. They work without JavaScript. */
import type { HttpResponse } from '../../core/http.ts';
import { textAnswer } from '../http/service.ts';
import { unstored } from './oauth-error.ts';

const style = `
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif; }
main { max-width: 30rem; margin: 10vh auto; padding: 0 1rem; }
label { display: block; margin-top: 1rem; }
input { font: inherit; box-sizing: border-box; width: 100%; padding: .5rem; }
button { font: inherit; margin: 1rem .5rem 0 0; padding: .5rem 1.2rem; }
code { font-size: 1.3rem; overflow-wrap: anywhere; user-select: all; }
[role="alert"] { border-left: .3rem solid #c33; padding-left: .7rem; }
`;

/** A page may load nothing, be framed nowhere, and send its form only here and on to a client on this machine. */
const policy = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "form-action 'self' http://localhost:* http://127.0.0.1:* http://[::1]:*",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** `text` within HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A page; `content` is HTML. */
export function page(status: number, title: string, content: string): HttpResponse {
  const html =
    `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n` +
    `<meta name="viewport" content="width=device-width, initial-scale=1">\n` +
    `<title>${escapeHtml(title)}</title>\n<style>${style}</style>\n</head>\n<body>\n<main>\n` +
    `<h1>${escapeHtml(title)}</h1>\n${content}\n</main>\n</body>\n</html>\n`;
  return textAnswer(status, 'text/html; charset=utf-8', html, {
    ...unstored,
    'content-security-policy': policy,
    // With `no-referrer` browsers do not say either that a form comes from here.
    'referrer-policy': 'same-origin',
    'x-frame-options': 'DENY',
  });
}

/** A page with one paragraph. */
export function messagePage(status: number, title: string, message: string): HttpResponse {
  return page(status, title, `<p>${escapeHtml(message)}</p>`);
}

const warning =
  '<p>This is a development issuer: it takes your word for who you are. Never trust it for anything real.</p>';

function alert(problem: string | undefined): string {
  return problem === undefined ? '' : `<p role="alert" id="problem">${escapeHtml(problem)}</p>\n`;
}

function emailField(problem: string | undefined): string {
  const described = problem === undefined ? '' : ' aria-describedby="problem" aria-invalid="true"';
  return (
    `<label for="email">Email address</label>\n` +
    `<input id="email" name="email" type="email" autocomplete="email" required autofocus${described}>\n`
  );
}

/** Asks who wants to sign in. `hidden` comes back with the form. */
export function signInPage(
  action: string,
  hidden: Readonly<Record<string, string>>,
  problem?: string,
): HttpResponse {
  const fields = Object.entries(hidden).map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">\n`,
  );
  return page(
    problem === undefined ? 200 : 400,
    'Sign in',
    `${warning}\n${alert(problem)}<form method="post" action="${escapeHtml(action)}">\n${fields.join('')}` +
      `${emailField(problem)}<button>Sign in</button>\n</form>`,
  );
}

/** Asks whether a sign-in that was begun elsewhere is wanted. */
export function devicePage(action: string, userCode: string, problem?: string): HttpResponse {
  return page(
    problem === undefined ? 200 : 400,
    'Sign in on another device',
    `${warning}\n<p>A program asks to sign in as you. Allow it only if it shows this code.</p>\n${alert(problem)}` +
      `<form method="post" action="${escapeHtml(action)}">\n` +
      `<label for="user_code">Code</label>\n` +
      `<input id="user_code" name="user_code" value="${escapeHtml(userCode)}" autocomplete="off" ` +
      `autocapitalize="characters" spellcheck="false" required>\n` +
      `${emailField(problem)}<button name="decision" value="allow">Allow</button>\n` +
      `<button name="decision" value="deny" formnovalidate>Deny</button>\n</form>`,
  );
}

/** Shows a code to be typed into the program that asked for it. */
export function codePage(code: string): HttpResponse {
  return page(
    200,
    'Signed in',
    `<p>Copy this code into the program that asked for it:</p>\n<p><code>${escapeHtml(code)}</code></p>`,
  );
}
