/** The main job on real input: a multi-architecture busybox, signed by the built command line, verified by all. */
import assert from 'node:assert/strict';
import { access, mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pushLayout, writeBusyboxLayout } from '../support/busybox-image.ts';
import { needPrograms, runProgram } from '../support/programs.ts';
import type { TestImage } from './laboratory.ts';
import { checkSection } from './page.ts';
import { cosignVerifyArguments, skopeoCopy, useSession } from './peers.ts';

const session = useSession();
const program = fileURLToPath(new URL('../../dist/cli/boltseal.cjs', import.meta.url));

test('busybox for two platforms, signed with --recursive', async (t) => {
  const binaries = needPrograms(t, 'busybox-amd64', 'busybox-arm64');
  const open = await session(t);
  if (binaries === undefined || open === undefined) return;
  await access(program).catch(() => assert.fail('dist is not built: npm run build'));
  const { lab, paths } = open;
  const { host } = await lab.registry('docker-registry');
  const folder = await mkdtemp(join(lab.folder, 'busybox-'));
  const layout = await writeBusyboxLayout(join(folder, 'layout'), binaries);
  const repository = `${host}/library/busybox`;
  await pushLayout(paths, layout, `${repository}:latest`);
  const pushed = ({ digest, mediaType, size }: (typeof layout)['index']): TestImage['image'] => {
    return { digest, mediaType, size, repository: 'library/busybox', reference: `${repository}@${digest}` };
  };
  const platforms = layout.platforms.map(pushed);
  const image: TestImage = { image: pushed(layout.index), platforms, host, repository };

  const boltseal = (...args: readonly string[]): ReturnType<typeof runProgram> =>
    runProgram(process.execPath, [program, ...args], { env: lab.env, cwd: folder });
  const made = await boltseal('generate-key-pair', '--output-key-prefix', 'release');
  assert.equal(made.code, 0, made.stderr);
  const names = { private: join(folder, 'release.key'), public: join(folder, 'release.pub') };
  const args = ['sign', '--key', names.private, '--recursive', '-a', 'release=1.37', `${repository}:latest`];
  const signed = await boltseal(...args);
  assert.equal(signed.code, 0, signed.stderr);
  assert.equal(signed.stdout, '');

  const lines = signed.stderr.split('\n');
  const command = lines.find((line) => line.startsWith('verify with: '))?.slice('verify with: '.length);
  assert.ok(command !== undefined, 'sign prints how to verify');
  const printed = command.split(' ');
  assert.equal(printed[0], 'boltseal');
  const verified = await boltseal(...printed.slice(1));
  assert.equal(verified.code, 0, verified.stderr);

  const key = { ...(await lab.key('P-256')), ...names };
  const wanted = cosignVerifyArguments({ image, key, annotations: { release: '1.37' } });
  for (const cosign of [paths.cosign3, paths.cosign2]) {
    const { code, stdout, stderr } = await runProgram(cosign, wanted);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/"docker-manifest-digest"/g)?.length, 3);
  }
  const ours = await boltseal(...wanted);
  assert.equal(ours.stdout, (await runProgram(paths.cosign3, wanted)).stdout);

  for (const platform of layout.platforms) {
    const reference = `${repository}@${platform.digest}`;
    const copied = await skopeoCopy(paths.skopeo, lab, reference, key, host);
    assert.equal(copied.code, 0, copied.stderr);
  }
  const copied = await skopeoCopy(paths.skopeo, lab, `${repository}:latest`, key, host, ['--all']);
  assert.equal(copied.code, 0, copied.stderr);
  const unsigned = await skopeoCopy(paths.skopeo, lab, `${repository}:latest`, await lab.key('P-256'), host);
  assert.equal(unsigned.code, 1, 'skopeo accepts another key');
  assert.match(await readFile(names.public, 'utf8'), /BEGIN PUBLIC KEY/);

  await checkSection(
    'busybox',
    'Debian’s `busybox-static` for amd64 and arm64 in one image, pushed to docker-registry, signed with `boltseal sign ' +
      '--recursive -a release=1.37`: the index and both platforms verify with cosign 3 and cosign 2, `boltseal verify` ' +
      'prints what cosign 3 prints, and skopeo copies each platform, and all of it with `--all`, under a policy that ' +
      'wants the signature.',
  );
});
