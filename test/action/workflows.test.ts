/** Every workflow, the starter ones too, and `action.yml`, as GitHub's own parser reads them. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ActionsMetadataProvider } from '@actions/languageservice';
import { parse } from 'yaml';
import { knownFailures } from '../../src/action/explain.ts';
import { inputSpecs, outputSpecs } from '../../src/action/inputs.ts';
import { action, workflowText } from '../../src/cli/github-workflow.ts';
import { knownActions } from './known-actions.ts';
import { problemsOf } from './language-service.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The one place that says so is package.json. */
const [repository = '', major = ''] = action.split('@');

/** Knows this action as it is here, and those of others as they were; any other is an error. */
async function metadataProvider(): Promise<ActionsMetadataProvider> {
  const own = parse(await readFile(join(root, 'action.yml'), 'utf8'));
  return {
    async fetchActionMetadata({ owner, name, ref }) {
      const other = `${owner}/${name}`;
      if (other === repository) {
        assert.equal(ref, major, `${other}@${ref}: the starter workflows name the major version`);
        return own;
      }
      const known = knownActions[`${other}@${ref.split('.')[0]}`] ?? byCommit(other);
      assert.ok(known !== undefined, `${other}@${ref} is not among the known actions`);
      const describe = (names: readonly string[]) =>
        Object.fromEntries(
          names.map((one) => [one, { description: one, required: known.required.includes(one) }]),
        );
      return {
        name: other,
        description: other,
        inputs: describe(known.inputs),
        outputs: describe(known.outputs),
      };
    },
  };
}

/** Our own workflows name a commit, and say the version in a comment. */
function byCommit(other: string): (typeof knownActions)[string] | undefined {
  const key = Object.keys(knownActions).find((one) => one.startsWith(`${other}@`));
  return key === undefined ? undefined : knownActions[key];
}

async function problems(path: string, text?: string): Promise<readonly string[]> {
  const content = text ?? (await readFile(join(root, path), 'utf8'));
  return problemsOf(path, content, await metadataProvider());
}

const examples = (await readdir(join(root, 'examples'))).filter((name) => name.endsWith('.yml')).sort();
const workflows = (await readdir(join(root, '.github', 'workflows'))).sort();

suite('action.yml', () => {
  test('is in order', async () => {
    assert.deepEqual(await problems('action.yml'), []);
    assert.notDeepEqual(await problems('action.yml', 'name: x\nruns:\n  using: node24\n'), []);
  });

  test('says what the table of inputs says', async () => {
    const { inputs, outputs, runs } = parse(await readFile(join(root, 'action.yml'), 'utf8'));
    assert.deepEqual(runs, { using: 'node24', main: 'dist/action/boltseal-action.cjs' });
    const table = inputSpecs.map(({ name, description, default: value }) => [
      name,
      { description, ...(value === undefined ? {} : { default: value }) },
    ]);
    assert.deepEqual(Object.entries(inputs), table);
    assert.deepEqual(
      Object.entries(outputs),
      outputSpecs.map(({ name, description }) => [name, { description }]),
    );
  });

  test('an input that refuses to be empty has a default that stands for nothing', () => {
    for (const { name, default: value, refusesEmpty } of inputSpecs)
      if (refusesEmpty) assert.match(value ?? '', /^[a-z]+$/, name);
  });
});

suite('workflows', () => {
  test('there is one for each case', () => {
    const cases = ['key', 'keyless', 'private-sigstore', 'multi-arch'].map(
      (one) => `sign-${one === 'key' ? 'with-key' : one}.yml`,
    );
    assert.deepEqual(examples, [...cases, 'verify-before-deploy.yml'].sort());
  });

  for (const path of [
    ...examples.map((name) => `examples/${name}`),
    ...workflows.map((name) => `.github/workflows/${name}`),
  ]) {
    test(`${path} is in order`, async () => {
      assert.deepEqual(await problems(path), []);
    });

    test(`${path} gives no job more than it needs`, async () => {
      const workflow = parse(await readFile(join(root, path), 'utf8'));
      const isOwn = path.startsWith('.github');
      assert.ok(workflow.permissions !== undefined, 'permissions are said for the whole workflow');
      for (const [name, job] of Object.entries<{
        permissions?: object;
        steps: { uses?: string; with?: object }[];
      }>(workflow.jobs)) {
        const permissions = (job.permissions ?? {}) as Record<string, string>;
        for (const { uses = '', with: inputs = {} } of job.steps) {
          const isSigning = (uses.startsWith(`${repository}@`) || uses === './') && !('mode' in inputs);
          if (isSigning && !('key' in inputs)) assert.equal(permissions['id-token'], 'write', name);
          if (isOwn && uses !== './' && uses !== '') assert.match(uses, /@[0-9a-f]{40}$/, uses);
        }
      }
    });
  }

  test('what `boltseal init github` writes is in order', async () => {
    for (const keyless of [true, false]) {
      const text = workflowText({ registry: 'ghcr.io', keyless });
      assert.deepEqual(await problems('sign.yml', text), []);
    }
  });

  test('the parser notices what is wrong_fail', async () => {
    const good = await readFile(join(root, 'examples', 'sign-keyless.yml'), 'utf8');
    for (const [from, to] of [
      ['workflow-annotations: true', 'workflow-anotations: true'],
      ['needs.build.outputs.digest', 'needs.build.outputs.diggest'],
      ['steps.build.outputs.digest', 'steps.built.outputs.digest'],
      ['id-token: write', 'id-token: all'],
      ['runs-on: ubuntu-latest', 'run-on: ubuntu-latest'],
    ] as const) {
      const bad = good.replace(from, to);
      assert.notEqual(bad, good, from);
      assert.notDeepEqual(await problems('examples/sign-keyless.yml', bad), [], to);
    }
  });

  test('every page that names the action names it as package.json does', async () => {
    const guides = (await readdir(join(root, 'docs', 'guide'))).map((name) => `docs/guide/${name}`);
    const pages = ['README.md', ...guides, ...examples.map((name) => `examples/${name}`)];
    const naming = new Set<string>();
    for (const page of pages) {
      const text = await readFile(join(root, page), 'utf8');
      for (const [, one] of text.matchAll(/uses: (\S*boltseal\S*)/g)) {
        assert.equal(one, action, page);
        naming.add(page);
      }
    }
    for (const page of ['README.md', 'docs/guide/github-actions.md']) assert.ok(naming.has(page), page);
  });

  test('the guide tells every input and output, and every failure that is known', async () => {
    const guide = await readFile(join(root, 'docs', 'guide', 'github-actions.md'), 'utf8');
    for (const { name, default: value } of inputSpecs) {
      const [, line = ''] = new RegExp(`^(\\| \`${name}\` +\\|.*)$`, 'm').exec(guide) ?? [];
      assert.notEqual(line, '', name);
      // That of the token is an expression.
      if (value !== undefined && !value.includes('{'))
        assert.ok(line.includes(`\`${value}\``), `${name}: ${value}`);
    }
    for (const { name } of outputSpecs) assert.ok(guide.includes(`| \`${name}\` `), name);
    for (const { text } of knownFailures) assert.ok(guide.includes(`| \`${text}\` `), text);
  });
});
