import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowsPlainHttp, hostKind } from './host-kind.ts';

test('how far away hosts are', () => {
  const kinds = {
    loopback: [
      'localhost',
      'a.localhost',
      '127.0.0.1',
      '127.255.0.1',
      '[::1]',
      '[::ffff:7f00:1]',
      'localhost.',
    ],
    private: [
      ...[
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '169.254.169.254',
        '100.64.0.1',
        '0.0.0.0',
      ],
      ...[
        '[fd00::1]',
        '[fe80::1]',
        '[::]',
        '[::ffff:a00:1]',
        '[64:ff9b::a00:1]',
        '224.0.0.1',
        '255.255.255.255',
      ],
      ...['registry', 'metadata.google.internal', 'x.local', 'x.svc', 'a.home.arpa'],
    ],
    public: [
      'ghcr.io',
      '8.8.8.8',
      '172.32.0.1',
      '[2606:4700::1111]',
      '[::ffff:808:808]',
      '127.0.0.1.nip.io',
      'locahost.com',
    ],
  };
  for (const [kind, hosts] of Object.entries(kinds)) {
    for (const host of hosts) assert.equal(hostKind(new URL(`http://${host}`).hostname), kind, host);
  }
});

test('plain HTTP is for what cannot leave this machine', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '[::1]', 'localhost']) assert.ok(allowsPlainHttp(host), host);
  for (const host of ['a.localhost', '10.0.0.1', 'registry', 'example.com'])
    assert.ok(!allowsPlainHttp(host), host);
});
