import assert from 'node:assert/strict';
import {
  generateKeyPairSync,
  X509Certificate as NodeCertificate,
  randomBytes,
  sign as signWith,
} from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { Certificate as PkijsCertificate } from 'pkijs';
import { needPrograms, runProgram } from '../../test/support/programs.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { makeAuthority, makeCertificate, newKey } from '../../test/support/test-certificates.ts';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { derBoolean, derExplicit, derInteger, derOctetString, derOid, derSequence } from '../core/der.ts';
import { concatBytes, hex, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type Certificate,
  type CertificateFields,
  certificateKey,
  checkIssuedBy,
  encodeCertificate,
  encodeTbs,
  parseCertificate,
  parsePemCertificates,
  serialNumber,
  serialNumbers,
} from './certificate.ts';
import {
  type CertificateSigner,
  createIntermediateCertificate,
  createRootCertificate,
  createTimestampCertificate,
} from './certificate-profiles.ts';
import {
  encodeBasicConstraints,
  encodeExtension,
  encodeKeyUsage,
  encodeSubjectAltName,
  extensionOids,
  type GeneralName,
  keyPurposes,
  keyUsages,
  parseKeyUsage,
} from './extensions.ts';
import { emptyName, encodeName, nameParts, nameText, parseName } from './name.ts';
import { encodePem, parsePem } from './pem.ts';
import { publicKeyOf } from './public-key.ts';
import { signatureAlgorithmOf, signatureAlgorithms, verifiesWith } from './signature-algorithm.ts';

const [recordedIntermediate, recordedRoot] = parsePemCertificates(vector('services/fulcio-chain.pem'));
const [recordedTimestamp, recordedTimestampRoot] = parsePemCertificates(vector('services/tsa-chain.pem'));
assert.ok(recordedIntermediate && recordedRoot && recordedTimestamp && recordedTimestampRoot);
const recordedLeaf = parsePem(utf8(transcripts().get('fulcio v1 ok')?.response ?? ''), 'x')[0]?.der;
assert.ok(recordedLeaf);

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/** A signer on a new key; the layer of keys is above this one. */
function newSigner(kind: 'P-256' | 'P-384' | 'ed25519' | 'rsa' = 'P-256'): CertificateSigner {
  const pair =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
  const publicKey = publicKeyOf(pair.publicKey, 'x');
  const { hash } = signatureAlgorithmOf(publicKey.type);
  return {
    publicKey,
    sign: async (message) => new Uint8Array(signWith(hash, message, pair.privateKey)),
  };
}

const options = (commonName: string) => ({
  name: { organization: 'lab', commonName },
  serial: serialNumber(random),
  notBefore: new Date('2026-01-02T03:04:05.678Z'),
  notAfter: new Date('2056-01-02T03:04:05Z'),
});

const plain: CertificateFields = {
  serial: Uint8Array.of(1),
  signatureAlgorithm: signatureAlgorithms.ecdsaSha256.identifier,
  issuer: encodeName({ commonName: 'a' }),
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2027-01-01T00:00:00Z'),
  subject: emptyName,
  spki: newSigner().publicKey.spki,
  extensions: [encodeKeyUsage(['digitalSignature'])],
};

/** A certificate that is signed with nonsense. */
function certificateOf(changes: Partial<CertificateFields>): Uint8Array {
  const fields = { ...plain, ...changes };
  return encodeCertificate(encodeTbs(fields), fields.signatureAlgorithm, Uint8Array.of(1, 2, 3));
}

/** What Node reads and what we read must be the same. */
function assertSameAsNode(certificate: Certificate): void {
  const node = new NodeCertificate(certificate.der);
  assert.equal(hex(certificate.serial).replace(/^00/, '').toUpperCase(), node.serialNumber);
  assert.equal(certificate.notBefore.getTime(), Date.parse(node.validFrom));
  assert.equal(certificate.notAfter.getTime(), Date.parse(node.validTo));
  assert.equal(nameText(certificate.issuer, 'x'), node.issuer.replaceAll('\n', ', '));
  assert.equal(nameText(certificate.subject, 'x'), (node.subject ?? '').replaceAll('\n', ', '));
  assert.equal(certificate.basicConstraints?.ca ?? false, node.ca);
  assert.deepEqual(certificateKey(certificate).key.equals(node.publicKey), true);
}

