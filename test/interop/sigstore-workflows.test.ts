/** Identities of CI workflows: what verifiers can ask of them, and what `verify` prints of who signed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Client } from '../support/sigstore.ts';
import type { PushedManifest } from '../support/small-image.ts';
import { workflowClaims } from '../support/workflow-issuer.ts';
import { checkSection, observations, table } from './page.ts';
import { type ImageSigning, keyPair, newImage, type Signing, signImage } from './sigstore-image-peers.ts';
import { blobPeers } from './sigstore-peers.ts';
import { email, initialized, type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
const found = observations();
const printed = observations();

const signings = {
  'a bundle of Boltseal': { signer: 'Boltseal', storage: 'both formats', log: 'Rekor v1' },
  'a bundle of cosign 3': { signer: 'cosign 3', storage: 'bundle', log: 'Rekor v1' },
  'a bundle of Boltseal with Rekor v2': { signer: 'Boltseal', storage: 'bundle', log: 'Rekor v2' },
  'a `.sig` of Boltseal': { signer: 'Boltseal', storage: 'cosign format', log: 'Rekor v1' },
  'a `.sig` of cosign 3': { signer: 'cosign 3', storage: 'cosign format', log: 'Rekor v1' },
  'a `.sig` of cosign 2': { signer: 'cosign 2', storage: 'cosign format', log: 'Rekor v1' },
} as const satisfies Readonly<Record<string, ImageSigning>>;

type SigningName = keyof typeof signings;

/** Who the tokens of the workflow issuer are about. */
const subject = `https://github.com/${workflowClaims['job_workflow_ref']}`;

async function signed(
  open: SigstoreSession,
  names: readonly SigningName[],
  how: (open: SigstoreSession) => Signing | Promise<Signing>,
): Promise<PushedManifest> {
  const image = await newImage(open);
  for (const name of names) await signImage(open, image.reference, signings[name], await how(open));
  return image;
}

function workflowIdentity({ workflows }: SigstoreSession): readonly string[] {
  return ['--certificate-identity', subject, '--certificate-oidc-issuer', workflows.url];
}

const byWorkflow = ({ workflows }: SigstoreSession): Signing => ({
  who: 'identity',
  token: workflows.token(),
});

test('the first entry of the log, which cosign 2 takes for missing, is nobody’s here', async (t) => {
  const open = await session(t);
  if (open !== undefined) await blobPeers.Boltseal.sign(open, 'Rekor v1', 'blob');
});

/** cosign's flags, the claim each is about, and another value. */
const workflowFlags = [
  ['name', 'workflow', 'Release'],
  ['ref', 'ref', 'refs/heads/maint'],
  ['repository', 'repository', 'acme/application'],
  ['sha', 'sha', '2e'.repeat(20)],
  ['trigger', 'event_name', 'pull_request'],
] as const;

const rightFlags = workflowFlags.flatMap(([flag, claim]) => [
  `--certificate-github-workflow-${flag}`,
  workflowClaims[claim] ?? '',
]);

/** Verifies with every flag right, and with each of them wrong. */
async function verifies(client: Client, before: readonly string[], what: string): Promise<void> {
  await client.must([...before, ...rightFlags, what]);
  for (const [flag, , other] of workflowFlags) {
    const { code } = await client.run([...before, `--certificate-github-workflow-${flag}`, other, what]);
    assert.notEqual(code, 0, flag);
  }
}

