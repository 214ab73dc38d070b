import assert from 'node:assert/strict';
import { generateKeyPairSync, hash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { ContentInfo, SignedData, TimeStampResp, TSTInfo } from 'pkijs';
import { answerService, splitTarget } from '../../../test/support/answer-service.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { type Exchange, transcripts } from '../../../test/vectors/transcripts.ts';
import { base64, fromBase64, hex, utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { certificateKey, parseCertificate, serialNumber } from '../../formats/certificate.ts';
import {
  createIntermediateCertificate,
  createRootCertificate,
  createTimestampCertificate,
} from '../../formats/certificate-profiles.ts';
import { encodePem } from '../../formats/pem.ts';
import { readSignatureAlgorithm, verifiesWith } from '../../formats/signature-algorithm.ts';
import { parseTimestampResponse, requireGranted, type TimestampToken } from '../../formats/timestamp.ts';
import { encodeTimestampRequest } from '../../formats/timestamp-request.ts';
import { localSigner } from '../../keys/local-signer.ts';
import type { Signer } from '../../keys/signer.ts';
import type { Service } from '../http/service.ts';
import { createTimestampAuthority, type TimestampAuthorityOptions } from './timestamp-authority.ts';

const now = new Date('2026-11-25T12:34:56.789Z');
const day = 86_400_000;
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const runtime = { now: () => now, random };

function newSigner(curve = 'prime256v1'): Signer {
  return localSigner(generateKeyPairSync('ec', { namedCurve: curve }).privateKey, 'a test key');
}

const fields = (commonName: string, end = now.getTime() + 365 * day) => ({
  name: { organization: 'test', commonName },
  serial: serialNumber(random),
  notBefore: new Date(now.getTime() - day),
  notAfter: new Date(end),
});

interface Authority {
  readonly signer: Signer;
  readonly rootSigner: Signer;
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
}

async function newAuthority(signer = newSigner(), end?: number): Promise<Authority> {
  const rootSigner = newSigner();
  const root = await createRootCertificate(rootSigner, fields('tsa-root'));
  const issuer = { certificate: parseCertificate(root), signer: rootSigner };
  const leaf = await createTimestampCertificate(issuer, signer.publicKey, fields('tsa', end));
  return { signer, rootSigner, leaf, root };
}

let authority: Authority;
let service: Service;
before(async () => {
  authority = await newAuthority();
  service = createTimestampAuthority(runtime, optionsOf(authority));
});

function optionsOf({ signer, leaf, root }: Authority): TimestampAuthorityOptions {
  return { signer, chain: [leaf, root], otherPolicies: ['1.2.3'] };
}

async function ask(
  path: string,
  options: { body?: Uint8Array; type?: string; method?: string; of?: Service } = {},
): Promise<HttpResponse> {
  const { body, type, method = body === undefined ? 'GET' : 'POST', of = service } = options;
  const target = splitTarget(`http://tsa.test${path}`);
  const chunks =
    body === undefined
      ? null
      : (async function* () {
          yield body;
        })();
  const headers = { get: (name: string) => (name === 'content-type' ? (type ?? null) : null) };
  const request = { method, url: path, headers, body: chunks, signal: new AbortController().signal };
  return await answerService(of, request, target.path, target.query);
}

const query = 'application/timestamp-query';
const post = (body: Uint8Array, type: string | undefined = query, of = service): Promise<HttpResponse> =>
  ask('/api/v1/timestamp', { body, type, of });
const postJson = (value: unknown): Promise<HttpResponse> =>
  post(utf8(typeof value === 'string' ? value : JSON.stringify(value)), 'application/json');

function bytesOf(response: HttpResponse): Uint8Array {
  assert.ok(response.body instanceof Uint8Array);
  return response.body;
}
const messageOf = (response: HttpResponse): { code: number; message: string } =>
  JSON.parse(Buffer.from(bytesOf(response)).toString());

function tokenOf(response: HttpResponse): TimestampToken {
  assert.equal(response.status, 200);
  assert.equal(response.headers['content-type'], 'application/timestamp-reply');
  return requireGranted(parseTimestampResponse(bytesOf(response)));
}

function isSigned({ signer, infoBytes }: TimestampToken, leaf = authority.leaf): boolean {
  const algorithm = readSignatureAlgorithm(signer.signatureAlgorithm);
  assert.ok(algorithm);
  assert.equal(hex(signer.messageDigest), hash('sha256', infoBytes, 'hex'));
  const { key } = certificateKey(parseCertificate(leaf));
  return verifiesWith(algorithm, key, signer.signedAttributes, signer.signature);
}

const digest = new Uint8Array(hash('sha256', 'artifact', 'buffer'));

describe('the timestamp authority', () => {
  it('timestamps', async () => {
    const token = tokenOf(await post(encodeTimestampRequest({ hash: 'sha256', digest })));
    assert.ok(isSigned(token));
    assert.equal(token.info.time.toISOString(), '2026-11-25T12:34:56.000Z');
    assert.equal(token.info.policy, '1.3.6.1.4.1.57264.2');
    assert.equal(token.info.accuracy, 1_000);
    assert.equal(token.info.nonce, undefined);
    assert.deepEqual(token.certificates, []);
  });

  it('gives every timestamp another serial number', async () => {
    const request = encodeTimestampRequest({ hash: 'sha256', digest });
    const tokens = await Promise.all(Array.from({ length: 20 }, async () => tokenOf(await post(request))));
    assert.equal(new Set(tokens.map(({ info }) => hex(info.serial))).size, 20);
  });

  it('adds its certificate when asked', async () => {
    const request = encodeTimestampRequest({ hash: 'sha256', digest, certificates: true });
    assert.deepEqual(tokenOf(await post(request)).certificates.map(hex), [hex(authority.leaf)]);
  });

  it('uses a policy that is asked for and known', async () => {
    const request = encodeTimestampRequest({ hash: 'sha256', digest, policy: '1.2.3' });
    assert.equal(tokenOf(await post(request)).info.policy, '1.2.3');
  });

  for (const curve of ['secp384r1', 'secp521r1']) {
    it(`signs with ${curve}`, async () => {
      const other = await newAuthority(newSigner(curve));
      const of = createTimestampAuthority(runtime, optionsOf(other));
      const token = tokenOf(
        await post(encodeTimestampRequest({ hash: 'sha512', digest: random(64) }), query, of),
      );
      assert.ok(isSigned(token, other.leaf));
    });
  }

  it('repeats every nonce byte for byte', async () => {
    const nonces = ['00', '7f', '0080', 'ff', '80', 'ff7f', '00ffffffffffffffff', `01${'00'.repeat(40)}`];
    for (const nonce of nonces) {
      const content = Buffer.from(nonce, 'hex');
      const plain = encodeTimestampRequest({ hash: 'sha256', digest });
      const body = Buffer.concat([plain, Buffer.of(2, content.length), content]);
      body[1] = body.length - 2;
      assert.equal(hex(tokenOf(await post(body)).info.nonce ?? digest), nonce);
    }
  });

  it('takes requests as JSON', async () => {
    const artifactHash = base64(digest);
    const token = tokenOf(
      await post(
        utf8(
          JSON.stringify({ artifactHash, hashAlgorithm: 'SHA256', nonce: 123, certificates: true, more: 1 }),
        ),
        'application/json; charset=utf-8',
      ),
    );
    assert.equal(hex(token.info.imprint.digest), hex(digest));
    assert.equal(hex(token.info.nonce ?? digest), '7b');
    assert.equal(token.certificates.length, 1);
    const json = (nonce: string): string =>
      `{"artifactHash":"${artifactHash}","hashAlgorithm":"sha256","tsaPolicyOID":"1.2.3","nonce" : ${nonce}}`;
    for (const [nonce, content] of [
      ['18446744073709551615', '00ffffffffffffffff'],
      ['-1', 'ff'],
      ['0', '00'],
      ['9007199254740993', '20000000000001'],
    ] as const) {
      const { info } = tokenOf(await postJson(json(nonce)));
      assert.equal(hex(info.nonce ?? digest), content);
      assert.equal(info.policy, '1.2.3');
    }
    assert.equal(tokenOf(await postJson(json('null'))).info.nonce, undefined);
    for (const nonce of ['1.5', '1e3', '"1"', 'true', '[1]']) {
      assert.equal((await postJson(json(nonce))).status, 400, nonce);
    }
  });

  it('shows its certificates and that it is there', async () => {
    const chain = await ask('/api/v1/timestamp/certchain');
    assert.equal(chain.status, 200);
    assert.equal(chain.headers['content-type'], 'application/pem-certificate-chain');
    assert.equal(
      Buffer.from(bytesOf(chain)).toString(),
      [authority.leaf, authority.root].map((der) => encodePem('CERTIFICATE', der)).join(''),
    );
    const ping = await ask('/ping');
    assert.equal(Buffer.from(bytesOf(ping)).toString(), '.');
  });

  it('says what pkijs reads too', async () => {
    const nonce = random(8);
    const response = bytesOf(
      await post(encodeTimestampRequest({ hash: 'sha256', digest, nonce, certificates: true })),
    );
    const parsed = TimeStampResp.fromBER(response);
    assert.equal(parsed.status.status, 0);
    assert.ok(parsed.timeStampToken);
    const data = new SignedData({ schema: parsed.timeStampToken.content });
    assert.equal(
      new ContentInfo({ schema: parsed.timeStampToken.toSchema() }).contentType,
      ContentInfo.SIGNED_DATA,
    );
    assert.equal(data.version, 3);
    assert.equal(data.certificates?.length, 1);
    assert.equal(data.signerInfos[0]?.signedAttrs?.attributes.length, 4);
    const content = data.encapContentInfo.eContent?.valueBlock.valueHexView;
    assert.ok(content);
    const info = TSTInfo.fromBER(content);
    assert.equal(hex(new Uint8Array(info.messageImprint.hashedMessage.valueBlock.valueHexView)), hex(digest));
    assert.equal(info.genTime.toISOString(), '2026-11-25T12:34:56.000Z');
    assert.equal(info.accuracy?.seconds, 1);
  });
});

/** What the real authority answers, and what ours must. */
describe('recorded exchanges', () => {
  const recorded = [...transcripts().values()].filter(({ name }) => name.startsWith('tsa '));
  const bodyOf = ({ request }: Exchange): Uint8Array | undefined => {
    const binary = /^<\d+ bytes ([0-9a-f]*)>$/.exec(request)?.[1];
    if (binary !== undefined) return new Uint8Array(Buffer.from(binary, 'hex'));
    return request === '' ? undefined : utf8(request);
  };
  it('are there', () => assert.equal(recorded.length, 10));
  for (const exchange of recorded) {
    it(exchange.name, async () => {
      const body = bodyOf(exchange);
      const type = exchange.name.endsWith('content type')
        ? 'text/plain'
        : exchange.name === 'tsa json'
          ? 'application/json'
          : query;
      const response = await ask(new URL(exchange.url).pathname, body === undefined ? {} : { body, type });
      assert.equal(response.status, exchange.status);
      if (exchange.status === 200 && body !== undefined) {
        const theirs = requireGranted(parseTimestampResponse(fromBase64(exchange.response, exchange.name)));
        const ours = tokenOf(response);
        assert.equal(hex(ours.info.imprint.bytes), hex(theirs.info.imprint.bytes));
        assert.equal(hex(ours.info.nonce ?? digest), hex(theirs.info.nonce ?? digest));
        assert.equal(ours.info.policy, theirs.info.policy);
        assert.equal(ours.certificates.length, theirs.certificates.length);
      } else if (exchange.status !== 200) {
        const text = exchange.response.startsWith('{')
          ? exchange.response
          : Buffer.from(exchange.response, 'base64').toString();
        assert.deepEqual(messageOf(response), JSON.parse(text));
      }
    });
  }
});

describe('bad requests', () => {
  const artifactHash = base64(digest);
  const cases: Readonly<Record<string, () => Promise<HttpResponse>>> = {
    empty_fail: () => post(new Uint8Array()),
    text_fail: () => post(utf8('{}')),
    unknown_hash_fail: () =>
      post(
        Buffer.from(
          hex(encodeTimestampRequest({ hash: 'sha256', digest })).replace('0304020105', '0304020905'),
          'hex',
        ),
      ),
    digest_too_long_fail: () => post(encodeTimestampRequest({ hash: 'sha256', digest: random(64) })),
    json_in_query_fail: () => post(utf8(JSON.stringify({ artifactHash, hashAlgorithm: 'sha256' }))),
    json_list_fail: () => postJson([]),
    json_no_hash_fail: () => postJson({ hashAlgorithm: 'sha256' }),
    json_algorithm_fail: () => postJson({ artifactHash, hashAlgorithm: 'md5' }),
    json_algorithm_prototype_fail: () => postJson({ artifactHash, hashAlgorithm: 'toString' }),
    json_sha1_fail: () => postJson({ artifactHash, hashAlgorithm: 'sha1' }),
    json_base64_fail: () => postJson({ artifactHash: '!', hashAlgorithm: 'sha256' }),
    json_type_fail: () => postJson({ artifactHash: 1, hashAlgorithm: 'sha256' }),
    json_certificates_fail: () => postJson({ artifactHash, hashAlgorithm: 'sha256', certificates: 'yes' }),
    json_twice_fail: () =>
      postJson(`{"artifactHash":"${artifactHash}","hashAlgorithm":"sha256","nonce":1,"nonce":2}`),
    json_policy_fail: () => postJson({ artifactHash, hashAlgorithm: 'sha256', tsaPolicyOID: '9.9' }),
    json_deep_fail: () => postJson(`{"artifactHash":${'['.repeat(400)}${']'.repeat(400)}}`),
    json_large_fail: () => postJson({ artifactHash, hashAlgorithm: 'sha256', more: 'x'.repeat(1_024) }),
  };
  for (const [name, send] of Object.entries(cases)) {
    it(name, async () => {
      const response = await send();
      assert.equal(response.status, 400);
      assert.equal(response.headers['content-type'], 'application/json');
      assert.equal(messageOf(response).code, 400);
    });
  }

  it('extensions_fail', async () => {
    const plain = encodeTimestampRequest({ hash: 'sha256', digest });
    const body = Buffer.concat([plain, Buffer.from('a010300e06032a0304040774657374696e67', 'hex')]);
    body[1] = body.length - 2;
    const response = await post(body);
    assert.equal(response.status, 400);
    assert.match(messageOf(response).message, /^unaccepted extension/);
  });

  it('other statuses', async () => {
    assert.equal((await post(new Uint8Array(20_000))).status, 413);
    assert.equal((await ask('/api/v1/timestamp')).status, 405);
    assert.equal((await ask('/api/v1/nothing')).status, 404);
    assert.equal((await ask('/api/v1/timestamp', { body: digest })).status, 415);
    assert.equal((await post(digest, 'multipart/form-data; boundary=application/json')).status, 415);
  });

  it('never fail with another error', async () => {
    const sample = encodeTimestampRequest({ hash: 'sha256', digest, nonce: digest, policy: '1.2.3' });
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const bytes = new Uint8Array(sample);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        assert.ok([200, 400].includes((await post(bytes)).status));
      }),
      { numRuns: 500 },
    );
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        assert.ok([200, 400].includes((await postJson(text)).status));
      }),
      { numRuns: 300 },
    );
  });
});