test('recorded certificates are read as Node reads them, and their slices are theirs', () => {
  const leaf = parseCertificate(recordedLeaf);
  for (const certificate of [
    leaf,
    recordedIntermediate,
    recordedRoot,
    recordedTimestamp,
    recordedTimestampRoot,
  ]) {
    assertSameAsNode(certificate);
    const { tbs, signatureAlgorithm, signature, tbsStart, extensions, der } = certificate;
    assert.deepEqual(encodeCertificate(tbs, signatureAlgorithm, signature), der);
    const again = derSequence(
      tbsStart,
      derExplicit(3, derSequence(...[...extensions.values()].map(({ bytes }) => bytes))),
    );
    assert.deepEqual(again, tbs);
  }
  assert.deepEqual(leaf.subjectAltName, [{ type: 'email', value: 'dev@lab.test' }]);
  assert.equal(leaf.extensions.get(extensionOids.subjectAltName)?.critical, true);
  assert.deepEqual(leaf.authorityKeyIdentifier, recordedIntermediate.subjectKeyIdentifier);
  assert.deepEqual(leaf.keyUsage, new Set(['digitalSignature']));
  assert.deepEqual(leaf.extendedKeyUsage, [keyPurposes.codeSigning]);
  assert.equal(leaf.basicConstraints, undefined);
  assert.deepEqual(recordedIntermediate.basicConstraints, { ca: true, pathLength: 0 });
  assert.deepEqual(recordedRoot.basicConstraints, { ca: true, pathLength: undefined });
  assert.equal(recordedTimestamp.extensions.get(extensionOids.extendedKeyUsage)?.critical, true);
});

test('a certificate is issued by who names and signed it, and by nobody else', () => {
  const leaf = parseCertificate(recordedLeaf);
  const issuer = (one: Certificate) => ({ subject: one.subject, key: certificateKey(one) });
  checkIssuedBy(leaf, issuer(recordedIntermediate));
  checkIssuedBy(recordedIntermediate, issuer(recordedRoot));
  checkIssuedBy(recordedRoot, issuer(recordedRoot));
  const refused = (one: Certificate, by: Parameters<typeof checkIssuedBy>[1]): void =>
    assert.throws(
      () => checkIssuedBy(one, by),
      (error) => isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
    );
  refused(leaf, issuer(recordedRoot));
  refused(leaf, { subject: recordedIntermediate.subject, key: newSigner().publicKey });
  refused(leaf, { subject: recordedIntermediate.subject, key: newSigner('ed25519').publicKey });
  refused({ ...leaf, signatureAlgorithm: derSequence(derOid('1.2.3')) }, issuer(recordedIntermediate));
  refused(
    { ...leaf, signatureAlgorithm: signatureAlgorithms.rsaSha256.identifier },
    issuer(recordedIntermediate),
  );
  refused({ ...leaf, signature: Uint8Array.of(0x30) }, issuer(recordedIntermediate));
});

for (const kind of ['P-256', 'P-384', 'ed25519', 'rsa'] as const) {
  test(`the authorities of a private Sigstore, with ${kind} keys, are what others accept`, async (t) => {
    const [root, intermediate, timestamp] = [newSigner(kind), newSigner(kind), newSigner(kind)];
    const rootDer = await createRootCertificate(root, options('root'));
    const issuer = { certificate: parseCertificate(rootDer), signer: root };
    const intermediateDer = await createIntermediateCertificate(
      issuer,
      intermediate.publicKey,
      options('ca'),
    );
    const timestampDer = await createTimestampCertificate(issuer, timestamp.publicKey, options('tsa'));
    const node = new NodeCertificate(rootDer);
    for (const der of [rootDer, intermediateDer, timestampDer]) {
      const certificate = parseCertificate(der);
      assertSameAsNode(certificate);
      assert.equal(certificate.serial.length, 20);
      checkIssuedBy(certificate, { subject: issuer.certificate.subject, key: root.publicKey });
      const other = new NodeCertificate(der);
      assert.ok(other.checkIssued(node) && other.verify(node.publicKey));
      if (kind === 'ed25519') continue;
      const pkijs = PkijsCertificate.fromBER(new Uint8Array(der));
      assert.ok(await pkijs.verify(PkijsCertificate.fromBER(new Uint8Array(rootDer))));
    }
    assert.deepEqual(nameParts(issuer.certificate.subject, 'x'), { organization: 'lab', commonName: 'root' });

    const programs = needPrograms(t, 'openssl');
    if (programs === undefined) return;
    const folder = await temporaryDirectory(t);
    const write = async (name: string, der: Uint8Array): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, encodePem('CERTIFICATE', der));
      return path;
    };
    const rootPath = await write('root.pem', rootDer);
    const check = async (path: string, ...more: string[]): Promise<void> => {
      const run = await runProgram(programs.openssl, [
        'verify',
        '-x509_strict',
        '-attime',
        '1800000000',
        '-CAfile',
        rootPath,
        ...more,
        path,
      ]);
      assert.equal(run.code, 0, run.stderr);
    };
    await check(await write('ca.pem', intermediateDer));
    await check(await write('tsa.pem', timestampDer), '-purpose', 'timestampsign');
  });
}

