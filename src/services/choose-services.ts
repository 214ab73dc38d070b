/** Which services of a signing configuration are asked. */
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { SigningConfig } from '../formats/signing-config.ts';

/** A service that was chosen. */
export interface ChosenService {
  /** Of a timestamp authority the whole URL, of others the one that paths are added to. */
  readonly url: string;
  /** Others that do as well, in the order in which they should be tried when this one is down. */
  readonly alternatives: readonly string[];
}

/** Versions of Rekor. */
export type RekorVersion = 1 | 2;

/** A log that was chosen; its alternatives are of the same version. */
export interface ChosenLog extends ChosenService {
  readonly version: RekorVersion;
}

/** What was chosen. Logs and timestamp authorities that are listed are all asked. */
export interface ChosenServices {
  readonly ca?: ChosenService;
  readonly oidc?: ChosenService;
  readonly logs: readonly ChosenLog[];
  readonly timestampAuthorities: readonly ChosenService[];
}

/** Kinds of services. */
export type ServiceRole = 'ca' | 'oidc' | 'log' | 'timestamp authority';

/** How services are chosen. */
export interface ChooseServicesOptions {
  /** Kinds of which there must be one. */
  readonly require?: readonly ServiceRole[] | undefined;
  /** The version of the logs: the only one, or the one that is chosen while there is a log of it. */
  readonly rekor?: { readonly version: RekorVersion; readonly only?: boolean } | undefined;
}

/** Chooses services. Throws `ERR_SIGNING_CONFIG`. */
export function chooseServices(
  _config: SigningConfig,
  _options: ChooseServicesOptions,
  _runtime: Pick<Runtime, 'now' | 'random'>,
): ChosenServices {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
