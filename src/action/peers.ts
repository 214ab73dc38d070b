/**
 * Libraries that some kinds of keys need and the action does not bring: a step before it can install them in the
 * workspace, and there they are found.
 */
import * as module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };

const peers: ReadonlySet<string> = new Set(Object.keys(packageJson.peerDependencies));

/**
 * From now on those libraries, and no others, are also looked for in `workspace`: what is installed there can run code
 * in every step of the job anyway. Does nothing where Node.js cannot be told so.
 * {@link https://nodejs.org/docs/latest-v24.x/api/module.html#moduleregisterhooksoptions}
 */
export function lookInWorkspace(workspace: string): void {
  if (typeof module.registerHooks !== 'function') return;
  const parentURL = pathToFileURL(join(workspace, 'package.json')).href;
  module.registerHooks({
    resolve(specifier, context, next) {
      if (!peers.has(specifier)) return next(specifier, context);
      try {
        return next(specifier, context);
      } catch (error) {
        try {
          return next(specifier, { ...context, parentURL });
        } catch {
          throw error;
        }
      }
    },
  });
}
