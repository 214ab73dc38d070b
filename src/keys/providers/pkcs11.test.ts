import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { type SoftHsm, softHsm } from '../../../test/support/softhsm.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { createRuntime } from '../../node/runtime.ts';
import type { KeyContext } from '../provider.ts';
import { loadSigner, loadVerificationKeys } from '../reference.ts';
import type { KeyType } from '../signer.ts';
import { type TokenPins, tokenPins } from '../token-pins.ts';
import { pkcs11Place } from './pkcs11-keys.ts';
import { listTokens, openModule } from './pkcs11-module.ts';

const message = utf8('a message');
const releases: (() => Promise<void>)[] = [];
let hsm: SoftHsm | undefined;
let whySkipped = '';

/** A context with the PIN in its environment, unless told otherwise. */
function context(given: Partial<KeyContext> & { env?: Runtime['env'] } = {}): KeyContext {
  const module = hsm?.module;
  const env = given.env ?? { COSIGN_PKCS11_PIN: '1234' };
  return {
    password: async () => assert.fail('a password was asked for'),
    readStdin: async () => assert.fail('standard input was read'),
    ...given,
    runtime: createRuntime({ env: { COSIGN_PKCS11_MODULE_PATH: module, ...env } }),
  };
}

const generate = (reference: string, type: KeyType = 'ecdsa-p256', given = context()) =>
  pkcs11Place.generate(reference, type, given);

const refused = (code: ErrorCode, text?: RegExp) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (text !== undefined) assert.match(`${error.message} ${error.hint}`, text);
  const shown = JSON.stringify([error.message, error.hint, error.details, String(error.cause)]);
  for (const secret of ['1234', '9999']) assert.ok(!shown.includes(secret), shown);
  return true;
};

