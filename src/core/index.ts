/** The ground everything stands on: errors and their codes, limits, digests, encodings, and the {@link Runtime} port. */
export type * from './connection.ts';
export * from './digest.ts';
export * from './encoding.ts';
export * from './errors.ts';
export type { HttpRequest, HttpResponse, HttpResponseHeaders, HttpService } from './http.ts';
export * from './json.ts';
export * from './limits.ts';
export type * from './runtime.ts';
