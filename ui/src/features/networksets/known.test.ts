import { expect, test } from 'vitest';
import { known, until } from './known';

const name = { name: 'a.b', addresses: [] };

test('how many names are known', () => {
  expect(known([])).toBe('no name known');
  expect(known([{ domain: '*.b', names: [name], more: 0 }, { domain: 'c', names: [], more: 0 }])).toBe('1 name known');
  expect(known([{ domain: '*.b', names: [name, name], more: 1200 }])).toBe('1,202 names known');
});

test('how long an address counts', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(until('2026-01-01T00:00:30Z', now)).toBe('30 s more');
  expect(until('2026-01-01T00:05:00Z', now)).toBe('5 min more');
  expect(until('2026-01-01T05:00:00Z', now)).toBe('5 h more');
  expect(until('2025-12-31T23:59:59Z', now)).toBe('as long as a connection uses it');
});
