/** Images signed and attested with identities, by cosign 3 and cosign 2 against one private Sigstore. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../support/programs.ts';
import { pushSmallImage } from '../support/small-image.ts';
import { email, initialized, type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
let images = 0;

async function newImage({ server }: SigstoreSession): Promise<string> {
  const number = ++images;
  const image = await pushSmallImage(server, `sigstore/image${number}`, { content: `image ${number}\n` });
  return image.reference;
}

function identity({ server }: SigstoreSession, name = email): readonly string[] {
  return ['--certificate-identity', name, '--certificate-oidc-issuer', server.url];
}

test('cosign 3 needs no flag after initialize: sign, verify, attest, verify-attestation', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const { cosign3 } = open.clients;
  const image = await newImage(open);
  const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
  await cosign3.must(['sign', '--yes', image], token);
  const verified = await cosign3.must(['verify', ...identity(open), image]);
  assert.match(verified.stdout, /"critical"/);
  assert.notEqual((await cosign3.run(['verify', ...identity(open, 'other@example.com'), image])).code, 0);

  const predicate = await open.file('predicate.json', '{"answer":42}');
  await cosign3.must(['attest', '--yes', '--predicate', predicate, image], token);
  await cosign3.must(['verify-attestation', ...identity(open), image]);
});

test('cosign 3 with Rekor v2', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const image = await newImage(open);
  const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
  const config = await open.target('signing_config_rekor_v2.v0.2.json');
  await open.clients.cosign3.must(['sign', '--yes', '--signing-config', config, image], token);
  await open.clients.cosign3.must(['verify', ...identity(open), image]);
  // The same again: a duplicate is answered with the entry that is there.
  await open.clients.cosign3.must(['sign', '--yes', '--signing-config', config, image], token);
});

test('cosign 3 signs with a key and the log', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const { cosign3 } = open.clients;
  const image = await newImage(open);
  await cosign3.must(['generate-key-pair'], { COSIGN_PASSWORD: '' });
  const home = join(open.folder, 'home-cosign3');
  await cosign3.must(['sign', '--yes', '--key', join(home, 'cosign.key'), image], { COSIGN_PASSWORD: '' });
  await cosign3.must(['verify', '--key', join(home, 'cosign.pub'), image]);
});

test('cosign 3 gets its token by the device flow', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const image = await newImage(open);
  const home = join(open.folder, 'home-cosign3');
  const child = spawn(findProgram('cosign3') ?? '', ['sign', '--yes', image], {
    env: { PATH: process.env['PATH'], HOME: home, TUF_ROOT: join(home, 'tuf') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  let printed = '';
  let approved = false;
  const read = async (chunk: Buffer): Promise<void> => {
    printed += chunk.toString();
    const link = /(http:\/\/127\.0\.0\.1:\d+\/\S*user_code=\S+)/.exec(printed)?.[1];
    if (link === undefined || approved) return;
    approved = true;
    await approve(link);
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0, printed);
  assert.ok(approved, printed);
  await open.clients.cosign3.must(['verify', ...identity(open), image]);
});

/** Does what a person does in the browser: opens the link, and sends its form with the address filled in. */
async function approve(link: string): Promise<void> {
  const page = await (await fetch(link)).text();
  const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1] ?? '';
  const fields = new URLSearchParams();
  for (const [input] of page.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(input)?.[1];
    if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? '');
  }
  for (const name of [...fields.keys()]) if (name.includes('email')) fields.set(name, email);
  const response = await fetch(new URL(action.replaceAll('&amp;', '&'), link), {
    method: 'POST',
    body: fields,
  });
  assert.equal(response.status, 200, await response.text());
}

test('cosign 2: initialize, sign, verify, attest, verify-attestation', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const { cosign2 } = open.clients;
  const { url } = open.server;
  const image = await newImage(open);
  const services = ['--yes', '--fulcio-url', url, '--rekor-url', `${url}/rekor`, '--oidc-issuer', url];
  const token = ['--identity-token', await open.server.token(email)];
  await cosign2.must(['sign', ...services, ...token, image]);
  const verified = await cosign2.must(['verify', ...identity(open), '--rekor-url', `${url}/rekor`, image]);
  assert.match(verified.stdout, /"Subject":"dev@example.com"/);
  const stamps = ['--timestamp-server-url', `${url}/api/v1/timestamp`];
  const stamped = await newImage(open);
  await cosign2.must(['sign', ...services, ...token, ...stamps, stamped]);
  await cosign2.must(['verify', ...identity(open), '--use-signed-timestamps', stamped]);

  const predicate = await open.file('predicate.json', '{"answer":42}');
  await cosign2.must(['attest', ...services, ...token, '--predicate', predicate, image]);
  await cosign2.must(['verify-attestation', ...identity(open), image]);
  // What cosign 2 wrote verifies with cosign 3, too.
  await open.clients.cosign3.must(['verify', ...identity(open), image]);
});

test('a CI identity: its extensions are what a verifier can ask for', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const trusted = JSON.parse(await readFile(await open.target('trusted_root.json'), 'utf8'));
  assert.equal(trusted.mediaType, 'application/vnd.dev.sigstore.trustedroot+json;version=0.1');
  assert.equal(trusted.certificateAuthorities.length, 1);
  assert.equal(trusted.tlogs.length, 2);
});
