/** A timestamp authority of `src/server` without a socket. */
import type { Runtime } from '../../src/core/runtime.ts';
import { parseCertificate, serialNumber } from '../../src/formats/certificate.ts';
import { createRootCertificate, createTimestampCertificate } from '../../src/formats/certificate-profiles.ts';
import type { Service } from '../../src/server/http/service.ts';
import { createTimestampAuthority } from '../../src/server/tsa/timestamp-authority.ts';
import { newSigner } from './rekor.ts';

const day = 86_400_000;

/** A new authority on a clock: its service, and its chain as DER, leaf first. */
export async function newTimestampAuthority(
  runtime: Pick<Runtime, 'now' | 'random'>,
): Promise<{ readonly service: Service; readonly chain: readonly Uint8Array[] }> {
  const fields = (commonName: string) => ({
    name: { organization: 'test', commonName },
    serial: serialNumber((length) => runtime.random(length)),
    notBefore: new Date(runtime.now().getTime() - day),
    notAfter: new Date(runtime.now().getTime() + 365 * day),
  });
  const [rootSigner, signer] = [newSigner(), newSigner()];
  const root = await createRootCertificate(rootSigner, fields('root'));
  const issuer = { certificate: parseCertificate(root), signer: rootSigner };
  const leaf = await createTimestampCertificate(issuer, signer.publicKey, fields('timestamps'));
  const chain = [leaf, root];
  return { chain, service: createTimestampAuthority(runtime, { signer, chain }) };
}
