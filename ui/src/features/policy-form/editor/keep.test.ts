import { expect, it } from 'vitest';
import { forget, keep, kept } from './keep';

function memory() {
  const all = new Map<string, string>();
  return {
    getItem: (key: string) => all.get(key) ?? null,
    setItem: (key: string, value: string) => void all.set(key, value),
    removeItem: (key: string) => void all.delete(key),
  };
}

it('gives a draft back to its user and policy only', () => {
  const store = memory();
  keep('ann', 'NetworkPolicy/blue/fe', { text: 'a', at: 1, resourceVersion: '7' }, store);
  expect(kept('ann', 'NetworkPolicy/blue/fe', store)).toEqual({ text: 'a', at: 1, resourceVersion: '7' });
  expect(kept('bob', 'NetworkPolicy/blue/fe', store)).toBeUndefined();
  expect(kept('ann', 'NetworkPolicy/blue/be', store)).toBeUndefined();
  forget('ann', 'NetworkPolicy/blue/fe', store);
  expect(kept('ann', 'NetworkPolicy/blue/fe', store)).toBeUndefined();
});

it('takes nothing from a store that is broken or full', () => {
  const store = { getItem: () => '{"text": 3', setItem: () => { throw new Error('quota'); }, removeItem: () => { throw new Error('no'); } };
  expect(kept('a', 'b', store)).toBeUndefined();
  expect(keep('a', 'b', { text: '', at: 0 }, store)).toBe(false);
  forget('a', 'b', store);
});
