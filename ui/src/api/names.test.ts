import { expect, test } from 'vitest';
import { permission } from './access';
import { kubectl, parseId, quote, routeParams } from './names';

test('names of policies with and without a namespace', () => {
  expect(parseId('GlobalNetworkPolicy//deny')).toEqual({ kind: 'GlobalNetworkPolicy', namespace: '', name: 'deny' });
  expect(routeParams('GlobalNetworkPolicy//deny').namespace).toBe('-');
});

test('a command can be pasted whatever the name is', () => {
  expect(kubectl('get', 'KubernetesNetworkPolicy/blue/k', '-o yaml')).toBe('kubectl get networkpolicies.networking.k8s.io k -n blue -o yaml');
  expect(quote("a'; rm -rf /")).toBe(`'a'\\''; rm -rf /'`);
});

test('a right in one namespace is not one in another, and says what is missing', () => {
  const view = { asOf: '', live: true, hidden: [] };
  const access = { user: 'dev', tiers: [{ tier: 'security', get: false, rights: [{ kind: 'NetworkPolicy', verb: 'create' as const, everywhere: false, namespaces: [], missing: 'get on tiers' }] }],
    objects: [{ kind: 'NetworkSet', verb: 'create' as const, everywhere: false, namespaces: ['blue'], missing: 'create on networksets' }], view };
  expect(permission(access, { verb: 'create', kind: 'NetworkSet', namespace: 'blue' }).allowed).toBe(true);
  expect(permission(access, { verb: 'create', kind: 'NetworkSet', namespace: 'red' })).toEqual({ allowed: false, missing: 'create on networksets' });
  expect(permission(access, { verb: 'create', kind: 'NetworkPolicy', tier: 'security', namespace: 'blue' }).missing).toBe('get on tiers');
  expect(permission(access, { verb: 'delete', kind: 'Tier' }).allowed).toBe(false);
});
