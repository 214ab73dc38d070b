/** Telling why nothing was accepted: which of many reasons comes first, and what to do next. */
import type { BoltsealError, ErrorCode } from '../core/errors.ts';
import { announcedPredicateType } from '../formats/referrer-manifest.ts';
import type { PlaceReport } from '../registry/discover.ts';
import type { Refusal } from '../verify/verdict.ts';

/**
 * From the reason of a signature that was nearly accepted to that of one that hardly is one. What is not here was not
 * even readable.
 */
const nearestFirst: readonly ErrorCode[] = [
  'ERR_VERIFY_ANNOTATIONS',
  'ERR_VERIFY_DIGEST',
  'ERR_VERIFY_IDENTITY',
  'ERR_VERIFY_LOG_MISSING',
  'ERR_VERIFY_TIMESTAMP_MISSING',
  'ERR_VERIFY_TIME',
  'ERR_VERIFY_CERTIFICATE_TIME',
  'ERR_VERIFY_SCT',
  'ERR_VERIFY_CERTIFICATE',
  'ERR_VERIFY_LOG_UNKNOWN',
  'ERR_VERIFY_TIMESTAMP',
  'ERR_VERIFY_LOG_ENTRY',
  'ERR_VERIFY_INCLUSION_PROOF',
  'ERR_VERIFY_CHECKPOINT',
  'ERR_VERIFY_INCLUSION_PROMISE',
  'ERR_VERIFY_KEY_MISMATCH',
  'ERR_VERIFY_SIGNATURE',
  'ERR_VERIFY_NO_CERTIFICATE',
  'ERR_VERIFY_PREDICATE_TYPE',
  'ERR_VERIFY_PAYLOAD_TYPE',
];

/**
 * The refusal that says most about what the user can change: beside a signature by the right key with another
 * annotation, one by an unknown key means little. Undefined when there are none.
 */
export function nearestRefusal(refused: readonly Refusal[]): Refusal | undefined {
  const distance = ({ error }: Refusal): number => {
    const at = nearestFirst.indexOf(error.code);
    return at < 0 ? nearestFirst.length : at;
  };
  return [...refused].sort((a, b) => distance(a) - distance(b))[0];
}

/** The codes of `refused`, each once, in their order. */
export function refusalCodes(refused: readonly Refusal[]): readonly ErrorCode[] {
  return [...new Set(refused.map(({ error }) => error.code))];
}

/** What to do about a verification that ended because of `error`: its own hint, or one for content of its kind. */
export function nextStep(error: BoltsealError, what: 'place' | 'candidate'): string {
  if (error.hint !== undefined) return error.hint;
  if (error.code === 'ERR_VERIFY_IDENTITY') {
    return 'If that is who should have signed, require it; --explain shows every signature that was found.';
  }
  if (error.code === 'ERR_LIMIT_EXCEEDED' && what === 'place') {
    return 'The signature may be among what was not looked at. Remove what is not needed there, or keep signatures in a repository of their own (--signature-repository).';
  }
  return what === 'place'
    ? 'What is stored there is damaged, or was changed on the way. `boltseal tree` shows what is attached; remove what is damaged and sign again.'
    : 'What is stored is damaged or no signature of an image: sign the image again. --explain shows the reason for each.';
}

/**
 * The errors that leave open whether there is a good signature: of places that could not be read to their end, whatever
 * the reason, and of candidates that could not be fetched. Content that was fetched and is bad is not among them.
 */
export function readFailures(found: {
  readonly places: readonly PlaceReport[];
  readonly refused: readonly Pick<Refusal, 'error'>[];
}): readonly BoltsealError[] {
  const unfetched = found.refused.filter(
    ({ error: { code } }) =>
      code.startsWith('ERR_REGISTRY_') || code === 'ERR_BLOB_NOT_FOUND' || code === 'ERR_INTERRUPTED',
  );
  return [
    ...found.places.flatMap(({ error }) => (error ? [error] : [])),
    ...unfetched.map(({ error }) => error),
  ];
}

/**
 * What to say about an image without a signature, or without an attestation of `wanted` types. Attestations are the usual
 * surprise: many take them for signatures, and a signature for one of them.
 */
export function absence(
  reference: string,
  places: readonly PlaceReport[],
  wanted?: readonly string[],
): { readonly message: string; readonly hint: string } {
  const announced = places.flatMap(({ others = [] }) => others.map(announcedPredicateType));
  const types = [...new Set(announced.filter((type) => type !== undefined))];
  const asked = wanted === undefined ? 'Signed' : 'Attested';
  const elsewhere = `${asked} in another repository? Name it with --signature-repository.`;
  const shown = types.slice(0, 3).map((type) => JSON.stringify(type.slice(0, 100)));
  const found = `${shown.join(', ')}${types.length > 3 ? ' and more' : ''}`;
  if (wanted !== undefined) {
    const message = `no attestation of type ${wanted.join(' or ')} was found for ${reference}`;
    return types.length === 0
      ? { message, hint: `See where it was looked for with --explain. ${elsewhere}` }
      : { message: `${message}; it has ${found}`, hint: `Is --type the one that was attested? ${elsewhere}` };
  }
  if (types.length === 0) {
    return {
      message: `no signature was found for ${reference}`,
      hint: `See where it was looked for with --explain. ${elsewhere}`,
    };
  }
  return {
    message: `${reference} has attestations (${found}), and no signature`,
    hint: `An attestation says something about an image and does not sign it: sign it with boltseal sign. ${elsewhere}`,
  };
}
