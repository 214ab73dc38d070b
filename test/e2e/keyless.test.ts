/** Signing with an identity and verifying who signed, as users of the command line do it, on a private Sigstore. */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, describe } from 'node:test';
import { parseBundle } from '../../src/formats/bundle.ts';
import { parseDeferredLog } from '../../src/formats/deferred-log.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { serve } from '../support/serve.ts';
import { type PushedManifest, pushSmallImage } from '../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const email = 'dev@example.com';

/** One signature in the document of `log submit`. */
interface Submitted {
  readonly error?: { readonly code: string };
}

describe('keyless', () => {
  const queue: (() => Promise<void>)[] = [];
  const releases: Releases = { after: (release) => void queue.push(release) };
  let url = '';
  let folder = '';
  let images = 0;

  before(async () => {
    folder = await temporaryDirectory(releases);
    const serving = await serve(releases, [
      '--dev',
      '--data',
      join(folder, 'data'),
      '--listen',
      '127.0.0.1:0',
    ]);
    assert.ok(serving.url !== undefined, serving.printed().stderr);
    url = serving.url;
    const root = join(folder, 'root.json');
    await writeFile(root, Buffer.from(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer()));
    const made = await run(['initialize', '--mirror', `${url}/tuf`, '--root', root]);
    assert.equal(made.code, 0, made.stderr);
  });
  after(async () => {
    for (const release of queue.reverse()) await release();
  });

  const path = (name: string): string => join(folder, name);
  const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    runInProcess(words, { env: { HOME: folder, COSIGN_PASSWORD: '', ...env } });
  const must = async (
    words: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CliResult> => {
    const result = await run(words, env);
    assert.equal(result.code, 0, `${words.join(' ')}\n${result.stderr}`);
    return result;
  };
  const image = (): Promise<PushedManifest> =>
    pushSmallImage({ url }, 'demo/app', { content: `image ${++images}` });
  const token = async (who = email, ...claims: string[]): Promise<string> => {
    const words = ['token', '--url', url, '--email', who, ...claims.flatMap((claim) => ['--claim', claim])];
    return (await must(words)).stdout;
  };
  const identity = (who = email): string[] => [
    '--certificate-identity',
    who,
    '--certificate-oidc-issuer',
    url,
  ];

  test('an image, in both formats, by who signed', async () => {
    const { reference } = await image();
    const signed = await must(['sign', '-o', 'json', reference], { SIGSTORE_ID_TOKEN: await token() });
    const { signatures } = JSON.parse(signed.stdout).images[0].signed[0];
    assert.deepEqual(
      signatures.map((one: { format: string }) => one.format),
      ['bundle', 'cosign'],
    );
    for (const { identity: who, logEntries, times } of signatures) {
      assert.equal(who.subject, email);
      assert.equal(who.issuer, url);
      assert.equal(logEntries.length, 1);
      assert.deepEqual(times.map((one: { source: string }) => one.source).sort(), ['log', 'timestamp']);
    }
    const report = await must(['verify', '-o', 'json', ...identity(), reference]);
    assert.equal(JSON.parse(report.stdout).images[0].accepted.length, 2);
  });

  test('the older format: verify prints who signed, and what stands beside it', async () => {
    const { reference } = await image();
    const env = { SIGSTORE_ID_TOKEN: await token() };
    await must(['sign', '--format', 'cosign', '-a', 'Subject=somebody', '-a', 'env=prod', reference], env);
    const [element] = JSON.parse((await must(['verify', ...identity(), reference])).stdout);
    const { Bundle, RFC3161Timestamp, ...rest } = element.optional;
    assert.deepEqual(rest, {
      '1.3.6.1.4.1.57264.1.1': url,
      Issuer: url,
      Subject: email,
      env: 'prod',
    });
    assert.deepEqual(Object.keys(Bundle), ['SignedEntryTimestamp', 'Payload']);
    assert.deepEqual(Object.keys(Bundle.Payload), ['body', 'integratedTime', 'logIndex', 'logID']);
    assert.deepEqual(Object.keys(RFC3161Timestamp), ['SignedRFC3161Timestamp']);
    const text = await must(['verify', '-o', 'text', ...identity(), reference]);
    assert.deepEqual(JSON.parse(text.stdout).optional, { env: 'prod', Subject: 'somebody' });
    assert.ok(text.stderr.includes(`Certificate subject: ${email}\nCertificate issuer URL: ${url}\n`));
  });

  test('the older format: what was not verified is not printed', async () => {
    const { reference } = await image();
    await must(['generate-key-pair', '--output-key-prefix', path('o')]);
    await must(['sign', '--key', path('o.key'), '--log', 'private', '--format', 'cosign', reference]);
    const verify = ['verify', '--key', path('o.pub')];
    const optional = async (...flags: string[]): Promise<object | null> =>
      JSON.parse((await must([...verify, ...flags, reference])).stdout)[0].optional;
    assert.equal(await optional(), null);
    const members = Object.keys((await optional('--insecure-ignore-tlog=false')) ?? {});
    assert.deepEqual(members, ['Bundle', 'RFC3161Timestamp']);
  });

  test('somebody else: 12, with what was required and found', async () => {
    const { reference } = await image();
    await must(['sign', reference], { SIGSTORE_ID_TOKEN: await token() });
    const other = await run(['verify', '-o', 'json', ...identity('boss@example.com'), reference]);
    assert.equal(other.code, 12);
    const { error } = JSON.parse(other.stdout).images[0];
    assert.equal(error.code, 'ERR_NO_MATCHING_SIGNATURES');
    assert.deepEqual(error.comparisons, [
      { field: 'subject', expected: 'boss@example.com', found: email, matches: false },
      { field: 'issuer', expected: url, found: url, matches: true },
    ]);
    const workflow = ['--repo', 'acme/app', '--workflow', 'release.yml', '--ref', 'refs/heads/main'];
    assert.equal((await run(['verify', ...workflow, reference])).code, 12);
  });

  test('what is asked for must be whole and anchored: 2', async () => {
    const reference = `127.0.0.1:1/x@sha256:${'0'.repeat(64)}`;
    const issuer = ['--certificate-oidc-issuer', url];
    const wrong: readonly (readonly string[])[] = [
      [],
      issuer,
      ['--certificate-identity', email],
      [...issuer, '--certificate-identity', ''],
      [...issuer, '--certificate-identity-regexp', '.*@example.com'],
      [...issuer, '--certificate-identity-regexp', '^https://github.com/acme/'],
      [...issuer, '--certificate-identity', email, '--certificate-identity-regexp', '^x$'],
      [...identity(), '--key', 'cosign.pub'],
      [...identity(), '--repo', 'acme/app'],
      ['--workflow', 'release.yml'],
    ];
    for (const words of wrong) {
      assert.equal((await run(['verify', ...words, reference])).code, 2, words.join(' '));
    }
  });

  test('a key signed, and an identity is asked for: 13', async () => {
    const { reference } = await image();
    await must(['generate-key-pair', '--output-key-prefix', path('k')]);
    await must(['sign', '--key', path('k.key'), reference]);
    assert.equal((await run(['verify', ...identity(), reference])).code, 13);
    assert.equal((await run(['verify', '--key', path('k.pub'), reference])).code, 0);
  });

  test('a key, logged and timestamped because that was asked for', async () => {
    const { reference } = await image();
    await must(['generate-key-pair', '--output-key-prefix', path('l')]);
    const key = ['--key', path('l.key')];
    const signed = await must(['sign', ...key, '--log', 'private', '-o', 'json', reference]);
    const [made] = JSON.parse(signed.stdout).images[0].signed[0].signatures;
    assert.equal(made.logEntries.length, 1);
    assert.equal(made.times.length, 2);
    const required = ['--key', path('l.pub'), '--insecure-ignore-tlog=false', '--use-signed-timestamps'];
    assert.equal((await run(['verify', ...required, reference])).code, 0);
    const bare = await image();
    await must(['sign', ...key, bare.reference]);
    assert.equal((await run(['verify', ...required, bare.reference])).code, 12);
    const stamped = await image();
    await must(['sign', ...key, '--timestamp', stamped.reference]);
    const times = ['--key', path('l.pub'), '--use-signed-timestamps', '--insecure-ignore-tlog'];
    assert.equal((await run(['verify', ...times, stamped.reference])).code, 0);
    assert.equal((await run(['verify', ...required, stamped.reference])).code, 12);
  });

  test('Rekor v2: a bundle alone, with a timestamp', async () => {
    const { reference } = await image();
    const signed = await must(['sign', '--rekor-version', '2', '-o', 'json', reference], {
      SIGSTORE_ID_TOKEN: await token(),
    });
    const { signatures } = JSON.parse(signed.stdout).images[0].signed[0];
    assert.equal(signatures.length, 1);
    const bundle = parseBundle(Buffer.from(signatures[0].bundle, 'base64'), 'x');
    assert.equal(bundle.material.logEntries[0]?.version, '0.0.2');
    assert.equal((await run(['verify', ...identity(), reference])).code, 0);
    const asked = ['sign', '--rekor-version', '2', '--format', 'cosign', reference];
    assert.equal((await run(asked, { SIGSTORE_ID_TOKEN: await token() })).code, 2);
  });

  test('no log: a timestamp proves the time, and the verifier must not ask for more', async () => {
    const { reference } = await image();
    await must(['sign', '--log', 'none', reference], { SIGSTORE_ID_TOKEN: await token() });
    assert.equal((await run(['verify', ...identity(), reference])).code, 12);
    assert.equal((await run(['verify', ...identity(), '--insecure-ignore-tlog', reference])).code, 0);
    const nothing = ['sign', '--log', 'none', '--no-timestamp', reference];
    assert.equal((await run(nothing, { SIGSTORE_ID_TOKEN: await token() })).code, 2);
  });

  test('one certificate for many images', async () => {
    const several = await Promise.all([image(), image(), image()]);
    const words = ['sign', '-o', 'json', '--format', 'bundle', ...several.map(({ reference }) => reference)];
    const signed = await must(words, { SIGSTORE_ID_TOKEN: await token() });
    const certificates = new Set(
      JSON.parse(signed.stdout).images.map((one: { signed: { signatures: { bundle: string }[] }[] }) => {
        const bundle = parseBundle(Buffer.from(one.signed[0]?.signatures[0]?.bundle ?? '', 'base64'), 'x');
        return Buffer.from(bundle.material.certificates?.[0] ?? []).toString('hex');
      }),
    );
    assert.equal(certificates.size, 1);
  });

  test('a log that is down: kept, finished later, and accepted then', async () => {
    const { reference } = await image();
    const config = path('down.json');
    const working = path('up.json');
    await must(['trust', 'export', '--out', path('trust.json'), '--signing-config', working]);
    const text = await readFile(working, 'utf8');
    await writeFile(config, text.replaceAll(`${url}/rekor`, 'http://127.0.0.1:1/rekor'));
    const file = path('deferred.json');
    const env = { SIGSTORE_ID_TOKEN: await token() };
    await must(['sign', '--signing-config', config, '--defer-log', file, reference], env);
    await writeFile(path('blob.txt'), 'a file');
    const blob = ['sign-blob', '--signing-config', config, '--defer-log', file, '--bundle', path('b.json')];
    await must([...blob, path('blob.txt')], env);
    assert.equal((await run(['verify', ...identity(), reference])).code, 10);
    assert.equal(parseDeferredLog(await readFile(file), 'x').length, 3);
    assert.equal((await stat(file)).mode & 0o777, process.platform === 'win32' ? 0o666 : 0o600);
    const still = await run(['log', 'submit', '--signing-config', config, file]);
    assert.equal(still.code, 21);
    assert.equal(parseDeferredLog(await readFile(file), 'x').length, 3);
    // A log of Rekor v2 takes all but the signature in the cosign format, which has no place for its entries.
    const second = await run(['log', 'submit', '--rekor-version', '2', '-o', 'json', file]);
    const codes = JSON.parse(second.stdout).signatures.map((one: Submitted) => one.error?.code);
    assert.deepEqual(codes.sort(), ['ERR_LOG_DEFERRED', undefined, undefined]);
    assert.equal(parseDeferredLog(await readFile(file), 'x').length, 1);
    await must(['log', 'submit', file]);
    await assert.rejects(stat(file));
    assert.equal((await run(['verify', ...identity(), reference])).code, 0);
    const verified = ['verify-blob', '--bundle', path('b.json'), ...identity(), path('blob.txt')];
    assert.equal((await run(verified)).code, 0);
  });

  test('a private repository and a public log: nothing is signed without consent', async () => {
    const config = path('public.json');
    const service = (at: string) => [
      { url: at, majorApiVersion: 1, validFor: { start: '2026-01-01T00:00:00Z' }, operator: 'x' },
    ];
    await writeFile(
      config,
      JSON.stringify({
        mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
        caUrls: service('https://fulcio.sigstore.dev'),
        rekorTlogUrls: service('https://rekor.sigstore.dev'),
        rekorTlogConfig: { selector: 'ANY' },
      }),
    );
    const { reference } = await image();
    const env = {
      SIGSTORE_ID_TOKEN: await token(email, 'repository_visibility=private', 'repository=acme/secret'),
    };
    const refused = await run(['sign', '--signing-config', config, '-o', 'json', reference], env);
    assert.equal(refused.code, 14);
    const { error } = JSON.parse(refused.stdout).images[0];
    assert.equal(error.code, 'ERR_LOG_PRIVACY');
    assert.ok(error.details.facts.some((fact: string) => fact.includes(email)));
    const contradiction = ['sign', '--signing-config', config, '--log', 'private', reference];
    assert.equal((await run(contradiction, { SIGSTORE_ID_TOKEN: await token() })).code, 14);
  });

  test('files: signed, verified by file, standard input and digest, and attested', async () => {
    const file = path('a.txt');
    await writeFile(file, 'hello\n');
    const env = { SIGSTORE_ID_TOKEN: await token() };
    await must(['sign-blob', '--bundle', path('a.json'), file], env);
    const verify = ['verify-blob', '--bundle', path('a.json'), ...identity()];
    await must([...verify, file]);
    await must([...verify, 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03']);
    assert.equal((await run([...verify, `sha256:${'0'.repeat(64)}`])).code, 12);
    await writeFile(path('other.txt'), 'other');
    assert.equal((await run([...verify, path('other.txt')])).code, 12);
    await writeFile(
      path('statement.json'),
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [
          {
            name: 'a',
            digest: { sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' },
          },
        ],
        predicateType: 'https://example.com/p',
        predicate: {},
      }),
    );
    await must(['sign-blob', '--in-toto', '--bundle', path('s.json'), path('statement.json')], env);
    const about = ['verify-blob', '--bundle', path('s.json'), ...identity()];
    await must([...about, file]);
    assert.equal((await run([...about, path('other.txt')])).code, 12);
    const conformance = ['conformance', 'verify-bundle', '--bundle', path('a.json'), ...identity()];
    await must(['trust', 'export', '--out', path('exported.json')]);
    await must([...conformance, '--trusted-root', path('exported.json'), file]);
    assert.notEqual(
      (await run([...conformance, '--trusted-root', path('exported.json'), path('other.txt')])).code,
      0,
    );
    assert.equal((await run(['verify-blob', ...identity(), file])).code, 2);
    assert.equal((await run(['sign-blob', file], env)).code, 2);
  });

  test('nobody to ask and no token: said at once, and nothing is signed', async () => {
    const { reference } = await image();
    const none = await run(['sign', '-o', 'json', reference]);
    assert.equal(none.code, 20);
    assert.equal(JSON.parse(none.stdout).code, 'ERR_IDENTITY_MISSING');
    const github = await run(['sign', reference], { GITHUB_ACTIONS: 'true' });
    assert.equal(github.code, 20);
    assert.match(github.stderr, /id-token: write/);
  });
});
