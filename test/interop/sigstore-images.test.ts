/** Who verifies whose images, signed with an identity or with a key that is logged, on one private Sigstore. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it, test } from 'node:test';
import { pushSmallIndex } from '../support/small-image.ts';
import { knownImageFailure } from './known-failures.ts';
import { checkSection, numbered, observations, table } from './page.ts';
import {
  type ImageSigning,
  imageSignings,
  imageVerifierNames,
  newImage,
  olderFormat,
  serviceFlags,
  signImage,
  verifyImage,
  type Who,
} from './sigstore-image-peers.ts';
import { blobPeers, signingConfigOf } from './sigstore-peers.ts';
import { email, initialized, useSigstore } from './sigstore-session.ts';

const session = useSigstore();

/** With a key Boltseal writes both formats also where the log is of Rekor v2. */
const signings: readonly (ImageSigning & { readonly who: Who })[] = [
  ...imageSignings.map((signing) => ({ ...signing, who: 'identity' as const })),
  ...imageSignings.map((signing) => ({
    ...signing,
    ...(signing.signer === 'Boltseal' && signing.log === 'Rekor v2'
      ? { storage: 'both formats' as const }
      : {}),
    who: 'key' as const,
  })),
];

/** How the clients say that somebody else signed. */
const refusals: Readonly<Record<Who, RegExp>> = {
  identity: /other@example\.com|none of the expected identities/,
  key: /does not match|comparing public key PEMs|does not verify with the key|signature verification failed/,
};

/** What was observed: an outcome, and the reason where it is not a success. */
interface Outcome {
  readonly text: 'yes' | 'no' | '–';
  readonly reason?: string;
}

const outcomes = new Map<string, Outcome>();
const found = observations();
const titleOf = ({ signer, storage, log }: ImageSigning): string => `${signer}, ${storage}, ${log}`;

test('the first entry of the log, which cosign 2 takes for missing, is nobody’s here', async (t) => {
  const open = await session(t);
  if (open !== undefined) await blobPeers.Boltseal.sign(open, 'Rekor v1', 'blob');
});

for (const who of ['identity', 'key'] as const) {
  describe(`signed with ${who === 'key' ? 'a key' : 'an identity'}`, { concurrency: 2 }, () => {
    for (const signing of signings.filter((one) => one.who === who)) {
      it(`by ${titleOf(signing)}`, async (t) => {
        const open = await session(t);
        if (open === undefined) return;
        const image = await newImage(open);
        await signImage(open, image.reference, signing, { who });
        for (const verifier of imageVerifierNames) {
          const cell = [who, titleOf(signing), verifier].join('/');
          const verified = await verifyImage(open, verifier, image, { who });
          if (verified === undefined) {
            assert.equal(signing.storage, 'cosign format');
            outcomes.set(cell, { text: '–' });
            continue;
          }
          const known = knownImageFailure(verifier, { ...signing, who });
          const { ok, message } = verified;
          assert.equal(ok, known === undefined, `${verifier}: ${message}`);
          if (known !== undefined) assert.match(message, known.says);
          outcomes.set(cell, known === undefined ? { text: 'yes' } : { text: 'no', reason: known.reason });
        }
      });
    }

    const row = found.expect(`another ${who}`);
    it(`another ${who} is refused by everybody`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      const image = await newImage(open);
      const signing = { signer: 'Boltseal', storage: 'both formats', log: 'Rekor v1' } as const;
      await signImage(open, image.reference, signing, { who });
      for (const verifier of imageVerifierNames) {
        const verified = await verifyImage(open, verifier, image, { who, isOther: true });
        assert.equal(verified?.ok, false, verifier);
        assert.match(verified.message, refusals[who]);
      }
      row.observed('all refuse');
    });
  });
}

describe('an index', () => {
  const row = found.expect('an index and its platforms, `boltseal sign --recursive`');
  test('each platform has its own signature', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const index = await pushSmallIndex(open.server, 'sigstore/index', { content: 'an index\n' });
    const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
    await open.clients.boltseal.must(['sign', '--recursive', '-a', 'env=prod', index.reference], token);
    for (const image of [index, ...index.children]) {
      for (const verifier of ['Boltseal', 'cosign 3', 'cosign 2'] as const) {
        const verified = await verifyImage(open, verifier, image, { who: 'identity' });
        assert.ok(verified?.ok, `${verifier}: ${verified?.message}`);
      }
    }
    row.observed('Boltseal, cosign 3 and cosign 2 verify each');
  });
});