describe('keys in PKCS#11 tokens', () => {
  before(async () => {
    hsm = await softHsm({
      skip: (why = '') => {
        whySkipped = why;
      },
      after: (release: () => Promise<void>) => {
        releases.push(release);
      },
    });
    // The module sees no token that is made after it was started.
    for (const label of ['lab', 'twin', 'twin', 'changing']) await hsm?.addToken(label);
  });
  after(async () => {
    for (const release of releases.reverse()) await release();
  });

  /** A test that needs the module. */
  function test(name: string, run: (t: TestContext, hsm: SoftHsm) => Promise<void>): void {
    it(name, async (t) => (hsm === undefined ? t.skip(whySkipped) : await run(t, hsm)));
  }

  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048', 'ed25519'] as const) {
    test(`${type}: made, signs, verifies`, async (_t, { module }) => {
      const made = await generate(
        `pkcs11:token=lab;object=${type}?pin-value=1234`,
        type,
        context({ env: {} }),
      );
      assert.equal(made.publicKey.type, type);
      assert.match(made.reference, /^pkcs11:token=lab;serial=[0-9a-f]+;id=(?:%[0-9a-f]{2}){16};object=/);
      assert.ok(made.reference.endsWith(`?module-path=${module}`) && !made.reference.includes('1234'));
      const signer = await loadSigner(`pkcs11:token=lab;object=${type}`, context());
      assert.equal(signer.reference, made.reference);
      assert.deepEqual((await generate(`pkcs11:token=lab;object=${type}`, type)).reference, made.reference);
      await assert.rejects(
        generate(`pkcs11:token=lab;object=${type}`, type === 'ecdsa-p256' ? 'rsa-2048' : 'ecdsa-p256'),
        refused('ERR_KEY_EXISTS'),
      );
      const algorithm = type === 'ed25519' ? null : 'sha256';
      // A public key is there for everybody.
      const [key] = await loadVerificationKeys(made.reference, context({ env: {} }));
      assert.ok(key !== undefined && verify(algorithm, message, key.key, await signer.sign(message)));
      assert.equal(key.hint, signer.publicKey.hint);
    });
  }

  test('a key of OpenSC, by every way to a PIN, as cosign writes URIs', async (t, { tool, module }) => {
    const login = ['--token-label', 'lab', '--login', '--pin', '1234'];
    const kind = ['--keypairgen', '--key-type', 'EC:prime256v1', '--usage-sign'];
    await tool(...login, ...kind, '--id', '01', '--label', 'cosign');
    const pinFile = join(await temporaryDirectory(t), 'pin');
    await writeFile(pinFile, '1234\n');
    const uri = `pkcs11:token=lab;id=%01;object=cosign?module-path=${module}`;
    let asked = 0;
    const askPin = async (token: string) => {
      asked++;
      assert.equal(token, 'lab');
      return '1234';
    };
    const ways: readonly (readonly [string, KeyContext])[] = [
      [`${uri}&pin-value=1234`, context({ env: {} })],
      [`${uri}&pin-source=${pinFile}`, context({ env: {} })],
      [`${uri}&pin-source=file:${pinFile}`, context({ env: {} })],
      [uri, context({ env: { COSIGN_PKCS11_PIN: '1234' } })],
      [uri, context({ env: { BOLTSEAL_PKCS11_PIN: '1234', COSIGN_PKCS11_PIN: '9999' } })],
      [uri, context({ env: {}, askPin })],
    ];
    for (const [reference, given] of ways) {
      const signer = await loadSigner(reference, given);
      assert.ok(verify('sha256', message, signer.publicKey.key, await signer.sign(message)));
      await signer.sign(message);
    }
    assert.equal(asked, 1);
    const slotId = listTokens(await openModule(module)).find(({ label }) => label === 'lab')?.slotId;
    await loadSigner(`pkcs11:slot-id=${slotId};id=%01`, context());
  });

  test('a PIN is tried once, and not at all for what is public_fail', async () => {
    await generate('pkcs11:token=lab;object=pins');
    for (const wrong of ['9999', '12', '9'.repeat(300)]) {
      let asked = 0;
      const askPin = async () => {
        asked++;
        return wrong;
      };
      const loading = loadSigner('pkcs11:token=lab;object=pins', context({ env: {}, askPin }));
      await assert.rejects(loading, refused('ERR_KEY_ACCESS'));
      assert.equal(asked, 1);
    }
    await assert.rejects(
      loadSigner('pkcs11:token=lab;object=pins', context({ env: {} })),
      refused('ERR_KEY_ACCESS', /COSIGN_PKCS11_PIN/),
    );
    await loadVerificationKeys('pkcs11:token=lab;object=pins', context({ env: {} }));
    await loadVerificationKeys(
      'pkcs11:token=lab;object=pins',
      context({ env: { COSIGN_PKCS11_PIN: '9999' } }),
    );
    await assert.rejects(
      loadSigner('pkcs11:token=lab;object=pins?pin-source=/nonexistent', context()),
      refused('ERR_FILE_READ'),
    );
    await assert.rejects(
      loadSigner('pkcs11:token=lab;object=pins?pin-source=%7Cecho%201234', context()),
      refused('ERR_USAGE'),
    );
  });

  test('keys of one token: a person is asked once, and a PIN that was wrong is not tried by another key_fail', async () => {
    const keys = ['first', 'second'].map((object) => `pkcs11:token=changing;object=${object}`);
    for (const key of keys) await generate(key);
    let asked = 0;
    const answering = (pin: string) => ({
      env: {},
      pins: tokenPins(),
      askPin: async () => {
        asked++;
        return pin;
      },
    });
    const right = context(answering('1234'));
    const signers = await Promise.all(keys.map((key) => loadSigner(key, right)));
    assert.equal(asked, 1);

    let refusals = 0;
    const pins = tokenPins();
    const counting: TokenPins = {
      ...pins,
      refuse(...what) {
        refusals++;
        pins.refuse(...what);
      },
    };
    const wrong = context({ ...answering('9999'), pins: counting });
    for (const key of keys) await assert.rejects(loadSigner(key, wrong), refused('ERR_KEY_ACCESS'));
    assert.equal(refusals, 1);
    for (const signer of signers) await signer.sign(message);
  });

  test('a key that wants its PIN for each signature gets it', async (_t, { tool }) => {
    const login = ['--token-label', 'lab', '--login', '--pin', '1234'];
    await tool(
      ...login,
      '--keypairgen',
      '--key-type',
      'EC:prime256v1',
      '--id',
      '0a',
      '--label',
      'each',
      '--always-auth',
    );
    const signer = await loadSigner('pkcs11:token=lab;object=each', context());
    for (let count = 0; count < 2; count++) {
      assert.ok(verify('sha256', message, signer.publicKey.key, await signer.sign(message)));
    }
  });

  test('many signatures of several keys at once, and one after the other', async () => {
    const signers = await Promise.all(
      ['many-a', 'many-b'].map(async (object) => {
        await generate(`pkcs11:token=lab;object=${object}`);
        return await loadSigner(`pkcs11:token=lab;object=${object}`, context());
      }),
    );
    const work = Array.from({ length: 40 }, (_, index) => signers[index % 2]).flatMap((one) => one ?? []);
    const signatures = await Promise.all(work.map((signer) => signer.sign(message)));
    for (const [index, signature] of signatures.entries()) {
      const key = work[index]?.publicKey.key;
      assert.ok(key !== undefined && verify('sha256', message, key, signature));
    }
    await signers[0]?.sign(message);
  });

  test('what is not there, or there twice_fail', async (_t, { tool }) => {
    const sign = (uri: string, code: ErrorCode) =>
      assert.rejects(loadSigner(uri, context()), refused(code), uri);
    await sign('pkcs11:token=none;object=x', 'ERR_KEY_NOT_FOUND');
    await sign('pkcs11:token=twin;object=x', 'ERR_USAGE');
    await sign('pkcs11:token=lab;object=none', 'ERR_KEY_NOT_FOUND');
    await sign('pkcs11:token=lab;object=cosign;id=%77', 'ERR_KEY_NOT_FOUND');
    await sign('pkcs11:token=lab', 'ERR_USAGE');
    await sign('pkcs11:object=x', 'ERR_USAGE');
    await sign('pkcs11:token=lab;serial=0;object=x', 'ERR_KEY_NOT_FOUND');
    await sign('pkcs11:slot-id=999999;object=x', 'ERR_KEY_NOT_FOUND');
    const missing = loadVerificationKeys('pkcs11:token=lab;object=none', context());
    await assert.rejects(missing, refused('ERR_KEY_NOT_FOUND'));
    const login = ['--token-label', 'lab', '--login', '--pin', '1234'];
    for (const id of ['21', '22']) {
      await tool(...login, '--keypairgen', '--key-type', 'EC:prime256v1', '--id', id, '--label', 'double');
    }
    await sign('pkcs11:token=lab;object=double', 'ERR_USAGE');
    const several = loadVerificationKeys('pkcs11:token=lab;object=double', context());
    await assert.rejects(several, refused('ERR_USAGE'));
    await loadSigner('pkcs11:token=lab;object=double;id=%22', context());
    await assert.rejects(generate('pkcs11:token=lab;object=double'), refused('ERR_KEY_EXISTS'));
  });

  test('a public half that is missing, in a certificate, or another one_fail', async (t, { tool }) => {
    const login = ['--token-label', 'lab', '--login', '--pin', '1234'];
    const folder = await temporaryDirectory(t);
    await tool(...login, '--keypairgen', '--key-type', 'EC:prime256v1', '--id', '31', '--label', 'half');
    await tool(...login, '--keypairgen', '--key-type', 'rsa:2048', '--id', '32', '--label', 'half-rsa');
    for (const id of ['31', '32']) await tool(...login, '--delete-object', '--type', 'pubkey', '--id', id);
    await assert.rejects(loadSigner('pkcs11:token=lab;object=half', context()), refused('ERR_KEY_NOT_FOUND'));
    // A private RSA key says what its public half is, once somebody is logged in.
    const [rsa] = await loadVerificationKeys('pkcs11:token=lab;object=half-rsa', context());
    const signer = await loadSigner('pkcs11:token=lab;object=half-rsa', context());
    assert.ok(rsa !== undefined && verify('sha256', message, rsa.key, await signer.sign(message)));

    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(folder, 'other.der'), publicKey.export({ type: 'spki', format: 'der' }));
    await tool(
      ...login,
      ...['--write-object', join(folder, 'other.der'), '--type', 'pubkey', '--id', '31', '--label', 'half'],
    );
    const wrong = await loadSigner('pkcs11:token=lab;object=half', context());
    await assert.rejects(wrong.sign(message), refused('ERR_SIGNING_FAILED'));
  });

  test('modules that are none_fail', async (t, { module }) => {
    const folder = await temporaryDirectory(t);
    await writeFile(join(folder, 'text.so'), 'not a module');
    const load = (path: string | undefined, code: ErrorCode) =>
      assert.rejects(
        loadSigner('pkcs11:token=lab;object=x', context({ env: { COSIGN_PKCS11_MODULE_PATH: path } })),
        refused(code),
      );
    await load(undefined, 'ERR_USAGE');
    await load('', 'ERR_USAGE');
    await load('libsofthsm2.so', 'ERR_USAGE');
    await load(folder, 'ERR_USAGE');
    await load(join(folder, 'none.so'), 'ERR_USAGE');
    await load(join(folder, 'text.so'), 'ERR_KEY_PROVIDER');
    // A shared library, but of something else.
    await load(join(process.execPath, '..', 'node'), 'ERR_KEY_PROVIDER');
    const named = `pkcs11:token=lab;object=ecdsa-p256?module-path=${module}`;
    await loadVerificationKeys(named, context({ env: { COSIGN_PKCS11_MODULE_PATH: '/nonexistent' } }));
  });

  test('what is signed here verifies with the real cosign', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const home = await temporaryDirectory(t);
    await writeFile(join(home, 'blob'), message);
    for (const type of ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048'] as const) {
      const signer = await loadSigner(`pkcs11:token=lab;object=${type}`, context());
      await writeFile(join(home, 'key.pub'), signer.publicKey.pem);
      const signature = Buffer.from(await signer.sign(message)).toString('base64');
      const args = [
        'verify-blob',
        '--key',
        'key.pub',
        '--insecure-ignore-tlog',
        '--signature',
        signature,
        'blob',
      ];
      const result = await runProgram(programs.cosign3, args, { env: { HOME: home }, cwd: home });
      assert.equal(result.code, 0, `${type}: ${result.stderr}`);
    }
  });
});
