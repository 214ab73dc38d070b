import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseDigest } from '../../src/core/digest.ts';
import { fromBase64 } from '../../src/core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../src/core/errors.ts';
import { parseBlobBundle } from '../../src/formats/blob-bundle.ts';
import { type Bundle, parseBundle } from '../../src/formats/bundle.ts';
import { parsePublicKey } from '../../src/formats/public-key.ts';
import { parseStatement } from '../../src/formats/statement.ts';
import { parseTrustedRoot } from '../../src/formats/trusted-root.ts';
import type { LogEntry } from '../../src/formats/verification-material.ts';
import { entityFromBundle } from '../../src/verify/entity.ts';
import type { IdentityRequirement } from '../../src/verify/identity.ts';
import { byIdentities, byKeys } from '../../src/verify/requirements.ts';
import { openTrust, type Trust } from '../../src/verify/trust.ts';
import { verifyBlob } from '../../src/verify/verify-blob.ts';
import { verifyEntity } from '../../src/verify/verify-entity.ts';
import { vector, vectorImage } from './vectors.ts';

const trustOf = (name: string): Trust => openTrust(parseTrustedRoot(vector(name)));

function who(subject: string, issuer: string): IdentityRequirement {
  return { subject: { kind: 'exact', value: subject }, issuer: { kind: 'exact', value: issuer } };
}

const cosign = {
  trust: trustOf('trust/trusted-root-private-full.json'),
  identity: who('dev@example.com', 'http://127.0.0.1:5115'),
};
const services = {
  trust: trustOf('services/trusted-root.json'),
  identity: who('dev@lab.test', 'http://127.0.0.1:5301'),
};
const blob = new Uint8Array(Buffer.from('hello blob'));

async function refuses(run: () => unknown, code: ErrorCode): Promise<void> {
  await assert.rejects(
    async () => run(),
    (error) => isBoltsealError(error, code),
  );
}

describe('image signatures by an identity', () => {
  const cases = {
    'keyless-sc-v1.bundle.json': [cosign, ['timestamp', 'log'], 1],
    'keyless-sc-v1-notsa.bundle.json': [cosign, ['log'], 0],
    'services/keyless-v1.bundle.0.json': [services, ['timestamp', 'log'], 1],
  } as const;
  for (const [name, [{ trust, identity }, sources, timestamps]] of Object.entries(cases)) {
    it(name, async () => {
      const entity = entityFromBundle(vector(name), { place: 'file' });
      const [subject] = parseStatement(entity.payload, name).subjects;
      const digest = subject?.digests[0] ?? parseDigest(vectorImage);
      const required = { signer: byIdentities([identity]), trust, digest };
      const { signedBy, material } = verifyEntity(entity, { ...required, timestamps });
      assert.equal(signedBy.kind, 'certificate');
      assert.deepEqual(
        material.times.map(({ source }) => source),
        sources,
      );
      assert.equal(material.logEntries.length, 1);
      const other = trust === cosign.trust ? services.trust : cosign.trust;
      await refuses(() => verifyEntity(entity, { ...required, trust: other }), 'ERR_VERIFY_CERTIFICATE');
      await refuses(
        () => verifyEntity(entity, { ...required, timestamps: timestamps + 1 }),
        'ERR_VERIFY_TIMESTAMP_MISSING',
      );
      await refuses(() => verifyEntity(entity, { ...required, logEntries: 2 }), 'ERR_VERIFY_LOG_MISSING');
      await refuses(
        () => verifyEntity(entity, { ...required, signer: byIdentities([who('x@example.com', 'x')]) }),
        'ERR_VERIFY_IDENTITY',
      );
    });
  }
});

describe('image signatures by a key, logged and with a timestamp', () => {
  const key = parsePublicKey(vector('keys/signing.pub'));
  for (const name of ['key-tlog-sc-v1.bundle.json', 'key-tlog-sc-v2.bundle.json']) {
    it(name, async () => {
      const entity = entityFromBundle(vector(name), { place: 'file' });
      const digest = parseDigest(vectorImage);
      const required = { signer: byKeys([key]), trust: cosign.trust, digest, logEntries: 1, timestamps: 1 };
      const { material } = verifyEntity(entity, required);
      assert.equal(material.logEntries.length, 1);
      assert.ok(material.times.some(({ source }) => source === 'timestamp'));
      await refuses(
        () => verifyEntity(entity, { ...required, trust: services.trust }),
        'ERR_VERIFY_TIMESTAMP',
      );
      await refuses(
        () => verifyEntity(entity, { ...required, trust: services.trust, timestamps: 0 }),
        'ERR_VERIFY_LOG_UNKNOWN',
      );
    });
  }
});

