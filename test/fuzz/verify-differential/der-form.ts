/**
 * The form of certificates and timestamps, read off their RFCs a second time: what a difference between the verifiers is
 * explained with must not be what is tested.
 */
import { equalBytes, hex } from '../../../src/core/encoding.ts';
import { type DerNode, derAt, derBytes, derContent, derTree, oidOf } from './der-tree.ts';

/** Whether a node has a form. */
type Form = (node: DerNode) => boolean;

/** A part of a sequence that may be left out; it is told by its tag. */
interface Optional {
  readonly tag: number;
  readonly form: Form;
}

const any: Form = () => true;

function of(tag: number, isRight: (content: Uint8Array) => boolean = () => true): Form {
  return (node) => node.tag === tag && isRight(derContent(node));
}

function optional(tag: number, form: Form = any): Optional {
  return { tag, form: (node) => node.tag === tag && form(node) };
}

/** A constructed node with exactly these parts, in order. */
function parts(tag: number, ...forms: readonly (Form | Optional)[]): Form {
  return (node) => {
    if (node.tag !== tag || node.parts === undefined) return false;
    const left = [...node.parts];
    for (const form of forms) {
      const [first] = left;
      if (typeof form === 'function') {
        if (first === undefined || !form(first)) return false;
        left.shift();
      } else if (first?.tag === form.tag) {
        if (!form.form(first)) return false;
        left.shift();
      }
    }
    return left.length === 0;
  };
}

/** A constructed node with at least `least` parts, all of one form. */
function list(tag: number, form: Form, least = 0): Form {
  return (node) =>
    node.tag === tag && node.parts !== undefined && node.parts.length >= least && node.parts.every(form);
}

const sequence = 0x30;

