/**
 * A whole Sigstore made by hand: certificate authority, certificate log, both Rekors and a timestamp authority, as keys in
 * memory and nothing else. Every part of a bundle can be made as no server would make it, for vectors that must be
 * refused, and at any time.
 */
import { createHash } from 'node:crypto';
import { type Bundle, type BundleContent, bundleMediaType } from '../../src/formats/bundle.ts';
import { parseCertificate } from '../../src/formats/certificate.ts';
import { hashOids, signedDataEncoder } from '../../src/formats/cms.ts';
import { encodeCtEntry, encodeMerkleTreeLeaf } from '../../src/formats/ct-entry.ts';
import { inTotoPayloadType, preAuthEncoding } from '../../src/formats/dsse.ts';
import {
  encodeAuthorityKeyIdentifier,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  keyIdentifier,
  keyPurposes,
} from '../../src/formats/extensions.ts';
import { encodeFulcioExtensions } from '../../src/formats/fulcio-extensions.ts';
import type { EntryHash, EntryV1 } from '../../src/formats/log-entry-v1.ts';
import type { EntryV2 } from '../../src/formats/log-entry-v2.ts';
import { sha256 } from '../../src/formats/merkle.ts';
import { emptyName, encodeName } from '../../src/formats/name.ts';
import { ctLogId, encodeSct, encodeSctExtension } from '../../src/formats/sct.ts';
import {
  encodeTimestampResponse,
  timestampContentType,
  timestampInfoEncoder,
} from '../../src/formats/timestamp.ts';
import { encodeMessageImprint } from '../../src/formats/timestamp-request.ts';
import { type TrustedRoot, trustedAuthority, trustedLog } from '../../src/formats/trusted-root.ts';
import type { LogEntry, VerificationMaterial } from '../../src/formats/verification-material.ts';
import {
  after,
  algorithmOf,
  type LeafChoices,
  makeAuthority,
  makeCertificate,
  newKey,
  signingTime,
  type TestAuthority,
  type TestKey,
  type TestSigner,
  year,
} from './test-certificates.ts';
import { dsseV1, hashedRekordV1, hashedRekordV2, type LogChoices, logV1, logV2 } from './test-logs.ts';

/** How a bundle is made. */
export interface BundleChoices {
  /** A new one with a certificate when it is left out. */
  readonly signer?: TestSigner;
  readonly log?: 'v1' | 'v2' | 'none';
  readonly timestamp?: boolean;
  /** What is signed with, beside Ed25519. */
  readonly hash?: EntryHash;
  /** When everything happens. */
  readonly time?: Date;
  readonly logged?: Partial<LogChoices>;
}

/** How a timestamp is made. */
export interface TimestampChoices {
  readonly time?: Date;
  readonly authority?: TestAuthority;
  /** Whether the authority's certificate is in it. */
  readonly embed?: boolean;
  readonly hash?: EntryHash;
  /** The certificate that the token names, when it is not that of the authority. */
  readonly named?: Uint8Array;
  /** AlgorithmIdentifier DER in place of the right one. */
  readonly algorithm?: Uint8Array;
}

/** How the certificate of a timestamp authority is made. */
export interface TsaChoices {
  readonly key?: TestKey;
  readonly issuer?: TestAuthority;
  readonly extensions?: readonly Uint8Array[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** What a world is made with. */
export interface WorldOptions {
  readonly caCurve?: 'P-256' | 'P-384';
  /** Leaves of the trees of logs: a proof has as many hashes as its logarithm. */
  readonly treeSize?: number;
}

/** Who signs, unless told otherwise. */
export const identity = 'dev@example.com';
export const issuerUrl = 'https://issuer.example.com';

/** A statement about a file with the SHA-256 digest `digest`, hexadecimal. */
export function statementFor(
  digest: string,
  predicateType = 'https://example.com/predicate',
): Uint8Array<ArrayBuffer> {
  const subject = [{ name: 'a.txt', digest: { sha256: digest } }];
  const statement = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate: {} };
  return new Uint8Array(Buffer.from(JSON.stringify(statement)));
}

/** SHA-256, hexadecimal. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A world with keys of its own. */
export class World {
  readonly root: TestAuthority;
  readonly ca: TestAuthority;
  readonly tsaRoot: TestAuthority = makeAuthority('tsa root', newKey());
  readonly tsaKey: TestKey = newKey();
  readonly tsa: TestAuthority;
  readonly ctKey: TestKey = newKey();
  readonly rekor1Key: TestKey = newKey();
  readonly rekor2Key: TestKey = newKey('ed25519');
  readonly rekor2Host = 'log2.example.com';
  readonly trustedRoot: TrustedRoot;
  readonly #treeSize: number;

