/** What only cosign does with a private Sigstore: attestations of images, and the device flow. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../support/programs.ts';
import { newImage, serviceFlags } from './sigstore-image-peers.ts';
import { email, initialized, type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();

function identity({ server }: SigstoreSession): readonly string[] {
  return ['--certificate-identity', email, '--certificate-oidc-issuer', server.url];
}

test('both cosigns attest, and cosign 3 verifies what either attested', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const { cosign3, cosign2 } = open.clients;
  const predicate = ['--predicate', await open.file('predicate.json', '{"answer":42}')];
  const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
  const { reference } = await newImage(open);
  // The entry with index 0 is one that cosign 2 takes for missing.
  await cosign3.must(['attest', '--yes', ...predicate, reference], token);
  await cosign3.must(['verify-attestation', ...identity(open), reference]);
  const other = await newImage(open);
  await cosign2.must(['attest', ...serviceFlags(open), ...predicate, other.reference], token);
  for (const cosign of [cosign2, cosign3]) {
    await cosign.must(['verify-attestation', ...identity(open), other.reference]);
  }
});

test('cosign 3 gets its token by the device flow', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  await initialized(open);
  const { reference: image } = await newImage(open);
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