const isShortest = (content: Uint8Array): boolean => {
  const [first, second] = content;
  if (first === undefined) return false;
  return second === undefined || !((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
};

const integer = of(0x02, isShortest);
const natural = of(0x02, (content) => isShortest(content) && (content[0] ?? 0x80) < 0x80);
const boolean = of(0x01, (content) => content.length === 1 && (content[0] === 0 || content[0] === 0xff));
const objectIdentifier = of(
  0x06,
  (content) =>
    content.length > 0 &&
    (content.at(-1) ?? 0x80) < 0x80 &&
    content.every((byte, index) => byte !== 0x80 || (index > 0 && (content[index - 1] ?? 0) >= 0x80)),
);
/** A BIT STRING of whole bytes. */
const bits = of(0x03, (content) => content[0] === 0);
const octets = of(0x04);
const ascii = (content: Uint8Array): boolean => content.every((byte) => byte < 0x80);

function isUtf8(content: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

/** RFC 5280 section 4.1.2.5: seconds are there, in UTC. */
const time: Form = ({ tag, content }) => {
  const text = Buffer.from(content).toString('latin1');
  const match = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null || (tag === 0x18) !== (match[1] !== undefined) || (tag !== 0x17 && tag !== 0x18))
    return false;
  const [, , , month, day, hour, minute, second] = match;
  const iso = `2024-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const read = new Date(iso);
  return !Number.isNaN(read.getTime()) && read.toISOString() === iso;
};

/** AlgorithmIdentifier: an OID, and parameters that may be anything. */
const algorithmIdentifier: Form = (node) =>
  parts(sequence, objectIdentifier)(node) || parts(sequence, objectIdentifier, any)(node);

/** AlgorithmIdentifier of a hash: no parameters, or NULL. */
const hashIdentifier = parts(
  sequence,
  objectIdentifier,
  optional(0x05, (node) => node.content.length === 0),
);

const attributeValue: Form = (node) => {
  if (node.tag === 0x0c) return isUtf8(derContent(node));
  return node.tag !== 0x13 && node.tag !== 0x16 ? true : ascii(derContent(node));
};

/** Name (RFC 5280 section 4.1.2.4). */
const name = list(sequence, list(0x31, parts(sequence, objectIdentifier, attributeValue), 1));

const publicKeyInfo = parts(sequence, algorithmIdentifier, bits);
const extension = parts(sequence, objectIdentifier, optional(0x01, boolean), octets);
const version = parts(
  0xa0,
  of(0x02, (content) => content.length === 1 && (content[0] === 1 || content[0] === 2)),
);

const tbsCertificate = parts(
  sequence,
  optional(0xa0, version),
  natural,
  algorithmIdentifier,
  name,
  parts(sequence, time, time),
  name,
  publicKeyInfo,
  optional(0x81),
  optional(0x82),
  optional(0xa3, parts(0xa3, list(sequence, extension, 1))),
);

const certificate = parts(sequence, tbsCertificate, algorithmIdentifier, bits);

const generalNameTags = [0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88];

/** An address, host or URI is IA5, another name an OID with one value. */
const generalName: Form = (node) => {
  if (!generalNameTags.includes(node.tag)) return false;
  if (node.tag === 0xa0) {
    return parts(0xa0, objectIdentifier, (inner) => inner.tag === 0xa0 && inner.parts?.length === 1)(node);
  }
  return ![0x81, 0x82, 0x86].includes(node.tag) || ascii(derContent(node));
};

const keyUsage = of(0x03, (content) => {
  const [unused = 8] = content;
  const last = content.at(-1) ?? 0;
  return (
    unused <= 7 &&
    content.length <= 3 &&
    (content.length > 1 || unused === 0) &&
    (content.length === 1 || (last & ((1 << unused) - 1)) === 0)
  );
});

/** The values of extensions that Sigstore's certificates have, by object identifier. */
const extensionValues: Readonly<Record<string, Form>> = {
  '2.5.29.14': octets,
  '2.5.29.15': keyUsage,
  '2.5.29.17': list(sequence, generalName, 1),
  '2.5.29.19': (node) =>
    parts(sequence, optional(0x01, boolean), optional(0x02, natural))(node) &&
    // A limit of a chain is for authorities.
    (node.parts?.at(-1)?.tag !== 0x02 || node.parts?.[0]?.content[0] === 0xff),
  '2.5.29.35': parts(sequence, optional(0x80), optional(0xa1), optional(0x82)),
  '2.5.29.37': list(sequence, objectIdentifier, 1),
  '1.3.6.1.4.1.11129.2.4.2': octets,
};

const fulcio = /^1\.3\.6\.1\.4\.1\.57264\.1\.(\d+)$/;

/** One extension, as it stands in a certificate. */
export interface ExtensionFacts {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** What a certificate says. Everything is empty that cannot be read. */
export interface CertificateFacts {
  readonly der: Uint8Array;
  readonly version: number;
  /** The whole INTEGER. */
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly signatureAlgorithm: string;
  readonly extensions: readonly ExtensionFacts[];
  /** What is against RFC 5280 in it; empty when it is a certificate. */
  readonly faults: readonly string[];
}

/** Reads a certificate, however wrong it is. */
export function certificateFacts(der: Uint8Array): CertificateFacts {
  const tree = derTree(der);
  const tbs = derAt(tree, 0)?.parts ?? [];
  const isTagged = tbs[0]?.tag === 0xa0;
  const at = (index: number): DerNode | undefined => tbs[isTagged ? index : index - 1];
  const list =
    derAt(
      tbs.find(({ tag }) => tag === 0xa3),
      0,
    )?.parts ?? [];
  const extensions = list.map(extensionFacts);
  const bytes = (node: DerNode | undefined): Uint8Array =>
    node === undefined ? new Uint8Array(0) : derBytes(node);
  return {
    der,
    version: isTagged ? 1 + (tbs[0]?.parts?.[0]?.content.at(-1) ?? 0) : 1,
    serial: bytes(at(1)),
    issuer: bytes(at(3)),
    subject: bytes(at(5)),
    publicKey: bytes(at(6)),
    signatureAlgorithm: oidOf(derAt(tree, 1, 0)),
    extensions,
    faults: certificateFaults(der, tree, extensions),
  };
}

function extensionFacts(node: DerNode): ExtensionFacts {
  const flag = node.parts?.find(({ tag }) => tag === 0x01);
  const value = node.parts?.at(-1);
  return {
    oid: oidOf(node.parts?.[0]),
    critical: flag?.content[0] === 0xff,
    value: value === undefined ? new Uint8Array(0) : derContent(value),
  };
}

function certificateFaults(
  der: Uint8Array,
  tree: DerNode | undefined,
  extensions: readonly ExtensionFacts[],
): readonly string[] {
  if (tree === undefined) return ['it is no DER'];
  const faults: string[] = [];
  if (!equalBytes(derBytes(tree), der)) faults.push('a length is not the shortest');
  if (!certificate(tree)) faults.push('it has not the form of a certificate');
  const [inner, outer] = [
    tree.parts?.[0]?.parts?.find((one, index) => index > 0 && one.tag === sequence),
    derAt(tree, 1),
  ];
  if (inner === undefined || outer === undefined || !equalBytes(derBytes(inner), derBytes(outer))) {
    faults.push('it names two signature algorithms');
  }
  const hasTag = derAt(tree, 0, 0)?.tag === 0xa0;
  if (extensions.length > 0 && (!hasTag || derAt(tree, 0, 0, 0)?.content.at(-1) !== 2)) {
    faults.push('it has extensions and is not of version 3');
  }
  for (const { oid, value } of extensions) {
    if (extensions.filter((one) => one.oid === oid).length > 1) faults.push(`it has ${oid} twice`);
    if (!isExtensionValue(oid, value)) faults.push(`the value of ${oid} has not its form`);
  }
  return faults;
}

function isExtensionValue(oid: string, value: Uint8Array): boolean {
  const number = Number(fulcio.exec(oid)?.[1] ?? 0);
  if (number >= 1 && number <= 6) return isUtf8(value);
  const form = number >= 8 && number <= 24 ? of(0x0c, isUtf8) : extensionValues[oid];
  if (form === undefined) return true;
  const tree = derTree(value);
  return tree !== undefined && equalBytes(derBytes(tree), value) && form(tree);
}

const signedDataOid = '1.2.840.113549.1.7.2';
const timestampOid = '1.2.840.113549.1.9.16.1.4';
const attributes = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

const is =
  (oid: string): Form =>
  (node) =>
    objectIdentifier(node) && oidOf(node) === oid;

const isSmall = (content: Uint8Array, least: number, most: number): boolean => {
  const value = isShortest(content) ? BigInt.asIntN(8 * content.length, BigInt(`0x${hex(content)}`)) : -1n;
  return value >= BigInt(least) && value <= BigInt(most);
};
const thousandths: Form = (node) => isSmall(node.content, 1, 999);

const accuracy = parts(
  sequence,
  optional(0x02, (node) => isSmall(node.content, 0, 2 ** 31)),
  optional(0x80, thousandths),
  optional(0x81, thousandths),
);
const tstExtensions = list(0xa1, extension);

/** genTime (RFC 3161 section 2.4.2): UTC, and no zeros at the end of a fraction. */
const genTime: Form = ({ tag, content }) => {
  const text = Buffer.from(content).toString('latin1');
  return (
    tag === 0x18 &&
    /^\d{14}(?:\.\d*[1-9])?Z$/.test(text) &&
    time({ tag, content: Buffer.from(text.replace(/\..*Z/, 'Z')) })
  );
};

const timestampInfo = parts(
  sequence,
  of(0x02, (content) => content.length === 1 && content[0] === 1),
  objectIdentifier,
  parts(sequence, hashIdentifier, octets),
  integer,
  genTime,
  optional(sequence, accuracy),
  optional(0x01, boolean),
  optional(0x02, integer),
  optional(0xa0, (node) => node.parts?.length === 1),
  optional(0xa1, tstExtensions),
);

const status = parts(
  sequence,
  of(0x02, (content) => isSmall(content, 0, Number.MAX_SAFE_INTEGER)),
  optional(sequence, list(sequence, of(0x0c, isUtf8))),
  optional(0x03),
);

const certificateIdentifier = (isSecond: boolean): Form =>
  isSecond
    ? parts(sequence, optional(sequence, hashIdentifier), octets, optional(sequence))
    : parts(sequence, octets, optional(sequence));

const signingCertificates = (isSecond: boolean): Form =>
  parts(sequence, list(sequence, certificateIdentifier(isSecond), 1), optional(sequence));

const attributeValues: Readonly<Record<string, Form>> = {
  [attributes.contentType]: is(timestampOid),
  [attributes.messageDigest]: octets,
  [attributes.signingTime]: time,
  [attributes.signingCertificate]: signingCertificates(false),
  [attributes.signingCertificateV2]: signingCertificates(true),
};

const attribute: Form = (node) => {
  if (!parts(sequence, objectIdentifier, (values) => values.tag === 0x31 && values.parts !== undefined)(node))
    return false;
  const form = attributeValues[oidOf(node.parts?.[0])];
  const values = node.parts?.[1]?.parts ?? [];
  return form === undefined || (values.length === 1 && values.every(form));
};

/** Each known attribute at most once, and those that must be there. */
const signedAttributes: Form = (node) => {
  const oids = (node.parts ?? []).map((one) => oidOf(one.parts?.[0]));
  return (
    list(0xa0, attribute, 1)(node) &&
    Object.keys(attributeValues).every((oid) => oids.filter((one) => one === oid).length <= 1) &&
    [attributes.contentType, attributes.messageDigest].every((oid) => oids.includes(oid))
  );
};

const issuerAndSerial = parts(sequence, (node) => node.tag === sequence, integer);

const signerInfo: Form = (node) => {
  const isByKey = node.parts?.[1]?.tag === 0x80;
  return parts(
    sequence,
    of(0x02, (content) => content.length === 1 && content[0] === (isByKey ? 3 : 1)),
    isByKey ? of(0x80) : issuerAndSerial,
    hashIdentifier,
    signedAttributes,
    (one) => one.tag === sequence,
    octets,
    optional(0xa1),
  )(node);
};

/** The content, an OCTET STRING around a TSTInfo and nothing else. */
const encapsulated: Form = (node) => {
  if (node.tag !== 0x04) return false;
  const content = derContent(node);
  const tree = derTree(content);
  return tree !== undefined && equalBytes(derBytes(tree), content) && timestampInfo(tree);
};

const signedData = parts(
  sequence,
  of(0x02, (content) => content.length === 1 && (content[0] ?? 0) >= 1 && (content[0] ?? 0) <= 5),
  (node) => node.tag === 0x31,
  parts(sequence, is(timestampOid), parts(0xa0, encapsulated)),
  optional(
    0xa0,
    list(0xa0, (node) => node.tag === sequence),
  ),
  optional(0xa1),
  (node) => node.tag === 0x31 && node.parts?.length === 1 && node.parts.every(signerInfo),
);

const response = parts(sequence, status, parts(sequence, is(signedDataOid), parts(0xa0, signedData)));

/** What a timestamp says. Everything is empty that cannot be read. */
export interface TimestampFacts {
  /** PKIStatus; -1 when there is none. */
  readonly status: number;
  /** Issuer and serial number of the signer, or its key identifier, DER. */
  readonly signer: DerNode | undefined;
  /** The certificate that is named as the signer's: hash algorithm and hash. */
  readonly named: { readonly algorithm: string; readonly hash: Uint8Array } | undefined;
  readonly digestAlgorithm: string;
  readonly signatureAlgorithm: Uint8Array;
  readonly genTime: string;
  readonly hasCriticalExtension: boolean;
  /** Whether it has the form of RFC 3161 and RFC 5652. */
  readonly isForm: boolean;
}

/** Reads a timestamp, however wrong it is. */
export function timestampFacts(der: Uint8Array): TimestampFacts {
  const tree = derTree(der);
  const data = derAt(tree, 1, 1, 0);
  const signer = data?.parts?.at(-1)?.parts?.[0];
  const info = derAt(data, 2, 1, 0, 0);
  const named = namedCertificate(signer);
  const code = derAt(tree, 0, 0)?.content;
  return {
    status: code?.length === 1 ? (code[0] ?? -1) : -1,
    signer: signer?.parts?.[1],
    named,
    digestAlgorithm: oidOf(derAt(signer, 2, 0)),
    signatureAlgorithm: signer?.parts?.[4] === undefined ? new Uint8Array(0) : derBytes(signer.parts[4]),
    genTime: Buffer.from(derAt(info, 4)?.content ?? []).toString('latin1'),
    hasCriticalExtension: (info?.parts?.find(({ tag }) => tag === 0xa1)?.parts ?? []).some(
      (one) => extensionFacts(one).critical,
    ),
    isForm: tree !== undefined && equalBytes(derBytes(tree), der) && response(tree),
  };
}

function namedCertificate(signer: DerNode | undefined): TimestampFacts['named'] {
  const list = signer?.parts?.find(({ tag }) => tag === 0xa0)?.parts ?? [];
  const find = (oid: string): DerNode | undefined =>
    derAt(
      list.find((one) => oidOf(one.parts?.[0]) === oid),
      1,
      0,
      0,
      0,
    );
  const second = find(attributes.signingCertificateV2);
  const identifier = second ?? find(attributes.signingCertificate);
  const hash = identifier?.parts?.find(({ tag }) => tag === 0x04);
  if (identifier === undefined || hash === undefined) return undefined;
  const algorithm = oidOf(derAt(identifier, 0, 0));
  const usual = second === undefined ? '1.3.14.3.2.26' : '2.16.840.1.101.3.4.2.1';
  return { algorithm: algorithm === '' ? usual : algorithm, hash: derContent(hash) };
}
