/** Checkpoints that are made differently, with signatures of the log that are valid. */
import { encodeCheckpointBody, encodeNote, type NoteSignature } from '../../../src/formats/checkpoint.ts';
import { logIdOf } from '../../../src/formats/note-keys.ts';
import type { LogEntry } from '../../../src/formats/verification-material.ts';
import type { World } from '../../support/sigstore-world.ts';
import { newKey, type TestKey } from '../../support/test-certificates.ts';
import { mutateBytes } from './mutator.ts';
import type { Random } from './random.ts';

/** The key of the log that an entry is of. */
export function keyOf(world: World, entry: LogEntry): TestKey {
  return isSecond(entry) ? world.rekor2Key : world.rekor1Key;
}

function isSecond({ version, kind }: LogEntry): boolean {
  return version === '0.0.2' && kind !== 'intoto';
}

const nameOf = (entry: LogEntry): string => (isSecond(entry) ? 'log2.example.com' : 'rekor.example.com');
const originOf = (entry: LogEntry): string =>
  isSecond(entry) ? 'log2.example.com' : 'rekor.example.com - 4711';

/** A checkpoint whose text or signature lines are made differently, and signed. */
export function checkpointChanges(world: World, random: Random): (entry: LogEntry) => LogEntry {
  return (entry) => {
    const proof = entry.inclusionProof;
    if (proof === undefined) return entry;
    const [key, name, origin] = [keyOf(world, entry), nameOf(entry), originOf(entry)];
    const size = Number(proof.treeSize);
    const usual = encodeCheckpointBody({ origin, size, root: proof.rootHash, extensions: [] });
    const [first = '', second = '', third = ''] = usual.split('\n');
    const lines = (...parts: readonly string[]): string => `${parts.join('\n')}\n`;
    const body = random.pick([
      usual,
      usual,
      usual,
      lines(first, second, third, 'an extension'),
      lines(first, second, third, 'an extension', 'and another'),
      lines(first, second, third, ''),
      lines(first, second, third, '', 'x'),
      lines(`${first} `, second, third),
      lines(
        random.pick([
          'other.example.com',
          'example.com',
          name,
          `${name} - 1`,
          `${name} - x`,
          `${name}:443`,
          `${name} - 4711 `,
        ]),
        second,
        third,
      ),
      lines(first, `0${second}`, third),
      lines(first, `0x${size.toString(16)}`, third),
      lines(first, ` ${second}`, third),
      lines(first, String(size + 1), third),
      lines(first, '', third),
      lines(first, second, third.replace(/=+$/, '')),
      lines(first, second, third.replaceAll('+', '-').replaceAll('/', '_')),
      lines(first, second, `${third} `),
      lines(first, second),
      lines(first, second, third).replaceAll('\n', '\r\n'),
      lines(first, second, random.bytes(32).toString()),
    ]);
    const sign = (by: TestKey, as: string, text = body): NoteSignature => ({
      name: as,
      keyId: logIdOf(as, by.publicKey).subarray(0, 4),
      signature: by.sign(Buffer.from(text)),
    });
    const stranger = newKey();
    const own = sign(key, name);
    const wrong = { ...own, signature: mutateBytes(own.signature, random) };
    const signatures = random.pick<() => readonly NoteSignature[]>([
      () => [own],
      () => [own],
      () => [sign(stranger, 'witness.example.com'), own],
      () => [own, sign(stranger, 'witness.example.com')],
      () => [own, own],
      () => [own, wrong],
      () => [wrong, own],
      () => [wrong],
      () => [sign(stranger, name), own],
      () => [{ ...sign(stranger, name), keyId: own.keyId }, own],
      () => [{ ...own, keyId: random.bytes(4) }],
      () => [
        {
          ...own,
          name: random.pick(['https:', 'example.com', 'rekor', 'log2', '/', 'other.example.com', `${name}.`]),
        },
      ],
      () => [sign(key, random.pick(['https:', 'example.com', 'rekor', 'log2', 'other.example.com']))],
      () => {
        const line = sign(stranger, 'w');
        return [...Array.from({ length: random.pick([40, 63, 64, 10_000]) }, () => line), own];
      },
      () => [],
    ])();
    const note = random.pick<(text: string) => string>([
      (text) => text,
      (text) => text,
      (text) => text,
      (text) => text.trimEnd(),
      (text) => `${text}\n`,
      (text) => `${text}x\n`,
      (text) => text.replace('\n\n', '\n\n\n'),
      (text) => text.replaceAll('— ', '- '),
      (text) => text.replaceAll('— ', '—  '),
      (text) => text.replaceAll('— ', 'x — '),
      (text) => text.replace(/=+\n$/, '\n'),
      (text) => text.replace(/\n$/, ' x\n'),
      (text) => text.replace(/\n$/, '\t\n'),
    ])(encodeNote(body, signatures));
    return { ...entry, inclusionProof: { ...proof, checkpoint: note } };
  };
}
