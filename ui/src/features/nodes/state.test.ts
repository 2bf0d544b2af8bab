import { expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { worstFirst } from './page';
import { forHowLong, stateWords } from './state';

test('how long it is since a moment is told in the two largest units', () => {
  const at = Date.parse('2026-11-25T12:00:00Z');
  const since = (seconds: number) => forHowLong(new Date(at - seconds * 1000).toISOString(), at);
  expect([0, 59, 60, 3601, 3660, 90_061, -5].map(since)).toEqual(['0 s', '59 s', '1 min', '1 h', '1 h 1 min', '1 d 1 h', '0 s']);
});

const node = (name: string, state: Schemas['NodeStatus']['state'], warning?: string): Schemas['NodeStatus'] => ({ name, state, since: '2026-11-25T12:00:00Z', policies: 1, drift: 0, ...(warning ? { warning } : {}) });

test('nodes that are not in step come first, then those with a warning, then by name as people count', () => {
  const nodes = [node('n-10', 'in step'), node('n-9', 'in step'), node('w', 'in step', 'too many names'), node('z', 'behind'), node('y', 'silent')];
  expect(worstFirst(nodes).map(({ name }) => name)).toEqual(['y', 'z', 'w', 'n-9', 'n-10']);
});

test('how many are in step, and how many have a warning', () => {
  expect(stateWords({ nodes: [node('a', 'in step')], inStep: 1 })).toBe('The only node is in step.');
  expect(stateWords({ nodes: [node('a', 'in step', 'w'), node('b', 'behind')], inStep: 1 })).toBe('1 of 2 nodes are in step; 1 has a warning.');
});
