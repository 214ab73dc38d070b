/** The action signs, and real cosign verifies with the command that it prints. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { pushSmallIndex } from '../support/small-image.ts';
import type { StepResult } from './step.ts';
import { password, requestToken, skip, useWorld, workflowClaims, workflowIdentity } from './world.ts';

const get = useWorld();

/** The command in the summary under `title`. */
function commandOf({ summary }: StepResult, title: string): string {
  const [, command] = new RegExp(`${title}:\n\n\`\`\`sh\n(.+)\n\`\`\``).exec(summary) ?? [];
  assert.ok(command !== undefined, summary);
  return command;
}

async function verifiesWithCosign(step: StepResult): Promise<void> {
  const { code, stderr } = await get().shell(commandOf(step, 'Verify with cosign'));
  assert.equal(code, 0, stderr);
}

function succeeded(step: StepResult): void {
  assert.equal(step.code, 0, `${step.stdout}\n${step.stderr}`);
  assert.equal(step.stderr, '');
  assert.equal(step.outputs['skipped'], 'false');
}

function hidesSecrets(step: StepResult, ...secrets: readonly string[]): void {
  for (const secret of secrets) {
    for (const line of secret.split('\n').filter((one) => one.trim().length > 8))
      assert.ok(!step.everything.includes(line), `a secret is shown: ${line.slice(0, 20)}…`);
  }
}

suite('without a key', { concurrency: 2, skip }, () => {
  test('push: in both formats, with the identity of the workflow', async () => {
    const { image, identity, trust, run, issuer } = get();
    const { reference, digest } = await image();
    const step = await run({ inputs: { images: reference, ...trust }, env: identity() });
    succeeded(step);
    assert.equal(step.outputs['digests'], reference);
    assert.match(step.outputs['log-index'] ?? '', /^\d+\n\d+$/);
    const [bundle = ''] = (step.outputs['bundles'] ?? '').split('\n');
    assert.match(bundle, /\.sigstore\.json$/);
    assert.match(JSON.parse(await readFile(bundle, 'utf8')).mediaType, /bundle/);
    for (const text of [digest, 'as a stranger, without credentials'])
      assert.ok(step.summary.includes(text), text);
    const escaped = workflowIdentity.replaceAll('_', '&#95;');
    assert.ok(step.summary.includes(`<code>${escaped}</code>`), step.summary);
    const command = step.outputs['verify-command'] ?? '';
    assert.equal(
      command,
      `npx boltseal verify --certificate-identity ${workflowIdentity} --certificate-oidc-issuer ${issuer} ` +
        `--trusted-root ${trust['trusted-root']} ${reference}`,
    );
    assert.equal(commandOf(step, 'Verify with Boltseal'), command);
    await verifiesWithCosign(step);
    hidesSecrets(step, requestToken);
    // Whoever reads the log of a run must not find the token of its identity.
    assert.doesNotMatch(step.everything, /eyJ[\w-]+\.eyJ/);
    assert.match(step.stdout, /^::add-mask::eyJ/m);
  });

  test('schedule: a log is not asked for, so that a timestamp proves the time', async () => {
    const { image, identity, trust, run } = get();
    const { reference } = await image();
    const inputs = { images: reference, log: 'none', format: 'bundle', ...trust };
    const step = await run({
      event: 'schedule',
      payload: { schedule: '0 3 * * *' },
      inputs,
      env: identity(),
    });
    succeeded(step);
    assert.equal(step.outputs['log-index'], '');
    await verifiesWithCosign(step);
  });

  test('trusted root and signing configuration as content; the repository of signatures elsewhere', async () => {
    const { image, identity, trust, run, registry } = get();
    const { reference } = await image();
    const elsewhere = `${registry.host}/acme/signatures`;
    const step = await run({
      event: 'workflow_dispatch',
      inputs: {
        images: reference,
        'trusted-root': await readFile(trust['trusted-root'], 'utf8'),
        'signing-config': await readFile(trust['signing-config'], 'utf8'),
        'signature-repository': elsewhere,
      },
      env: identity(),
    });
    succeeded(step);
    // Such a file is called so in the commands; it is in the folder of this test.
    await verifiesWithCosign(step);
  });

  test('an enterprise server: its own names in the certificate, and its own repositories to verify', async () => {
    const { image, identity, trust, run, enterpriseIssuer } = get();
    const { reference } = await image();
    const server = {
      GITHUB_SERVER_URL: 'https://github.example.com',
      GITHUB_API_URL: 'https://github.example.com/api/v3',
    };
    const inputs = { images: reference, 'workflow-annotations': 'true', ...trust };
    const step = await run({ inputs, env: { ...identity('enterprise'), ...server } });
    succeeded(step);
    const subject = 'https://github.example.com/acme/app/.github/workflows/release.yml@refs/heads/main';
    assert.ok(step.outputs['verify-command']?.includes(` ${subject} `), step.outputs['verify-command']);
    await verifiesWithCosign(step);
    const wanted = {
      mode: 'verify',
      images: reference,
      repo: 'acme/app',
      ref: 'refs/heads/main',
      'certificate-oidc-issuer': enterpriseIssuer,
      annotations: 'run=https://github.example.com/acme/app/actions/runs/13/attempts/1',
      'trusted-root': trust['trusted-root'],
    };
    succeeded(await run({ inputs: wanted, env: server }));
    assert.equal((await run({ inputs: wanted })).code, 1, 'the same names on github.com are others');
  });

  test('a private repository and public services: nothing leaves before somebody agrees', async () => {
    const { image, identity, run } = get();
    const { reference } = await image();
    const at = (url: string) => [
      { url, majorApiVersion: 1, validFor: { start: '2026-01-01T00:00:00Z' }, operator: 'x' },
    ];
    const config = {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: at('https://fulcio.sigstore.dev'),
      rekorTlogUrls: at('https://rekor.sigstore.dev'),
      rekorTlogConfig: { selector: 'ANY' },
    };
    const inputs = {
      images: reference,
      'signing-config': JSON.stringify(config),
      'trusted-root': get().trust['trusted-root'],
    };
    const step = await run({ inputs, env: identity() });
    assert.equal(step.code, 1);
    const [message = ''] = step.annotations('error');
    assert.match(message, /acme\/app is private/);
    assert.match(message, /log: public/);
    const asked = await run({ inputs: { ...inputs, log: 'private' }, env: identity() });
    assert.equal(asked.code, 1);
    assert.equal(asked.commands.find(({ name }) => name === 'error')?.title, 'Boltseal: ERR_LOG_PRIVACY');
  });
});

