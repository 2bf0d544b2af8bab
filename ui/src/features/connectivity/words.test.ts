import { expect, test } from 'vitest';
import { cellName, cellSign, moved, seenWords } from './words';

test('a cell says what is allowed, by sign and in words', () => {
  expect(cellSign({ verdict: 'allow' })).toBe('✓');
  expect(cellSign({ verdict: 'partly', allowed: ['tcp/80'] })).toBe('◐ tcp/80');
  expect(cellSign({ verdict: 'partly', allowed: ['tcp/80', 'tcp/443'], more: 3 })).toBe('◐ tcp/80 +4');
  expect(cellName({ verdict: 'partly', allowed: ['tcp/80', 'tcp/443'], more: 3 })).toBe('allowed only on tcp/80, tcp/443 and 3 more');
});

test('what was seen is told, and that a way which is open was not used', () => {
  expect(seenWords({ verdict: 'allow', seen: { allowed: 12_345, denied: 2 } }, true)).toBe('12K seen, 2 denied');
  expect(seenWords({ verdict: 'allow' }, true)).toBe('not seen');
  expect(seenWords({ verdict: 'deny' }, true)).toBe('');
  expect(seenWords({ verdict: 'allow' }, false)).toBe('');
});

test('arrow keys stay within the table', () => {
  expect(moved([0, 0], 'ArrowUp', [3, 3])).toEqual([0, 0]);
  expect(moved([1, 1], 'ArrowRight', [3, 3])).toEqual([1, 2]);
  expect(moved([1, 1], 'End', [3, 4])).toEqual([1, 3]);
  expect(moved([1, 1], 'a', [3, 4])).toBeUndefined();
});
