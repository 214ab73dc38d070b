import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { encodePem, parsePem } from './pem.ts';

const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;

describe('PEM', () => {
  it('writes 64 columns and a final newline', () => {
    const lines = encodePem('PUBLIC KEY', new Uint8Array(91)).split('\n');
    assert.deepEqual(
      lines.map((line) => line.length),
      [26, 64, 60, 24, 0],
    );
  });

  it('reads back what it wrote, whatever the line ends and the text around', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        (contents, newline) => {
          const text = ['Bag Attributes', ...contents.map((der) => encodePem('A B', der))].join('\n');
          const blocks = parsePem(utf8(text.replaceAll('\n', newline)), 'x');
          assert.deepEqual(
            blocks.map((block) => [block.label, Buffer.from(block.der).toString('hex')]),
            contents.map((der) => ['A B', Buffer.from(der).toString('hex')]),
          );
        },
      ),
    );
  });

  it('ignores a byte order mark, indentation inside and spaces at line ends', () => {
    const [block] = parsePem(utf8('\uFEFF-----BEGIN X-----  \n  AA\tE=\n-----END X----- \n'), 'x');
    assert.deepEqual(block?.der, new Uint8Array([0, 1]));
  });

  it('keeps RFC 1421 headers apart', () => {
    const [block] = parsePem(utf8('-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAE=\n-----END X-----'), 'x');
    assert.deepEqual([block?.headers, block?.der], [['Proc-Type: 4,ENCRYPTED'], new Uint8Array([0, 1])]);
  });

  it('finds no block in other text', () => {
    assert.deepEqual(parsePem(utf8('hello'), 'x'), []);
    assert.deepEqual(parsePem(utf8('-----BEGIN X----- AAE= -----END X-----'), 'x'), []);
  });

  it('refuses a block that does not end, loose base64, too many blocks and too many bytes', () => {
    assert.throws(() => parsePem(utf8('-----BEGIN X-----\nAAE='), 'x'), code('ERR_ENCODING_INVALID'));
    assert.throws(
      () => parsePem(utf8('-----BEGIN X-----\nAAE=\n-----END Y-----'), 'x'),
      code('ERR_ENCODING_INVALID'),
    );
    for (const body of ['AAE', 'AAF=', 'A-E=', 'AA!=']) {
      const text = `-----BEGIN X-----\n${body}\n-----END X-----\n`;
      assert.throws(() => parsePem(utf8(text), 'x'), code('ERR_ENCODING_INVALID'), body);
    }
    const many = encodePem('X', new Uint8Array(1)).repeat(limits.pemBlocks + 1);
    assert.throws(() => parsePem(utf8(many), 'x'), code('ERR_LIMIT_EXCEEDED'));
    assert.throws(() => parsePem(new Uint8Array(limits.keyBytes + 1), 'x'), code('ERR_LIMIT_EXCEEDED'));
  });
});
