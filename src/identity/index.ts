/** Who signs: identity tokens, where programs and people get them, and what a public log would show of them. */
export * from './log-privacy.ts';
export * from './source.ts';
export * from './token.ts';
export * from './visibility.ts';
