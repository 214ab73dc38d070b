/** The version, and the line that `boltseal version` prints. Imports nothing else: the entry answers with it at once. */
import packageJson from '../../package.json' with { type: 'json' };

/** The version of this package. */
export const version: string = packageJson.version;

/** The oldest Node.js that runs the command line: major and minor. */
export const oldestNode: readonly [number, number] = [20, 19];

/** What `boltseal version` prints. */
export function versionLine(): string {
  return `boltseal ${version} (node ${process.versions.node}, ${process.platform} ${process.arch})\n`;
}
