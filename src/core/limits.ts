/**
 * Every bound on input from outside, in one place. A bound is checked before the input is parsed.
 * Sizes are bytes, times are milliseconds unless a name says otherwise.
 */
export const limits = {
  /** A manifest or index; the specification asks registries for at least 4 MiB. */
  manifestBytes: 4_194_304,
  /** A referrers response page or a fallback index. */
  referrersBytes: 4_194_304,
  /** All pages of a list of referrers together. */
  referrersTotalBytes: 16_777_216,
  /** Referrers of one image that are looked at, over all pages. */
  referrersCount: 1_000,
  /** Pages of a referrers or tag listing that are followed. */
  pages: 100,
  /** Tags listed. */
  tagsCount: 100_000,
  /** Layers of one `.sig` manifest that are looked at. */
  signatureLayers: 1_000,
  /** A simple-signing payload. */
  payloadBytes: 1_048_576,
  /** A Sigstore bundle. */
  bundleBytes: 33_554_432,
  /** Everything that is fetched in the search for signatures of one image: manifests of referrers, bundles, payloads. */
  signatureBytes: 67_108_864,
  /** Annotations of one descriptor or signature. */
  annotations: 1_000,
  /** An error body of a registry or service. */
  errorBodyBytes: 65_536,
  /** A token response of a registry's token service. */
  tokenResponseBytes: 1_048_576,
  /** A key file or key variable. */
  keyBytes: 65_536,
  /** A password. */
  passwordBytes: 65_536,
  /** A docker or podman credentials file. */
  credentialsFileBytes: 4_194_304,
  /** What a credential helper may print. */
  credentialHelperBytes: 262_144,
  /** How long a credential helper may take. */
  credentialHelperTime: 60_000,
  /** PEM blocks of one file: a key, or a certificate chain. */
  pemBlocks: 32,
  /** Log entries, timestamps or certificates of one bundle, each. */
  bundleItems: 32,
  /** Hashes of an inclusion proof: a tree of 2^63 leaves has paths of 63. */
  inclusionProofHashes: 64,
  /** Nesting of JSON. */
  jsonDepth: 64,
  /** DSSE signatures in one envelope. */
  envelopeSignatures: 32,
  /** Subjects of one statement. */
  statementSubjects: 10_000,
  /** An image reference. */
  referenceLength: 1_024,
  /** One request, from its start to its response headers. */
  requestTime: 30_000,
  /** Retries included: one logical registry operation. */
  operationTime: 90_000,
  /** How long a registry may take to list a referrer that it acknowledged. */
  listingTime: 3_200,
  /** How long giving up an upload may take. */
  abandonTime: 2_000,
  /** Redirects of one blob download that are followed. */
  redirects: 5,
  /** Indexes within indexes. */
  indexDepth: 4,
  /** Manifests of one image that are looked at: an index, and indexes in it, together. */
  indexManifests: 1_000,
  /** A file that is signed, which is read whole. */
  blobBytes: 2_147_483_647,
  /** A file that is verified and read whole; of larger ones only the digests are kept. */
  blobInMemoryBytes: 67_108_864,
  /** A file of signatures whose log entry is still to be made. */
  deferredLogBytes: 67_108_864,
  /** Signatures in it. */
  deferredSignatures: 10_000,
  /** A path that stands in a file. */
  pathLength: 4_096,
  /** Blobs under way at once in a copy. */
  concurrentTransfers: 4,
  /** Images under way at once in one sign or verify call. */
  concurrentImages: 24,
  /** The state file of a private Sigstore. */
  sigstoreStateBytes: 4_194_304,
  /** Requests under way at once to one registry. */
  concurrentRequests: 32,

  // Certificates
  /** One certificate or certificate request, DER. */
  certificateBytes: 65_536,
  /** Levels of DER: a certificate has 10, a timestamp with one inside 18. */
  derDepth: 32,
  /** Extensions of one certificate. */
  certificateExtensions: 64,
  /** Signed timestamps embedded in one certificate. */
  sctCount: 32,

  // Identities
  /** A pattern that an identity must match, in characters. */
  identityPatternLength: 1_024,
  /** Steps of a pattern, its repetitions written out: what a match costs for each character. */
  identityPatternSteps: 4_096,
  /** The subject or issuer of a certificate that a pattern is applied to, in characters. */
  identityLength: 2_048,

  // Certificate authority and CT log
  /** A request for a certificate; Fulcio allows 4 MiB, and none of its clients sends more than 20 KiB. */
  certificateRequestBytes: 262_144,
  /** An identity token. */
  identityTokenBytes: 16_384,
  /** The URL of an issuer of identity tokens. */
  issuerUrlLength: 2_048,
  /** What an issuer answers: its metadata, or its keys. */
  issuerAnswerBytes: 262_144,
  /** Keys of one issuer. */
  issuerKeys: 100,
  /** Issuers whose keys are kept, of those that a pattern accepts. */
  issuersKept: 1_000,
  /** Issuers that are asked for their keys at once. */
  issuerFetches: 16,
  /** Redirects of an issuer that are followed. */
  issuerRedirects: 3,
  /** How long an issuer may take to tell its keys. */
  issuerTime: 10_000,
  /** A chain that is submitted to the CT log. */
  ctChainCount: 10,
  /** A request to add to the CT log. */
  ctRequestBytes: 262_144,
  /** Entries in one answer of the CT log. */
  ctEntries: 256,

  // Timestamps and trust
  /** A timestamp response, token or request, DER. */
  timestampBytes: 65_536,
  /** A request for a timestamp, over HTTP. */
  timestampRequestBytes: 16_384,
  /** A request for a timestamp written as JSON; its nonce is decoded at quadratic cost. */
  timestampRequestJsonBytes: 1_024,
  /** A trusted root. */
  trustedRootBytes: 4_194_304,
  /** A signing configuration. */
  signingConfigBytes: 1_048_576,
  /** Instances of one kind in a trusted root or signing configuration. */
  trustedInstances: 1_000,
  /** Certificates of one chain in a trusted root. */
  chainCertificates: 16,
  /** Root metadata of TUF; what clients take at most. */
  tufRootBytes: 512_000,
  /** Timestamp metadata of TUF; what clients take at most. */
  tufTimestampBytes: 16_384,
  /** Snapshot metadata of TUF. */
  tufSnapshotBytes: 2_000_000,
  /** Targets metadata of TUF; what clients take at most. */
  tufTargetsBytes: 5_000_000,
  /** One target file of a TUF repository. */
  tufTargetBytes: 5_000_000,
  /** Target files of a TUF repository. */
  tufTargets: 1_000,
  /** Keys of a TUF repository, of one of its roles, and signatures of one of its documents. */
  tufKeys: 256,
  /** Roots that a TUF client follows at once. */
  tufRoots: 256,
  /** What a TUF client keeps of one repository. */
  tufCacheBytes: 33_554_432,
  /** A file that says which TUF repository is the one in use. */
  tufInstanceBytes: 1_048_576,
  /** How long a TUF repository is not asked again after it was. */
  tufRefreshEvery: 86_400_000,
  /** The same after it could not be asked, when there is something else to go by. */
  tufRetryEvery: 600_000,
  /** How long all of it may take, attempts included. */
  tufTime: 60_000,
  /** The same when there is something else to go by. */
  tufQuickTime: 5_000,
  // ---- the frame of a private Sigstore
  /** A configuration file of a server. */
  serverConfigBytes: 1_048_576,
  /** A form or request of the development issuer of identity tokens. */
  oidcFormBytes: 16_384,
  /** Codes of it that are not used yet, and sign-ins on another device that wait; each. */
  oidcGrants: 1_000,
  /** Aliases that a configuration may resolve to, all together. */
  serverConfigAliases: 1_000,
  // ---- transparency logs
  /** A checkpoint with all its signatures. */
  checkpointBytes: 65_536,
  /** Signature lines of a checkpoint. */
  checkpointSignatures: 64,
  /** The origin of a log or the name of a key, in characters. */
  originLength: 512,
  /** Entries that wait to be added to one log. */
  logPending: 4_096,
  /** Bodies of these, together. */
  logPendingBytes: 33_554_432,
  /** Entries of one commit. */
  logBatchEntries: 1_024,
  /** Bodies of one commit, together; the one that goes over it is the last. */
  logBatchBytes: 8_388_608,
  /** Entries that are read from a log at once. */
  logEntriesRead: 1_024,
  /** Entries by others that a process reads one by one to follow; of more, it reads the tiles. */
  logCatchUp: 16_384,
  /** A file of 256 entries of a log: a bundle or data tile. */
  entryTileBytes: 33_554_432,
  /** A verifier key written as text. */
  verifierKeyLength: 2_048,
  // ---- Rekor
  /** A request to add entries that hold a whole envelope. */
  rekorRequestBytes: 16_777_216,
  /** A request that holds no envelope: to add a hashedrekord entry, or to search. */
  rekorSmallRequestBytes: 131_072,
  /** An entry as it is logged: an entry bundle counts its length in 16 bits (C2SP tlog-tiles). */
  logEntryBytes: 65_535,
  /** Signatures of one entry, and keys or certificates that verify them. */
  logEntryVerifiers: 10,
  /** A key or certificate of an entry. */
  logEntryVerifierBytes: 49_152,
  /** Entries asked for with one request. */
  rekorRetrieve: 10,
  /** What one entry can be searched by; what goes over it is not indexed. */
  logEntryKeys: 256,
  /** A statement that is looked into for what it can be searched by. */
  indexedStatementBytes: 4_194_304,
  /** Entries that one search finds. */
  rekorSearchResults: 1_000,
  // ---- identity
  /** The file that GitHub Actions writes about its event; what a webhook may send. */
  eventFileBytes: 26_214_400,
  /** A file with the secret of an OAuth client. */
  clientSecretBytes: 65_536,
  /** Requests that are made for one identity token: the first and its repetitions. */
  tokenAttempts: 4,
  /** How long a person may take to sign in. */
  signInTime: 600_000,
  /** Requests to the listener of a sign-in that are not its answer. */
  strayCallbacks: 100,
  /** A code that is typed in, in characters. */
  typedCodeLength: 4_096,
  /** Failures in a row, after which waiting for a sign-in on another device is given up. */
  devicePollFailures: 5,
  /** What the metadata server of a Google machine or a SPIFFE agent may take to answer. */
  localAgentTime: 5_000,
  // ---- clients of services
  /** One attempt, from its start to the end of its answer: Rekor v2 answers after its next checkpoint, up to 10 s later. */
  serviceAttemptTime: 30_000,
  /** Everything that is tried to get one answer of one service. */
  serviceTotalTime: 90_000,
  /** Times one service is asked the same. */
  serviceAttempts: 10,
  /** Times a service is asked that nothing listens for. */
  serviceAttemptsUnreachable: 6,
  /** An answer of a service: a chain of certificates, or an entry with its proof. */
  serviceAnswerBytes: 262_144,
  // ---- places of keys
  /** What a program that keeps keys, or that gives credentials for a place that does, may print as its answer. */
  keyProgramBytes: 262_144,
  /** What such a program may print for people. */
  keyProgramTextBytes: 65_536,
  /** How long it may take: a person may have to touch a device. */
  keyProgramTime: 120_000,
  /** After it ended, how long what it printed may still be on its way. */
  keyProgramDrainTime: 1_000,
  /** A kubeconfig file, or another file with credentials for a place of keys. */
  keyCredentialsBytes: 4_194_304,
  /** An answer of a place of keys: a secret of Kubernetes may hold 1 MiB, and base64 makes a third more of it. */
  keyAnswerBytes: 2_097_152,
  /** A reference to a key, in characters. */
  keyReferenceLength: 4_096,
  /** Slots of a PKCS#11 module that are looked at, and objects of one token, each. */
  pkcs11Objects: 1_000,
  // ---- keys in key management services
  /** One question to one of them, from its start to the end of its answer. */
  kmsAttemptTime: 20_000,
  /** Everything that is tried to get one answer. */
  kmsTotalTime: 60_000,
  /** Times one of them is asked the same. */
  kmsAttempts: 5,
  /** An answer: a key with the history of its versions. */
  kmsAnswerBytes: 4_194_304,
  /** Versions of one key that may verify. */
  kmsKeyVersions: 100,
  /** The name of a key with where it is, in characters. */
  kmsReferenceLength: 1_024,
  /** A file with the token of a user. */
  kmsTokenBytes: 65_536,
  /** One signature of a key of a private Sigstore that is kept elsewhere. */
  servingSignatureTime: 10_000,
  // ---- the GitHub Action
  /** What buildx writes about a build: with `provenance` in it, some hundred kilobytes. */
  buildMetadataBytes: 16_777_216,
  /** A predicate that is attested; the bundle around it must fit in `bundleBytes`. */
  predicateBytes: 16_777_216,
  /** The summary of a step; GitHub takes 1 MiB. */
  stepSummaryBytes: 1_000_000,
} as const;