test('profiles differ where they must', async () => {
  const signer = newSigner();
  const rootDer = await createRootCertificate(signer, options('root'));
  const root = parseCertificate(rootDer);
  const issuer = { certificate: root, signer };
  const ca = parseCertificate(
    await createIntermediateCertificate(issuer, newSigner().publicKey, options('b')),
  );
  assert.deepEqual(ca.basicConstraints, { ca: true, pathLength: 0 });
  assert.deepEqual(ca.extendedKeyUsage, [keyPurposes.codeSigning]);
  assert.equal(root.extendedKeyUsage, undefined);
  const tsa = parseCertificate(await createTimestampCertificate(issuer, newSigner().publicKey, options('c')));
  assert.equal(tsa.basicConstraints, undefined);
  assert.equal(tsa.extensions.get(extensionOids.extendedKeyUsage)?.critical, true);
  const late = { ...options('d'), notAfter: new Date('2025-01-01T00:00:00Z') };
  await assert.rejects(createRootCertificate(signer, late), (error) =>
    isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
  );
  await assert.rejects(createRootCertificate(signer, options('x'.repeat(65))), (error) =>
    isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
  );
});

test('serial numbers are positive and of 20 bytes, whatever is drawn', () => {
  for (const byte of [0, 0xff]) {
    const serial = serialNumber((length) => new Uint8Array(length).fill(byte));
    assert.equal(serial.length, 20);
    const first = serial[0] ?? 0;
    assert.ok(first >= 0x40 && first < 0x80);
  }
});

test('serial numbers are all different, over many draws', () => {
  const next = serialNumbers(random);
  const serials = Array.from({ length: 200 }, next);
  assert.equal(new Set(serials.map(hex)).size, 200);
  assert.ok(serials.every((serial) => serial.length === 20 && ((serial[0] ?? 0) & 0xc0) === 0x40));
});

test('names are written as UTF-8 and read in every text type', () => {
  assert.equal(hex(encodeName({ organization: 'lab', commonName: 'lab-root' })), hex(recordedRoot.subject));
  assert.equal(nameText(emptyName, 'x'), '');
  const printable = derSequence(
    Uint8Array.from(Buffer.from('310b300906035504061302 4445'.replace(' ', ''), 'hex')),
    Uint8Array.from(Buffer.from('310c300a0603550403 1e030041 42'.replaceAll(' ', ''), 'hex')),
  );
  assert.equal(nameText(printable, 'x'), 'C=DE, CN=…');
  assert.deepEqual(parseName(printable, 'x')[0], { type: '2.5.4.6', value: 'DE' });
});

test('alternative names of every kind survive', () => {
  const names: readonly GeneralName[] = [
    { type: 'email', value: 'a@b.example' },
    { type: 'dns', value: 'b.example' },
    { type: 'uri', value: 'https://b.example/x' },
    { type: 'ip', value: Uint8Array.of(127, 0, 0, 1) },
    { type: 'other', oid: '1.3.6.1.4.1.57264.1.7', value: Uint8Array.of(0x0c, 1, 0x61) },
    { type: 'unread', tag: 0x88, bytes: Uint8Array.of(0x88, 1, 0x2a) },
  ];
  const certificate = parseCertificate(certificateOf({ extensions: [encodeSubjectAltName(names, true)] }));
  assert.deepEqual(certificate.subjectAltName, names);
});

