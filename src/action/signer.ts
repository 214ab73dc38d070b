/** From the inputs to who signs, and what records it. */
import { begin } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import { createKeylessSession } from '../flows/keyless.ts';
import type { SigningOptions } from '../flows/signing.ts';
import { checkPublishing, type Recorders, recordersFor, servicesFor } from '../flows/signing-services.ts';
import type { SigningConfig } from '../formats/signing-config.ts';
import { ambientToken } from '../identity/sources.ts';
import type { IdentityToken } from '../identity/token.ts';
import { loadSigner } from '../keys/reference.ts';
import type { Signer } from '../keys/signer.ts';
import type { ChosenServices } from '../services/choose-services.ts';
import type { ActionContext } from './context.ts';
import { keyInput } from './keys.ts';
import { givenSigningConfig, instanceConfig, trustFor } from './trust.ts';

/** Who signs, and what records it. */
export interface SigningSetup
  extends SigningOptions,
    Partial<Pick<Recorders, 'layerRecorder' | 'fitsLayers'>> {
  /** The key that signs; absent when an identity does. */
  readonly key?: Promise<Signer>;
}

/** Whom the public Sigstore, and a private one unless told, accepts tokens for. */
const audience = 'sigstore';

interface Wanted {
  readonly keyless: boolean;
  readonly log: boolean;
  readonly timestamp: boolean | undefined;
  readonly given: SigningConfig | undefined;
}

/**
 * What the inputs ask for. A key is loaded, and a certificate asked for, in the background. Throws `ERR_SIGNING_CONFIG`,
 * `ERR_LOG_PRIVACY`, and what loading trust throws.
 */
export async function signingSetup(
  context: ActionContext,
  references: readonly string[],
): Promise<SigningSetup> {
  const { key } = context.settings;
  const signer = key === undefined ? undefined : begin(loadKey(context, key));
  const wanted = await recordingWanted(context, signer === undefined);
  if (signer !== undefined && !wanted.log && wanted.timestamp !== true) return { key: signer, signer };
  const loaded = await trustFor(context);
  const config = wanted.given ?? (await instanceConfig(context, loaded));
  const { runtime } = context;
  const services = servicesFor(config, wanted, runtime);
  const recorders = recordersFor(services, { root: loaded.root, keyless: wanted.keyless }, runtime);
  const check = publishingCheck(context, services, references);
  if (signer !== undefined) {
    await check(undefined);
    return { key: signer, signer, trust: loaded.trust, ...recorders };
  }
  if (services.ca === undefined) {
    throw new BoltsealError('ERR_SIGNING_CONFIG', 'the signing configuration names no certificate authority');
  }
  const getToken = async (): Promise<IdentityToken> => {
    const token = await workflowToken(context);
    await check(token);
    return token;
  };
  const session = createKeylessSession({ caUrl: services.ca.url, getToken }, runtime);
  // The first requests to registries run beside it. A failure is told by whoever asks for the certificate next.
  begin(session.current({ signal: context.signal }));
  return { signer: session, trust: loaded.trust, ...recorders };
}

async function loadKey({ runtime, signal }: ActionContext, key: string): Promise<Signer> {
  const { reference, options } = keyInput(key, runtime, signal);
  return loadSigner(reference, options);
}

async function recordingWanted(context: ActionContext, isKeyless: boolean): Promise<Wanted> {
  const { log } = context.settings;
  const given = await givenSigningConfig(context);
  const isNamed = given === undefined ? isKeyless : given.rekor.services.length > 0;
  const stamps = given !== undefined && given.tsa.services.length > 0;
  return {
    keyless: isKeyless,
    log: log === 'auto' ? isNamed : log !== 'none',
    timestamp: stamps ? true : undefined,
    given,
  };
}

function publishingCheck(
  { settings, runtime }: ActionContext,
  services: ChosenServices,
  references: readonly string[],
): (token: IdentityToken | undefined) => Promise<void> {
  return async (token) => {
    const wish = {
      env: runtime.env,
      isPrivate: settings.log === 'private',
      consent: settings.log === 'public',
      references,
      privateHint:
        'Point the action at a private Sigstore with trusted-root and signing-config, or say log: public.',
    };
    await checkPublishing(services, token, wish);
  };
}

/** The identity token of this job, hidden from the log. Throws `ERR_IDENTITY_MISSING` and what its source throws. */
async function workflowToken({ runtime, signal, toolkit }: ActionContext): Promise<IdentityToken> {
  const token = await ambientToken({ runtime, audience, signal });
  if (token === undefined) {
    throw new BoltsealError('ERR_IDENTITY_MISSING', 'there is no identity token to sign with', {
      hint: 'This is no job of GitHub Actions. Give a key, or set SIGSTORE_ID_TOKEN.',
    });
  }
  toolkit.mask(token.token);
  return token;
}
