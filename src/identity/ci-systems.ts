/** CI systems that are recognized and have no source here: the error for them says how to hand in a token all the same. */
import type { Runtime } from '../core/runtime.ts';
import type { MissingToken } from './source.ts';

interface CiSystem {
  readonly name: string;
  /** The variable that is set in its jobs. */
  readonly variable: string;
  readonly hint: string;
}

const systems: readonly CiSystem[] = [
  {
    name: 'CircleCI',
    variable: 'CIRCLECI',
    hint: 'Ask for one in the job:\n\n  export SIGSTORE_ID_TOKEN="$(circleci run oidc get --claims \'{"aud":"sigstore"}\')"',
  },
  {
    name: 'Codefresh',
    variable: 'CF_BUILD_ID',
    hint: 'The step obtain-oidc-id-token sets ID_TOKEN:\n\n  export SIGSTORE_ID_TOKEN="$ID_TOKEN"',
  },
];

const generic =
  'Have the CI system put a token for the audience sigstore into SIGSTORE_ID_TOKEN, give --identity-token FILE, or sign with a key: --key env://NAME.';

/** Why there is no token in the CI system that runs this; undefined when none is recognized. */
export function missingInCi(env: Runtime['env']): MissingToken | undefined {
  const system = systems.find(({ variable }) => isSet(env[variable]));
  if (system !== undefined) {
    return { problem: `this is a job of ${system.name} without an identity token`, hint: system.hint };
  }
  const isCi = ['CI', 'JENKINS_URL', 'TEAMCITY_VERSION', 'TF_BUILD'].some((name) => isSet(env[name]));
  return isCi
    ? { problem: 'this is a job of a CI system without an identity token', hint: generic }
    : undefined;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false' && value !== '0';
}
