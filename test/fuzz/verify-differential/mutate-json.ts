/** Changes in the JSON of bundles and trusted roots. */
import type { Document } from './build.ts';
import { bytesOf } from './build.ts';
import { documentOf, type Mutator, mutateBytes, type Original } from './mutator.ts';
import type { Random } from './random.ts';
import type { Trial } from './trial.ts';

/** A place in a document: what holds it, and under which name. */
interface Place {
  readonly holder: Document;
  readonly key: string | number;
  readonly path: string;
}

/** Every place in a document. */
function placesOf(holder: Document, path = ''): Place[] {
  if (typeof holder !== 'object' || holder === null) return [];
  return Object.keys(holder).flatMap((name) => {
    const key = Array.isArray(holder) ? Number(name) : name;
    const below = `${path}/${name}`;
    return [{ holder, key, path: below }, ...placesOf(holder[key], below)];
  });
}

/** A change of what is at a place. False: it does not fit there. */
type Change = (place: Place, random: Random, donor: Document) => boolean;

function put({ holder, key }: Place, value: unknown): true {
  holder[key] = value;
  return true;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const drop: Change = ({ holder, key }, random) => {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else if (random.once(4)) holder[key] = null;
  else delete holder[key];
  return true;
};

const rename: Change = ({ holder, key }, random) => {
  if (typeof key === 'number') return false;
  const name = random.pick([snakeCase(key), key.toUpperCase(), `${key}x`, `${key} `, key.slice(0, -1)]);
  if (name === key) return false;
  const value = holder[key];
  // A copy stays at times: then it is there twice.
  if (!random.once(4)) delete holder[key];
  holder[name] = value;
  return true;
};

const unknown: Change = ({ holder }, random) => {
  if (Array.isArray(holder)) return false;
  holder[random.pick(['x', 'unknownField', '__proto__x', 'constructor', '$type', '@type'])] = random.pick([
    1,
    null,
    '',
    {},
    [],
    'x',
    true,
  ]);
  return true;
};

const retype: Change = (place, random) => {
  const value = place.holder[place.key];
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return put(
    place,
    random.pick([Number(text), text, [value], { value }, true, false, 0, '', [], {}, null, [text], 1e30]),
  );
};

const numbers: readonly ((value: bigint) => unknown)[] = [
  (value) => String(value + 1n),
  (value) => String(value - 1n),
  (value) => String(-value),
  (value) => Number(value),
  (value) => Number(value) + 0.5,
  (value) => `${value}.0`,
  (value) => `0${value}`,
  (value) => `+${value}`,
  (value) => ` ${value}`,
  (value) => `0x${value.toString(16)}`,
  (value) => `${value}e0`,
  () => '9223372036854775807',
  () => '9223372036854775808',
  () => '-9223372036854775808',
  (value) => String(value + (1n << 64n)),
  (value) => String(value + (1n << 32n)),
  () => '9007199254740993',
  () => '99999999999999999999999999',
  () => '',
  () => '0',
  () => 0,
  () => '1',
  () => 'NaN',
  () => '8640000000001',
];

const number: Change = (place, random) => {
  const value = place.holder[place.key];
  if (!/^(?:-?[0-9]{1,20})$/.test(String(value))) return false;
  return put(place, random.pick(numbers)(BigInt(value as string)));
};

function isBase64(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length > 7 && Buffer.from(value, 'base64').toString('base64') === value
  );
}

const spellings: readonly ((text: string, random: Random) => string)[] = [
  (text) => text.replaceAll('+', '-').replaceAll('/', '_'),
  (text) => text.replace(/=+$/, ''),
  (text) => `${text}=`,
  (text) => `${text}\n`,
  (text) => ` ${text}`,
  (text, random) => {
    const at = random.below(text.length);
    return `${text.slice(0, at)}${random.pick(['\n', ' ', '!', '-', '=', '\u0000', 'é', '%'])}${text.slice(at)}`;
  },
  (text) => `${text}AAAA`,
  (text) => `${text}====`,
  (text) => text.slice(0, -1),
  (text) => text.slice(0, -4),
  // Bits behind the last byte.
  (text) =>
    text.replace(
      /([A-Za-z0-9+/])(=+)$/,
      (_, last: string, padding: string) =>
        String.fromCharCode(last.charCodeAt(0) + (/[A-Ya-y0-8]/.test(last) ? 1 : 0)) + padding,
    ),
  () => '',
];

const spelling: Change = (place, random) => {
  const value = place.holder[place.key];
  return isBase64(value) && put(place, random.pick(spellings)(value, random));
};

const bytes: Change = (place, random) => {
  const value = place.holder[place.key];
  if (!isBase64(value)) return false;
  return put(place, Buffer.from(mutateBytes(Buffer.from(value, 'base64'), random)).toString('base64'));
};

const text: Change = (place, random) => {
  const value = place.holder[place.key];
  if (typeof value !== 'string' || isBase64(value)) return false;
  return put(place, Buffer.from(mutateBytes(Buffer.from(value), random)).toString());
};

const list: Change = (place, random, donor) => {
  const value = place.holder[place.key];
  if (!Array.isArray(value) || value.length === 0) return false;
  const item = structuredClone(random.pick(value)) as unknown;
  switch (random.below(6)) {
    case 0:
      return put(place, [...value, item]);
    case 1:
      return put(place, [item, ...value]);
    case 2:
      return put(
        place,
        Array.from({ length: random.pick([2, 33, 70, 1_001]) }, () => item),
      );
    case 3:
      return value.length > 1 && put(place, value.toReversed());
    case 4:
      return put(place, []);
    default: {
      const theirs = placesOf(donor).find(({ path }) => path === place.path);
      const items = theirs?.holder[theirs.key];
      if (!Array.isArray(items) || items.length === 0) return false;
      return put(place, random.once(2) ? [...value, ...items] : [...items, ...value]);
    }
  }
};

