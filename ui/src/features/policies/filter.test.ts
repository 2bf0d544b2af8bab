import { expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { filterTiers, indexOf, type BoardFilter } from './filter';

function card(namespace: string | undefined, name: string, selector: string, more: Partial<Schemas['PolicyCard']> = {}): Schemas['PolicyCard'] {
  return { id: `NetworkPolicy/${namespace ?? ''}/${name}`, kind: 'NetworkPolicy', name, tier: 'security', selector, staged: false, endpoints: 1, problems: [], sentence: 'Applies to endpoints. Ingress: 1 rule.', ...(namespace ? { namespace } : {}), ...more } as Schemas['PolicyCard'];
}

const tiers = [
  { name: 'security', total: 3, policies: [card('blue', 'be', `app == "be"`), card(undefined, 'deny', ''), card('red', 'be', `app in {"be", "fe"}`, { staged: true })] },
  { name: 'empty', total: 0, policies: [] },
] as unknown as Schemas['BoardTier'][];

function left(filter: BoardFilter): string {
  return filterTiers(tiers, indexOf(tiers), filter).map((tier) => `${tier.name}: ${tier.policies.map((one) => `${one.namespace ?? ''}/${one.name}`).join(' ')}`.trim()).join(' | ');
}

test('words find names, tiers and selectors', () => {
  expect(left({ q: 'BLUE/be' })).toBe('security: blue/be | empty:');
  expect(left({ q: 'NetworkPolicy/red/' })).toBe('security: red/be | empty:');
  expect(left({ q: `app == 'be'` })).toBe('security: blue/be | empty:');
  expect(left({ q: 'security "fe"' })).toBe('security: red/be | empty:');
  expect(left({ q: 'be security' })).toBe('security: blue/be red/be | empty:');
});

test('words of the sentences find nothing, and none is found across two texts', () => {
  expect(left({ q: 'endpoints' })).toBe('security: | empty:');
  expect(left({ q: 'NetworkPolicy' })).toBe('security: | empty:');
  expect(left({ q: 'besecurity' })).toBe('security: | empty:');
});

test('the other filters', () => {
  expect(left({ only: 'staged' })).toBe('security: red/be | empty:');
  expect(left({ namespace: ['blue'], tier: ['security'] })).toBe('security: blue/be');
  expect(left({ kind: ['GlobalNetworkPolicy'] })).toBe('security: | empty:');
});

test('what nothing is taken from stays the same, so that it is not drawn again', () => {
  expect(filterTiers(tiers, indexOf(tiers), { q: 's' })[1]).toBe(tiers[1]);
  expect(filterTiers(tiers, indexOf(tiers), {})[0]).toBe(tiers[0]);
});
