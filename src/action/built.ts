/** Comparing what the registry has with what was built. */
import { BoltsealError } from '../core/errors.ts';
import { openImage, resolveImage } from '../flows/image.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { ActionContext } from './context.ts';
import type { ImageList } from './images.ts';

/**
 * Throws `ERR_DIGEST_MISMATCH` when a tag in the registry is not what was built, and `ERR_IMAGE_NOT_FOUND` when there is no
 * such tag.
 */
export async function compareBuilt(
  built: ImageList['built'],
  registry: RegistryClient,
  { runtime, signal }: Pick<ActionContext, 'runtime' | 'signal'>,
): Promise<void> {
  await Promise.all(
    built.map(async ({ tag, digest }) => {
      const image = await openImage(tag, { registry, signal }, runtime);
      const found = await resolveImage(image, { signal });
      if (found.digest === digest) return;
      throw new BoltsealError(
        'ERR_DIGEST_MISMATCH',
        `${tag} is ${found.digest} in the registry, and ${digest} was built`,
        {
          hint: 'Nothing was signed. Another run may have pushed the tag since; or the driver `docker` built it, which does not tell the digest of what it pushes: use docker/setup-buildx-action.',
          details: { found: found.digest, built: digest },
        },
      );
    }),
  );
}