describe('signatures of files by an identity', () => {
  const cases = {
    'blob-keyless-rekor1.bundle.json': [cosign, blob],
    'blob-keyless-rekor2.bundle.json': [cosign, blob],
    'services/sg-v1.b.json': [services, undefined],
  } as const;
  for (const [name, [{ trust, identity }, artifact]] of Object.entries(cases)) {
    it(name, async () => {
      const bundle = parseBundle(vector(name), name);
      const required = { signer: byIdentities([identity]), trust };
      const { content } = bundle;
      assert.ok(content.kind === 'message' && content.digest !== undefined);
      const digests = { sha256: content.digest.digest };
      const evidence = await verifyBlob(bundle, artifact ?? digests, required);
      assert.equal(evidence.statement, undefined);
      assert.equal(evidence.signedBy.kind, 'certificate');
      await verifyBlob(bundle, digests, required);
      await refuses(() => verifyBlob(bundle, new Uint8Array(1), required), 'ERR_VERIFY_DIGEST');
    });
  }
});

describe('the older forms of cosign, with a signed entry timestamp and no proof', () => {
  const trust = trustOf('old/trusted-root.json');
  const content = vector('old/blob.txt');
  const pattern = { kind: 'pattern', pattern: '^.+$' } as const;
  const anyone = byIdentities([{ subject: pattern, issuer: pattern }]);

  /** The bundle that an older one is. */
  function upgraded(name: string, timestamps: readonly Uint8Array[] = []): Bundle {
    const old = parseBlobBundle(vector(name), name);
    const logEntries: LogEntry[] = old.logEntry === undefined ? [] : [old.logEntry];
    const certificates = old.signer?.kind === 'certificates' ? old.signer.certificates : undefined;
    return {
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      version: '0.1',
      material: {
        ...(certificates === undefined ? { publicKeyHint: '' } : { certificates }),
        logEntries,
        timestamps,
      },
      content:
        old.content.kind === 'envelope'
          ? { kind: 'envelope', envelope: old.content.envelope }
          : { kind: 'message', signature: old.content.signature },
    };
  }

  for (const name of ['blob-keyless-c2', 'blob-keyless-c3', 'attest-keyless-c2', 'attest-keyless-c3']) {
    it(name, async () => {
      const bundle = upgraded(`old/${name}.json`);
      const evidence = await verifyBlob(bundle, content, { signer: anyone, trust });
      assert.deepEqual(
        evidence.material.times.map(({ source }) => source),
        ['log'],
      );
      assert.equal(evidence.statement !== undefined, name.startsWith('attest'));
      const sha256 = createHash('sha256').update(content).digest();
      await verifyBlob(bundle, { sha256 }, { signer: anyone, trust });
      await refuses(
        () => verifyBlob(bundle, new Uint8Array(1), { signer: anyone, trust }),
        name.startsWith('attest') ? 'ERR_VERIFY_DIGEST' : 'ERR_VERIFY_SIGNATURE',
      );
    });
  }

  it('with a key; a timestamp of another signature beside it is refused', async () => {
    const key = parsePublicKey(vector('old/key.pub'));
    const { SignedRFC3161Timestamp: encoded } = JSON.parse(
      Buffer.from(vector('old/timestamp-c3.json')).toString(),
    ) as { SignedRFC3161Timestamp: string };
    for (const name of ['blob-key-c2', 'blob-key-c3']) {
      const bundle = upgraded(`old/${name}.json`);
      const required = { signer: byKeys([key]), trust, logEntries: 1 };
      const { material } = await verifyBlob(bundle, content, required);
      assert.equal(material.logEntries.length, 1);
      const another = upgraded(`old/${name}.json`, [fromBase64(encoded, 'x')]);
      await refuses(() => verifyBlob(another, content, required), 'ERR_VERIFY_TIMESTAMP');
    }
  });
});

it('a certificate of an authority that is not in the trusted root is refused', async () => {
  const entity = entityFromBundle(vector('byo-cert.bundle.json'), { place: 'file' });
  const required = {
    signer: byIdentities([cosign.identity]),
    trust: cosign.trust,
    digest: parseDigest(vectorImage),
  };
  await refuses(() => verifyEntity(entity, required), 'ERR_VERIFY_CERTIFICATE');
});
