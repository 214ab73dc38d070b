/** Reads the vectors. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'data');

/** The bytes of a vector. */
export function vector(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, name)));
}

/** The names of the vectors in a folder of `data/`, sorted. */
export function vectorNames(below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => (below === '' ? entry.name : `${below}/${entry.name}`))
    .sort();
}

/** The image nearly every vector is about. */
export const vectorImage = 'sha256:5d94a5c274ca159e5a000e4b63db163bd27b55a023a277efde18598e04724d51';
