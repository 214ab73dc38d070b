/** The toolkit beside GitHub's own, `@actions/core`: the same files and commands, byte for byte. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as core from '@actions/core';
import fc from 'fast-check';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { tokenTime, unverifiedToken } from '../../test/support/unverified-token.ts';
import { githubActionsSource } from '../identity/sources/github-actions.ts';
import { createRuntime } from '../node/runtime.ts';
import { createToolkit, readInput, readLines, type Toolkit } from './toolkit.ts';

/** What `work` of @actions/core prints, with these variables. */
async function ofCore(env: Record<string, string>, work: () => unknown): Promise<string> {
  const before = { ...process.env };
  const { write } = process.stdout;
  let printed = '';
  process.stdout.write = ((chunk: string | Uint8Array) => {
    // The test runner, which writes bytes, goes on reporting.
    if (typeof chunk !== 'string') return write.call(process.stdout, chunk);
    printed += chunk;
    return true;
  }) as typeof process.stdout.write;
  try {
    Object.assign(process.env, env);
    await work();
  } finally {
    process.stdout.write = write;
    process.env = before;
  }
  return printed;
}

function ofOurs(
  env: Record<string, string>,
  work: (toolkit: Toolkit) => unknown,
  platform: NodeJS.Platform = process.platform,
): string {
  let printed = '';
  const stdout = { write: (text: string) => (printed += text) };
  work(createToolkit({ env, platform, stdout, signal: new AbortController().signal }));
  return printed;
}

/** Texts that are hard on commands. */
const texts = [
  'plain',
  '',
  'a: b, c',
  '100% of\r\ntwo lines\n',
  '::error::not a command',
  'C:\\actions-runner\\_work\\_temp\\bundle.json',
  'ünïcode ✅',
  ' spaces ',
];

describe('commands', () => {
  test('are those of @actions/core', async () => {
    for (const text of texts) {
      if (text !== '')
        assert.equal(
          ofOurs({}, (ours) => ours.mask(text)),
          await ofCore({}, () => core.setSecret(text)),
        );
      const title = text === '' ? 't' : text.replace(/[\r\n]/g, ' ');
      // A carriage return is written as what it is: it would steer a terminal.
      const message = text.replaceAll('\r', '');
      assert.equal(
        ofOurs({}, (ours) => {
          ours.notice(message, { title });
          ours.warning(message, { title });
          ours.error(message, { title });
          ours.error(message);
          ours.debug(message);
        }),
        await ofCore({}, () => {
          core.notice(message, { title });
          core.warning(message, { title });
          core.error(message, { title });
          core.error(message);
          core.debug(message);
        }),
        text,
      );
    }
  });

  test('groups, also when what is in them fails', async () => {
    const ours: string[] = [];
    const toolkit = createToolkit({
      env: {},
      platform: process.platform,
      stdout: { write: (text: string) => ours.push(text) },
      signal: new AbortController().signal,
    });
    await toolkit.group('Signing: a', async () => toolkit.info('x'));
    await assert.rejects(toolkit.group('b', () => Promise.reject(new Error('no'))));
    const theirs = await ofCore({}, async () => {
      await core.group('Signing: a', async () => core.info('x'));
      await core.group('b', () => Promise.reject(new Error('no'))).catch(() => undefined);
    });
    assert.equal(ours.join(''), theirs);
  });

  test('nothing secret is printed for an empty value, which would hide everything', () => {
    assert.equal(
      ofOurs({}, (ours) => ours.mask('')),
      '',
    );
  });
});

describe('the log', () => {
  test('no text becomes a command_fail', () => {
    const hostile = [
      '::set-output name=x::y',
      '  ::add-mask::a',
      'fine\n::stop-commands::x',
      '\u00a0::error::x',
      'a ##[error]b',
      'a\r::error::b',
    ];
    for (const text of hostile) {
      const lines = ofOurs({}, (ours) => ours.info(text)).split(/\r?\n|\r/);
      for (const line of lines) {
        assert.ok(!line.trim().startsWith('::'), line);
        assert.ok(!line.includes('##['), line);
      }
    }
  });

  test('whatever is printed, the runner finds no command in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom('', '::', '##[', '\n::a::'), (a, b) => {
        const printed = ofOurs({}, (ours) => ours.info(`${b}${a}${b}${a}`));
        for (const line of printed.split(/[\r\n]/))
          assert.ok(!line.trim().startsWith('::') && !line.includes('##['));
      }),
    );
  });
});

