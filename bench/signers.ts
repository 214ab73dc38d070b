/**
 * Many signers at once: separate processes, each with a key of its own, sign one image in a registry without the
 * referrers API, where every signature goes into a tag that all of them rewrite. Counts whose signatures are there
 * afterwards, as cosign verifies them, and whether what others had put there before is still there.
 *
 *     npm run build && node bench/signers.ts [--signers N] [--rounds N] [--json FILE] [--write]
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runProgram } from '../test/support/programs.ts';
import { type Registry, startCraneRegistry, startDockerRegistry } from '../test/support/registries.ts';
import { type Step, versionOf } from './measure.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { boltsealSign } from './scenarios.ts';
import {
  boltsealVersion,
  type CosignFormat,
  cosignVersion,
  type Image,
  needProgram,
  newFolder,
  openWorkbench,
} from './workbench.ts';

/** A key pair of one signer. */
interface Keys {
  readonly private: string;
  readonly public: string;
}

/** Who signs, and which formats must be there afterwards. */
interface Contender {
  readonly name: string;
  readonly formats: readonly CosignFormat[];
  sign(reference: string, key: string): Step;
}

/** What was found after one round. */
interface Outcome {
  readonly contender: string;
  readonly registry: string;
  readonly succeeded: number;
  readonly verified: Readonly<Partial<Record<CosignFormat, number>>>;
  readonly earlierKept: boolean;
  readonly foreignKept: boolean;
  /** From the first start to the last end. */
  readonly seconds: number;
}

const { values: options } = parseArgs({
  options: {
    signers: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    cli: { type: 'string' },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const count = Math.max(1, Number.parseInt(options.signers, 10));
const rounds = Math.max(1, Number.parseInt(options.rounds, 10));
const oras = needProgram('oras');
const bench = await openWorkbench(options.cli);

const contenders: readonly Contender[] = [
  {
    name: 'Boltseal --format both',
    formats: ['new', 'old'],
    sign: (reference, key) => boltsealSign(bench, 'both', [reference], key),
  },
  {
    name: 'cosign 3, new format',
    formats: ['new'],
    sign: (reference, key) => bench.cosignSign('new', [reference], key),
  },
  {
    name: 'cosign 3, old format',
    formats: ['old'],
    sign: (reference, key) => bench.cosignSign('old', [reference], key),
  },
];
const registries = { 'docker-registry': startDockerRegistry, 'crane registry': startCraneRegistry } as const;

try {
  const keys: Keys[] = [];
  while (keys.length < count) keys.push(await makeKeys(keys.length));
  const outcomes: Outcome[] = [];
  for (const [name, start] of Object.entries(registries)) {
    const registry = await start();
    try {
      for (const contender of contenders.filter((one) => one.name.includes(options.only))) {
        for (let round = 0; round < rounds; round++)
          outcomes.push(await runRound(contender, name, registry, keys));
      }
    } finally {
      await registry.stop();
    }
  }
  const report = await describe(outcomes);
  console.log(report);
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify(outcomes, undefined, 2));
  if (options.write) await writeSection('signers', report);
} finally {
  await bench.close();
}

async function runRound(
  contender: Contender,
  registryName: string,
  registry: Registry,
  keys: readonly Keys[],
): Promise<Outcome> {
  const image = await bench.image(registry);
  const reference = `${registry.host}/${image.path}`;
  const foreign = await plantReferrer(reference);
  for (const format of contender.formats) await bench.run(bench.cosignSign(format, [reference]));
  const start = performance.now();
  const codes = await Promise.all(keys.map((key) => exitCode(contender.sign(reference, key.private))));
  const seconds = (performance.now() - start) / 1000;
  const verified: Partial<Record<CosignFormat, number>> = {};
  let earlierKept = true;
  for (const format of contender.formats) {
    const accepted = await Promise.all(keys.map((key) => verifies(reference, format, key.public)));
    verified[format] = accepted.filter(Boolean).length;
    earlierKept &&= await verifies(reference, format, bench.publicKey);
  }
  const outcome: Outcome = {
    contender: contender.name,
    registry: registryName,
    succeeded: codes.filter((code) => code === 0).length,
    verified,
    earlierKept,
    foreignKept: await isListed(registry, image, foreign),
    seconds,
  };
  console.error(JSON.stringify(outcome));
  return outcome;
}

async function makeKeys(number: number): Promise<Keys> {
  const prefix = join(await newFolder(bench, 'signers'), `signer-${number}`);
  await bench.run(bench.cosign(['generate-key-pair', '--output-key-prefix', prefix]));
  return { private: `${prefix}.key`, public: `${prefix}.pub` };
}

/** Lets oras attach a bill of materials; its digest. */
async function plantReferrer(reference: string): Promise<string> {
  await writeFile(join(bench.folder, 'sbom.json'), '{"spdxVersion":"SPDX-2.3"}');
  const file = 'sbom.json:application/spdx+json';
  const attach = ['attach', '--plain-http', '--artifact-type', 'application/spdx+json', reference, file];
  const { code, stdout, stderr } = await runProgram(oras, attach, { env: bench.env, cwd: bench.folder });
  const digest = /Digest: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1];
  if (code !== 0 || digest === undefined)
    throw new Error(`oras attach ended with ${code}:\n${stdout}${stderr}`);
  return digest;
}

async function isListed(registry: Registry, image: Image, digest: string): Promise<boolean> {
  const url = `${registry.url}/v2/${image.repository}/manifests/${image.digest.replace(':', '-')}`;
  const response = await fetch(url, { headers: { accept: 'application/vnd.oci.image.index.v1+json' } });
  const text = await response.text();
  return response.status === 200 && text.includes(digest);
}

/** Whether cosign accepts the signature of this key in this format: told which, it looks nowhere else. */
async function verifies(reference: string, format: CosignFormat, publicKey: string): Promise<boolean> {
  const step = bench.cosignVerify([reference], 0, publicKey);
  const args = format === 'new' ? step.args : [...step.args, '--new-bundle-format=false'];
  return (await exitCode({ ...step, args })) === 0;
}

function exitCode(step: Step): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(step.command, step.args, { cwd: bench.folder, env: bench.env, stdio: 'ignore' });
    child.on('error', reject);
    child.on('exit', resolve);
  });
}

async function describe(outcomes: readonly Outcome[]): Promise<string> {
  const command = commandLine('node bench/signers.ts');
  return [
    `## ${count} signers at once on one image`,
    `\`${command}\`: ${circumstances(new Date())}. Boltseal ${await boltsealVersion()} by Node ${versionOf(bench.node)}; ` +
      `cosign ${cosignVersion()}. Each signer is a process with a key of its own; all are started together. Before ` +
      'them, oras attached a bill of materials and cosign signed once. What is there afterwards is what cosign verifies.',
    table(
      [
        'signers',
        'registry',
        'exit code 0',
        'new format kept',
        '.sig kept',
        'earlier signature',
        'foreign referrer',
        'seconds',
      ],
      outcomes.map((outcome) => [
        outcome.contender,
        outcome.registry,
        `${outcome.succeeded} of ${count}`,
        outcome.verified.new === undefined ? '' : `${outcome.verified.new} of ${count}`,
        outcome.verified.old === undefined ? '' : `${outcome.verified.old} of ${count}`,
        outcome.earlierKept ? 'kept' : 'LOST',
        outcome.foreignKept ? 'kept' : 'LOST',
        outcome.seconds.toFixed(1),
      ]),
    ),
  ].join('\n\n');
}
