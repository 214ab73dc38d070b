/**
 * Runs the kernel on a folder of conformance cases: one folder per case, with `bundle.sigstore.json` and, where they
 * differ from the default, `artifact`, `identity`, `issuer`, `key.pub` and `trusted_root.json`. What ends with `_fail`
 * must be refused. Every case is run with the artifact and with its SHA-256 digest.
 *
 *     node tools/conformance.ts FOLDER [--trusted-root FILE] [--verbose]
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BoltsealError } from '../src/core/errors.ts';
import { parseBundle } from '../src/formats/bundle.ts';
import { parsePublicKey } from '../src/formats/public-key.ts';
import { parseTrustedRoot } from '../src/formats/trusted-root.ts';
import type { Artifact } from '../src/verify/artifact.ts';
import { byIdentities, byKeys, type SignerRequirement } from '../src/verify/requirements.ts';
import { openTrust } from '../src/verify/trust.ts';
import { verifyBlob } from '../src/verify/verify-blob.ts';

const beacon = 'sigstore-conformance/extremely-dangerous-public-oidc-beacon';
const defaults = {
  identity: `https://github.com/${beacon}/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main`,
  issuer: 'https://token.actions.githubusercontent.com',
};

/** What became of one case. */
interface Outcome {
  readonly name: string;
  readonly isRight: boolean;
  readonly text: string;
}

function read(...paths: readonly string[]): Buffer | undefined {
  for (const path of paths) {
    try {
      return readFileSync(path);
    } catch {
      // The next one.
    }
  }
  return undefined;
}

async function verifyCase(folder: string, name: string, rootFile: string, isDigest: boolean): Promise<void> {
  const at = (file: string): string => join(folder, name, file);
  const content = read(at('artifact'), join(folder, 'a.txt')) ?? Buffer.alloc(0);
  const root = parseTrustedRoot(read(at('trusted_root.json'), rootFile) ?? Buffer.alloc(0));
  const bundle = parseBundle(readFileSync(at('bundle.sigstore.json')), 'the bundle');
  const artifact: Artifact = isDigest
    ? { sha256: createHash('sha256').update(content).digest() }
    : new Uint8Array(content);
  const key = read(at('key.pub'));
  const textOf = (file: 'identity' | 'issuer'): string => read(at(file))?.toString().trim() ?? defaults[file];
  const signer: SignerRequirement =
    key === undefined
      ? byIdentities([
          {
            subject: { kind: 'exact', value: textOf('identity') },
            issuer: { kind: 'exact', value: textOf('issuer') },
          },
        ])
      : byKeys([parsePublicKey(key)]);
  await verifyBlob(bundle, artifact, { signer, trust: openTrust(root), logEntries: 1 });
}

async function judge(folder: string, name: string, rootFile: string, isDigest: boolean): Promise<Outcome> {
  const mustFail = name.endsWith('_fail');
  const label = `${name} (${isDigest ? 'digest' : 'artifact'})`;
  try {
    await verifyCase(folder, name, rootFile, isDigest);
    return { name: label, isRight: !mustFail, text: 'accepted' };
  } catch (error) {
    const isOurs = error instanceof BoltsealError;
    const text = isOurs ? `${error.code}: ${error.message}` : `foreign error: ${String(error)}`;
    return { name: label, isRight: mustFail && isOurs, text };
  }
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      'trusted-root': {
        type: 'string',
        default: new URL('../test/vectors/data/trust/public-good-trusted_root.json', import.meta.url)
          .pathname,
      },
      verbose: { type: 'boolean', default: false },
    },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error('usage: node tools/conformance.ts FOLDER [--trusted-root FILE]');
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const outcomes: Outcome[] = [];
  for (const name of names) {
    for (const isDigest of [false, true]) {
      outcomes.push(await judge(folder, name, values['trusted-root'], isDigest));
    }
  }
  const wrong = outcomes.filter(({ isRight }) => !isRight);
  for (const { name, isRight, text } of values.verbose ? outcomes : wrong) {
    process.stdout.write(`${isRight ? 'right' : 'WRONG'}  ${name}: ${text}\n`);
  }
  process.stdout.write(`${outcomes.length - wrong.length} of ${outcomes.length} right\n`);
  if (wrong.length > 0 || outcomes.length === 0) process.exitCode = 1;
}

await main();