describe('an authority that must not start', () => {
  const refused = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_CONFIG');
  const start = (options: TimestampAuthorityOptions): Service => createTimestampAuthority(runtime, options);

  it('other_key_fail', () => {
    assert.throws(() => start({ ...optionsOf(authority), signer: newSigner() }), refused);
  });
  it('ed25519_fail', () => {
    const signer = localSigner(generateKeyPairSync('ed25519').privateKey, 'a test key');
    assert.throws(() => start({ ...optionsOf(authority), signer }), refused);
  });
  it('empty_chain_fail', () => {
    assert.throws(() => start({ ...optionsOf(authority), chain: [] }), refused);
  });
  it('garbage_fail', () => {
    assert.throws(() => start({ ...optionsOf(authority), chain: [digest] }), refused);
  });
  it('not_for_timestamping_fail', () => {
    const { rootSigner, root } = authority;
    assert.throws(() => start({ signer: rootSigner, chain: [root] }), refused);
  });
  it('chain_broken_fail', async () => {
    const other = await newAuthority();
    assert.throws(() => start({ ...optionsOf(authority), chain: [authority.leaf, other.root] }), refused);
    assert.throws(
      () => start({ ...optionsOf(authority), chain: [authority.leaf, authority.leaf, authority.root] }),
      refused,
    );
  });
  it('issuer_for_code_signing_fail', async () => {
    const { signer, rootSigner, root } = authority;
    const middle = newSigner();
    const issuer = { certificate: parseCertificate(root), signer: rootSigner };
    const intermediate = await createIntermediateCertificate(issuer, middle.publicKey, fields('middle'));
    const leaf = await createTimestampCertificate(
      { certificate: parseCertificate(intermediate), signer: middle },
      signer.publicKey,
      fields('leaf'),
    );
    assert.throws(() => start({ signer, chain: [leaf, intermediate, root] }), refused);
  });
  it('expired_fail', async () => {
    const other = await newAuthority(newSigner(), now.getTime() - 1_000);
    assert.throws(() => start(optionsOf(other)), refused);
  });
});