describe('what is asked of a workflow', { concurrency: 2 }, () => {
  const flagsRow = found.expect('`--certificate-github-workflow-*`, an image that Boltseal signed');
  test('flags of cosign', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const { reference } = await signed(open, ['a bundle of Boltseal'], byWorkflow);
    for (const reader of ['boltseal', 'cosign3', 'cosign2'] as const) {
      await verifies(open.clients[reader], ['verify', ...workflowIdentity(open)], reference);
    }
    flagsRow.observed('Boltseal, cosign 3 and cosign 2 accept the right values and refuse each wrong one');
  });

  const othersRow = found.expect('the same, images that cosign 3 and cosign 2 signed');
  test('flags of cosign, what cosign signed', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    for (const name of ['a bundle of cosign 3', 'a `.sig` of cosign 2'] as const) {
      const { reference } = await signed(open, [name], byWorkflow);
      await verifies(open.clients.boltseal, ['verify', ...workflowIdentity(open)], reference);
    }
    othersRow.observed('Boltseal does, too');
  });

  const row = found.expect('the same of a file, `verify-blob`');
  test('flags of cosign, of a file', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    await initialized(open);
    const { boltseal, cosign3, cosign2 } = open.clients;
    const token = { SIGSTORE_ID_TOKEN: open.workflows.token() };
    const blob = await open.file('workflow-blob', 'a file\n');
    const [byUs, byCosign] = [join(open.folder, 'by-boltseal.json'), join(open.folder, 'by-cosign.json')];
    await boltseal.must(['sign-blob', '--bundle', byUs, blob], token);
    await cosign3.must(['sign-blob', '--yes', '--bundle', byCosign, blob], token);
    const trust = ['--new-bundle-format', '--trusted-root', await open.target('trusted_root.json')];
    for (const [client, bundle, flags] of [
      [cosign3, byUs, []],
      [cosign2, byUs, trust],
      [boltseal, byCosign, []],
    ] as const) {
      await verifies(client, ['verify-blob', '--bundle', bundle, ...flags, ...workflowIdentity(open)], blob);
    }
    row.observed('cosign 3 and cosign 2 do of a file that Boltseal signed, and Boltseal of one of cosign 3');
  });

  const structured = found.expect('`boltseal verify --repo --workflow --ref`');
  test('--repo, --workflow and --ref', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const images: string[] = [];
    for (const name of ['a bundle of Boltseal', 'a bundle of cosign 3', 'a `.sig` of cosign 2'] as const) {
      images.push((await signed(open, [name], byWorkflow)).reference);
    }
    const { boltseal } = open.clients;
    const issuer = ['--certificate-oidc-issuer', open.workflows.url];
    const right = { repo: 'acme/app', workflow: 'release.yml', ref: 'refs/heads/main' };
    const words = (given: Readonly<Record<string, string>>): string[] =>
      Object.entries(given).flatMap(([flag, value]) => [`--${flag}`, value]);
    await boltseal.must(['verify', ...issuer, ...words(right), ...images]);
    await boltseal.must(['verify', ...issuer, '--repo', 'acme/app', ...images]);
    const others = { repo: 'acme/application', workflow: 'test.yml', ref: 'refs/tags/main' };
    for (const [flag, value] of Object.entries(others)) {
      const { code } = await boltseal.run([
        'verify',
        ...issuer,
        ...words({ ...right, [flag]: value }),
        ...images,
      ]);
      assert.equal(code, 12, flag);
    }
    // Without an issuer it is GitHub's own.
    assert.equal((await boltseal.run(['verify', ...words(right), ...images])).code, 12);
    const anchored = `^https://github\\.com/acme/app/\\.github/workflows/[^/]+@refs/heads/main$`;
    for (const client of [boltseal, open.clients.cosign3]) {
      for (const reference of images) {
        await client.must(['verify', ...issuer, '--certificate-identity-regexp', anchored, reference]);
      }
    }
    structured.observed('accepts what Boltseal, cosign 3 and cosign 2 signed; each wrong value is refused');
  });

  const reusable = found.expect('a reusable workflow of another repository, by cosign 3');
  test('a reusable workflow', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const called = 'shared/ci/.github/workflows/build.yml';
    const token = open.workflows.token({ job_workflow_ref: `${called}@refs/tags/v1` });
    const how = (): Signing => ({ who: 'identity', token });
    const { reference } = await signed(open, ['a bundle of cosign 3'], how);
    const verify = ['verify', '--certificate-oidc-issuer', open.workflows.url, '--repo', 'acme/app'];
    const { boltseal } = open.clients;
    const named = ['--workflow', `${called}@refs/tags/v1`, '--ref', 'refs/heads/main'];
    await boltseal.must([...verify, ...named, reference]);
    for (const workflow of ['build.yml', `${called}@refs/tags/v2`]) {
      assert.equal((await boltseal.run([...verify, '--workflow', workflow, reference])).code, 12, workflow);
    }
    reusable.observed('accepted with `--repo` of the caller and `--workflow` of the other, named in full');
  });
});

/** An output to compare. */
interface Comparison {
  readonly what: string;
  readonly signatures: readonly SigningName[];
  readonly how: (open: SigstoreSession) => Signing | Promise<Signing>;
  readonly args?: readonly string[];
}

