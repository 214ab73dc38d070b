import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { commands } from '../../src/cli/commands/table.ts';
import { rootWords } from '../../src/cli/completion/words.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Why a shell’s tests cannot run here, or false. */
function missing(shell: string): string | false {
  const { status } = spawnSync(shell, ['-c', 'exit 0']);
  return status === 0 ? false : `${shell} not found`;
}

const scripts = new Map<string, string>();

before(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runInProcess(['completion', shell]);
    assert.equal(code, 0);
    scripts.set(shell, stdout);
  }
});

function scriptOf(shell: string): string {
  return scripts.get(shell) ?? assert.fail();
}

/** What bash offers for the last of `words`, as readline splits them. */
function bashOffers(words: readonly string[], cwd: string): readonly string[] {
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const program = `${scriptOf('bash')}
COMP_WORDS=(${quoted}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _boltseal
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', program], { encoding: 'utf8', cwd });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes commands, flags, values and files', { skip: missing('bash') }, async (t) => {
  const folder = await temporaryDirectory(t);
  await writeFile(join(folder, 'cosign.key'), '');
  const offers = (...words: string[]): readonly string[] => bashOffers(['boltseal', ...words], folder);
  assert.deepEqual(offers(''), rootWords(commands));
  assert.deepEqual(offers('ver'), ['verify', 'verify-attestation', 'verify-blob', 'version']);
  assert.deepEqual(offers('download', ''), ['signature']);
  assert.deepEqual(offers('sign', '--rec'), ['--recursive']);
  assert.deepEqual(offers('sign', '--no-u'), ['--no-upload']);
  assert.deepEqual(offers('sign', '--format', ''), ['bundle', 'cosign', 'both']);
  assert.deepEqual(offers('sign', '--format', '=', 'b'), ['bundle', 'both']);
  assert.deepEqual(offers('sign', '--format', '='), ['bundle', 'cosign', 'both']);
  assert.deepEqual(offers('sign', '--key', 'cos'), ['cosign.key']);
  assert.deepEqual(offers('sign', '-a', ''), []);
  assert.deepEqual(offers('-t', '5m', 'verify', '-o', ''), ['cosign', 'text', 'json']);
  assert.deepEqual(offers('--timeout', '=', '5m', 'verify', '--exp'), ['--explain']);
  assert.deepEqual(offers('completion', ''), ['bash', 'zsh', 'fish']);
  assert.deepEqual(offers('help', 'tri'), ['triangulate']);
  assert.deepEqual(offers('download', 'signature', '--out'), ['--output', '--output-file']);
  assert.deepEqual(offers('sign', 'image', '--k'), ['--key']);
});

/** What fish offers for a command line. */
function fishOffers(line: string): readonly string[] {
  const program = `${scriptOf('fish')}\ncomplete -C '${line}'`;
  const stdout = execFileSync('fish', ['--no-config', '-c', program], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((row) => (row === '' ? [] : [row.split('\t')[0] ?? '']));
}

test('fish completes commands, flags and values', { skip: missing('fish') }, () => {
  assert.deepEqual(fishOffers('boltseal ver').toSorted(), [
    'verify',
    'verify-attestation',
    'verify-blob',
    'version',
  ]);
  assert.deepEqual(fishOffers('boltseal ').toSorted(), [...rootWords(commands)].sort());
  assert.deepEqual(fishOffers('boltseal download ').toSorted(), ['signature']);
  assert.deepEqual(fishOffers('boltseal sign --rec'), ['--recursive']);
  assert.deepEqual(fishOffers('boltseal sign --format ').toSorted(), ['both', 'bundle', 'cosign']);
  assert.deepEqual(fishOffers('boltseal completion ').toSorted(), ['bash', 'fish', 'zsh']);
  assert.ok(fishOffers('boltseal download signature --reg').includes('--registry-token'));
});

/** The specifications that the zsh script hands to zsh’s own `_arguments` when `words` stand on the line. */
function zshSpecifications(words: readonly string[]): readonly string[] {
  const program = `
compdef() { : }
_describe() { print -rl -- "\${(@P)2}" }
_arguments() {
  if [[ $1 == -C ]]; then
    state=command
    words=(${words.map((word) => `'${word}'`).join(' ')})
    CURRENT=$#words
  else
    print -rl -- "$@"
  fi
}
${scriptOf('zsh')}
_boltseal`;
  return execFileSync('zsh', ['-f', '-c', program], { encoding: 'utf8' }).split('\n');
}

test('zsh gets the flags, values and files of the command on the line', { skip: missing('zsh') }, () => {
  const sign = zshSpecifications(['sign', '']);
  assert.ok(sign.some((spec) => spec.startsWith('--recursive[')));
  assert.ok(sign.some((spec) => spec.startsWith('--no-upload[')));
  assert.ok(
    sign.some((spec) => spec.startsWith('--format=[') && spec.endsWith(':format:(bundle cosign both)')),
  );
  assert.ok(sign.some((spec) => spec.startsWith('--key=[') && spec.endsWith(':_files')));
  assert.ok(sign.some((spec) => spec.startsWith('*-a+[')));
  assert.ok(
    zshSpecifications(['download', 'signature', '']).some((spec) => spec.startsWith('--registry-token=[')),
  );
  assert.deepEqual(zshSpecifications(['download', '']).slice(0, 1), [
    'signature:print the signatures of an image',
  ]);
  assert.ok(zshSpecifications(['completion', '']).includes('1:SHELL:(bash zsh fish)'));
});