describe('attestations by an identity', { concurrency: 2 }, () => {
  const type = ['--type', 'https://example.com/review/v1'];
  const cases = [
    { by: 'Boltseal', ending: '', readers: ['Boltseal', 'cosign 3', 'cosign 2'] },
    { by: 'cosign 3', ending: '', readers: ['Boltseal', 'cosign 3'] },
    // Its timestamp there is of the signature, where it and cosign 2 look for one of the envelope.
    { by: 'cosign 3', ending: ', `.att` and a timestamp', readers: ['Boltseal'] },
    { by: 'cosign 2', ending: ', `.att`', readers: ['Boltseal', 'cosign 3', 'cosign 2'] },
  ] as const;
  for (const { by, ending, readers } of cases) {
    const row = found.expect(`an image attested by ${by}${ending}`);
    test(`${by}${ending}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      await initialized(open);
      const { boltseal, cosign3, cosign2 } = open.clients;
      const clients = { Boltseal: boltseal, 'cosign 3': cosign3, 'cosign 2': cosign2 };
      const image = await newImage(open);
      const predicate = await open.file('review.json', '{"verdict":"good"}');
      const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
      const older = ending === '' ? [] : [...(by === 'cosign 3' ? olderFormat : []), ...serviceFlags(open)];
      const words = ['attest', '--yes', '--predicate', predicate, ...type, ...new Set(older)];
      await clients[by].must([...words, image.reference], token);
      for (const reader of ['Boltseal', 'cosign 3', 'cosign 2'] as const) {
        const who = ['--certificate-identity', email, '--certificate-oidc-issuer', open.server.url];
        const log = reader === 'cosign 2' ? ['--rekor-url', `${open.server.url}/rekor`] : [];
        const verify = ['verify-attestation', ...who, ...type, ...log, '--use-signed-timestamps'];
        const { code, stderr } = await clients[reader].run([...verify, image.reference]);
        const accepts = (readers as readonly string[]).includes(reader);
        assert.equal(code === 0, accepts, `${reader}: ${stderr}`);
      }
      row.observed(`${readers.join(', ')} ${readers.length === 1 ? 'verifies' : 'verify'} it`);
    });
  }
});

describe('less than everything', { concurrency: 2 }, () => {
  // What a signing configuration leaves out, our flag for the same, and what verifiers are not to ask for then.
  const cases = [
    {
      what: 'without a log, `boltseal sign --log none`',
      empty: { rekorTlogUrls: [], rekorTlogConfig: {} },
      flags: ['--log', 'none'],
      asked: ['--insecure-ignore-tlog', '--use-signed-timestamps'],
    },
    {
      what: 'without a timestamp, `boltseal sign --no-timestamp`',
      empty: { tsaUrls: [], tsaConfig: {} },
      flags: ['--no-timestamp'],
      asked: [],
    },
  ] as const;
  for (const { what, empty, flags, asked } of cases) {
    const row = found.expect(`an image signed ${what}`);
    test(what, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      await initialized(open);
      const { boltseal, cosign3, cosign2 } = open.clients;
      const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
      const config = JSON.parse(await readFile(await signingConfigOf(open, 'Rekor v1'), 'utf8'));
      const file = await open.file(`less${flags[0]}.json`, JSON.stringify({ ...config, ...empty }));
      const verify = [
        'verify',
        '--certificate-identity',
        email,
        '--certificate-oidc-issuer',
        open.server.url,
      ];
      const [ours, theirs] = [await newImage(open), await newImage(open)];
      const signed = await boltseal.must(['sign', ...flags, ours.reference], token);
      await cosign3.must(['sign', '--yes', '--signing-config', file, theirs.reference], token);
      // What Boltseal says to verify with is good for cosign, too.
      const [, said = ''] = /^verify with: boltseal (.*)$/m.exec(signed.stderr) ?? [];
      for (const client of [boltseal, cosign3, cosign2]) await client.must(said.split(' '));
      for (const client of [boltseal, cosign3]) await client.must([...verify, ...asked, theirs.reference]);
      if (asked.length > 0) assert.equal((await boltseal.run([...verify, theirs.reference])).code, 12);
      const needed = asked.length === 0 ? '' : `; they have to be told (\`${asked.join(' ')}\`)`;
      row.observed(
        `Boltseal, cosign 3 and cosign 2 verify it with the words that Boltseal prints, and Boltseal what cosign 3 signs so${needed}`,
      );
    });
  }
});

