/** Several programs sign one image, in every order: nobody's signature is lost, and everybody reads all of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { signImage } from '../../src/flows/index.ts';
import { type KeyFiles, registryNames, type TestImage } from './laboratory.ts';
import { attachForeign, foreignType, referrerTypes } from './oras.ts';
import { checkSection, observations, table } from './page.ts';
import { type Peer, type PeerName, type Session, useSession } from './peers.ts';

const session = useSession();
const found = observations();
const everybody: readonly PeerName[] = ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'];
const readsBundles: readonly PeerName[] = ['Boltseal', 'cosign 3'];

describe('the cosign format', { concurrency: 3 }, () => {
  for (const other of ['cosign 3', 'cosign 2', 'skopeo'] as const) {
    for (const order of [
      [other, 'Boltseal'],
      ['Boltseal', other],
    ] as const) {
      const row = found.expect(`\`.sig\` tag: ${order[0]} signs, then ${order[1]} with another key`);
      test(`${order.join(', then ')}`, async (t) => {
        const open = await session(t);
        if (open === undefined) return;
        const image = await open.lab.push('docker-registry', 'single');
        await signInTurn(open, image, 'cosign', order);
        await allVerify(open, image, order.length, everybody);
        row.observed('both signatures verify with Boltseal, cosign 3, cosign 2 and skopeo');
      });
    }
  }

  const row = found.expect(
    '`.sig` tag, each registry: cosign 2, Boltseal, cosign 3, skopeo, Boltseal, five keys',
  );
  const done = new Set<string>();
  for (const registry of registryNames) {
    test(`everybody in turn on ${registry}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await open.lab.push(registry, 'single');
      const order = ['cosign 2', 'Boltseal', 'cosign 3', 'skopeo', 'Boltseal'] as const;
      await signInTurn(open, image, 'cosign', order);
      await allVerify(open, image, order.length, everybody);
      done.add(registry);
      if (done.size === registryNames.length)
        row.observed('all five verify with Boltseal, cosign 3, cosign 2 and skopeo');
    });
  }
});

describe('signing again', { concurrency: 3 }, () => {
  for (const order of [
    ['Boltseal', 'cosign 2', 'cosign 2', 'skopeo', 'cosign 3'],
    ['cosign 3', 'Boltseal', 'cosign 3', 'Boltseal', 'cosign 2'],
    ['skopeo', 'Boltseal', 'cosign 2', 'cosign 3', 'skopeo'],
  ] as const) {
    const title = `${order.join(', ')}, each with other annotations`;
    test(title, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await open.lab.push('docker-registry', 'single');
      // Every payload is another one: cosign then needs the config to list as many layers as the manifest.
      await signInTurn(open, image, 'cosign', order, (at) => ({ number: `${at}` }));
      await allVerify(open, image, order.length, everybody);
    });
  }
});

describe('bundles', { concurrency: 3 }, () => {
  const row = found.expect(
    'bundles, each registry: cosign 3 and Boltseal in turn, both first, beside a bill of materials that oras attached',
  );
  const done = new Set<string>();
  for (const registry of registryNames) {
    for (const order of [
      ['cosign 3', 'Boltseal', 'cosign 3'],
      ['Boltseal', 'cosign 3', 'Boltseal'],
    ] as const) {
      test(`${order.join(', ')} on ${registry}`, async (t) => {
        const open = await session(t);
        if (open === undefined) return;
        const image = await open.lab.push(registry, 'single');
        await attachForeign(open, image);
        await signInTurn(open, image, 'bundle', order);
        await allVerify(open, image, order.length, readsBundles);
        assert.deepEqual(await referrerTypes(open, image, foreignType), [foreignType]);
        assert.equal((await referrerTypes(open, image)).length, order.length + 1);
        done.add(`${registry} ${order[0]}`);
        if (done.size === 2 * registryNames.length)
          row.observed('every signature verifies with Boltseal and cosign 3; oras still finds its own');
      });
    }
  }
});

describe('both formats on one image', { concurrency: 3 }, () => {
  const both = found.expect('each registry: Boltseal signs with `--format both`, its default');
  const done = new Set<string>();
  for (const registry of registryNames) {
    test(`Boltseal alone on ${registry}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await open.lab.push(registry, 'multi-arch');
      const key = await open.lab.key('P-256');
      const options = { signer: key.signer(), recursive: true };
      await signImage(image.image.reference, options, open.lab.runtime);
      await allVerify(open, image, 1, everybody);
      done.add(registry);
      if (done.size === registryNames.length)
        both.observed('verifies with Boltseal, cosign 3, cosign 2 and skopeo');
    });
  }

  for (const [bundles, tags] of [
    ['cosign 3', 'cosign 2'],
    ['Boltseal', 'skopeo'],
    ['cosign 3', 'Boltseal'],
  ] as const) {
    const row = found.expect(`a bundle by ${bundles}, and by another key a \`.sig\` by ${tags}`);
    test(`a bundle by ${bundles} and a .sig by ${tags}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await open.lab.push('docker-registry', 'single');
      const [first, second] = await Promise.all([open.lab.key('P-256', 1), open.lab.key('P-256', 2)]);
      succeeded(await open.peers[tags].sign({ image, key: second, format: 'cosign' }));
      succeeded(await open.peers['cosign 3'].verify({ image, key: second }));
      succeeded(await open.peers[bundles].sign({ image, key: first, format: 'bundle' }));
      for (const key of [first, second]) succeeded(await open.peers.Boltseal.verify({ image, key }));
      for (const name of ['cosign 2', 'skopeo'] as const)
        succeeded(await open.peers[name].verify({ image, key: second }));
      succeeded(await open.peers['cosign 3'].verify({ image, key: first }));
      const hidden = await open.peers['cosign 3'].verify({ image, key: second });
      assert.equal(hidden.ok, false, 'cosign 3 looks behind a bundle now');
      assert.match(hidden.message, /no matching attestations/);
      row.observed(
        'Boltseal accepts both; cosign 2 and skopeo the `.sig`. **Defect of cosign 3:** the bundle hides the `.sig`, which it accepted before',
      );
    });
  }
});

describe('the page', () => {
  test('docs/reference/interop.md says what was observed', async (t) => {
    if ((await session(t)) === undefined) return;
    await checkSection('together', table(['On one image', 'Outcome'], found.rows()));
  });
});

/** Lets each sign with a key of its own number; all that were there before must stay. */
async function signInTurn(
  { lab, peers }: Session,
  image: TestImage,
  format: 'bundle' | 'cosign',
  order: readonly PeerName[],
  annotationsOf: (at: number) => Readonly<Record<string, string>> = () => ({}),
): Promise<void> {
  for (const [at, name] of order.entries()) {
    const [peer, key]: [Peer, KeyFiles] = [peers[name], await lab.key('P-256', at + 1)];
    succeeded(
      await peer.sign({ image, key, format, annotations: annotationsOf(at) }),
      `${name}, key ${at + 1}`,
    );
    for (let number = 1; number <= at + 1; number++)
      succeeded(await peers.Boltseal.verify({ image, key: await lab.key('P-256', number) }));
  }
}

async function allVerify(
  { lab, peers }: Session,
  image: TestImage,
  keys: number,
  readers: readonly PeerName[],
): Promise<void> {
  for (const reader of readers) {
    for (let number = 1; number <= keys; number++)
      succeeded(
        await peers[reader].verify({ image, key: await lab.key('P-256', number) }),
        `${reader}, key ${number}`,
      );
    const unknown = await peers[reader].verify({ image, key: await lab.key('P-256', 6) });
    assert.equal(unknown.ok, false, `${reader} accepts a key that did not sign`);
  }
}

function succeeded({ ok, message }: { readonly ok: boolean; readonly message: string }, who = ''): void {
  assert.ok(ok, `${who} ${message}`);
}