it('an authority whose certificate expired does not timestamp', async () => {
  const other = await newAuthority(newSigner(), now.getTime() + 1_000);
  let time = now;
  const of = createTimestampAuthority({ now: () => time, random }, optionsOf(other));
  const request = encodeTimestampRequest({ hash: 'sha256', digest });
  tokenOf(await post(request, query, of));
  time = new Date(now.getTime() + 2_000);
  assert.equal((await post(request, query, of)).status, 500);
});

it('a key that cannot be used is an error that tells nothing', async () => {
  const { signer } = authority;
  const broken = { publicKey: signer.publicKey, sign: () => Promise.reject(new Error('token s3cret')) };
  const of = createTimestampAuthority(runtime, { ...optionsOf(authority), signer: broken });
  const response = await post(encodeTimestampRequest({ hash: 'sha256', digest }), query, of);
  assert.equal(response.status, 500);
  assert.deepEqual(messageOf(response), { code: 500, message: 'Error generating timestamp response' });
});

it('openssl makes requests and verifies the answers', async (t) => {
  const programs = needPrograms(t, 'openssl');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const file = (name: string): string => join(folder, name);
  // openssl compares the chain with its own clock.
  const real = { now: () => new Date(), random };
  const chain = { organization: 'test' };
  const rootSigner = newSigner();
  const signer = newSigner();
  const years = (commonName: string) => ({
    name: { ...chain, commonName },
    serial: serialNumber(random),
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
  });
  const root = await createRootCertificate(rootSigner, years('root'));
  const leaf = await createTimestampCertificate(
    { certificate: parseCertificate(root), signer: rootSigner },
    signer.publicKey,
    years('leaf'),
  );
  const of = createTimestampAuthority(real, { signer, chain: [leaf, root] });
  await writeFile(file('data'), 'artifact');
  await writeFile(file('root.pem'), encodePem('CERTIFICATE', root));
  await writeFile(file('leaf.pem'), encodePem('CERTIFICATE', leaf));
  const openssl = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(programs.openssl, words, { cwd: folder });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  for (const algorithm of ['sha256', 'sha384', 'sha512']) {
    for (const extra of [['-cert'], ['-no_nonce']]) {
      await openssl('ts', '-query', '-data', 'data', `-${algorithm}`, ...extra, '-out', 'request.tsq');
      const response = await post(new Uint8Array(await readFile(file('request.tsq'))), query, of);
      await writeFile(file('response.tsr'), bytesOf(response));
      const verify = [
        'ts',
        '-verify',
        '-in',
        'response.tsr',
        '-CAfile',
        'root.pem',
        '-untrusted',
        'leaf.pem',
      ];
      await openssl(...verify, '-queryfile', 'request.tsq');
      await openssl(...verify, '-data', 'data');
    }
  }
});
