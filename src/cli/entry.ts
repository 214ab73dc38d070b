/**
 * The program. It is kept tiny because every run parses it: it answers `version` by itself, says what is wrong on a
 * Node.js that is too old, and loads the rest only then.
 */
import { writeSync } from 'node:fs';
import { useCodeCache } from './code-cache.ts';
import { oldestNode, versionLine } from './version.ts';

const [first, second] = process.argv.slice(2);

if (!nodeIsNewEnough()) {
  const wanted = oldestNode.join('.');
  process.stderr.write(
    `error: boltseal needs Node.js ${wanted} or newer, and this is ${process.versions.node}\n  hint: install a newer Node.js, or put it first in PATH\n`,
  );
  process.exitCode = 1;
} else if ((first === 'version' || first === '--version') && second === undefined && !outputIsRedirected()) {
  answer(versionLine());
} else {
  // Only what is built is CommonJS, whose files can be compiled ahead.
  if (import.meta.filename.endsWith('.cjs')) useCodeCache(import.meta.dirname, process.argv.slice(2));
  import('./process.ts').then(({ start }) => start());
}

/** Writes without `process.stdout`, which takes 3 ms to make, and ends at once. */
function answer(text: string): void {
  try {
    writeSync(1, text);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EAGAIN') {
      process.stdout.write(text);
      return;
    }
    // A reader that went away is no failure.
    if (code === 'EPIPE') process.exit(0);
    process.stderr.write(
      `error: standard output cannot be written (ERR_FILE_WRITE)\n  caused by: ${error}\n`,
    );
    process.exit(1);
  }
  process.exit(0);
}

function nodeIsNewEnough(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** Whether a variable asks for another form or place of output; then the whole command line has to look. */
function outputIsRedirected(): boolean {
  return Object.keys(process.env).some((name) => /^(?:BOLTSEAL|COSIGN)_OUTPUT/.test(name));
}
