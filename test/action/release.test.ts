/** What the steps of the release workflow do that need nothing of GitHub, run as its runner runs them. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { cleanEnvironment, type ProgramResult, runProgram } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly run?: string;
}

const workflow: { readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>> } = parse(
  await readFile(join(root, '.github', 'workflows', 'release.yml'), 'utf8'),
);

function scriptOf(job: string, name: string): string {
  const script = workflow.jobs[job]?.steps.find((step) => step.name === name)?.run;
  assert.ok(script !== undefined, `${job} has no step ${name}`);
  return script;
}

/** A checkout of a small repository that has an action, and the one it was cloned from. */
async function checkout(t: TestContext) {
  const folder = await temporaryDirectory(t);
  const [origin, work, output] = ['origin', 'work', 'output'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const env = { ...(await cleanEnvironment(folder)), HOME: folder, GITHUB_OUTPUT: output };
  const git = async (...words: readonly string[]): Promise<string> => {
    const result = await runProgram('git', words, { cwd: folder, env });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout.trim();
  };
  await git('init', '--quiet', '--bare', '--initial-branch=main', origin);
  await git('clone', '--quiet', origin, work);
  for (const file of ['action.yml', '.gitignore']) await cp(join(root, file), join(work, file));
  await writeFile(join(work, 'package.json'), '{"version":"3.2.1"}');
  const person = ['-c', 'user.name=someone', '-c', 'user.email=someone@example.com'];
  await git('-C', work, 'add', '.');
  await git('-C', work, ...person, 'commit', '--quiet', '--message', 'a commit');
  await git('-C', work, 'push', '--quiet', 'origin', 'HEAD:main');
  return {
    origin,
    work,
    output,
    git,
    /** As the runner does: bash that ends with the first failure. */
    run: (script: string, more: Readonly<Record<string, string>> = {}): Promise<ProgramResult> =>
      runProgram('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
        cwd: work,
        env: { ...env, ...more },
      }),
  };
}

test('a version is released once', async (t) => {
  const { run, git, work, output } = await checkout(t);
  const script = scriptOf('build', 'The version, which was never released');
  const first = await run(script);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(await readFile(output, 'utf8'), 'version=3.2.1\n');
  await git('-C', work, 'push', '--quiet', 'origin', 'HEAD:refs/tags/v3.2.1');
  const second = await run(script);
  assert.equal(second.code, 1);
  assert.match(second.stdout, /^::error::v3\.2\.1 is released already/m);
});

test('tags point to a commit that has the bundle of the action, and main does not', async (t) => {
  const { run, git, work, origin } = await checkout(t);
  const main: string = parse(await readFile(join(root, 'action.yml'), 'utf8')).runs.main;
  const script = scriptOf('tag', 'Tag a commit with the bundle of the action');
  const release = async (version: string, content: string): Promise<void> => {
    await git('-C', work, 'checkout', '--quiet', 'origin/main');
    await mkdir(join(work, 'dist', 'action'), { recursive: true });
    await writeFile(join(work, main), content);
    const { code, stderr } = await run(script, { VERSION: version });
    assert.equal(code, 0, stderr);
  };
  const at = (name: string, file: string): Promise<string> => git('-C', origin, 'show', `${name}:${file}`);
  await release('3.2.1', 'the first');
  assert.deepEqual([await at('v3.2.1', main), await at('v3', main)], ['the first', 'the first']);
  await release('3.3.0', 'the second');
  assert.deepEqual(await Promise.all(['v3.2.1', 'v3.3.0', 'v3'].map((tag) => at(tag, main))), [
    'the first',
    'the second',
    'the second',
  ]);
  assert.equal(await git('-C', origin, 'ls-tree', '-r', '--name-only', 'main', 'dist'), '');
  assert.equal(await git('-C', origin, 'rev-parse', 'v3^'), await git('-C', origin, 'rev-parse', 'main'));
});