test('key usages survive, in their shortest form', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...keyUsages), { minLength: 1 }), (uses) => {
      const certificate = parseCertificate(certificateOf({ extensions: [encodeKeyUsage(uses)] }));
      assert.deepEqual([...(certificate.keyUsage ?? [])].sort(), [...uses].sort());
      const node = new NodeCertificate(certificate.der);
      assert.ok(node.fingerprint256.length > 0);
    }),
  );
  assert.deepEqual(encodeKeyUsage(['digitalSignature']).subarray(-4), Uint8Array.of(3, 2, 7, 0x80));
  assert.deepEqual(encodeKeyUsage(['keyCertSign', 'cRLSign']).subarray(-4), Uint8Array.of(3, 2, 1, 6));
  assert.deepEqual(parseKeyUsage(Uint8Array.of(3, 1, 0), 'x'), new Set());
});

test('a FALSE that is written out is read, as OpenSSL and Go read it', () => {
  const extension = derSequence(derOid('1.2.3'), derBoolean(false), derOctetString(Uint8Array.of(5, 0)));
  const { extensions } = parseCertificate(certificateOf({ extensions: [extension] }));
  assert.deepEqual(extensions.get('1.2.3')?.critical, false);
});

/** What replaces a part of a valid certificate, and must be refused. */
const broken: Readonly<Record<string, () => Uint8Array>> = {
  empty_fail: () => new Uint8Array(0),
  trailing_byte_fail: () => concatBytes(certificateOf({}), Uint8Array.of(0)),
  cut_short_fail: () => certificateOf({}).subarray(0, -1),
  pem_not_der_fail: () => utf8(encodePem('CERTIFICATE', certificateOf({}))),
  two_algorithms_fail: () =>
    encodeCertificate(encodeTbs(plain), signatureAlgorithms.ecdsaSha384.identifier, Uint8Array.of(1)),
  // Where nobody reads: in a name, and in the parameters of a key.
  unread_name_fail: () => certificateOf({ issuer: derSequence(Uint8Array.of(0x31, 5, 0x30)) }),
  unread_parameters_fail: () => {
    const parameters = derSequence(derOid('1.2.3'), derSequence(Uint8Array.of(0x30, 0x80)));
    return certificateOf({ spki: derSequence(parameters, Uint8Array.of(3, 2, 0, 1)) });
  },
  deep_name_fail: () => {
    let deep = derSequence();
    for (let level = 0; level < limits.derDepth; level++) deep = derSequence(deep);
    return certificateOf({ subject: deep });
  },
  extension_twice_fail: () =>
    certificateOf({ extensions: [encodeKeyUsage(['cRLSign']), encodeKeyUsage(['digitalSignature'])] }),
  no_extensions_fail: () => certificateOf({ extensions: [] }),
  path_length_without_ca_fail: () =>
    certificateOf({ extensions: [encodeBasicConstraints({ ca: false, pathLength: 1 })] }),
  empty_key_purposes_fail: () =>
    certificateOf({ extensions: [encodeExtension(extensionOids.extendedKeyUsage, derSequence())] }),
  empty_alternative_name_fail: () =>
    certificateOf({ extensions: [encodeExtension(extensionOids.subjectAltName, derSequence())] }),
  latin1_email_fail: () =>
    certificateOf({
      extensions: [
        encodeExtension(extensionOids.subjectAltName, derSequence(Uint8Array.of(0x81, 3, 0x61, 0x40, 0xe4))),
      ],
    }),
  unknown_name_kind_fail: () =>
    certificateOf({
      extensions: [encodeExtension(extensionOids.subjectAltName, derSequence(Uint8Array.of(0x8f, 1, 0x61)))],
    }),
  stray_key_usage_bits_fail: () =>
    certificateOf({ extensions: [encodeExtension(extensionOids.keyUsage, Uint8Array.of(3, 2, 7, 0x81))] }),
  long_key_usage_fail: () =>
    certificateOf({
      extensions: [encodeExtension(extensionOids.keyUsage, Uint8Array.of(3, 4, 0, 1, 1, 1))],
    }),
  negative_serial_fail: () => {
    const der = certificateOf({});
    der[der.indexOf(0xa0) + 7] = 0x80;
    return der;
  },
  version_fail: () => {
    const der = certificateOf({});
    der[der.indexOf(0xa0) + 4] = 3;
    return der;
  },
  extensions_in_version_2_fail: () => {
    const der = certificateOf({});
    der[der.indexOf(0xa0) + 4] = 1;
    return der;
  },
  month_13_fail: () => {
    const der = certificateOf({});
    const at = Buffer.from(der).indexOf('260101000000Z');
    der.set(utf8('261301000000Z'), at);
    return der;
  },
  spki_without_key_fail: () => certificateOf({ spki: derSequence(derSequence(derOid('1.2.3'))) }),
  spki_is_a_number_fail: () => certificateOf({ spki: derInteger(7) }),
};

