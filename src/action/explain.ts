/** What failures mean in a workflow: those of Boltseal by their code, and texts that people meet and search for. */
import { BoltsealError, type ErrorCode, wrapError } from '../core/errors.ts';

/** A text that stands in a failure, and what it means. */
export interface KnownFailure {
  /** As people see it. */
  readonly text: string;
  readonly pattern: RegExp;
  readonly meaning: string;
}

const idToken =
  'The job has no `permissions: id-token: write`, which signing without a key needs. In a run for a pull request from a fork granting it cannot help: sign on push.';

/** Failure texts of GitHub, its registry and other signing tools. The guide lists them too. */
export const knownFailures: readonly KnownFailure[] = [
  {
    text: 'Unable to get ACTIONS_ID_TOKEN_REQUEST_URL',
    pattern: /ACTIONS_ID_TOKEN_REQUEST_URL/,
    meaning: idToken,
  },
  {
    text: 'Non-interactive mode detected, using device flow',
    pattern: /using device flow|expired_token/i,
    meaning: `${idToken} Another tool then waits five minutes for somebody to type in a code.`,
  },
  {
    text: 'denied: permission_denied: write_package',
    pattern: /write_package/,
    meaning:
      'The package exists and is not linked to this repository. On the page of the package, under Package settings, Manage Actions access, add the repository with the role Write. The job needs `permissions: packages: write` too.',
  },
  {
    text: 'denied: installation not allowed to Create organization package',
    pattern: /installation not allowed to \w+ organization package/i,
    meaning:
      'The token of the run may not write packages of this owner: the job needs `permissions: packages: write`, and the package must be linked to this repository.',
  },
  {
    text: 'Resource not accessible by integration',
    pattern: /Resource not accessible by integration/i,
    meaning:
      'The token of the run lacks a permission of the job, such as `attestations: write` or `packages: write`. What a job does not list under permissions is taken away.',
  },
  {
    text: 'Feature not available for user-owned private repositories',
    pattern: /Feature not available for user-owned private repositories/i,
    meaning:
      'GitHub keeps attestations of private repositories only in some plans. Boltseal stores them in the registry and needs no plan.',
  },
  {
    text: 'create bundle file: open : no such file',
    pattern: /create bundle file: open\s*:/i,
    meaning:
      'cosign 3 was called without --bundle FILE, which sign-blob and attest-blob need since that version.',
  },
  {
    text: 'OCIError … Header overflow',
    pattern: /header overflow|HPE_HEADER_OVERFLOW/i,
    meaning:
      'A registry sends more headers than Node.js takes by default (16 KiB). Boltseal takes 64 KiB; for another tool set NODE_OPTIONS=--max-http-header-size=65536.',
  },
  {
    text: 'expected 200, received 404',
    pattern: /expected 200, received 404|MANIFEST_UNKNOWN|manifest unknown/i,
    meaning:
      'The image is not in the registry. Was it pushed? Often `push:` of the build step is an expression that is false in this run.',
  },
];

/** What to do in a workflow, by code; said in place of hints that are about the command line. */
const advice: { readonly [code in ErrorCode]?: string | ((error: BoltsealError) => string) } = {
  ERR_IMAGE_NOT_FOUND:
    'Was the image pushed? Often `push:` of the build step is an expression that is false in this run. Some registries also answer so when a login is missing.',
  ERR_REGISTRY_UNAUTHORIZED:
    'Log in with docker/login-action before this step, or give registry-username and registry-password. For the registry of GitHub the job needs `permissions: packages: write`.',
  ERR_REGISTRY_DENIED:
    'The account may not do this in the repository. For the registry of GitHub the job needs `permissions: packages: write`, and the package must be linked to this repository.',
  ERR_PASSWORD_WRONG:
    'Does the secret of the input password exist, and is it of this key? A secret that does not exist is empty.',
  ERR_LOG_PRIVACY: [
    'Choose one:',
    '  - a private Sigstore, whose log stays in the house: trusted-root and signing-config',
    '  - a key pair, which is logged nowhere: key and password',
    '  - publish it: log: public',
  ].join('\n'),
  // Of the hint for the command line only the package is of use here.
  ERR_KEY_PEER: ({ hint = '' }) =>
    `Install it in the workspace, in a step before this one: npm install --no-save ${/'[^']+'/.exec(hint)?.[0] ?? 'PACKAGE'}`,
};

/** An error as an annotation: title and text. */
export interface Explanation {
  readonly title: string;
  readonly text: string;
}

/** Causes that are shown. */
const maxCauses = 5;

/** What went wrong, why, and what to do. */
export function explain(thrown: unknown): Explanation {
  const error = wrapError(thrown, 'ERR_INTERNAL', 'something unforeseen happened', {
    hint: 'This is a defect of Boltseal. Please report it.',
  });
  const chain = chainOf(error);
  const texts = [...new Set(chain.map(({ message }) => message))].filter(
    (message, index) => index === 0 || (message !== '' && !error.message.includes(message)),
  );
  const known = knownFailures.find(({ pattern }) => texts.some((text) => pattern.test(text)));
  const coded = chain.filter((one) => one instanceof BoltsealError);
  const advised = coded.map(adviceFor).find((text) => text !== undefined);
  const hint = known?.meaning ?? advised ?? coded.map((one) => one.hint).find((text) => text !== undefined);
  const [message = '', ...causes] = texts;
  const lines = [message, ...causes.map((text) => `caused by: ${text}`), ...comparisons(chain)];
  if (hint !== undefined) lines.push(hint);
  return { title: `Boltseal: ${error.code}`, text: lines.join('\n') };
}

function adviceFor(error: BoltsealError): string | undefined {
  const found = advice[error.code];
  return typeof found === 'function' ? found(error) : found;
}

function chainOf(error: BoltsealError): readonly Error[] {
  const chain: Error[] = [error];
  for (let cause = error.cause; cause instanceof Error && chain.length <= maxCauses; cause = cause.cause) {
    if (chain.includes(cause)) break;
    chain.push(cause);
  }
  return chain;
}

/** What was required of an identity beside what was found, of an `IdentityMismatchError`. */
function comparisons(chain: readonly Error[]): readonly string[] {
  const found = chain.flatMap((one) =>
    'comparisons' in one && Array.isArray(one.comparisons) ? one.comparisons : [],
  );
  return found
    .filter(({ matches }) => matches === false)
    .map(({ field, expected, found: is }) => `${field}: required ${expected}, found ${is ?? 'nothing'}`);
}
