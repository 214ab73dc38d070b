/** PKCS#11 URIs: which module, token and object. {@link https://www.rfc-editor.org/rfc/rfc7512} */
import { fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** What a URI says. Text is as tokens have it, without the blanks that fill it up. */
export interface Pkcs11Uri {
  readonly token?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly serial?: string | undefined;
  readonly model?: string | undefined;
  readonly slotId?: number | undefined;
  /** The label of the key. */
  readonly object?: string | undefined;
  /** The identifier of the key. */
  readonly id?: Uint8Array | undefined;
  readonly modulePath?: string | undefined;
  /** A secret. */
  readonly pinValue?: string | undefined;
  /** The path of the file with the PIN. */
  readonly pinSource?: string | undefined;
}

const scheme = 'pkcs11:';

/** Attributes that are understood, each with the field it is kept in. */
const pathFields: Readonly<Record<string, keyof Pkcs11Uri>> = {
  token: 'token',
  manufacturer: 'manufacturer',
  serial: 'serial',
  model: 'model',
  'slot-id': 'slotId',
  object: 'object',
  id: 'id',
};

const queryFields: Readonly<Record<string, keyof Pkcs11Uri>> = {
  'module-path': 'modulePath',
  'pin-value': 'pinValue',
  'pin-source': 'pinSource',
};

/** Attributes of the library: they choose no key, once the module is named. */
const ignored: ReadonlySet<string> = new Set([
  'library-manufacturer',
  'library-version',
  'library-description',
]);

/**
 * What `text` says. An attribute that is not understood is an error, and so is one that is there twice: both could choose
 * another key than whoever wrote it meant. Throws `ERR_USAGE`; nothing of the URI is shown, for there may be a PIN in it.
 * {@link https://www.rfc-editor.org/rfc/rfc7512#section-2.3}
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (!text.startsWith(scheme) || text.length > limits.keyReferenceLength) {
    throw invalid('it does not begin with pkcs11:, or is too long');
  }
  const [path = '', query, ...more] = text.slice(scheme.length).split('?');
  if (more.length > 0) throw invalid('it has two question marks');
  const fields: Record<string, string | number | Uint8Array> = {};
  for (const [name, value] of attributes(path, ';')) {
    if (ignored.has(name)) continue;
    if (name === 'type') checkType(value);
    else add(fields, pathFields, name, value);
  }
  for (const [name, value] of attributes(query ?? '', '&')) {
    if (name === 'module-name')
      throw invalid('module-name is not supported', 'Name the file: module-path=/usr/lib/….so');
    add(fields, queryFields, name, value);
  }
  if ('pinValue' in fields && 'pinSource' in fields) throw invalid('it has both pin-value and pin-source');
  return fields as Pkcs11Uri;
}

/** The attributes of one part, decoded, in order. cosign separates those of the query with semicolons too. */
function* attributes(part: string, separator: string): Generator<readonly [string, Uint8Array]> {
  const pieces = separator === '&' ? part.split(/[&;]/) : part.split(separator);
  for (const piece of part === '' ? [] : pieces) {
    const equals = piece.indexOf('=');
    if (equals < 1) throw invalid('it has an attribute without a name or a value');
    yield [piece.slice(0, equals), percentDecoded(piece.slice(equals + 1))];
  }
}

function percentDecoded(text: string): Uint8Array {
  if (!/^(?:[^%]|%[0-9A-Fa-f]{2})*$/.test(text)) throw invalid('a percent sign stands alone');
  const bytes = Buffer.from(text);
  const decoded: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const isEscape = bytes[at] === 0x25;
    decoded.push(isEscape ? Number.parseInt(bytes.toString('latin1', at + 1, at + 3), 16) : (bytes[at] ?? 0));
    if (isEscape) at += 2;
  }
  return Uint8Array.from(decoded);
}

function add(
  fields: Record<string, string | number | Uint8Array>,
  known: Readonly<Record<string, keyof Pkcs11Uri>>,
  name: string,
  value: Uint8Array,
): void {
  const field = Object.hasOwn(known, name) ? known[name] : undefined;
  if (field === undefined) {
    const shown = /^[a-z-]{1,30}$/.test(name) ? name : '…';
    throw invalid(`the attribute ${shown} is not understood here`);
  }
  if (field in fields) throw invalid(`${name} is there twice`);
  if (field === 'id') {
    fields[field] = value;
    return;
  }
  const text = fromUtf8(value, `the attribute ${name} of the PKCS#11 URI`);
  if (field !== 'slotId') fields[field] = text;
  else if (/^\d{1,15}$/.test(text)) fields[field] = Number(text);
  else throw invalid('slot-id is not a number');
}

function checkType(value: Uint8Array): void {
  const type = Buffer.from(value).toString('latin1');
  if (type !== 'private' && type !== 'public') throw invalid('its type is not that of a key pair');
}

function invalid(why: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `the PKCS#11 URI cannot be used: ${why}`, {
    hint:
      hint ??
      "It looks like 'pkcs11:token=release;object=cosign?module-path=/usr/lib/softhsm/libsofthsm2.so', in quotes.",
  });
}

/** `uri` as text, without its PIN and where that is: it may be shown, and cosign reads it. */
export function formatPkcs11Uri(uri: Pkcs11Uri): string {
  const path = [
    ['token', uri.token],
    ['manufacturer', uri.manufacturer],
    ['serial', uri.serial],
    ['model', uri.model],
    ['slot-id', uri.slotId === undefined ? undefined : String(uri.slotId)],
  ] as const;
  const parts = path.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${escaped(value)}`]));
  if (uri.id !== undefined) parts.push(`id=${Buffer.from(uri.id).toString('hex').replace(/../g, '%$&')}`);
  if (uri.object !== undefined) parts.push(`object=${escaped(uri.object)}`);
  const query = uri.modulePath === undefined ? '' : `?module-path=${escaped(uri.modulePath, '/')}`;
  return `${scheme}${parts.join(';')}${query}`;
}

/** Everything but unreserved characters is escaped: cosign takes `+` for a blank. */
function escaped(text: string, also = ''): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      const isPlain = /[A-Za-z0-9._~-]/.test(character) || (also !== '' && also.includes(character));
      return isPlain ? character : `%${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}
