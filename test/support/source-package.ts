/**
 * Loaded with `node --import`, makes the package's own name mean its sources: `boltseal` is `src/index.ts` and
 * `boltseal/node` is `src/node/index.ts`. So examples and snippets run without a build, always on the code as it is;
 * the type checker does the same (`paths` in tsconfig.json).
 */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    const layer = /^boltseal(?:\/([a-z]+))?$/.exec(specifier);
    if (layer === null) return nextResolve(specifier, context);
    const path = layer[1] === undefined ? 'index.ts' : `${layer[1]}/index.ts`;
    return { url: new URL(`../../src/${path}`, import.meta.url).href, shortCircuit: true };
  },
});