  constructor({ caCurve = 'P-256', treeSize = 9 }: WorldOptions = {}) {
    this.#treeSize = treeSize;
    this.root = makeAuthority('root', newKey(caCurve));
    this.ca = makeAuthority('intermediate', newKey(caCurve), {
      issuer: this.root,
      pathLength: 0,
      purposes: [keyPurposes.codeSigning],
    });
    this.tsa = this.makeTsa();
    this.trustedRoot = this.#trust();
  }

  #trust(): TrustedRoot {
    const validFor = { start: after(-year) };
    const { rekor2Host, ca, root, tsa, tsaRoot } = this;
    return {
      tlogs: [
        trustedLog({
          baseUrl: 'https://rekor.example.com',
          publicKey: this.rekor1Key.publicKey,
          validFor,
        }),
        trustedLog({
          baseUrl: `https://${rekor2Host}`,
          publicKey: this.rekor2Key.publicKey,
          validFor,
          origin: rekor2Host,
        }),
      ],
      certificateAuthorities: [trustedAuthority('https://fulcio.example.com', [ca.der, root.der], validFor)],
      ctlogs: [trustedLog({ baseUrl: 'https://ct.example.com', publicKey: this.ctKey.publicKey, validFor })],
      timestampAuthorities: [trustedAuthority('https://tsa.example.com', [tsa.der, tsaRoot.der], validFor)],
    };
  }

  /** The certificate of a timestamp authority. */
  makeTsa(choices: TsaChoices = {}): TestAuthority {
    const { key = this.tsaKey, issuer = this.tsaRoot, ...rest } = choices;
    const subject = encodeName({ organization: 'world', commonName: 'tsa' });
    const extensions = rest.extensions ?? [
      encodeKeyUsage(['digitalSignature']),
      encodeExtendedKeyUsage([keyPurposes.timeStamping], true),
      encodeSubjectKeyIdentifier(keyIdentifier(key.publicKey.spki)),
    ];
    return { subject, key, der: makeCertificate({ ...rest, subject, key, issuer, extensions }) };
  }

  /** The timestamp of a certificate log for a TBSCertificate without timestamps. */
  sct(
    tbs: Uint8Array,
    issuer: TestAuthority = this.ca,
    choices: { readonly key?: TestKey; readonly time?: Date; readonly extensions?: Uint8Array } = {},
  ): Uint8Array {
    const { key = this.ctKey, time = signingTime, extensions = new Uint8Array(0) } = choices;
    const issuerKeyHash = ctLogId(issuer.key.publicKey.spki);
    const entry = encodeCtEntry({ kind: 'precertificate', issuerKeyHash, tbs });
    const isRsa = key.publicKey.type.startsWith('rsa');
    return encodeSct({
      logId: ctLogId(key.publicKey.spki),
      time: time.getTime(),
      extensions,
      algorithm: isRsa ? 'rsa' : 'ecdsa',
      signature: key.sign(encodeMerkleTreeLeaf(entry, time.getTime(), extensions)),
    });
  }

  /** A signer with a certificate. */
  issue(choices: LeafChoices = {}): Required<TestSigner> {
    const { key = newKey(), issuer = this.ca, names = [{ type: 'email', value: identity }] } = choices;
    const { fulcio = { issuer: issuerUrl }, uses = ['digitalSignature'], extra = [] } = choices;
    const { purposes = [keyPurposes.codeSigning], subject = emptyName } = choices;
    const { notBefore = after(-60), notAfter = after(540) } = choices;
    const extensions = [
      ...(uses.length === 0 ? [] : [encodeKeyUsage(uses)]),
      ...(purposes.length === 0 ? [] : [encodeExtendedKeyUsage(purposes)]),
      encodeSubjectKeyIdentifier(keyIdentifier(key.publicKey.spki)),
      encodeAuthorityKeyIdentifier(keyIdentifier(issuer.key.publicKey.spki)),
      ...(names.length === 0 ? [] : [encodeSubjectAltName(names, true)]),
      ...encodeFulcioExtensions(fulcio),
      ...extra,
    ];
    const fields = { subject, key, issuer, extensions, notBefore, notAfter };
    const certificate = makeCertificate(fields, (tbs) => {
      const scts = choices.scts?.(tbs, issuer) ?? [this.sct(tbs, issuer)];
      return scts.length === 0 ? [] : [encodeSctExtension(scts)];
    });
    return { key, certificate };
  }

