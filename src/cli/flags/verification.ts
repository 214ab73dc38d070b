/** Flags: what is verified, and who must have signed. */

export const verifyFlags = {
  // ---- what is verified
  'check-claims': {
    type: 'boolean',
    default: true,
    group: 'Verification',
    help: 'Compare what was signed with the image. Turned off, a signature or attestation of another image is accepted too.',
  },
  'required-predicate-type': {
    name: 'type',
    type: 'string',
    default: 'custom',
    value: 'TYPE',
    group: 'Verification',
    help: 'What kind of statement it must be: custom, slsaprovenance, slsaprovenance1, spdx, spdxjson, cyclonedx, vuln, openvex, link, or a URI.',
  },
  payload: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'With --signature: the payload that was signed.',
  },
  signature: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'Verify this signature (base64) over --payload, and none of the registry.',
  },
  'given-bundle': {
    name: 'bundle',
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    complete: 'file',
    help: 'Verify the signature in this Sigstore bundle, and none of the registry.',
  },
  'local-image': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'IMAGE is the path of an OCI layout on disk, as if it were written oci:PATH.',
  },
  'signature-digest-algorithm': {
    type: 'enum',
    values: ['sha256', 'sha384', 'sha512'],
    group: 'Verification',
    help: 'Accept only signatures over this hash. By default SHA-256 and the hash of the curve are accepted.',
  },
  explain: {
    type: 'boolean',
    default: false,
    group: 'Output',
    help: 'Print where was looked, what was found, and why each signature was accepted or refused.',
  },

  // ---- who must have signed
  'certificate-identity': {
    type: 'string',
    aliases: ['cert-identity', 'cert-email', 'certificate-email'],
    value: 'TEXT',
    group: 'Verification',
    help: 'Who must have signed: the email address, URI or user name in the certificate, exactly.',
  },
  'certificate-identity-regexp': {
    type: 'string',
    value: 'REGEXP',
    group: 'Verification',
    help: 'A regular expression for it, anchored: ^…$.',
  },
  'certificate-oidc-issuer': {
    type: 'string',
    aliases: ['cert-oidc-issuer'],
    value: 'URL',
    group: 'Verification',
    help: 'Who must have vouched for the signer: the issuer of the identity token, exactly.',
  },
  'certificate-oidc-issuer-regexp': {
    type: 'string',
    value: 'REGEXP',
    group: 'Verification',
    help: 'A regular expression for it, anchored: ^…$.',
  },
  'certificate-github-workflow-trigger': {
    type: 'string',
    value: 'EVENT',
    group: 'Verification',
    help: 'The event that must have started the GitHub workflow, such as push.',
  },
  'certificate-github-workflow-sha': {
    type: 'string',
    value: 'COMMIT',
    group: 'Verification',
    help: 'The commit that the GitHub workflow must have run at.',
  },
  'certificate-github-workflow-name': {
    type: 'string',
    value: 'NAME',
    group: 'Verification',
    help: 'The name that the GitHub workflow must have.',
  },
  'certificate-github-workflow-repository': {
    type: 'string',
    value: 'OWNER/NAME',
    group: 'Verification',
    help: 'The repository that the GitHub workflow must have run in.',
  },
  'certificate-github-workflow-ref': {
    type: 'string',
    value: 'REF',
    group: 'Verification',
    help: 'The ref that the GitHub workflow must have run at, such as refs/heads/main.',
  },
  repo: {
    type: 'string',
    value: 'OWNER/NAME',
    group: 'Verification',
    help: 'A workflow of this GitHub repository must have signed; stands for identity and issuer.',
  },
  workflow: {
    type: 'string',
    value: 'FILE',
    group: 'Verification',
    help: 'With --repo: the file of the workflow in .github/workflows, such as release.yml.',
  },
  ref: {
    type: 'string',
    value: 'REF',
    group: 'Verification',
    help: 'With --repo: the ref that the workflow must have run at, such as refs/tags/v1.2 or refs/heads/main.',
  },
  'insecure-ignore-tlog': {
    type: 'boolean',
    aliases: ['private-infrastructure'],
    group: 'Verification',
    help: 'Require no log entry. With an identity, a timestamp must then prove when it was signed, or the certificate must be valid still. With a key that is the default unless --trusted-root is given.',
  },
  'insecure-ignore-sct': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'Require no proof that the certificate is in a certificate transparency log.',
  },
  'use-signed-timestamps': {
    type: 'boolean',
    default: false,
    group: 'Verification',
    help: 'Require a timestamp of a trusted timestamp authority.',
  },
} as const;
