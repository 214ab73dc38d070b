/** A trusted root made ready for verification. */
import type { TrustedRoot } from '../formats/trusted-root.ts';

/**
 * A trusted root whose certificates and keys are parsed when they are first needed, and kept. Made once, used for many
 * verifications.
 */
export interface Trust {
  readonly root: TrustedRoot;
}

/** The trust of a trusted root. Nothing is parsed yet, and nothing can fail. */
export function openTrust(root: TrustedRoot): Trust {
  return { root };
}