  #logged(key: TestKey, origin: string, name: string, choices: Partial<LogChoices>): LogChoices {
    const defaults = {
      promise: true,
      proof: true,
      kind: undefined,
      version: undefined,
      before: [],
      behind: [],
    };
    const place = { time: signingTime, index: 5, size: this.#treeSize, offset: 1_000 };
    return { ...defaults, ...place, key, origin, name, ...choices };
  }

  /** An entry of Rekor v1; `content` may be a body that is anything. */
  entryV1(content: EntryV1 | Uint8Array, choices: Partial<LogChoices> = {}): LogEntry {
    const host = 'rekor.example.com';
    return logV1(content, this.#logged(this.rekor1Key, `${host} - 4711`, host, choices));
  }

  /** An entry of Rekor v2; `content` may be a body that is anything. */
  entryV2(content: EntryV2 | Uint8Array, choices: Partial<LogChoices> = {}): LogEntry {
    return logV2(content, this.#logged(this.rekor2Key, this.rekor2Host, this.rekor2Host, choices));
  }

  /** A timestamp of `signature`: TimeStampResp DER. */
  timestamp(signature: Uint8Array, choices: TimestampChoices = {}): Uint8Array {
    const { time = signingTime, authority = this.tsa, hash = 'sha256', named = authority.der } = choices;
    const { issuer, serial } = parseCertificate(named);
    const info = timestampInfoEncoder({ accuracySeconds: 1, authority: authority.subject })({
      policy: '1.3.6.1.4.1.57264.2',
      imprint: encodeMessageImprint(hashOids[hash], createHash(hash).update(signature).digest()),
      serial: Uint8Array.of(1),
      time,
      nonce: undefined,
    });
    const algorithm = algorithmOf(authority.key);
    const encoder = signedDataEncoder({
      contentType: timestampContentType,
      certificate: { der: named, issuer, serial },
      signatureAlgorithm: choices.algorithm ?? algorithm.identifier,
    });
    const attributes = encoder.attributes(info, time);
    const made = authority.key.sign(attributes, algorithm.hash ?? undefined);
    return encodeTimestampResponse(encoder.encode(info, attributes, made, choices.embed ?? false));
  }

  /** A bundle that signs `artifact`. */
  blob(artifact: Uint8Array, choices: BundleChoices = {}): Bundle {
    const { signer = this.issue(), hash = 'sha256' } = choices;
    const signature = signer.key.sign(artifact, hash);
    const digest = { algorithm: 'SHA2_256', digest: sha256(artifact) } as const;
    const first = hashedRekordV1(artifact, signature, signer, hash);
    const second = hashedRekordV2(artifact, signature, signer);
    const material = this.#material(signer, signature, first, second, choices);
    return bundleOf(material, { kind: 'message', signature, digest });
  }

  /** A bundle with an envelope around `payload`. */
  envelope(payload: Uint8Array, choices: BundleChoices = {}): Bundle {
    const { signer = this.issue(), hash = 'sha256' } = choices;
    const message = preAuthEncoding(inTotoPayloadType, payload);
    const signature = signer.key.sign(message, hash);
    const first = dsseV1(payload, signature, signer);
    const second = hashedRekordV2(message, signature, signer);
    const envelope = { payload, payloadType: inTotoPayloadType, signatures: [{ signature }] };
    const material = this.#material(signer, signature, first, second, choices);
    return bundleOf(material, { kind: 'envelope', envelope });
  }

  #material(
    signer: TestSigner,
    signature: Uint8Array,
    first: EntryV1,
    second: EntryV2,
    { log = 'v1', time = signingTime, timestamp = log === 'v2', logged }: BundleChoices,
  ): VerificationMaterial {
    const choices = { time, ...logged };
    const entries = { none: [], v1: [first], v2: [second] }[log];
    return {
      ...(signer.certificate === undefined
        ? { publicKeyHint: signer.key.publicKey.hint }
        : { certificates: [signer.certificate] }),
      timestamps: timestamp ? [this.timestamp(signature, { time })] : [],
      logEntries: entries.map((entry) =>
        entry === second ? this.entryV2(second, choices) : this.entryV1(first, choices),
      ),
    };
  }
}

function bundleOf(material: VerificationMaterial, content: BundleContent): Bundle {
  return { mediaType: bundleMediaType, version: '0.3', material, content };
}
