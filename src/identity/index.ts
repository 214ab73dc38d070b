/** Who signs: identity tokens, where programs and people get them, and what a public log would show of them. */
export * from './browser.ts';
export * from './client-credentials.ts';
export * from './device.ts';
export * from './discovery.ts';
export * from './log-privacy.ts';
export type { SignInOptions } from './sign-in.ts';
export * from './source.ts';
export * from './sources.ts';
export * from './token.ts';
export * from './typed-code.ts';
export * from './visibility.ts';
