import assert from 'node:assert/strict';
import test from 'node:test';
import { BoltsealError } from '../core/errors.ts';
import { commands } from './commands/table.ts';
import { chooseCommand, type Invocation, parseInvocation, readWords } from './parse.ts';
import { parseBoolean, parseDuration } from './values.ts';

function parse(line: readonly string[], env: Record<string, string> = {}): Invocation {
  const { command, rest } = chooseCommand(line, commands);
  assert.ok(command);
  return parseInvocation(command, readWords(rest, command), env, commands);
}

function refused(line: readonly string[], env: Record<string, string> = {}): BoltsealError {
  try {
    parse(line, env);
  } catch (error) {
    assert.ok(error instanceof BoltsealError);
    assert.equal(error.code, 'ERR_USAGE');
    return error;
  }
  assert.fail(`${line.join(' ')} was accepted`);
}

test('the ways to write a flag', () => {
  const ways: readonly (readonly string[])[] = [
    ['sign', '--key', 'k', '-r', '-a', 'a=1', 'x'],
    ['sign', '--key=k', '--recursive', '--annotations', 'a=1', 'x'],
    ['sign', 'x', '--recursive=true', '-a=a=1', '--key=k'],
    ['sign', '-ra', 'a=1', '--key=k', 'x'],
    ['sign', '-aa=1', '--key=k', '-r', 'x'],
    ['--verbose', 'sign', '--recursive=T', '--annotation', 'a=1', '--key=k', '--', 'x'],
  ];
  for (const way of ways) {
    const { args, flags, command } = parse(way);
    assert.equal(command.name, 'sign');
    assert.deepEqual(args, ['x'], way.join(' '));
    assert.equal(flags.get('key'), 'k');
    assert.equal(flags.get('recursive'), true, way.join(' '));
    assert.deepEqual(flags.get('annotations'), ['a=1'], way.join(' '));
  }
});

test('booleans are turned off in three ways', () => {
  for (const word of ['--no-upload', '--upload=false', '--upload=0', '--no-upload=true']) {
    assert.equal(parse(['sign', word, 'x']).flags.get('upload'), false, word);
  }
  assert.equal(parse(['sign', 'x']).flags.get('upload'), true);
  assert.match(refused(['sign', '--no-key', 'x']).message, /--no-key/);
  assert.match(refused(['sign', '--no-key=true', 'x']).message, /--no-key/);
  assert.match(refused(['sign', '--no-upload=maybe', 'x']).message, /--no-upload/);
  assert.match(refused(['sign', '--upload=maybe', 'x']).message, /true or false/);
});

test('a boolean takes no following word', () => {
  const { args, flags } = parse(['sign', '--upload', 'false', 'x']);
  assert.deepEqual(args, ['false', 'x']);
  assert.equal(flags.get('upload'), true);
});

test('two dashes end the flags', () => {
  assert.deepEqual(parse(['sign', '--', '--key', 'x']).args, ['--key', 'x']);
});

test('annotations repeat, and commas separate them as in cosign', () => {
  const { flags } = parse(['sign', '-a', 'a=1,b=2', '-a', 'note=x, y', '-a', 'url=a=b', 'x']);
  assert.deepEqual(flags.get('annotations'), ['a=1', 'b=2', 'note=x, y', 'url=a=b']);
});

test('a flag given twice must say the same', () => {
  assert.equal(parse(['sign', '--key=k', '--key=k', 'x']).flags.get('key'), 'k');
  refused(['sign', '--key=k', '--key=l', 'x']);
  refused(['sign', '--upload', '--no-upload', 'x']);
});

test('a value that looks like a flag must be attached', () => {
  assert.match(refused(['sign', '--key', '--recursive', 'x']).hint ?? '', /--key=--recursive/);
  assert.equal(parse(['sign', '--key', '-', 'x']).flags.get('key'), '-');
  assert.equal(parse(['sign', '--key=-x', 'x']).flags.get('key'), '-x');
});

test('an empty value is refused: it is an unset variable', () => {
  assert.match(refused(['sign', '--key', '', 'x']).message, /--key is empty/);
  assert.match(refused(['sign', '--key=', 'x']).message, /--key is empty/);
  assert.match(refused(['sign', '--key=k', '']).message, /IMAGE is empty/);
});

test('an unknown flag names the nearest, or the command that has it', () => {
  assert.match(refused(['sign', '--recursiv', 'x']).hint ?? '', /--recursive/);
  assert.match(refused(['sign', '--anotations', 'a=b', 'x']).hint ?? '', /--annotations/);
  assert.match(refused(['tree', '--recursive', 'x']).hint ?? '', /boltseal sign/);
  assert.match(refused(['sign', '-Z', 'x']).message, /-Z/);
  assert.match(refused(['sign', '-key', 'k', 'x']).message, /-k/, 'a long flag with one dash');
});

