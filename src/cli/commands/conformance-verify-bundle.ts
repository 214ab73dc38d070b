import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { SignerOptions } from '../../flows/signer-requirements.ts';
import { verifyBlobSignature } from '../../flows/verify-blob.ts';
import { readArtifact, readWhole } from '../blob-input.ts';
import type { CommandContext } from '../command.ts';
import { evidenceDocument } from '../verify/evidence-document.ts';

/**
 * Verifies one bundle by the protocol of the Sigstore conformance tests, without the network.
 * {@link https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md}
 */
export async function run(context: CommandContext): Promise<undefined> {
  const { args, flags, output, signal } = context;
  const path = flags.get('given-bundle');
  if (path === undefined) throw new BoltsealError('ERR_USAGE', '--bundle FILE is needed');
  const { loadTrust } = await import('../../flows/trust.ts');
  const [loaded, bytes, artifact] = await Promise.all([
    loadTrust(
      { trustedRootFile: flags.get('trusted-root'), offline: true, signal },
      await context.serviceRuntime(),
    ),
    readWhole(path, 'the bundle', limits.bundleBytes, context),
    readArtifact(args[0] ?? '', context),
  ]);
  const evidence = await verifyBlobSignature({ kind: 'bundle', bytes }, artifact, {
    ...(await signer(context)),
    trust: loaded.trust,
    logEntries: 1,
  });
  if (output.json)
    output.document('boltseal.verify-blob/1', { verified: true, ...evidenceDocument(evidence) });
  else output.say('Verified OK');
}

async function signer({ flags }: CommandContext): Promise<Pick<SignerOptions, 'keys' | 'identities'>> {
  const [key, identity, issuer] = [
    flags.get('key'),
    flags.get('certificate-identity'),
    flags.get('certificate-oidc-issuer'),
  ];
  if (key !== undefined && identity === undefined && issuer === undefined) {
    const { parsePublicKey } = await import('../../formats/public-key.ts');
    const { readFile } = await import('node:fs/promises');
    return { keys: [parsePublicKey(await readFile(key))] };
  }
  if (key === undefined && identity !== undefined && issuer !== undefined) {
    return {
      identities: [{ subject: { kind: 'exact', value: identity }, issuer: { kind: 'exact', value: issuer } }],
    };
  }
  throw new BoltsealError(
    'ERR_USAGE',
    'either --key, or --certificate-identity and --certificate-oidc-issuer are needed',
  );
}
