/** The kinds of policy that are edited, each as what it is. */

export const policyKinds = [
  'NetworkPolicy',
  'GlobalNetworkPolicy',
  'StagedNetworkPolicy',
  'StagedGlobalNetworkPolicy',
  'KubernetesNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'ClusterNetworkPolicy',
] as const;

/** A kind as the API names it; the networking.k8s.io one is `KubernetesNetworkPolicy`. */
export type PolicyKind = (typeof policyKinds)[number];

/** Which form edits a kind: its schema decides. */
export type Family = 'tiered' | 'kubernetes' | 'cluster';

const kubernetes = 'networking.k8s.io/';
const calico = 'projectcalico.org/';
const wgPolicy = 'policy.networking.k8s.io/';

/** The kind of an object, or undefined if it is not a policy. */
export function policyKind(value: Record<string, unknown>): PolicyKind | undefined {
  const apiVersion = typeof value.apiVersion === 'string' ? value.apiVersion : '';
  const kind = value.kind;
  if (apiVersion.startsWith(kubernetes)) return kind === 'NetworkPolicy' ? 'KubernetesNetworkPolicy' : undefined;
  if (apiVersion.startsWith(wgPolicy)) return kind === 'ClusterNetworkPolicy' ? 'ClusterNetworkPolicy' : undefined;
  if (!apiVersion.startsWith(calico)) return undefined;
  return policyKinds.find((known) => known === kind && known !== 'KubernetesNetworkPolicy' && known !== 'ClusterNetworkPolicy');
}

export function family(kind: PolicyKind): Family {
  if (kind === 'ClusterNetworkPolicy') return 'cluster';
  return kind === 'KubernetesNetworkPolicy' || kind === 'StagedKubernetesNetworkPolicy' ? 'kubernetes' : 'tiered';
}

export function isGlobal(kind: PolicyKind): boolean {
  return kind === 'GlobalNetworkPolicy' || kind === 'StagedGlobalNetworkPolicy' || kind === 'ClusterNetworkPolicy';
}

export function isStaged(kind: PolicyKind): boolean {
  return kind.startsWith('Staged');
}

/** The kind with the other scope. Only tiered policies have one. */
export function withScope(kind: PolicyKind, global: boolean): PolicyKind {
  if (family(kind) !== 'tiered') return kind;
  const base = global ? 'GlobalNetworkPolicy' : 'NetworkPolicy';
  return isStaged(kind) ? `Staged${base}` : base;
}

/** Kind/namespace/name, as the API names policies. */
export function policyId(kind: PolicyKind, namespace: string, name: string): string {
  return `${kind}/${isGlobal(kind) ? '' : namespace}/${name}`;
}