test('an unknown command names the nearest', () => {
  assert.match(refused(['vrify', 'x']).hint ?? '', /boltseal verify/);
  assert.match(refused(['download', 'signatures', 'x']).hint ?? '', /download signature/);
  assert.match(refused(['--key', 'k', 'sign', 'x']).message, /before the command/);
});

test('arguments are counted', () => {
  assert.match(refused(['sign']).hint ?? '', /Usage: boltseal sign/);
  assert.match(refused(['tree', 'a', 'b']).message, /"b"/);
  assert.match(refused(['version', 'a']).message, /"a"/);
  assert.match(refused(['completion', 'bsh']).hint ?? '', /bash/);
});

test('every flag has two variables, and the command line wins', () => {
  assert.equal(parse(['sign', 'x'], { COSIGN_KEY: 'c' }).flags.get('key'), 'c');
  assert.equal(parse(['sign', 'x'], { COSIGN_KEY: 'c', BOLTSEAL_KEY: 'b' }).flags.get('key'), 'b');
  assert.equal(parse(['sign', '--key=k', 'x'], { BOLTSEAL_KEY: 'b' }).flags.get('key'), 'k');
  assert.equal(parse(['sign', 'x'], { BOLTSEAL_KEY: '', COSIGN_KEY: 'c' }).flags.get('key'), 'c');
  assert.equal(parse(['sign', 'x'], { COSIGN_REPOSITORY: 'r' }).flags.get('signature-repository'), 'r');
  assert.deepEqual(
    parse(['verify', 'x'], { COSIGN_ANNOTATIONS: 'a=1,b=2' }).flags.get('required-annotations'),
    ['a=1', 'b=2'],
  );
  assert.equal(parse(['sign', 'x'], { COSIGN_UPLOAD: 'FALSE' }).flags.get('upload'), false);
  assert.match(refused(['sign', 'x'], { BOLTSEAL_UPLOAD: 'yes' }).message, /BOLTSEAL_UPLOAD/);
  assert.match(refused(['sign', 'x'], { COSIGN_TIMEOUT: '5' }).message, /COSIGN_TIMEOUT/);
});

test('the password of login is taken from no variable', () => {
  assert.equal(parse(['login', 'r'], { COSIGN_PASSWORD: 'p' }).flags.get('password'), undefined);
});

test('flags of cosign: what happens anyway is accepted', () => {
  const signs = [
    '--use-signing-config=false',
    '--use-signing-config',
    '--issue-certificate=false',
    '--sk=false',
  ];
  for (const word of signs) assert.deepEqual(parse(['sign', word, 'x']).args, ['x'], word);
  const verifies = [
    '--experimental-oci11',
    '--new-bundle-format=false',
    '--max-workers=4',
    '--rekor-url=https://rekor.example',
  ];
  for (const word of verifies) assert.deepEqual(parse(['verify', word, 'x']).args, ['x'], word);
  assert.deepEqual(parse(['verify', 'x'], { COSIGN_MAX_WORKERS: '4', COSIGN_EXPERIMENTAL_OCI11: '1' }).args, [
    'x',
  ]);
});

test('flags of cosign: what does not happen is refused with a way to go', () => {
  const lines: readonly (readonly string[])[] = [
    ['sign', '--certificate=c.pem', 'x'],
    ['sign', '--timestamp-client-cert=c.pem', 'x'],
    ['sign', '--sk', 'x'],
    ['verify', '--ca-roots=c.pem', 'x'],
    ['verify', '--timestamp-certificate-chain=c.pem', 'x'],
    ['verify-blob', '--sct=s', 'x'],
    ['sign-blob', '--new-bundle-format=false', 'x'],
  ];
  for (const line of lines) assert.ok((refused(line).hint ?? '').length > 10, line.join(' '));
  assert.match(refused(['verify', 'x'], { COSIGN_CA_ROOTS: 'c.pem' }).message, /COSIGN_CA_ROOTS/);
});

test('a command cannot read a flag that it does not list', () => {
  assert.throws(() => parse(['version']).flags.get('key'), { code: 'ERR_INTERNAL' });
});

test('durations as Go writes them', () => {
  assert.equal(parseDuration('3m0s', 'x'), 180_000);
  assert.equal(parseDuration('1h1.5s', 'x'), 3_601_500);
  assert.equal(parseDuration('250ms', 'x'), 250);
  assert.equal(parseDuration('0', 'x'), 0);
  for (const text of ['5', '-1s', '1 s', 's', '1d', '', '999999h', '1e3s']) {
    assert.throws(() => parseDuration(text, 'x'), { code: 'ERR_USAGE' }, text);
  }
});

test('booleans as Go reads them', () => {
  for (const text of ['1', 't', 'T', 'true', 'TRUE', 'True']) assert.equal(parseBoolean(text, 'x'), true);
  for (const text of ['0', 'f', 'F', 'false', 'FALSE', 'False']) assert.equal(parseBoolean(text, 'x'), false);
  for (const text of ['yes', 'on', 'TrUe', '', ' true']) {
    assert.throws(() => parseBoolean(text, 'x'), { code: 'ERR_USAGE' }, text);
  }
});
