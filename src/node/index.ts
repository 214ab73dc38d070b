/** Adapters for Node: the HTTP client and the {@link Runtime} that the library is handed. */
export { createHttpClient, type HttpClient, type HttpClientOptions } from './http-client.ts';
export { type Listener, type ListenOptions, listen, type RequestHandler } from './http-server.ts';
export { createRuntime, type RuntimeOptions } from './runtime.ts';
export { readTlsSettings, type TlsFiles, type TlsSettings } from './tls.ts';
