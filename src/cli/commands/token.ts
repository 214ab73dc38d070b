import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { readBody } from '../../core/response-body.ts';
import type { FetchResponse, Runtime } from '../../core/runtime.ts';
import { mintPath } from '../../server/oidc/mint.ts';
import type { CommandContext } from '../command.ts';

/** Prints an identity token of a development Sigstore. */
export async function run(context: CommandContext): Promise<undefined> {
  const { flags, output, io } = context;
  const url = readUrl(flags.get('url'));
  const [email, subject] = [flags.get('email'), flags.get('subject')];
  if (email === undefined && subject === undefined) {
    throw new BoltsealError('ERR_USAGE', '`boltseal token` needs --email or --subject', {
      hint: 'Say who the token is about: --email dev@example.com',
    });
  }
  const request = {
    email,
    subject,
    audience: flags.get('audience'),
    claims: readClaims(flags.get('claim')),
    expiresIn: flags.get('expires-in'),
  };
  const token = await askForToken(url, request, await context.runtime(), context.signal);
  if (output.json) return void output.document('boltseal.token/1', { token, claims: claimsOf(token) });
  output.data(token);
  // cosign takes every byte of a token file; on a terminal the prompt should start on its own line.
  if (io.stdout.isTTY === true && flags.get('output-file') === undefined) output.data('\n');
}

function readUrl(text: string | undefined): string {
  if (text === undefined) {
    throw new BoltsealError('ERR_USAGE', '`boltseal token` needs --url', {
      hint: 'Name the Sigstore: --url http://127.0.0.1:5200',
    });
  }
  if (/^https?:\/\/[^\s?#]+$/i.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new BoltsealError('ERR_USAGE', '--url is not an http or https URL without query and fragment');
}

/** `name=value` each; a value that is JSON is that value, anything else is text. */
function readClaims(given: readonly string[]): JsonObject {
  const claims = new Map<string, Json>();
  for (const text of given) {
    const split = text.indexOf('=');
    const name = text.slice(0, split);
    if (split < 1) {
      throw new BoltsealError('ERR_USAGE', '--claim must be NAME=VALUE', {
        hint: 'Such as: --claim email_verified=false --claim ref=refs/heads/main',
      });
    }
    if (claims.has(name)) throw new BoltsealError('ERR_USAGE', `the claim ${name} is given twice`);
    claims.set(name, claimValue(text.slice(split + 1)));
  }
  return Object.fromEntries(claims);
}

function claimValue(text: string): Json {
  try {
    return parseJson(Buffer.from(text), { what: 'the claim', maxBytes: limits.oidcFormBytes });
  } catch {
    return text;
  }
}

async function askForToken(
  url: string,
  request: object,
  runtime: Pick<Runtime, 'fetch'>,
  signal: AbortSignal,
): Promise<string> {
  let response: FetchResponse;
  try {
    response = await runtime.fetch(url + mintPath, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: Buffer.from(JSON.stringify(request)),
      signal,
      redirect: 'manual',
    });
  } catch (cause) {
    throw new BoltsealError('ERR_SERVICE_NETWORK', `no Sigstore can be reached at ${url}`, {
      cause,
      hint: 'Is it running? `boltseal serve --dev --data DIR` starts one.',
    });
  }
  const answer = await readAnswer(response);
  const token = answer['token'];
  if (response.status === 200 && typeof token === 'string') return token;
  throw refusal(url, response.status, answer['error_description']);
}

/** The object that was answered; empty when it is something else. */
async function readAnswer(response: FetchResponse): Promise<JsonObject> {
  const what = 'the answer of the issuer';
  try {
    const bytes = await readBody(response, limits.tokenResponseBytes, what);
    const answer = parseJson(bytes, { what, maxBytes: limits.tokenResponseBytes });
    return isJsonObject(answer) ? answer : {};
  } catch {
    return {};
  }
}

function refusal(url: string, status: number, description: Json | undefined): BoltsealError {
  if (status === 400 && typeof description === 'string') {
    return new BoltsealError('ERR_USAGE', `the issuer at ${url} refused: ${description}`);
  }
  return new BoltsealError('ERR_SERVICE_RESPONSE', `${url} does not issue development tokens (${status})`, {
    hint: 'Only a Sigstore that was started with `boltseal serve --dev` does.',
  });
}

function claimsOf(token: string): Json {
  const [, payload = ''] = token.split('.');
  return parseJson(Buffer.from(payload, 'base64url'), {
    what: 'the token',
    maxBytes: limits.tokenResponseBytes,
  });
}
