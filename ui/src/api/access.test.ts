import { expect, it } from 'vitest';
import { createPolicyPermission } from './access';
import type { Schemas } from './client';

const right = (kind: string, namespaces: string[], everywhere = false): Schemas['Right'] => ({ kind, verb: 'create', everywhere, namespaces, missing: `create on ${kind}` });
const access = (tiers: Schemas['TierAccess'][], objects: Schemas['Right'][] = []) => ({ user: 'ann', tiers, objects, view: { asOf: '', live: true, hidden: [] } }) as Schemas['Access'];

it('lets create who may create any policy anywhere', () => {
  expect(createPolicyPermission(access([{ tier: 'default', get: true, rights: [right('NetworkPolicy', ['blue'])] }])).allowed).toBe(true);
  expect(createPolicyPermission(access([], [right('KubernetesNetworkPolicy', ['blue'])])).allowed).toBe(true);
});

it('says which right is missing, and that a tier which one may not get is of no use', () => {
  const denied = createPolicyPermission(access([{ tier: 'default', get: true, rights: [right('NetworkPolicy', [])] }, { tier: 'security', get: false, rights: [right('NetworkPolicy', [], true)] }], [right('NetworkSet', [], true)]));
  expect(denied).toEqual({ allowed: false, missing: 'the right to create a policy in one of the tiers that you see (default, security), for example create on NetworkPolicy' });
});

it('does not claim what is not known', () => {
  expect(createPolicyPermission(undefined)).toMatchObject({ allowed: false, unknown: true });
});
