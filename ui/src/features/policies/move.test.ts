import { expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { planInto, planStep } from './move';

function tier(name: string, ids: string[], total = ids.length): Schemas['BoardTier'] {
  return { name, end: 'Deny', missing: false, builtin: false, total, policies: ids.map((id) => ({ id }) as Schemas['PolicyCard']) };
}

const board = [tier('security', ['A//1', 'A//2']), tier('default', ['A//3'])];

test('a step stands between the neighbours', () => {
  expect(planStep(board, 'A//2', 'up')).toEqual({ target: { tier: 'security', before: 'A//1' } });
  expect(planStep(board, 'A//1', 'down')).toEqual({ target: { tier: 'security', after: 'A//2' } });
  expect(planStep(board, 'A//1', 'right')).toEqual({ target: { tier: 'default' } });
});

test('a step that leads nowhere says why', () => {
  expect(planStep(board, 'A//1', 'up').refused).toContain('first');
  expect(planStep(board, 'A//3', 'right').refused).toContain('no tier after default');
});

test('nothing is moved past what a filter hides', () => {
  const filtered = [tier('security', ['A//1', 'A//2'], 5), tier('default', ['A//3'])];
  expect(planStep(filtered, 'A//2', 'up').refused).toContain('hides 3 of the 5');
  expect(planStep(filtered, 'A//3', 'left').refused).toContain('hides 3');
  expect(planInto(filtered[0]!, 'A//1').refused).toContain('hides 3');
  expect(planStep(filtered, 'A//1', 'right').target).toEqual({ tier: 'default' });
});
