import { expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { notInStepFirst } from './page';
import { forHowLong } from './state';

test('how long it is since a moment is told in the two largest units', () => {
  const at = Date.parse('2026-11-25T12:00:00Z');
  const since = (seconds: number) => forHowLong(new Date(at - seconds * 1000).toISOString(), at);
  expect([0, 59, 60, 3601, 3660, 90_061, -5].map(since)).toEqual(['0 s', '59 s', '1 min', '1 h', '1 h 1 min', '1 d 1 h', '0 s']);
});

test('nodes that are not in step come first', () => {
  const node = (name: string, state: Schemas['NodeStatus']['state']): Schemas['NodeStatus'] => ({ name, state, since: '2026-11-25T12:00:00Z', policies: 1, drift: 0 });
  const nodes = [node('b', 'in step'), node('a', 'in step'), node('z', 'behind'), node('y', 'silent')];
  expect(notInStepFirst(nodes).map(({ name }) => name)).toEqual(['y', 'z', 'a', 'b']);
});