const byEmail = (): Signing => ({ who: 'identity', annotations: [] });
const byKey = (): Signing => ({ who: 'key', annotations: [] });
// The name of a member that the certificate fills, too.
const annotated = (open: SigstoreSession): Signing => ({
  ...byWorkflow(open),
  annotations: ['env=prod', 'Subject=somebody@example.com', '10=ten'],
});
const allSigs = ['a `.sig` of cosign 2', 'a `.sig` of Boltseal', 'a `.sig` of cosign 3'] as const;

const comparisons: readonly Comparison[] = [
  { what: 'a bundle of cosign 3', signatures: ['a bundle of cosign 3'], how: byEmail },
  {
    what: 'a bundle of Boltseal, Rekor v2',
    signatures: ['a bundle of Boltseal with Rekor v2'],
    how: byWorkflow,
  },
  { what: 'both formats of Boltseal', signatures: ['a bundle of Boltseal'], how: byWorkflow },
  ...allSigs.map((name) => ({ what: `${name}, of a person`, signatures: [name], how: byEmail })),
  ...allSigs.map((name) => ({
    what: `${name}, of a workflow, annotated`,
    signatures: [name],
    how: annotated,
  })),
  {
    what: 'three signatures in one `.sig`, as text',
    signatures: allSigs,
    how: byWorkflow,
    args: ['--output', 'text'],
  },
  {
    what: 'a bundle of cosign 3, as text',
    signatures: ['a bundle of cosign 3'],
    how: byWorkflow,
    args: ['--output', 'text'],
  },
  { what: 'a `.sig` of cosign 2 with a key, logged', signatures: ['a `.sig` of cosign 2'], how: byKey },
  { what: 'a `.sig` of Boltseal with a key, logged', signatures: ['a `.sig` of Boltseal'], how: byKey },
];

describe('what is printed', { concurrency: 2 }, () => {
  for (const { what, signatures, how, args = [] } of comparisons) {
    const row = printed.expect(
      `${what}${args.includes('text') && !what.includes('text') ? ', as text' : ''}`,
    );
    test(what, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const { reference } = await signed(open, signatures, how);
      const words = [...(await whoSigned(open, how)), ...args, reference];
      const log = how === byKey ? ['--insecure-ignore-tlog=false'] : [];
      const ours = await open.clients.boltseal.must(['verify', ...log, ...words]);
      const isSig = signatures.every((name) => name.includes('.sig'));
      for (const reader of isSig ? (['cosign3', 'cosign2'] as const) : (['cosign3'] as const)) {
        const theirs = await open.clients[reader].must(['verify', ...words]);
        assert.equal(ours.stdout, theirs.stdout);
        assert.equal(ours.stderr, theirs.stderr);
      }
      row.observed(isSig ? 'as cosign 3 and cosign 2' : 'as cosign 3');
    });
  }

  const row = printed.expect(
    'a `.sig` whose log entry and timestamp nobody verified (`--insecure-ignore-tlog`)',
  );
  test('what was not verified is not told', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const { reference } = await signed(open, ['a `.sig` of cosign 2'], byKey);
    const { pub } = await keyPair(open);
    const words = ['verify', '--key', pub, '--insecure-ignore-tlog', reference];
    const [theirs, ours] = [await open.clients.cosign2.must(words), await open.clients.boltseal.must(words)];
    assert.deepEqual(Object.keys(JSON.parse(theirs.stdout)[0].optional), ['Bundle', 'RFC3161Timestamp']);
    assert.equal(JSON.parse(ours.stdout)[0].optional, null);
    row.observed(
      'cosign prints `Bundle` and `RFC3161Timestamp` all the same; Boltseal only what it verified',
    );
  });
});

async function whoSigned(open: SigstoreSession, how: Comparison['how']): Promise<readonly string[]> {
  if (how === byKey) return ['--key', (await keyPair(open)).pub];
  if (how !== byEmail) return workflowIdentity(open);
  return ['--certificate-identity', email, '--certificate-oidc-issuer', open.server.url];
}

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  await checkSection(
    'workflows',
    [
      'Signed with tokens such as GitHub’s workflows have:',
      table(['Asked', 'Outcome'], found.rows()),
      '`boltseal verify` prints on both outputs what cosign prints, byte for byte: of the older format `Subject`, `Issuer`, the workflow, `Bundle` and `RFC3161Timestamp`:',
      table(['Verified', 'Output'], printed.rows()),
    ].join('\n\n'),
  );
});