const swap: Change = (place, random, donor) => {
  const same = placesOf(donor).filter(({ path }) => path === place.path);
  if (same.length === 0) return false;
  const theirs = random.pick(same);
  return put(place, theirs.holder[theirs.key]);
};

/** The other place of the same document with the same name gets this value. */
const exchange: Change = (place) => {
  const { holder, key } = place;
  if (typeof key === 'number') return false;
  const value = holder[key];
  const others = Object.keys(holder).filter(
    (name) => name !== key && typeof holder[name] === typeof value && typeof value === 'string',
  );
  const [other] = others;
  if (other === undefined) return false;
  const kept = holder[other];
  holder[other] = value;
  holder[key] = kept;
  return true;
};

/** What a message has instead of what it is meant to have one of: both of a oneof. */
const both: Change = ({ holder }, random, donor) => {
  if (holder.verificationMaterial === undefined && holder.tlogEntries === undefined) return false;
  const theirs = holder.tlogEntries === undefined ? donor : donor.verificationMaterial;
  const names = ['certificate', 'x509CertificateChain', 'publicKey', 'messageSignature', 'dsseEnvelope'];
  const more = names.filter((name) => holder[name] === undefined && theirs?.[name] !== undefined);
  if (more.length === 0) return false;
  const name = random.pick(more);
  holder[name] = theirs[name];
  return true;
};

const mediaTypes = [
  'application/vnd.dev.sigstore.bundle+json;version=0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
  'application/vnd.dev.sigstore.bundle.v0.1+json',
  'application/vnd.dev.sigstore.bundle.v0.2+json',
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle.v0.3+json;x=y',
  'application/vnd.dev.sigstore.bundle.v0.4+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.9',
  'application/vnd.dev.sigstore.bundle+json;version=0.30',
  'application/vnd.dev.sigstore.bundle.v9.9+jsonx',
  'Application/vnd.dev.sigstore.bundle.v0.3+json',
  ' application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/json',
  '',
];

/** A mutator that makes `change` in one of the two documents, at the first places that it fits of those drawn. */
function changing(name: string, weight: number, change: Change): Mutator[] {
  const make =
    (document: 'bundle' | 'root') =>
    ({ trial }: Original, random: Random, donor: Original): Trial | undefined => {
      const changed = documentOf(trial[document]);
      const theirs = documentOf(donor.trial[document]);
      for (let attempt = 0; attempt < 20; attempt++) {
        // What an attempt that failed took away may have been the last.
        const places = placesOf(changed);
        if (places.length === 0) return undefined;
        if (change(random.pick(places), random, theirs)) {
          return { ...trial, [document]: bytesOf(changed) };
        }
      }
      return undefined;
    };
  return [
    { name: `bundle JSON, ${name}`, weight, mutate: make('bundle') },
    { name: `trusted root JSON, ${name}`, weight: weight / 4, mutate: make('root') },
  ];
}

/** Two changes at once. */
const twice: Change = (place, random, donor) =>
  random.pick(anywhere)(place, random, donor) && random.pick(anywhere)(place, random, donor);

const anywhere: readonly Change[] = [
  drop,
  rename,
  unknown,
  retype,
  number,
  spelling,
  bytes,
  text,
  list,
  swap,
];

/** Changes of the text itself. */
const raw: Mutator = {
  name: 'bundle JSON, its text',
  weight: 4,
  mutate({ trial }, random) {
    const text = Buffer.from(trial.bundle).toString();
    const at = random.below(text.length);
    const changed = random.pick([
      () => text.replace(/"([a-zA-Z]+)":"/, (found) => `${found}x",${found}`),
      () => text.replace(/"(signature|sig|rawBytes|kind|keyId)":/, (found) => `${found}"AAAA",${found}`),
      () => text.replace(/"(mediaType|algorithm|digest)":/, '"$1":1,"$1":'),
      () => `\ufeff${text}`,
      () => `${text} `,
      () => `${text}x`,
      () => ` \n${text}\n`,
      () => text.replace(/:/g, ' :\t'),
      () =>
        text.replace(/"([a-z])([a-zA-Z]*)":/, (_, first: string, rest: string) => {
          const code = first.charCodeAt(0).toString(16).padStart(4, '0');
          return `"\\u${code}${rest}":`;
        }),
      () => text.slice(0, at),
      () => `${'['.repeat(1 + random.below(200))}${text}`,
      () => JSON.stringify([documentOf(trial.bundle)]),
    ])();
    if (random.once(4)) return { ...trial, bundle: mutateBytes(trial.bundle, random) };
    return { ...trial, bundle: new Uint8Array(Buffer.from(changed)) };
  },
};

const mediaType: Mutator = {
  name: 'bundle JSON, media type',
  weight: 2,
  mutate({ trial }, random) {
    const document = { ...documentOf(trial.bundle), mediaType: random.pick(mediaTypes) };
    return { ...trial, bundle: bytesOf(document) };
  },
};

/** Changes of JSON. */
export const jsonMutators: readonly Mutator[] = [
  ...changing('dropped', 4, drop),
  ...changing('renamed', 4, rename),
  ...changing('unknown field', 2, unknown),
  ...changing('other type', 4, retype),
  ...changing('number', 6, number),
  ...changing('spelling of base64', 5, spelling),
  ...changing('bytes', 6, bytes),
  ...changing('text', 3, text),
  ...changing('list', 5, list),
  ...changing('from another', 5, swap),
  ...changing('exchanged', 2, exchange),
  ...changing('two of one', 2, both),
  ...changing('two changes', 3, twice),
  raw,
  mediaType,
];