describe('outputs and summary', () => {
  /** The file after both wrote the same, delimiters made equal. */
  const equalFiles = async (
    t: Parameters<typeof temporaryDirectory>[0],
    variable: string,
    theirs: () => unknown,
    ours: (toolkit: Toolkit) => unknown,
  ): Promise<void> => {
    const folder = await temporaryDirectory(t);
    const [a, b] = [join(folder, 'theirs'), join(folder, 'ours')];
    for (const path of [a, b]) writeFileSync(path, '');
    await ofCore({ [variable]: a }, theirs);
    ofOurs({ [variable]: b }, ours);
    const read = (path: string): string =>
      readFileSync(path, 'utf8').replace(/ghadelimiter_[0-9a-f-]{36}/g, 'ghadelimiter');
    assert.equal(read(b), read(a));
  };

  test('are written as @actions/core writes them', async (t) => {
    for (const text of [...texts, 'ghadelimiter_x\ny', 'a=b<<c\nghadelimiter']) {
      await equalFiles(
        t,
        'GITHUB_OUTPUT',
        () => core.setOutput('bundles', text),
        (ours) => ours.setOutput('bundles', text),
      );
    }
    await equalFiles(
      t,
      'GITHUB_STEP_SUMMARY',
      async () => {
        await core.summary.addRaw('### a\n\n| `b` |\n').write();
        await core.summary.addRaw('more\n').write();
      },
      (ours) => {
        ours.addSummary('### a\n\n| `b` |\n');
        ours.addSummary('more\n');
      },
    );
  });

  test('no value ends itself and begins another output_fail', async (t) => {
    const path = join(await temporaryDirectory(t), 'output');
    const hostile = 'x\nghadelimiter_00000000-0000-4000-8000-000000000000\nstolen=1\n';
    writeFileSync(path, '');
    ofOurs({ GITHUB_OUTPUT: path }, (ours) => ours.setOutput('digests', hostile));
    const [, delimiter = '', value] =
      /^digests<<(.+)\n([\s\S]*)\n\1\n$/.exec(readFileSync(path, 'utf8')) ?? [];
    assert.equal(value, hostile);
    assert.ok(!hostile.includes(delimiter));
  });

  test('lines end as on the platform', async (t) => {
    const path = join(await temporaryDirectory(t), 'output');
    writeFileSync(path, '');
    const printed = ofOurs(
      { GITHUB_OUTPUT: path },
      (ours) => {
        ours.info('a\nb');
        ours.notice('c');
        ours.setOutput('bundles', 'D:\\a\\_temp\\x.json');
      },
      'win32',
    );
    assert.equal(printed, 'a\r\nb\r\n::notice::c\r\n');
    const text = readFileSync(path, 'utf8').replace(/ghadelimiter_[0-9a-f-]{36}/g, 'd');
    assert.equal(text, 'bundles<<d\r\nD:\\a\\_temp\\x.json\r\nd\r\n');
  });

  test('a step without the files says nothing, and a file that cannot be written is an error', async (t) => {
    assert.equal(
      ofOurs({}, (ours) => ours.setOutput('a', 'b')),
      '',
    );
    const missing = join(await temporaryDirectory(t), 'not', 'there');
    assert.throws(() => ofOurs({ GITHUB_STEP_SUMMARY: missing }, (ours) => ours.addSummary('x')), {
      code: 'ERR_FILE_WRITE',
    });
  });
});

describe('inputs', () => {
  test('are read as @actions/core reads them', async () => {
    const values = [...texts, 'a\nb\n\n  c  \n', '\r\nx\r\ny\r\n'];
    for (const value of values) {
      const env = { 'INPUT_METADATA-FILE': value };
      await ofCore(env, () => {
        assert.equal(readInput(process.env, 'metadata-file'), core.getInput('metadata-file'));
        assert.deepEqual(readLines(process.env, 'metadata-file'), core.getMultilineInput('metadata-file'));
      });
    }
    assert.equal(readInput({}, 'not-given'), core.getInput('not-given'));
  });
});

test('an identity token is asked for as @actions/core asks', async () => {
  const token = unverifiedToken({ sub: 'repo:acme/app:ref:refs/heads/main' });
  const asked: unknown[] = [];
  const server = createServer((request, response) => {
    const { authorization = '' } = request.headers;
    asked.push([request.method, request.url, authorization.toLowerCase()]);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ count: 1, value: token }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/t?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-run',
    };
    const masked = await ofCore(env, async () => assert.equal(await core.getIDToken('sigstore'), token));
    // The action does the same; test/action looks at it.
    assert.match(masked, new RegExp(`^::add-mask::${token}$`, 'm'));
    const runtime = { ...createRuntime({ env }), now: () => tokenTime };
    const signal = new AbortController().signal;
    assert.equal(await githubActionsSource.getToken({ runtime, audience: 'sigstore', signal }), token);
    assert.equal(asked.length, 2);
    assert.deepEqual(asked[1], asked[0]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
