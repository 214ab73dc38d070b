/** Query parameters and bodies of Rekor v1. */
import { isBoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { ServiceRefusal } from '../http/service.ts';
import { MisfitRefusal } from './refusal-v1.ts';

/** The integer `name`, at least `least`. Throws {@link MisfitRefusal}. */
export function integerParameter(query: URLSearchParams, name: string, least: number): number {
  const text = query.get(name);
  if (text === null || text === '') throw new MisfitRefusal('required', `${name} in query is required`);
  const value = Number(text);
  if (!/^-?[0-9]{1,19}$/.test(text) || !Number.isSafeInteger(value)) {
    throw new MisfitRefusal('type', `${name} in query must be of type int64`);
  }
  if (value < least) {
    throw new MisfitRefusal('tooSmall', `${name} in query should be greater than or equal to ${least}`);
  }
  return value;
}

/** A body that must be a JSON object. Throws {@link ServiceRefusal}. */
export function readObject(json: Uint8Array, maxBytes: number): JsonObject {
  let value: Json;
  try {
    value = parseJson(json, { what: 'the request', maxBytes });
  } catch (error) {
    if (isBoltsealError(error)) throw new ServiceRefusal(400, error.message, { cause: error });
    throw error;
  }
  if (!isJsonObject(value)) throw new ServiceRefusal(400, 'the request is not a JSON object');
  return value;
}
