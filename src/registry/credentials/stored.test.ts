import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { Credential } from './credential.ts';
import {
  type CredentialsRuntime,
  eraseCredential,
  explainCredential,
  storeCredential,
  storedCredentials,
} from './stored.ts';

interface Home {
  readonly runtime: CredentialsRuntime;
  readonly folder: string;
  write(name: string, content: unknown): Promise<string>;
  find(registry: string, repository?: string): Promise<Credential | undefined>;
}

async function makeHome(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Home> {
  const folder = await temporaryDirectory(t);
  const path = [join(folder, 'bin'), process.env['PATH']].join(':');
  const all = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, join(folder, value)]));
  const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
  const runtime: CredentialsRuntime = { home: folder, random, env: { PATH: path, ...all } };
  return {
    runtime,
    folder,
    async write(name, content) {
      const file = join(folder, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
      return file;
    },
    find: (registry, repository = 'acme/app') => storedCredentials(runtime)(registry, repository),
  };
}

const auth = (name: string): { auth: string } => ({
  auth: Buffer.from(`${name}:pass:word`).toString('base64'),
});
const userOf = (credential: Credential | undefined): string | undefined =>
  credential?.kind === 'basic' ? credential.username : credential?.kind;

/** A helper that keeps one secret per server in a file. */
const helperScript = `#!/bin/sh
store="$(dirname "$0")/secrets"; mkdir -p "$store"
if [ "$1" = store ]; then
  cat > "$store/pending"; server=$(sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' "$store/pending" | tr '/:' '__'); mv "$store/pending" "$store/$server"
else
  read -r server || true; file="$store/$(printf %s "$server" | tr '/:' '__')"
  [ -f "$file" ] || { echo 'credentials not found in native keychain'; exit 1; }
  if [ "$1" = get ]; then cat "$file"; else rm "$file"; fi
fi
`;

async function installHelper(home: Home, name: string, script = helperScript): Promise<void> {
  await chmod(await home.write(`bin/docker-credential-${name}`, script), 0o755);
}

test('no files, empty files, entries for others', async (t) => {
  const home = await makeHome(t);
  assert.equal(await home.find('ghcr.io'), undefined);
  await home.write('.docker/config.json', '');
  assert.equal(await home.find('ghcr.io'), undefined);
  const others = [
    'evil-ghcr.io',
    'ghcr.io.evil.example',
    'ghcr.io:8443',
    'xghcr.io',
    'https://evil.example/ghcr.io',
    'ghcr.io@evil',
  ];
  await home.write('.docker/config.json', {
    auths: Object.fromEntries(others.map((key) => [key, auth('x')])),
  });
  assert.equal(await home.find('ghcr.io'), undefined);
  assert.equal(await home.find('hcr.io'), undefined);
  assert.equal(userOf(await home.find('ghcr.io:8443')), 'x');
});

test('spellings of keys and entries', async (t) => {
  const home = await makeHome(t);
  const entry = (key: string, value: object): Promise<string> =>
    home.write('.docker/config.json', { auths: { [key]: value } });
  for (const key of [
    'ghcr.io',
    'https://ghcr.io',
    'https://ghcr.io/v2/',
    'GHCR.io',
    'ghcr.io:443',
    'ghcr.io/v1/',
  ]) {
    await entry(key, auth('me'));
    const found = await home.find('ghcr.io');
    assert.deepEqual(found?.kind === 'basic' && [found.username, found.password], ['me', 'pass:word'], key);
  }
  for (const key of ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'registry-1.docker.io']) {
    await entry(key, auth('hub'));
    assert.equal(userOf(await home.find('index.docker.io')), 'hub', key);
  }
  await entry('ghcr.io', { username: 'u', password: 'p' });
  assert.equal(userOf(await home.find('ghcr.io')), 'u');
  await entry('ghcr.io', { ...auth('00000000'), identitytoken: 'refresh' });
  assert.deepEqual(await home.find('ghcr.io').then((found) => found?.kind), 'identity-token');
  await entry('ghcr.io', { registrytoken: 't' });
  assert.equal(userOf(await home.find('ghcr.io')), 'registry-token');
  await entry('ghcr.io', { username: '<token>', password: 'refresh' });
  assert.equal(userOf(await home.find('ghcr.io')), 'identity-token');
  await entry('ghcr.io', {});
  assert.equal(await home.find('ghcr.io'), undefined);
});

test('podman: namespaces, longest first, and the order of files', async (t) => {
  const home = await makeHome(t, { XDG_RUNTIME_DIR: 'run', REGISTRY_AUTH_FILE: 'named.json' });
  await home.write('run/containers/auth.json', {
    auths: { 'ghcr.io': auth('host'), 'ghcr.io/acme': auth('team'), 'ghcr.io/acme/app': auth('app') },
  });
  assert.equal(userOf(await home.find('ghcr.io', 'acme/app')), 'app');
  assert.equal(userOf(await home.find('ghcr.io', 'acme/app/sub')), 'app');
  assert.equal(userOf(await home.find('ghcr.io', 'acme/application')), 'team');
  assert.equal(userOf(await home.find('ghcr.io', 'acmeother/app')), 'host');
  await home.write('.config/containers/auth.json', {
    auths: { 'quay.io': auth('config'), 'ghcr.io': auth('late') },
  });
  assert.equal(userOf(await home.find('quay.io')), 'config');
  await home.write('.docker/config.json', { auths: { 'ghcr.io': auth('docker') } });
  assert.equal(userOf(await home.find('ghcr.io')), 'docker');
  await home.write('named.json', { auths: { 'ghcr.io': auth('named') } });
  assert.equal(userOf(await home.find('ghcr.io')), 'named');
});

