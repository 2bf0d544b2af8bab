import { expect, it } from 'vitest';
import { copyAs, identity, newKubernetesPolicy } from './copy';

const stored = 'apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata:\n  name: a # why\n  namespace: blue\n  uid: x\n  resourceVersion: "3"\nspec:\n  order: 1\nstatus: {}\n';

it('makes a copy that is an object of its own', () => {
  expect(copyAs(stored, 'b', true)).toBe('apiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata:\n  name: b # why\n  namespace: blue\nspec:\n  order: 1\n');
  expect(identity(copyAs(copyAs(stored, 'b', true), 'c', false)).id).toBe('NetworkPolicy/blue/c');
});

it('knows a Kubernetes network policy as what it is', () => {
  expect(identity(newKubernetesPolicy('k', 'blue')).id).toBe('KubernetesNetworkPolicy/blue/k');
  expect(identity(copyAs(newKubernetesPolicy('k', 'blue'), 'l', true)).id).toBe('KubernetesNetworkPolicy/blue/l');
  expect(identity('a: [').kind).toBeUndefined();
});
