/** Signatures whose log could not be reached. */
import type { SignOutcome } from '../../flows/sign-image.ts';
import type { DeferredSignature } from '../../formats/deferred-log.ts';
import type { Flags } from '../command.ts';
import { addDeferred, deferredParts } from '../deferred-file.ts';

/** Puts signatures whose log could not be reached into the file of `--defer-log`. */
export async function keepDeferred(flags: Flags, outcomes: readonly SignOutcome[]): Promise<void> {
  const path = flags.get('defer-log');
  const elsewhere = flags.get('signature-repository');
  const deferred = outcomes.flatMap((outcome): DeferredSignature[] =>
    'error' in outcome
      ? []
      : outcome.signed.flatMap(({ reference, signatures }) =>
          signatures
            .filter(({ deferredBy }) => deferredBy !== undefined)
            .map(({ format, payload, evidence, ...made }) => ({
              format: evidence.entity.storedEnvelope === undefined ? format : 'envelope',
              reference,
              ...(elsewhere === undefined ? {} : { signatureRepository: elsewhere }),
              payload,
              ...deferredParts({ ...made, material: evidence.entity.material }),
            })),
        ),
  );
  if (path !== undefined && deferred.length > 0) await addDeferred(path, deferred);
}
