/** What the user may do, as the server found it; the server decides again when it is done. */
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from './client';
import { accessQuery } from './queries';

export interface Wanted {
  verb: Schemas['Right']['verb'];
  kind: string;
  namespace?: string;
  /** For policies of projectcalico.org. */
  tier?: string;
}

/** Allowed, or not and by which missing right. */
export interface Permission {
  allowed: boolean;
  missing?: string;
  /** The server has not said it yet. */
  unknown?: true;
}

export function permission(access: Schemas['Access'] | undefined, wanted: Wanted): Permission {
  if (!access) return { allowed: false, unknown: true, missing: 'what you may do is not known yet' };
  const tier = wanted.tier === undefined ? undefined : access.tiers.find((one) => one.tier === wanted.tier);
  const rights = tier ? tier.rights : access.objects;
  const right = rights.find((one) => one.kind === wanted.kind && one.verb === wanted.verb) ?? access.objects.find((one) => one.kind === wanted.kind && one.verb === wanted.verb);
  if (!right) return { allowed: false, missing: `${wanted.verb} on ${wanted.kind}` };
  if (right.everywhere || (wanted.namespace !== undefined && right.namespaces.includes(wanted.namespace))) return { allowed: true };
  if (wanted.namespace === undefined && right.namespaces.length > 0) return { allowed: true };
  return { allowed: false, missing: right.missing || `${wanted.verb} on ${wanted.kind}` };
}

/** Whether there is any kind of policy that the user may create anywhere. */
export function createPolicyPermission(access: Schemas['Access'] | undefined): Permission {
  if (!access) return { allowed: false, unknown: true, missing: 'what you may do is not known yet' };
  const creates = (right: Schemas['Right']) => right.verb === 'create' && right.kind.endsWith('Policy');
  const given = (right: Schemas['Right']) => right.everywhere || right.namespaces.length > 0;
  const inTiers = access.tiers.filter((tier) => tier.get).flatMap((tier) => tier.rights.filter(creates));
  const others = access.objects.filter(creates);
  if ([...inTiers, ...others].some(given)) return { allowed: true };
  const missing = (inTiers[0] ?? others[0])?.missing || 'create on networkpolicies';
  const tiers = access.tiers.map((tier) => tier.tier).join(', ');
  return { allowed: false, missing: `the right to create a policy in one of the tiers that you see (${tiers || 'none'}), for example ${missing}` };
}

export function useCreatePolicyPermission(): Permission {
  const { data } = useQuery(accessQuery);
  return createPolicyPermission(data);
}

export function usePermission(): (wanted: Wanted) => Permission {
  const { data } = useQuery(accessQuery);
  return (wanted) => permission(data, wanted);
}