describe('command lines of cosign', { concurrency: 2 }, () => {
  const signRows = ['cosign 2', 'cosign 3'].map((name) =>
    found.expect(`what was written for ${name}, run with \`boltseal\` in its place: \`sign\``),
  );
  test('sign', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    await initialized(open);
    const token = await open.server.token(email);
    const services = [...serviceFlags(open), '--oidc-issuer', open.server.url];
    const config = ['--signing-config', await signingConfigOf(open, 'Rekor v1')];
    const trust = ['--trusted-root', await open.target('trusted_root.json')];
    const file = ['--identity-token', await open.file('token', `${token}\n`)];
    const lines = [
      [...services, '--identity-token', token, '--tlog-upload=true'],
      ['--yes', ...config, ...trust, ...file],
    ];
    for (const [index, words] of lines.entries()) {
      const image = await newImage(open);
      await open.clients.boltseal.must(['sign', ...words, '-a', 'env=prod', image.reference]);
      for (const verifier of imageVerifierNames) {
        const verified = await verifyImage(open, verifier, image, { who: 'identity' });
        assert.ok(verified?.ok, `${verifier}: ${verified?.message}`);
      }
      const flags = index === 0 ? '--fulcio-url --rekor-url …' : '--signing-config --trusted-root';
      signRows[index]?.observed(`signs with \`${flags}\`; everybody verifies`);
    }
  });

  const verifyRow = found.expect('the same: `verify`');
  test('verify', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    await initialized(open);
    const { reference } = await newImage(open);
    const signing = { signer: 'cosign 2', storage: 'cosign format', log: 'Rekor v1' } as const;
    await signImage(open, reference, signing, { who: 'identity' });
    const { url } = open.server;
    const pattern = `^${url.replaceAll('.', '\\.')}$`;
    const who = ['--certificate-identity', email, '--certificate-oidc-issuer', url];
    const env = { COSIGN_CERTIFICATE_IDENTITY: email, COSIGN_CERTIFICATE_OIDC_ISSUER: url };
    const lines: readonly (readonly [words: readonly string[], env?: typeof env])[] = [
      [[...who, '--rekor-url', `${url}/rekor`]],
      [[...who, '--offline']],
      [['--cert-identity', email, '--cert-oidc-issuer', url]],
      [['--certificate-identity-regexp', '^dev@', '--certificate-oidc-issuer', url]],
      [['--certificate-identity-regexp', '^dev@example\\.com$', '--certificate-oidc-issuer-regexp', pattern]],
      [[...who, '--insecure-ignore-sct', '--insecure-ignore-tlog', '--use-signed-timestamps']],
      [[], env],
    ];
    for (const [words, given] of lines) {
      for (const name of ['boltseal', 'cosign2'] as const) {
        const { code, stderr } = await open.clients[name].run(['verify', ...words, reference], given);
        // The one difference: a pattern that is not anchored.
        const isRefused = name === 'boltseal' && words[1] === '^dev@';
        assert.equal(code, isRefused ? 2 : 0, `${words.join(' ')}: ${stderr}`);
      }
    }
    verifyRow.observed(
      '`--offline`, `--rekor-url`, `--cert-identity`, patterns, environment variables: as cosign 2. A pattern that is not anchored is refused',
    );
  });
});

describe('attestations', () => {
  const row = found.expect(
    'an image that has only an attestation, by `cosign attest` of cosign 3 and cosign 2',
  );
  test('attestations are no signatures', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    const { cosign3, cosign2 } = open.clients;
    const predicate = ['--predicate', await open.file('predicate.json', '{"answer":42}')];
    const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
    const identity = ['--certificate-identity', email, '--certificate-oidc-issuer', open.server.url];
    const [byThree, byTwo] = [await newImage(open), await newImage(open)];
    await cosign3.must(['attest', '--yes', ...predicate, byThree.reference], token);
    await cosign2.must(['attest', ...serviceFlags(open), ...predicate, byTwo.reference], token);
    await cosign3.must(['verify-attestation', ...identity, byThree.reference]);
    for (const cosign of [cosign3, cosign2]) {
      await cosign.must(['verify-attestation', ...identity, byTwo.reference]);
    }
    await cosign3.must(['verify', ...identity, byThree.reference]);
    assert.notEqual((await cosign3.run(['verify', ...identity, byTwo.reference])).code, 0);
    for (const { reference } of [byThree, byTwo]) {
      assert.equal((await open.clients.boltseal.run(['verify', ...identity, reference])).code, 10);
    }
    row.observed(
      'both verify it with `verify-attestation`. Boltseal says that nobody signed the image. **Defect of cosign 3:** its `verify` takes its own attestation for a signature',
    );
  });
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  const notes = numbered();
  const head = ['Signed', ...imageVerifierNames.map((name) => `${name} verifies`)];
  const tables = (['identity', 'key'] as const).map((who) => {
    const rows = signings
      .filter((one) => one.who === who)
      .map((signing) => [
        titleOf(signing),
        ...imageVerifierNames.map((verifier) => {
          const { text, reason } = outcomes.get([who, titleOf(signing), verifier].join('/')) ?? { text: '?' };
          return reason === undefined ? text : `${text} ${notes.note(reason)}`;
        }),
      ]);
    return table(head, rows);
  });
  await checkSection(
    'identities',
    [
      'Images with an annotation, signed keyless. Everybody is asked for the identity, a log entry and a timestamp; sigstore-go and npm sigstore, which sign no images, verify the bundle of the image:',
      tables[0],
      'The same with a key pair, logged and timestamped (`boltseal sign --key cosign.key --log private`):',
      tables[1],
      notes.list(),
      table(['Image', 'Outcome'], found.rows()),
    ].join('\n\n'),
  );
});
