/**
 * Signs one file by the protocol of the Sigstore conformance tests, which `boltseal sign-blob` follows as it is.
 * {@link https://github.com/sigstore/sigstore-conformance/blob/main/docs/cli_protocol.md}
 */
export { run } from './sign-blob.ts';