suite('with a key', { concurrency: 2, skip }, () => {
  test('release: the key and its password from secrets, annotations, nothing on the disk', async () => {
    const { image, keys, run, registry } = get();
    const { digest } = await image();
    const step = await run({
      event: 'release',
      inputs: {
        tags: `${registry.host}/Acme/App:v1\n${registry.host}/acme/app:Latest`,
        digest,
        key: keys.private,
        password,
        annotations: 'environment=production\n  team=a=b  ',
        'workflow-annotations': 'true',
      },
    });
    succeeded(step);
    const reference = `${registry.host}/acme/app@${digest}`;
    assert.equal(step.outputs['digests'], reference, 'signed once, under the name in lower case');
    assert.equal(step.outputs['log-index'], '');
    assert.deepEqual(step.annotations('warning'), []);
    await verifiesWithCosign(step);
    const command = commandOf(step, 'Verify with cosign');
    assert.match(
      command,
      / -a environment=production 127/,
      'cosign cannot require a value with an equal sign',
    );
    assert.match(step.outputs['verify-command'] ?? '', / -a environment=production -a team=a=b 127/);
    const run13 = 'https://github.com/acme/app/actions/runs/13/attempts/1';
    for (const pair of [
      'repository=acme/app',
      'workflow=Release',
      `run=${run13}`,
      'actor=octocat',
      `commit=${workflowClaims['sha']}`,
    ]) {
      const { code, stderr } = await get().shell(command.replace(' -a ', ` -a ${pair} -a `));
      assert.equal(code, 0, `${pair}: ${stderr}`);
    }
    assert.ok(step.summary.includes(keys.public.trim()), 'the public key is in the summary');
    hidesSecrets(step, keys.private, password);
    assert.match(step.stdout, /^::add-mask::-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----%0A/m);
  });

  test('the key in base64, in a variable, and in a file', async () => {
    const { image, keys, run, folder } = get();
    const file = join(folder, 'secret.key');
    await writeFile(file, keys.private);
    const { reference } = await image();
    const inputs = { images: reference, format: 'bundle', verify: 'false' };
    const env = { COSIGN_PASSWORD: password };
    const encoded = Buffer.from(keys.private).toString('base64');
    const steps = [
      await run({ inputs: { ...inputs, key: encoded }, env }),
      await run({ inputs: { ...inputs, key: 'env://MY_KEY' }, env: { ...env, MY_KEY: keys.private } }),
      await run({ inputs: { ...inputs, key: file }, env }),
    ];
    for (const step of steps) {
      succeeded(step);
      assert.match(step.summary, /\| no \|/, 'it was not verified, and the summary says so');
      hidesSecrets(step, keys.private, password, encoded);
    }
    assert.doesNotMatch(steps[2]?.stdout ?? '', /add-mask::.*secret\.key/, 'where a key is may be seen');
  });

  test('an index with its platforms, in several registries at once', async () => {
    const { registry, sigstore, keys, run } = get();
    const [here, there] = await Promise.all([
      pushSmallIndex(registry, 'acme/multi'),
      pushSmallIndex(sigstore, 'acme/multi'),
    ]);
    const inputs = {
      images: `# both registries\n${here.reference}, ${there.reference}`,
      recursive: 'true',
      key: keys.private,
      password,
    };
    const step = await run({ inputs });
    succeeded(step);
    assert.equal(step.outputs['digests'], `${here.reference}\n${there.reference}`);
    assert.equal(step.outputs['bundles']?.split('\n').length, 6);
    for (const { reference } of [...here.children, ...there.children]) {
      const words = ['verify', '--key', keys.publicPath, '--insecure-ignore-tlog=true', reference];
      const { code, stderr } = await get().cosign(...words);
      assert.equal(code, 0, stderr);
    }
    const command = commandOf(step, 'Verify with cosign');
    assert.equal((await get().shell(command)).code, 0);
    const verified = await run({
      inputs: {
        mode: 'verify',
        images: `${here.reference} ${there.reference}`,
        recursive: 'true',
        key: keys.public,
      },
    });
    succeeded(verified);
    assert.equal(verified.log.match(/^verified /gm)?.length, 6);
  });

  test('what was signed leaves nothing else in the folders of the runner', async () => {
    const { image, keys, run } = get();
    const { reference } = await image();
    const step = await run({ inputs: { images: reference, key: keys.private, password } });
    succeeded(step);
    const [bundle = ''] = (step.outputs['bundles'] ?? '').split('\n');
    const temp = join(bundle, '..', '..');
    for (const name of await readdir(temp, { recursive: true })) {
      const path = join(temp, name);
      if (!(await stat(path)).isFile()) continue;
      assert.doesNotMatch(await readFile(path, 'utf8'), /PRIVATE KEY/, name);
    }
  });
});

