/** The TUF repository of a private Sigstore with real clients, over HTTP: tuf-js, cosign 3 and cosign 2. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { Updater } from 'tuf-js';
import { parseCertificate, serialNumber } from '../../src/formats/certificate.ts';
import {
  createIntermediateCertificate,
  createRootCertificate,
  createTimestampCertificate,
} from '../../src/formats/certificate-profiles.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { type Listener, listen } from '../../src/node/http-server.ts';
import { openTufRepository, roleOf } from '../../src/server/tuf/repository.ts';
import { createTufService } from '../../src/server/tuf/service.ts';
import { folderTufStorage } from '../../src/server/tuf/storage.ts';
import { buildTargets, type SigstoreInstances } from '../../src/server/tuf/targets.ts';
import type { TufRepository } from '../../src/server/tuf/tuf-repository.ts';
import { answerService, splitTarget } from '../support/answer-service.ts';
import { needPrograms } from '../support/programs.ts';
import { clientIn } from '../support/sigstore.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const day = 86_400_000;
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const newSigner = (type: 'ec' | 'ed25519' = 'ec'): Signer =>
  localSigner(
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
      : generateKeyPairSync('ed25519').privateKey,
    'a test key',
  );

async function newInstances(url: string): Promise<SigstoreInstances> {
  const fields = (commonName: string) => ({
    name: { organization: 'test', commonName },
    serial: serialNumber(random),
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + 365 * day),
  });
  const validFor = { start: new Date(Math.floor(Date.now() / 1_000) * 1_000 - day) };
  const signer = newSigner();
  const root = await createRootCertificate(signer, fields('root'));
  const issuer = { certificate: parseCertificate(root), signer };
  const ca = await createIntermediateCertificate(issuer, newSigner().publicKey, fields('intermediate'));
  const tsa = await createTimestampCertificate(issuer, newSigner().publicKey, fields('timestamps'));
  return {
    operator: 'test',
    certificateAuthorities: [{ url, chain: [ca, root], validFor }],
    timestampAuthorities: [{ url, chain: [tsa, root], validFor }],
    ctLogs: [{ url: `${url}/ct`, publicKey: newSigner().publicKey, validFor }],
    rekorLogs: [{ url: `${url}/rekor`, publicKey: newSigner().publicKey, validFor }],
    rekor2Logs: [
      { url: `${url}/rekor2`, publicKey: newSigner('ed25519').publicKey, origin: '127.0.0.1', validFor },
    ],
    issuers: [{ url, validFor }],
  };
}

interface Mirror {
  readonly url: string;
  readonly repository: TufRepository;
  /** Paths that were asked for. */
  readonly asked: string[];
}

async function startMirror(releases: Releases, folder: string, online: Signer): Promise<Mirror> {
  const root = [newSigner(), newSigner()];
  const repository = await openTufRepository(
    { now: () => new Date(), log: () => {} },
    {
      storage: folderTufStorage(join(folder, 'tuf')),
      signers: { root, targets: [newSigner()], snapshot: [online], timestamp: [online] },
      thresholds: { root: 2 },
      expires: { root: 365 * day, targets: 365 * day, snapshot: 30 * day, timestamp: 7 * day },
      resignEvery: day,
    },
  );
  await repository.setTargets(buildTargets(await newInstances('http://127.0.0.1:1')));
  const service = createTufService(repository);
  const asked: string[] = [];
  const listener: Listener = await listen({
    async answer(request) {
      const { path, query } = splitTarget(request.url);
      asked.push(path);
      return await answerService(service, request, path.replace(/^\/tuf/, ''), query);
    },
  });
  releases.after(() => listener.close());
  return { url: `${listener.url}/tuf`, repository, asked };
}

async function writeRoot(folder: string, mirror: Mirror): Promise<string> {
  const path = join(folder, 'root.json');
  await writeFile(path, mirror.repository.file('1.root.json')?.bytes ?? '');
  return path;
}

