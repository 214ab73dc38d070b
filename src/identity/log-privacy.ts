/** What a public log shows of a signature for ever, and who must agree before it does. */
import { BoltsealError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { IdentityToken } from './token.ts';
import type { RepositoryVisibility } from './visibility.ts';

/** One thing that becomes public. */
export interface PublishedFact {
  /** What it is: `identity`, `issuer`, `repository`, … */
  readonly name: string;
  readonly value: string;
}

/** What is about to be logged. */
export interface LogPrivacyQuery {
  readonly visibility: RepositoryVisibility;
  /** Undefined when a key pair signs. */
  readonly token?: IdentityToken | undefined;
  /** The digests that are signed. */
  readonly digests?: readonly string[] | undefined;
  /** The base URL of the log. */
  readonly log: string;
  /** Whether everyone can read the log; {@link isPublicLog} tells it of a URL. */
  readonly isPublic: boolean;
  /** Whether the user agreed: `--log public`, or cosign’s `--yes`. */
  readonly consent: boolean;
}

/** Whether `url` is a service of the public Sigstore. */
export function isPublicLog(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const host = new URL(url).hostname.replace(/\.$/, '');
  return host === 'sigstore.dev' || host.endsWith('.sigstore.dev');
}

/**
 * What a public log shows of a signature with `token`, in the certificate that Fulcio makes of its claims and in the log
 * entry. Order is that of importance.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md}
 */
export function wouldPublish(
  token: IdentityToken | undefined,
  digests: readonly string[] = [],
): readonly PublishedFact[] {
  const facts: PublishedFact[] = [];
  const add = (name: string, value: unknown): void => {
    const isText = typeof value === 'string' || typeof value === 'number';
    if (isText && value !== '') facts.push({ name, value: inLine(String(value)) });
  };
  if (token === undefined) add('identity', 'the public key');
  else {
    add('identity', identityOf(token));
    add('issuer', token.issuer);
    for (const [name, value] of workloadFacts(token.claims, token.issuer)) add(name, value);
  }
  for (const digest of digests) add('digest', digest);
  return facts;
}

/** Claims are written by strangers too: nothing of them may look like a line of its own. */
function inLine(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ').slice(0, limits.issuerUrlLength);
}

type Facts = readonly (readonly [name: string, value: unknown])[];

function workloadFacts(claims: JsonObject, issuer: string): Facts {
  if (claims['job_workflow_ref'] !== undefined) return githubFacts(claims, githubUrl(issuer));
  if (claims['ci_config_ref_uri'] !== undefined) return gitlabFacts(claims, issuer);
  if (claims['pipeline_slug'] !== undefined) return buildkiteFacts(claims);
  return [];
}

function githubFacts(claims: JsonObject, url: string): Facts {
  const { repository, run_id: run, run_attempt: attempt } = claims;
  return [
    ['repository', repository],
    ['visibility', claims['repository_visibility']],
    ['workflow', claims['workflow']],
    ['workflow file', claims['workflow_ref'] ?? claims['job_workflow_ref']],
    ['ref', claims['ref']],
    ['commit', claims['sha']],
    ['trigger', claims['event_name']],
    ['environment', claims['environment']],
    ['run', `${url}/${repository}/actions/runs/${run}/attempts/${attempt}`],
  ];
}

function gitlabFacts(claims: JsonObject, issuer: string): Facts {
  return [
    ['repository', claims['project_path']],
    ['visibility', claims['project_visibility']],
    ['workflow file', claims['ci_config_ref_uri']],
    ['ref', claims['ref']],
    ['commit', claims['sha']],
    ['trigger', claims['pipeline_source']],
    ['environment', claims['environment']],
    ['run', `${issuer}/${claims['project_path']}/-/jobs/${claims['job_id']}`],
  ];
}

function buildkiteFacts(claims: JsonObject): Facts {
  const pipeline = `https://buildkite.com/${claims['organization_slug']}/${claims['pipeline_slug']}`;
  return [
    ['commit', claims['build_commit']],
    ['run', `${pipeline}/builds/${claims['build_number']}#${claims['job_id']}`],
  ];
}

/** The name in the certificate; CI systems have one that is made of other claims than `sub`. */
function identityOf({ claims, issuer, subject }: IdentityToken): string {
  if (typeof claims['job_workflow_ref'] === 'string')
    return `${githubUrl(issuer)}/${claims['job_workflow_ref']}`;
  if (typeof claims['ci_config_ref_uri'] === 'string') return `https://${claims['ci_config_ref_uri']}`;
  if (typeof claims['pipeline_slug'] === 'string') {
    return `https://buildkite.com/${claims['organization_slug']}/${claims['pipeline_slug']}`;
  }
  return subject;
}

/** The web address of the GitHub whose Actions issued a token: a server of one’s own has its issuer below it. */
function githubUrl(issuer: string): string {
  const isHosted =
    !URL.canParse(issuer) || new URL(issuer).hostname === 'token.actions.githubusercontent.com';
  return isHosted ? 'https://github.com' : new URL(issuer).origin;
}

/**
 * Refuses to write the names of a private or internal repository into a log that everyone can read, unless the user
 * agreed. Throws `ERR_LOG_PRIVACY`, with everything that would become public.
 */
export function checkLogPrivacy(query: LogPrivacyQuery): void {
  const { visibility, isPublic, consent, log } = query;
  if (!isPublic || consent || visibility.visibility === 'public' || visibility.visibility === 'unknown')
    return;
  const facts = wouldPublish(query.token, query.digests);
  const name =
    visibility.repository === undefined ? 'this repository' : `the repository ${visibility.repository}`;
  const lines = shortened(facts).map(({ name: fact, value }) => `  ${fact}: ${value}`);
  throw new BoltsealError(
    'ERR_LOG_PRIVACY',
    `${name} is ${visibility.visibility} (says ${visibility.from}), and ${log} is public: this would be published for ever, for everyone to read:\n${lines.join('\n')}`,
    {
      hint: [
        'Choose one:',
        '  - a private Sigstore, whose log stays in the house: `boltseal serve` runs one',
        '  - a key pair and no log: --key cosign.key --log none',
        '  - publish it: --log public (cosign’s --yes means the same)',
      ].join('\n'),
      details: {
        visibility: visibility.visibility,
        log,
        facts: facts.map((fact) => `${fact.name}: ${fact.value}`),
      },
    },
  );
}

/** Digests are many when many images are signed: the first ones stand for them. */
function shortened(facts: readonly PublishedFact[]): readonly PublishedFact[] {
  const digests = facts.filter((fact) => fact.name === 'digest');
  const shown = digests.slice(0, 5);
  const rest = digests.length - shown.length;
  const more = rest === 0 ? [] : [{ name: 'digest', value: `and ${rest} more` }];
  return [...facts.filter((fact) => fact.name !== 'digest'), ...shown, ...more];
}
