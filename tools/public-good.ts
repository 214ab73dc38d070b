/**
 * Renews what Boltseal knows of the public Sigstore: follows its TUF repository from the root that is embedded now, and
 * writes `src/services/public-good-data.ts`. To be run before a release, and when a root is going to expire:
 *
 *     node tools/public-good.ts
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createRuntime } from '../src/node/runtime.ts';
import { publicGood, publicMirror } from '../src/services/public-good.ts';
import { refreshTrust, trustTargets } from '../src/services/tuf/client.ts';

/** What the file holds, as text. */
export interface PublicGoodTexts {
  /** The day on which it was fetched, `2026-01-31`. */
  readonly fetched: string;
  readonly tufRoot: string;
  readonly trustedRoot: string;
  readonly signingConfig: string;
  readonly rekorV2SigningConfig: string;
}

/** The source of the file. Each document stands in it byte for byte. */
export function renderPublicGood(texts: PublicGoodTexts): string {
  const { fetched, tufRoot, trustedRoot, signingConfig, rekorV2SigningConfig } = texts;
  const document = (name: string, what: string, text: string): string => {
    if (/`|\$\{|\r/.test(text)) throw new Error(`${name} cannot be written as a template`);
    const raw = text.includes('\\') ? 'String.raw' : '';
    return `\n/** ${what} */\nexport const ${name}: string = ${raw}\`${text}\`;\n`;
  };
  return [
    '/** The public Sigstore as it was when this was written. Written by `node tools/public-good.ts`: never edit it. */\n',
    '\n/** The day on which its TUF repository was asked. */\n',
    `export const fetched = '${fetched}';\n`,
    document('tufRoot', 'Root metadata of its TUF repository.', tufRoot),
    document('trustedRoot', 'Its target `trusted_root.json`.', trustedRoot),
    document('signingConfig', 'Its target `signing_config.v0.2.json`.', signingConfig),
    document('rekorV2SigningConfig', 'Its target `signing_config_rekor_v2.v0.2.json`.', rekorV2SigningConfig),
  ].join('');
}

/** Asks the repository and writes the file. */
async function renew(): Promise<void> {
  const known = await publicGood();
  const { state, fetched } = await refreshTrust({
    mirror: publicMirror,
    root: known.tufRoot,
    folder: undefined,
    runtime: createRuntime({ env: process.env }),
    ask: 'always',
  });
  const [trustedRoot, signingConfig, rekorV2SigningConfig] = trustTargets.map((name) => {
    const bytes = state.files.get(name);
    if (bytes === undefined) throw new Error(`the repository has no ${name}`);
    return Buffer.from(bytes).toString();
  });
  const text = renderPublicGood({
    fetched: fetched.toISOString().slice(0, 10),
    tufRoot: Buffer.from(state.root).toString(),
    trustedRoot: trustedRoot ?? '',
    signingConfig: signingConfig ?? '',
    rekorV2SigningConfig: rekorV2SigningConfig ?? '',
  });
  await writeFile(new URL('../src/services/public-good-data.ts', import.meta.url), text);
  process.stdout.write(`root ${state.versions.root}, expires ${state.expires.root.toISOString()}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await renew();
