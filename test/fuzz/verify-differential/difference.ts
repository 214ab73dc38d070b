/** How a difference between the verifiers is explained. */
import type { Facts } from './facts.ts';
import type { Adjustment, Trial, Verdict } from './trial.ts';

/** One reason why this project's kernel and `@sigstore/verify` may differ, and the rule that makes ours right. */
export interface Difference {
  readonly id: string;
  /** Which of the two refuses. */
  readonly refusedBy: 'ours' | 'theirs';
  /** What `@sigstore/verify` does, or does not do. */
  readonly reason: string;
  /** What the rule says. */
  readonly rule: string;
  readonly link: string;
  /** Whether nothing that has it is ever accepted here, whatever `@sigstore/verify` says. */
  readonly isNeverAccepted?: boolean;
  /** Whether it is why they differ here; found out without the code that is tested. */
  applies(facts: Facts, refusal: Verdict & { readonly accepted: false }): boolean;
  /**
   * The same without it: then the two must agree, or another difference must explain the rest. Undefined: what is
   * wrong cannot be taken out, and is reason enough to refuse.
   */
  repair?(facts: Facts): Trial;
  /** The same for what `@sigstore/verify` cannot do: it is told what to take for granted, and must accept the rest. */
  readonly adjust?: Adjustment;
}

/** Links that several differences have. */
export const links = {
  protoJson: 'https://protobuf.dev/programming-guides/json/',
  wireFormat:
    'https://github.com/sigstore/architecture-docs/blob/main/client-spec.md#5-serialization-and-wire-format',
  clientCertificate: 'https://github.com/sigstore/architecture-docs/blob/main/client-spec.md#43-certificate',
  clientEntry:
    'https://github.com/sigstore/architecture-docs/blob/main/client-spec.md#44-transparency-log-entry',
  clientTime:
    'https://github.com/sigstore/architecture-docs/blob/main/client-spec.md#42-establishing-a-time-for-the-signature',
  algorithms: 'https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md',
  bundleProto: 'https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto',
  rekorProto: 'https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_rekor.proto',
  commonProto: 'https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_common.proto',
  rootProto: 'https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto',
  fulcio: 'https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md',
  oids: 'https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md',
  note: 'https://github.com/C2SP/C2SP/blob/main/signed-note.md',
  checkpoint: 'https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md',
  x509: 'https://www.rfc-editor.org/rfc/rfc5280',
  timestamp: 'https://www.rfc-editor.org/rfc/rfc3161',
  cms: 'https://www.rfc-editor.org/rfc/rfc5652',
  ct: 'https://www.rfc-editor.org/rfc/rfc6962',
  json: 'https://www.rfc-editor.org/rfc/rfc8259#section-4',
  base64: 'https://www.rfc-editor.org/rfc/rfc4648#section-3.3',
  statement: 'https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md',
  dsse: 'https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md',
} as const;
