/** Differences in how documents are read. */
import { isUtf8 } from 'node:buffer';
import { bytesOf } from './build.ts';
import { type Difference, links } from './difference.ts';
import type { Facts } from './facts.ts';
import { bundleShape, type Misspelling, renamed, rootShape } from './spelling.ts';
import type { Trial } from './trial.ts';

/** Both documents as `@sigstore/protobuf-specs` reads them, in their one spelling. */
function respelled({ trial, document, root, misspellings, rootMisspellings }: Facts): Trial {
  return {
    ...trial,
    bundle: misspellings.size === 0 ? trial.bundle : bytesOf(document),
    root: rootMisspellings.size === 0 ? trial.root : bytesOf(root),
  };
}

function spelling(id: string, kind: Misspelling, reason: string, rule: string, link: string): Difference {
  return {
    id,
    refusedBy: 'ours',
    reason,
    rule,
    link,
    isNeverAccepted: kind !== 'original name',
    applies: ({ misspellings, rootMisspellings }) => misspellings.has(kind) || rootMisspellings.has(kind),
    repair: respelled,
  };
}

const canonical =
  'A bundle is in the canonical JSON of proto3, and clients should not accept other variants of it';

/** Media types of bundles. */
const mediaType = /^application\/vnd\.dev\.sigstore\.bundle(?:\+json;version=0\.[123]|\.v0\.3\+json)$/;

const rootMediaType =
  /^application\/vnd\.dev\.sigstore\.trustedroot(?:\+json;version=0\.1|\.v0\.[12]\+json)$/;

/** Differences in how bundles and trusted roots are read. */
export const spellingDifferences: readonly Difference[] = [
  {
    id: 'json-utf8',
    refusedBy: 'ours',
    isNeverAccepted: true,
    reason: 'It is given a text in which whoever read it has replaced what is not UTF-8.',
    rule: 'JSON text is encoded in UTF-8',
    link: 'https://www.rfc-editor.org/rfc/rfc8259#section-8.1',
    applies: ({ trial: { bundle, root } }) => !isUtf8(bundle) || !isUtf8(root),
    repair: ({ trial }) => ({
      ...trial,
      bundle: new Uint8Array(Buffer.from(Buffer.from(trial.bundle).toString())),
      root: new Uint8Array(Buffer.from(Buffer.from(trial.root).toString())),
    }),
  },
  spelling(
    'json-unknown-field',
    'unknown field',
    'It ignores fields that it does not know.',
    'A parser of ProtoJSON rejects unknown fields',
    links.protoJson,
  ),
  spelling(
    'json-name-twice',
    'original name',
    'It ignores the name with underscores, where the same field has its usual name too.',
    'Names with underscores are the same field; where the order of fields is lost it is preferred to reject what is there twice',
    links.protoJson,
  ),
  spelling(
    'json-key-twice',
    'key twice',
    'It takes the last of two equal keys.',
    'Names within an object should be unique, because what receivers do otherwise is unpredictable',
    links.json,
  ),
  spelling(
    'json-base64-invalid',
    'no base64',
    'It leaves out of base64 what does not belong there, and takes what is left.',
    'Characters that are not in the alphabet must make a decoder reject the text',
    links.base64,
  ),
  spelling(
    'json-base64-variant',
    'other base64',
    'It reads base64 without padding, and in the URL-safe alphabet.',
    canonical,
    links.wireFormat,
  ),
  spelling(
    'json-type',
    'type',
    'It makes texts, lists and messages of values of other types.',
    'Each type has its JSON representation; nothing is converted',
    links.protoJson,
  ),
  spelling(
    'json-number',
    'number',
    'It takes as a number what JavaScript takes as one: with spaces, signs, leading zeros, in other bases, too large.',
    canonical,
    links.wireFormat,
  ),
  spelling(
    'json-choice',
    'choice',
    'It takes the first of several fields of one choice.',
    'Of a oneof at most one field is set, and several cases must never be serialized',
    links.protoJson,
  ),
  spelling(
    'json-time',
    'time',
    'It takes as a time what JavaScript takes as one.',
    'A timestamp is a text of RFC 3339',
    links.protoJson,
  ),
  {
    id: 'media-type',
    refusedBy: 'ours',
    isNeverAccepted: true,
    reason:
      'It takes every media type that begins like one of a bundle, and judges what it does not know as version 0.3.',
    rule: 'The media type is one of four',
    link: links.bundleProto,
    applies: ({ document }) => !mediaType.test(document.mediaType ?? ''),
    repair: (facts) => ({
      ...facts.trial,
      bundle: bytesOf({ ...facts.document, mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json' }),
    }),
  },
  {
    id: 'trusted-root-media-type',
    refusedBy: 'ours',
    isNeverAccepted: true,
    reason: 'It does not look at the media type of a trusted root.',
    rule: 'The media type is one of three',
    link: links.rootProto,
    applies: ({ root }) => !rootMediaType.test(root.mediaType ?? ''),
    repair: (facts) => ({
      ...facts.trial,
      root: bytesOf({
        ...facts.root,
        mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      }),
    }),
  },
  {
    id: 'trusted-root-log-start',
    refusedBy: 'ours',
    isNeverAccepted: true,
    reason: 'It takes a log without the start of its period as one that was always trusted.',
    rule: 'Only the end of a period may be absent',
    link: links.commonProto,
    applies: ({ root }) => logsWithoutStart(root).length > 0,
    repair: ({ trial, root }) => {
      const copy = structuredClone(root);
      for (const log of logsWithoutStart(copy)) {
        log.publicKey.validFor = { start: '1970-01-01T00:00:00Z', ...log.publicKey.validFor };
      }
      return { ...trial, root: bytesOf(copy) };
    },
  },
  {
    id: 'json-original-names',
    refusedBy: 'theirs',
    reason: 'It does not know the original names of fields, with underscores.',
    rule: 'Parsers accept both the lowerCamelCase name and the original one',
    link: links.protoJson,
    applies: ({ misspellings, rootMisspellings }) =>
      misspellings.has('original name') || rootMisspellings.has('original name'),
    repair: ({ trial }) => ({
      ...trial,
      bundle: bytesOf(renamed(JSON.parse(Buffer.from(trial.bundle).toString()), bundleShape)),
      root: bytesOf(renamed(JSON.parse(Buffer.from(trial.root).toString()), rootShape)),
    }),
  },
];

function logsWithoutStart(root: Facts['root']): Facts['root'][] {
  return [...(root.tlogs ?? []), ...(root.ctlogs ?? [])].filter(
    (log) => log.publicKey !== undefined && log.publicKey.validFor?.start === undefined,
  );
}
