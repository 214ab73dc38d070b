/** From the inputs to what is signed: names with digests, each once. */
import { BoltsealError } from '../core/errors.ts';
import { formatReference, parseReference, referenceName } from '../formats/reference.ts';
import { type BuiltImage, readMetadata, requireDigest } from './metadata.ts';
import type { Settings } from './settings.ts';

/** The images of a step. */
export interface ImageList {
  /** `NAME@DIGEST`, or `NAME:TAG` where no digest is known. */
  readonly references: readonly string[];
  /** Tags that must have the digest that was built, or something else would be in the registry than what is signed. */
  readonly built: readonly { readonly tag: string; readonly digest: string }[];
}

type Inputs = Pick<Settings, 'images' | 'tags' | 'digest' | 'metadata'>;

/**
 * The images that the inputs name. Throws `ERR_USAGE` when there is none, or when inputs contradict each other,
 * `ERR_REFERENCE_INVALID`, `ERR_DIGEST_INVALID`, and what `readMetadata` throws.
 */
export async function listImages(inputs: Inputs): Promise<ImageList> {
  const names = [...inputs.images, ...inputs.tags].map(lowerName);
  const built = inputs.metadata === undefined ? [] : await readMetadata(inputs.metadata);
  const images = inputs.metadata === undefined ? undefined : ofMetadata(built, names, inputs.digest);
  if (images !== undefined) return images;
  if (names.length === 0) {
    throw new BoltsealError('ERR_USAGE', 'no image is named', {
      hint: 'Give images, or tags and digest as the build step puts them out. An output of a step that did not run, or whose id is spelt differently, is empty.',
    });
  }
  const { digest } = inputs;
  if (digest !== undefined) requireDigest(digest, 'the input digest');
  return { references: unique(names.map((name) => withDigest(name, digest))), built: [] };
}

function ofMetadata(
  built: readonly BuiltImage[],
  names: readonly string[],
  digest: string | undefined,
): ImageList {
  if (names.length > 0 && built.length > 1) {
    throw new BoltsealError(
      'ERR_USAGE',
      'images are named, and metadata-file tells of several builds: it cannot be told which is which',
      { hint: 'Leave images and tags out: the file has the names.' },
    );
  }
  const named = built.map((one) => ({ ...one, names: names.length > 0 ? names : one.names.map(lowerName) }));
  const nameless = named.find((one) => one.names.length === 0);
  if (nameless !== undefined) {
    throw new BoltsealError('ERR_USAGE', 'metadata-file names no image', {
      hint: 'It has names when the build was given tags. Give images beside it.',
    });
  }
  const other = named.find((one) => digest !== undefined && one.digest !== digest);
  if (other !== undefined) {
    throw new BoltsealError('ERR_USAGE', `digest is ${digest}, and metadata-file says ${other.digest}`, {
      hint: 'The two are of different builds. Give one of them.',
    });
  }
  return {
    references: unique(named.flatMap((one) => one.names.map((name) => withDigest(name, one.digest)))),
    built: named.flatMap((one) =>
      one.names.filter(hasTag).map((tag) => ({ tag: withoutDigest(tag), digest: one.digest })),
    ),
  };
}

/** A name with its digest: its own, or the one that was built. The tag is left out then: it says nothing more. */
function withDigest(name: string, digest: string | undefined): string {
  const reference = parseReference(name);
  const own = reference.digest;
  if (own !== undefined && digest !== undefined && own !== digest) {
    throw new BoltsealError('ERR_USAGE', `${name} has a digest, and what was built is ${digest}`, {
      hint: 'The two are different images. Sign them in steps of their own.',
    });
  }
  const pinned = own ?? digest;
  return pinned === undefined ? name : `${referenceName(reference)}@${pinned}`;
}

function hasTag(name: string): boolean {
  const { tag } = parseReference(name);
  return tag !== undefined && withoutDigest(name).endsWith(`:${tag}`);
}

function withoutDigest(name: string): string {
  return name.replace(/@[^@]*$/, '');
}

function unique(references: readonly string[]): readonly string[] {
  return [...new Map(references.map((one) => [formatReference(parseReference(one)), one])).values()];
}

/**
 * `name` with its repository in lower case, as registries want it: `github.repository` has the owner's capital letters.
 * A tag may have capitals of its own.
 */
function lowerName(name: string): string {
  if (name.startsWith('oci:')) return name;
  const [, repository = '', rest = ''] = /^([^@]*?)((?::[^/:@]*)?(?:@.*)?)$/.exec(name) ?? [];
  return `${repository.toLowerCase()}${rest}`;
}
