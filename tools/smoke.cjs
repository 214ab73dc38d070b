/**
 * Runs the built command line on the machine's own Node.js: the oldest that is supported must do. It is CommonJS and
 * plain, because that Node may be too old for the sources. `npm run` puts the development Node first in PATH, so the
 * machine's own is looked for behind it.
 */
'use strict';

const { spawnSync } = require('node:child_process');
const {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const root = path.dirname(__dirname);
const program = path.join(root, 'dist', 'cli', 'boltseal.cjs');

/** The first Node in PATH that does not come with this checkout, else the one that runs this file. */
function machineNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (const folder of (process.env.PATH || '').split(path.delimiter)) {
    if (folder === '' || folder.includes('node_modules')) continue;
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      continue;
    }
    if (!realpathSync(file).includes(`${path.sep}node_modules${path.sep}`)) return file;
  }
  return process.execPath;
}

const node = machineNode();
const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
const folder = mkdtempSync(path.join(tmpdir(), 'boltseal-smoke-'));

function boltseal(...words) {
  const env = { ...process.env, COSIGN_PASSWORD: 'of a test' };
  for (const name of Object.keys(env)) if (name.startsWith('BOLTSEAL_')) delete env[name];
  const result = spawnSync(node, [program, ...words], {
    cwd: folder,
    encoding: 'utf8',
    env,
    timeout: 120_000,
  });
  if (result.status === 0) return result.stdout;
  throw new Error(
    `boltseal ${words.join(' ')} ended with ${result.status ?? result.signal} on Node.js ${version}\n${result.stdout}${result.stderr}`,
  );
}

function check(condition, what) {
  if (!condition) throw new Error(`${what} (Node.js ${version})`);
}

try {
  check(existsSync(program), `${program} is not built; run npm run build`);
  const packageJson = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  check(boltseal('version').startsWith(`boltseal ${packageJson.version} `), 'version prints something else');
  check(
    JSON.parse(boltseal('version', '--output', 'json')).schema === 'boltseal.version/1',
    'version prints no JSON',
  );
  check(boltseal('help', 'sign').includes('--key'), 'help says nothing of --key');
  boltseal('generate-key-pair');
  check(
    boltseal('public-key', '--key', 'cosign.key') === readFileSync(path.join(folder, 'cosign.pub'), 'utf8'),
    'public-key and cosign.pub differ',
  );
  boltseal('demo');
  console.log(`the built command line works on Node.js ${version} (${node})`);
  console.log('1 passed, 0 failed');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
