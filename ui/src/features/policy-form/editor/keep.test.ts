import { expect, it } from 'vitest';
import { forget, keep, kept, keptNew, newSlot } from './keep';

function memory() {
  const all = new Map<string, string>();
  return {
    get length() { return all.size; },
    key: (at: number) => [...all.keys()][at] ?? null,
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

it('keeps two policies that are being created apart', () => {
  const store = memory();
  const [one, two] = [newSlot(), newSlot()];
  keep('ann', one, { text: 'a', at: 1 }, store);
  keep('ann', two, { text: 'b', at: 2 }, store);
  keep('bob', newSlot(), { text: 'c', at: 3 }, store);
  keep('ann', 'NetworkPolicy/blue/fe', { text: 'd', at: 4 }, store);
  store.setItem('other', 'x');
  expect(keptNew('ann', store)).toEqual([{ slot: two, draft: { text: 'b', at: 2 } }, { slot: one, draft: { text: 'a', at: 1 } }]);
});

it('takes nothing from a store that is broken or full', () => {
  const fail = () => { throw new Error('quota'); };
  const store = { length: 1, key: fail, getItem: () => '{"text": 3', setItem: fail, removeItem: fail };
  expect(kept('a', 'b', store)).toBeUndefined();
  expect(keptNew('a', store)).toEqual([]);
  expect(keep('a', 'b', { text: '', at: 0 }, store)).toBe(false);
  forget('a', 'b', store);
});
