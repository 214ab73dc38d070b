/** The timestamp authority of a private Sigstore with real clients: cosign 3, cosign 2 and the npm `sigstore` package. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, hash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { TSAWitness } from '@sigstore/sign';
import { hex } from '../../src/core/encoding.ts';
import { parseCertificate, serialNumber } from '../../src/formats/certificate.ts';
import { createRootCertificate, createTimestampCertificate } from '../../src/formats/certificate-profiles.ts';
import { encodePem } from '../../src/formats/pem.ts';
import { encodeSigningConfig } from '../../src/formats/signing-config.ts';
import { parseTimestampResponse, requireGranted } from '../../src/formats/timestamp.ts';
import { encodeTrustedRoot, trustedAuthority } from '../../src/formats/trusted-root.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { listen } from '../../src/node/http-server.ts';
import { createTimestampAuthority } from '../../src/server/tsa/timestamp-authority.ts';
import { answerService, splitTarget } from '../support/answer-service.ts';
import { needPrograms } from '../support/programs.ts';
import { type Client, clientIn } from '../support/sigstore.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const day = 86_400_000;
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const newSigner = (curve = 'prime256v1'): Signer =>
  localSigner(generateKeyPairSync('ec', { namedCurve: curve }).privateKey, 'a test key');

interface Authority {
  readonly url: string;
  readonly chain: readonly Uint8Array[];
  /** Content types of the requests. */
  readonly asked: (string | null)[];
}

async function startAuthority(releases: Releases, signer = newSigner()): Promise<Authority> {
  const fields = (commonName: string) => ({
    name: { organization: 'test', commonName },
    serial: serialNumber(random),
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
  });
  const rootSigner = newSigner();
  const root = await createRootCertificate(rootSigner, fields('root'));
  const issuer = { certificate: parseCertificate(root), signer: rootSigner };
  const leaf = await createTimestampCertificate(issuer, signer.publicKey, fields('timestamps'));
  const chain = [leaf, root];
  const service = createTimestampAuthority({ now: () => new Date(), random }, { signer, chain });
  const asked: (string | null)[] = [];
  const listener = await listen({
    async answer(request) {
      asked.push(request.headers.get('content-type'));
      const { path, query } = splitTarget(request.url);
      return await answerService(service, request, path, query);
    },
  });
  releases.after(() => listener.close());
  return { url: `${listener.url}/api/v1/timestamp`, chain, asked };
}

interface Desk {
  readonly authority: Authority;
  readonly cosign: Client;
  file(name: string): string;
}

async function prepare(
  releases: Releases,
  version: 'cosign3' | 'cosign2',
  path: string,
  signer?: Signer,
): Promise<Desk> {
  const folder = await temporaryDirectory(releases);
  const authority = await startAuthority(releases, signer);
  const cosign = await clientIn(folder, version, path);
  const desk: Desk = { authority, cosign, file: (name) => join(folder, name) };
  await writeFile(desk.file('blob'), 'artifact');
  await cosign.must(['generate-key-pair', '--output-key-prefix', desk.file('cosign')], {
    COSIGN_PASSWORD: '',
  });
  return desk;
}

for (const curve of ['prime256v1', 'secp384r1']) {
  test(`cosign 3 takes timestamps and verifies them (${curve})`, async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const { authority, cosign, file } = await prepare(t, 'cosign3', programs.cosign3, newSigner(curve));
    const start = new Date(Math.floor(Date.now() / 1_000) * 1_000 - day);
    const service = { url: authority.url, majorApiVersion: 1, validFor: { start }, operator: 'test' };
    await writeFile(
      file('config.json'),
      encodeSigningConfig({
        ca: [],
        oidc: [],
        rekor: { services: [] },
        tsa: { services: [service], selector: { selector: 'ANY' } },
      }),
    );
    const trusted = (chain: readonly Uint8Array[]): Uint8Array =>
      encodeTrustedRoot({
        tlogs: [],
        ctlogs: [],
        certificateAuthorities: [],
        timestampAuthorities: [trustedAuthority(authority.url, chain, { start })],
      });
    await writeFile(file('trusted.json'), trusted(authority.chain));
    const trust = ['--trusted-root', file('trusted.json')];
    const sign = ['sign-blob', '--yes', '--key', file('cosign.key'), '--signing-config', file('config.json')];
    await cosign.must([...sign, ...trust, '--bundle', file('bundle.json'), file('blob')], {
      COSIGN_PASSWORD: '',
    });
    assert.deepEqual(authority.asked, ['application/timestamp-query']);
    const verify = [
      'verify-blob',
      '--key',
      file('cosign.pub'),
      '--bundle',
      file('bundle.json'),
      '--insecure-ignore-tlog',
    ];
    const stamped = [...verify, '--use-signed-timestamps', ...trust, file('blob')];
    await cosign.must(stamped);
    // Of another authority the timestamp is worth nothing.
    const other = await startAuthority(t);
    await writeFile(file('trusted.json'), trusted(other.chain));
    assert.notEqual((await cosign.run(stamped)).code, 0);
  });
}

test('cosign 2 takes timestamps and verifies them', async (t) => {
  const programs = needPrograms(t, 'cosign2');
  if (programs === undefined) return;
  const { authority, cosign, file } = await prepare(t, 'cosign2', programs.cosign2);
  await writeFile(file('chain.pem'), authority.chain.map((der) => encodePem('CERTIFICATE', der)).join(''));
  const bundle = ['--bundle', file('bundle.json'), '--rfc3161-timestamp', file('timestamp.json')];
  const sign = ['sign-blob', '--yes', '--key', file('cosign.key'), '--tlog-upload=false', ...bundle];
  await cosign.must([...sign, '--timestamp-server-url', authority.url, file('blob')], {
    COSIGN_PASSWORD: '',
  });
  const verify = ['verify-blob', '--key', file('cosign.pub'), '--insecure-ignore-tlog', ...bundle];
  await cosign.must([...verify, '--timestamp-certificate-chain', file('chain.pem'), file('blob')]);
  // It asks for the certificate.
  const { SignedRFC3161Timestamp: signed } = JSON.parse(await readFile(file('timestamp.json'), 'utf8'));
  const token = requireGranted(parseTimestampResponse(new Uint8Array(Buffer.from(signed, 'base64'))));
  assert.deepEqual(token.certificates.map(hex), [hex(authority.chain[0] ?? random(1))]);
});

test('the npm sigstore package takes timestamps', async (t) => {
  const authority = await startAuthority(t);
  const witness = new TSAWitness({ tsaBaseURL: authority.url, timeout: 5_000 });
  const signature = randomBytes(70);
  const { rfc3161Timestamps = [] } = await witness.testify({
    $case: 'messageSignature',
    messageSignature: { signature, messageDigest: { algorithm: 1, digest: randomBytes(32) } },
  });
  assert.deepEqual(authority.asked, ['application/json']);
  const [timestamp] = rfc3161Timestamps;
  assert.ok(timestamp);
  const token = requireGranted(parseTimestampResponse(new Uint8Array(timestamp.signedTimestamp)));
  assert.equal(hex(token.info.imprint.digest), hash('sha256', signature, 'hex'));
});