for (const [name, make] of Object.entries(broken)) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => parseCertificate(make()),
      (error) => isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
    );
  });
}

test('bounds of certificates hold', () => {
  const large = certificateOf({
    extensions: [encodeExtension('1.2.3', new Uint8Array(limits.certificateBytes))],
  });
  const many = Array.from({ length: limits.certificateExtensions + 1 }, (_, index) =>
    encodeExtension(`1.2.3.${index}`, Uint8Array.of(5, 0)),
  );
  for (const der of [large, certificateOf({ extensions: many })]) {
    assert.throws(
      () => parseCertificate(der),
      (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
    );
  }
});

test('a chain file holds certificates only', () => {
  const refused = (pem: string): void =>
    assert.throws(
      () => parsePemCertificates(utf8(pem)),
      (error) => isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
    );
  refused('');
  refused(encodePem('PUBLIC KEY', plain.spki));
  refused(encodePem('CERTIFICATE', Uint8Array.of(0x30, 0)));
});

test('a key of another family verifies nothing', () => {
  const { key } = newSigner('ed25519').publicKey;
  assert.equal(verifiesWith(signatureAlgorithms.ecdsaSha256, key, Uint8Array.of(1), Uint8Array.of(2)), false);
});

test('changed certificates are read or refused, and never break the reader', () => {
  const samples = [recordedLeaf, recordedRoot.der, recordedTimestamp.der];
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (sample, changes, isCut) => {
        const der = Uint8Array.from(sample);
        for (const [place, value] of changes) der[place % der.length] = value;
        const input = isCut ? der.subarray(0, (changes[0]?.[0] ?? 0) % der.length) : der;
        try {
          const certificate = parseCertificate(input);
          const { tbs, signatureAlgorithm, signature } = certificate;
          assert.deepEqual(encodeCertificate(tbs, signatureAlgorithm, signature), input);
          nameText(certificate.subject, 'x');
          nameText(certificate.issuer, 'x');
          certificateKey(certificate);
        } catch (error) {
          assert.ok(isBoltsealError(error), String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the issuer and the subject of a certificate are names_fail', () => {
  const key = newKey();
  const none = derSequence(derBoolean(true));
  const extensions = [encodeExtension('1.2.3.4', derBoolean(true))];
  const issuer = makeAuthority('root', newKey());
  parseCertificate(makeCertificate({ subject: emptyName, key, issuer, extensions }));
  for (const [subject, by] of [
    [none, issuer],
    [emptyName, { ...issuer, subject: none }],
  ] as const) {
    const der = makeCertificate({ subject, key, issuer: by, extensions });
    assert.throws(
      () => parseCertificate(der),
      (error) => isBoltsealError(error) && error.code === 'ERR_CERTIFICATE_INVALID',
    );
  }
});

test('no part of a certificate has the tag 0_fail', () => {
  const key = newKey();
  const issuer = makeAuthority('root', newKey());
  const withValue = (value: Uint8Array): Uint8Array => {
    const subject = derSequence(derSequence(derSequence(derOid('2.5.4.3'), value)));
    subject[2] = 0x31;
    return makeCertificate({
      subject,
      key,
      issuer,
      extensions: [encodeExtension('1.2.3.4', derBoolean(true))],
    });
  };
  parseCertificate(withValue(derOctetString(new Uint8Array(0))));
  for (const tag of [0x00, 0x20]) {
    assert.throws(
      () => parseCertificate(withValue(Uint8Array.of(tag, 0))),
      (error) =>
        isBoltsealError(error) && error.code === 'ERR_CERTIFICATE_INVALID' && /the tag 0/.test(error.message),
    );
  }
});