test('helpers: per registry, for all, without an answer', async (t) => {
  const home = await makeHome(t, { DOCKER_CONFIG: 'conf' });
  await installHelper(home, 'all');
  await installHelper(
    home,
    'one',
    '#!/bin/sh\necho \'{"ServerURL":"x","Username":"<token>","Secret":"s3cret"}\'\n',
  );
  await home.write('conf/config.json', {
    credsStore: 'all',
    credHelpers: { 'one.example': 'one' },
    auths: { 'two.example': auth('file') },
  });
  assert.equal(userOf(await home.find('one.example')), 'identity-token');
  assert.equal(userOf(await home.find('two.example')), 'file');
  assert.equal(await home.find('three.example'), undefined);
});

test('what is broken is an error without a secret in it', async (t) => {
  const home = await makeHome(t);
  await installHelper(home, 'failing', '#!/bin/sh\necho "locked"; exit 3\n');
  await installHelper(home, 'garbled', '#!/bin/sh\necho "Secret: s3cret"\n');
  await installHelper(home, 'endless', '#!/bin/sh\nexec yes s3cret\n');
  const broken: readonly unknown[] = [
    '{"auths":{"ghcr.io":{"auth":"s3cret',
    '[]',
    { auths: { 'ghcr.io': { auth: 's3cret!' } } },
    { auths: { 'ghcr.io': { auth: Buffer.from('s3cret').toString('base64') } } },
    { auths: { 'ghcr.io': 's3cret' } },
    { auths: { 'ghcr.io': { password: 5 } } },
    ...['failing', 'garbled', 'endless', 'absent', '../evil', '']
      .slice(0, 5)
      .map((credsStore) => ({ credsStore })),
  ];
  for (const content of broken) {
    await home.write('.docker/config.json', content);
    await assert.rejects(home.find('ghcr.io'), (error) => {
      assert.ok(isBoltsealError(error, 'ERR_REGISTRY_CREDENTIALS'), String(error));
      assert.ok(
        !`${error.message} ${error.hint} ${error.cause} ${JSON.stringify(error.details)}`.includes('s3cret'),
      );
      return true;
    });
  }
});

test('login and logout in the file keep everything else', async (t) => {
  const home = await makeHome(t);
  const foreign = {
    auths: { 'x.example': auth('x'), 'https://ghcr.io/v2/': auth('old') },
    proxies: { default: { n: 1 } },
  };
  const path = await home.write('.docker/config.json', foreign);
  await chmod(path, 0o644);
  const login = { username: 'me', password: 'p:w' };
  assert.equal(await storeCredential('ghcr.io', login, home.runtime), path);
  const found = await home.find('ghcr.io');
  assert.deepEqual(found?.kind === 'basic' && [found.username, found.password], ['me', 'p:w']);
  assert.ok(
    found !== undefined &&
      !explainCredential(found).includes('p:w') &&
      explainCredential(found).includes(path),
  );
  await storeCredential('index.docker.io', login, home.runtime);
  const content = JSON.parse(await readFile(path, 'utf8'));
  assert.deepEqual(content.proxies, foreign.proxies);
  assert.deepEqual(Object.keys(content.auths).sort(), [
    'ghcr.io',
    'https://index.docker.io/v1/',
    'x.example',
  ]);
  if (process.platform !== 'win32') assert.equal((await stat(path)).mode & 0o777, 0o600);

  assert.deepEqual(await eraseCredential('ghcr.io', home.runtime), [path]);
  assert.deepEqual(await eraseCredential('ghcr.io', home.runtime), []);
  assert.equal(userOf(await home.find('x.example')), 'x');
  assert.deepEqual(await readdir(dirname(path)), ['config.json']);
});

test('login and logout through a helper', async (t) => {
  const home = await makeHome(t);
  await installHelper(home, 'keychain');
  const real = await home.write('elsewhere/config.json', { credsStore: 'keychain' });
  await mkdir(join(home.folder, '.docker'));
  await symlink(real, join(home.folder, '.docker/config.json'));
  const where = await storeCredential('r.example:5000', { username: 'me', password: 'pw' }, home.runtime);
  assert.match(where, /docker-credential-keychain/);
  const content = await readFile(real, 'utf8');
  assert.deepEqual(JSON.parse(content), { credsStore: 'keychain', auths: { 'r.example:5000': {} } });
  assert.equal(userOf(await home.find('r.example:5000')), 'me');
  assert.equal((await eraseCredential('r.example:5000', home.runtime)).length, 1);
  assert.equal(await home.find('r.example:5000'), undefined);
});
