import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hex, utf8 } from '../../core/encoding.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { copyImage } from '../../flows/copy-image.ts';
import { openImage } from '../../flows/image.ts';
import { signImage } from '../../flows/sign-image.ts';
import { VerificationError, verifyImage } from '../../flows/verify-image.ts';
import type { Descriptor } from '../../formats/oci.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import { referenceName, referenceTarget } from '../../formats/reference.ts';
import { generateKeyPair } from '../../keys/generate.ts';
import { openPrivateKey } from '../../keys/private-key.ts';
import { createRegistryClient, type RegistryClient } from '../../registry/client.ts';
import type { Repository } from '../../registry/repository.ts';
import type { CommandContext } from '../command.ts';
import { forgePayload, imageKinds, replaceImage, replaySignatures } from '../demo/attacks.ts';
import { pushHelloImage } from '../demo/hello-image.ts';
import { imageOptions } from '../image-options.ts';

const tag = '1.0';

/** What a step is told and may use. */
interface Stage {
  readonly context: CommandContext;
  readonly runtime: Runtime;
  readonly client: RegistryClient;
  readonly repository: Repository;
  /** `127.0.0.1:PORT/demo/hello`. */
  readonly name: string;
  readonly say: (outcome: 'done' | 'refused', text: string, code?: ErrorCode) => void;
}

/** Signs, verifies and tampers on a registry of its own, and leaves nothing behind. */
export async function run(context: CommandContext): Promise<undefined> {
  const { output } = context;
  const steps: { step: number; outcome: string; text: string; code?: ErrorCode }[] = [];
  const say: Stage['say'] = (outcome, text, code) => {
    const step = steps.push({ step: steps.length + 1, outcome, text, ...(code ? { code } : {}) });
    if (output.json) return;
    const mark = outcome === 'done' ? output.style.green('✔') : output.style.yellow('✘');
    output.data(`${mark} ${step}. ${text}\n`);
  };
  await onStage(context, say, playDemo);
  if (output.json) return void output.document('boltseal.demo/1', { steps });
  output.data('\nThe registry, the image and the keys are gone again. Now with an image of yours:\n');
  output.data('  boltseal generate-key-pair\n');
  output.data('  boltseal sign --key cosign.key REGISTRY/IMAGE@sha256:…\n');
  output.data('  boltseal verify --key cosign.pub REGISTRY/IMAGE@sha256:…\n');
}

