/** Answers of every shape, from a key management service. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isBoltsealError } from '../../src/core/errors.ts';
import { respond } from './in-process.ts';
import { generate, type KmsWorld, lab, load, message } from './kms-lab.ts';
import { answer } from './services.ts';

/** Whatever a service answers ends in an error of ours, or in a key; never in an error of somebody else. */
export async function anyAnswer(world: KmsWorld): Promise<void> {
  const it = lab(world);
  const reference = world.newReference();
  await generate(world, reference, 'ecdsa-p256', it.context);
  const signer = await load(world, reference, it.context);
  const attempts = [
    () => load(world, reference, it.context),
    () => world.provider.loadVerificationKeys(reference, it.context),
    () => generate(world, reference, 'ecdsa-p256', it.context),
    () => signer.sign(message),
  ];
  const good = await recorded(world, reference);
  const json = fc.jsonValue({ maxDepth: 3 });
  const changed = fc
    .tuple(fc.constantFrom(...good), fc.nat(), json)
    .map(([answer, at, value]) => JSON.stringify(replaced(JSON.parse(answer), at, value)));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        json.map((value) => JSON.stringify(value)),
        fc.string(),
        changed,
      ),
      fc.constantFrom(200, 201, 400, 403, 404),
      fc.nat(attempts.length - 1),
      async (body, status, which) => {
        it.script = [answer(status, body, { 'content-type': 'application/json' })];
        await attempts[which]?.().catch((error: unknown) => {
          assert.ok(isBoltsealError(error), `${body}: ${(error as Error).stack}`);
        });
      },
    ),
    { numRuns: 150 },
  );
}

/** The answers that a key is loaded and signed with. */
async function recorded(world: KmsWorld, reference: string): Promise<readonly string[]> {
  const bodies: string[] = [];
  const recording = lab({
    ...world,
    async fetch(url, init) {
      const response = await world.fetch(url, init);
      const chunks: Uint8Array[] = [];
      for await (const chunk of response.body ?? []) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (response.status === 200) bodies.push(body.toString('utf8'));
      const known = ['content-type', 'www-authenticate'].flatMap((name): [string, string][] => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      return respond({ status: response.status, headers: Object.fromEntries(known), body });
    },
  });
  const signer = await load(world, reference, recording.context);
  await signer.sign(message);
  await world.provider.loadVerificationKeys(reference, recording.context);
  return bodies;
}

/** `value` with the part that comes as number `at` replaced. */
function replaced(value: unknown, at: number, by: unknown): unknown {
  const paths: (readonly (string | number)[])[] = [];
  const walk = (part: unknown, path: readonly (string | number)[]): void => {
    paths.push(path);
    if (typeof part !== 'object' || part === null) return;
    for (const [name, inner] of Object.entries(part)) walk(inner, [...path, name]);
  };
  walk(value, []);
  const path = paths[at % paths.length] ?? [];
  const put = (part: unknown, [first, ...rest]: readonly (string | number)[]): unknown => {
    if (first === undefined) return by;
    const copy = (Array.isArray(part) ? [...part] : { ...(part as object) }) as Record<
      string | number,
      unknown
    >;
    copy[first] = put(copy[first], rest);
    return copy;
  };
  return put(value, path);
}