test('tuf-js follows the repository through rotations', async (t) => {
  const folder = await temporaryDirectory(t);
  const mirror = await startMirror(t, folder, newSigner('ed25519'));
  const home = join(folder, 'client');
  await mkdir(join(home, 'targets'), { recursive: true });
  await writeFile(join(home, 'root.json'), mirror.repository.file('1.root.json')?.bytes ?? '');
  const read = async (): Promise<Record<string, string>> => {
    const updater = new Updater({
      metadataDir: home,
      targetDir: join(home, 'targets'),
      metadataBaseUrl: mirror.url,
      targetBaseUrl: `${mirror.url}/targets`,
    });
    await updater.refresh();
    const found: Record<string, string> = {};
    for (const name of ['trusted_root.json', 'signing_config.v0.2.json', 'rekor.pub']) {
      const info = await updater.getTargetInfo(name);
      assert.ok(info, name);
      found[name] = await readFile(await updater.downloadTarget(info), 'utf8');
    }
    return found;
  };
  const first = await read();
  assert.match(first['trusted_root.json'] ?? '', /127\.0\.0\.1:1/);

  const { repository } = mirror;
  const next = newSigner();
  await repository.rotate({
    roles: { timestamp: roleOf([next]), snapshot: roleOf([next]) },
    signers: { timestamp: [next], snapshot: [next] },
  });
  assert.deepEqual(await read(), first);
  const root = [newSigner('ed25519')];
  await repository.rotate({
    roles: { root: roleOf(root), targets: roleOf(root) },
    signers: { root, targets: root },
  });
  await repository.setTargets(buildTargets(await newInstances('http://127.0.0.1:2')));
  const second = await read();
  assert.match(second['trusted_root.json'] ?? '', /127\.0\.0\.1:2/);
  assert.equal(repository.status().versions.root, 3);
});

describe('cosign', () => {
  for (const version of ['cosign3', 'cosign2'] as const) {
    test(`${version} initialize, and again after rotations`, async (t) => {
      const programs = needPrograms(t, version);
      if (programs === undefined) return;
      const folder = await temporaryDirectory(t);
      const mirror = await startMirror(t, folder, newSigner('ed25519'));
      const root = await writeRoot(folder, mirror);
      const cosign = await clientIn(folder, version, programs[version]);
      const initialize = async (): Promise<void> => {
        await cosign.must(['initialize', '--mirror', mirror.url, '--root', root]);
      };
      await initialize();
      assert.ok(mirror.asked.includes('/tuf/2.root.json'));
      assert.ok(mirror.asked.some((path) => path.endsWith('.trusted_root.json')));
      if (version === 'cosign3') {
        assert.ok(mirror.asked.some((path) => path.endsWith('.signing_config.v0.2.json')));
      } else {
        // It takes every target, and looks at what each is for.
        for (const name of ['rekor.pub', 'ctfe.pub', 'fulcio_v1.crt.pem', 'tsa_leaf.crt.pem']) {
          assert.ok(
            mirror.asked.some((path) => path.endsWith(`.${name}`)),
            name,
          );
        }
      }
      const { repository } = mirror;
      const next = newSigner();
      await repository.rotate({
        roles: { root: roleOf([next]), timestamp: roleOf([next]), snapshot: roleOf([next]) },
        signers: { root: [next], timestamp: [next], snapshot: [next] },
      });
      await repository.setTargets(buildTargets(await newInstances('http://127.0.0.1:2')));
      mirror.asked.length = 0;
      await initialize();
      assert.ok(mirror.asked.includes('/tuf/3.root.json'));
    });
  }

  test('cosign 3 refuses a repository whose root it does not know', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const folder = await temporaryDirectory(t);
    const mirror = await startMirror(t, folder, newSigner());
    const other = await startMirror(t, join(folder, 'other'), newSigner());
    const root = await writeRoot(folder, other);
    const cosign = await clientIn(folder, 'cosign3', programs.cosign3);
    const result = await cosign.run(['initialize', '--mirror', mirror.url, '--root', root]);
    assert.notEqual(result.code, 0);
  });
});