/** Runs `play` on a registry that lives exactly as long. */
async function onStage(
  context: CommandContext,
  say: Stage['say'],
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  const [{ createRegistry }, { folderStorage }, { listen }] = await Promise.all([
    import('../../server/registry/registry.ts'),
    import('../../server/registry/folder-storage.ts'),
    import('../../node/http-server.ts'),
  ]);
  const runtime = await context.runtime();
  // On disk, because an image of the user's may be larger than the memory.
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-demo-'));
  try {
    const registry = createRegistry(runtime, { storage: await folderStorage(folder) });
    const server = await listen(registry);
    try {
      const name = `127.0.0.1:${server.port}/demo/hello`;
      const client = createRegistryClient(runtime);
      const { repository } = await openImage(name, { registry: client }, runtime, true);
      say('done', `A registry is running on 127.0.0.1:${server.port}, for this demo alone.`);
      await play({ context, runtime, client, repository, name, say });
    } finally {
      await server.close();
      await registry.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function playDemo(stage: Stage): Promise<void> {
  const { context, runtime, client, repository, name, say } = stage;
  const options = { registry: client, signal: context.signal };
  const image = await bringImage(stage);

  const password = utf8(hex(runtime.random(16)));
  const pair = await generateKeyPair('ecdsa-p256', password);
  const signer = openPrivateKey(utf8(pair.privateKeyPem), async () => [password], 'the demo key');
  say('done', 'A key pair was made: a private key encrypted with a password, and its public key.');

  const pinned = `${name}@${image.digest}`;
  const [signed] = await signImage(pinned, { ...options, signer }, runtime);
  if (!signed) throw new BoltsealError('ERR_INTERNAL', 'the demo signed nothing');
  say(
    'done',
    `The digest was signed, in both formats; the signatures are stored beside the image: ${pinned}`,
  );

  const { accepted } = await verifyImage(`${name}:${tag}`, { ...options, keys: [pair.publicKey] }, runtime);
  say(
    'done',
    `Anyone with the public key can verify ${name}:${tag}: ${accepted.length} signatures were accepted.`,
  );

  const changed = await replaceImage(repository, image.digest, tag, { signal: context.signal });
  await expectRefusal(stage, pair.publicKey, 'ERR_NO_SIGNATURES');
  say(
    'refused',
    'Somebody pushed a changed image under the same tag. Refused: nobody signed that one.',
    'ERR_NO_SIGNATURES',
  );

  await replaySignatures(repository, signed, changed, runtime, { signal: context.signal });
  await expectRefusal(stage, pair.publicKey, 'ERR_VERIFY_DIGEST');
  say(
    'refused',
    'They attached the real signatures to it. Refused: those name another digest.',
    'ERR_VERIFY_DIGEST',
  );

  await forgePayload(repository, signed, changed, runtime, { signal: context.signal });
  await expectRefusal(stage, pair.publicKey, 'ERR_VERIFY_SIGNATURE');
  say(
    'refused',
    'They changed what the signature is said to sign. Refused: it does not verify.',
    'ERR_VERIFY_SIGNATURE',
  );

  const own = await generateKeyPair('ecdsa-p256', password);
  const attacker = openPrivateKey(utf8(own.privateKeyPem), async () => [password], 'the other key');
  await signImage(`${name}:${tag}`, { ...options, signer: attacker }, runtime);
  await expectRefusal(stage, pair.publicKey, 'ERR_VERIFY_SIGNATURE');
  say(
    'refused',
    'They signed it with a key of their own. Refused: that is not the key asked for.',
    'ERR_VERIFY_SIGNATURE',
  );

  await verifyImage(pinned, { ...options, keys: [pair.publicKey] }, runtime);
  say('done', 'The image that was signed still verifies, by its digest.');
}

/** The built-in image, or a copy of the user's: their registry is only read. */
async function bringImage({ context, runtime, repository, name, say }: Stage): Promise<Descriptor> {
  const call = { signal: context.signal };
  const reference = context.flags.get('image');
  if (reference === undefined) {
    const image = await pushHelloImage(repository, tag, call);
    say('done', `An image was put into it: ${name}:${tag}, whose digest is ${image.digest}`);
    return image;
  }
  const source = await openImage(reference, await imageOptions(context, [reference]), runtime);
  const target = referenceTarget(source.reference);
  const copied = await copyImage(source.repository, repository, target, { ...call, tag });
  const kind = imageKinds[copied.descriptor.mediaType] ?? 'an artifact';
  const what = `${referenceName(source.reference)}, ${kind}`;
  say(
    'done',
    `A copy of ${what} was put into it: ${name}:${tag}, whose digest is ${copied.descriptor.digest}`,
  );
  return copied.descriptor;
}

/** Verifies what the tag is now; anything but a refusal because of `code` is a failure of the demo, and of Boltseal. */
async function expectRefusal(stage: Stage, key: PublicKey, code: ErrorCode): Promise<void> {
  const { context, runtime, client, name } = stage;
  const options = { registry: client, signal: context.signal, keys: [key] };
  try {
    await verifyImage(`${name}:${tag}`, options, runtime);
  } catch (error) {
    if (isBoltsealError(error, code)) return;
    if (error instanceof VerificationError && error.report.refused.some((one) => one.error.code === code))
      return;
    throw error;
  }
  throw new BoltsealError('ERR_INTERNAL', 'a forged image was accepted');
}
