/** A token that something else put into a file. */
import { open, stat } from 'node:fs/promises';
import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { IdentitySource } from '../source.ts';

/** Where cosign looks: a Kubernetes pod mounts a projected token there. */
const tokenPath = '/var/run/sigstore/cosign/oidc-token';

/**
 * A file with a token, such as a projected service account token of Kubernetes.
 * {@link https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection}
 */
export function filesystemSource(path: string = tokenPath): IdentitySource {
  return {
    name: 'filesystem',
    summary: `the file ${path}`,
    needs: `the file ${path} must exist`,
    isPresent: () =>
      stat(path).then(
        () => true,
        () => false,
      ),
    async getToken() {
      try {
        return await readTokenFile(path);
      } catch (cause) {
        throw new BoltsealError('ERR_IDENTITY_PROVIDER', `the identity token in ${path} cannot be read`, {
          cause,
        });
      }
    },
  };
}

/** The text of the file at `path`, which may not be larger than a token can be. Throws as reading does. */
export async function readTokenFile(
  path: string,
  maxBytes: number = limits.identityTokenBytes,
): Promise<string> {
  const handle = await open(path, 'r');
  try {
    // A pipe or device has no size: what is read is bounded and not what is there. White space may surround a token.
    const bytes = Buffer.alloc(maxBytes + 1_024);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
      if (bytesRead === 0) return fromUtf8(bytes.subarray(0, length), 'the file');
      length += bytesRead;
      if (length === bytes.length) {
        throw new BoltsealError(
          'ERR_LIMIT_EXCEEDED',
          `the file is larger than the limit of ${maxBytes} bytes`,
        );
      }
    }
  } finally {
    await handle.close();
  }
}