suite('metadata-file', { skip }, () => {
  const metadata = (digest: string, names: string) => ({
    'buildx.build.ref': 'default/default/x',
    'containerimage.descriptor': { digest },
    'containerimage.digest': digest,
    'image.name': names,
  });

  test('what was built is signed; a tag that is something else stops it', async () => {
    const { image, keys, run, registry, folder } = get();
    const built = await image({ tag: 'built', repository: 'acme/built' });
    const name = `${registry.host}/acme/built`;
    const file = join(folder, 'metadata.json');
    await writeFile(file, JSON.stringify(metadata(built.digest, `${name}:built`)));
    const inputs = { 'metadata-file': file, key: keys.private, password, format: 'bundle' };
    const step = await run({ inputs });
    succeeded(step);
    assert.equal(step.outputs['digests'], built.reference);
    const other = await image({ tag: 'built', repository: 'acme/built' });
    const refused = await run({ inputs });
    assert.equal(refused.code, 1);
    assert.equal(
      refused.commands.find(({ name: kind }) => kind === 'error')?.title,
      'Boltseal: ERR_DIGEST_MISMATCH',
    );
    const unsigned = await get().cosign(
      'verify',
      '--key',
      keys.publicPath,
      '--insecure-ignore-tlog=true',
      other.reference,
    );
    assert.notEqual(unsigned.code, 0, 'nothing is signed then');
    const byDigest = await run({
      inputs: { ...inputs, 'metadata-file': JSON.stringify(metadata(built.digest, name)) },
    });
    succeeded(byDigest);
  });

  test('bake: every target', async () => {
    const { image, keys, run, registry } = get();
    const [a, b] = [await image({ repository: 'acme/a', tag: 'v1' }), await image({ repository: 'acme/b' })];
    const file = {
      'buildx.build.warnings': [],
      a: metadata(a.digest, `${registry.host}/acme/a:v1`),
      b: metadata(b.digest, `${registry.host}/acme/b`),
    };
    const inputs = { 'metadata-file': JSON.stringify(file), key: keys.private, password, format: 'bundle' };
    const step = await run({ inputs });
    succeeded(step);
    assert.equal(step.outputs['digests'], `${a.reference}\n${b.reference}`);
  });
});

suite('attest', { skip }, () => {
  test('a bill of materials that cosign verifies, and the action requires', async () => {
    const { image, identity, trust, run, folder, keys } = get();
    const { reference } = await image();
    const file = join(folder, 'sbom.json');
    await writeFile(file, '{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}\n');
    const inputs = { mode: 'attest', images: reference, predicate: file, 'predicate-type': 'cyclonedx' };
    const step = await run({ inputs: { ...inputs, ...trust }, env: identity() });
    succeeded(step);
    await verifiesWithCosign(step);
    assert.match(
      step.outputs['verify-command'] ?? '',
      /^npx boltseal verify-attestation --type https:\/\/cyclonedx\.org\/bom /,
    );
    const wanted = {
      mode: 'verify',
      images: reference,
      repo: 'acme/app',
      'certificate-oidc-issuer': get().issuer,
    };
    const root = { 'trusted-root': trust['trusted-root'] };
    succeeded(await run({ inputs: { ...wanted, ...root, 'predicate-type': 'cyclonedx' } }));
    const asSignature = await run({ inputs: { ...wanted, ...root } });
    assert.equal(asSignature.code, 1, 'an attestation is no signature');
    const keyed = await run({
      inputs: { ...inputs, key: keys.private, password, 'predicate-type': 'custom' },
    });
    succeeded(keyed);
    await verifiesWithCosign(keyed);
  });
});
