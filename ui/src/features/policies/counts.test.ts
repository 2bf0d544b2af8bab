import { expect, test } from 'vitest';
import { sumUp } from './counts';

const count = { tier: 'default', direction: 'ingress', reason: 'rule', passed: 0, logged: 0, bytes: 0, packets: 0 } as const;

test('what the rules of a policy did is summed up, with the last time', () => {
  const sums = sumUp([
    { ...count, policy: 'NetworkPolicy/blue/be', rule: 0, allowed: 3, denied: 0, last: '2026-01-01T00:00:02Z' },
    { ...count, policy: 'NetworkPolicy/blue/be', rule: 1, allowed: 0, denied: 4, last: '2026-01-01T00:00:01Z' },
    { ...count, allowed: 9, denied: 9, last: '2026-01-01T00:00:03Z' },
  ]);
  expect([...sums]).toEqual([['NetworkPolicy/blue/be', { allowed: 3, denied: 4, last: '2026-01-01T00:00:02Z' }]]);
});
