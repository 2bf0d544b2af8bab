/** Names of policies and objects: Kind/namespace/name, and how the command line calls them. */

export interface PolicyId {
  kind: string;
  namespace: string;
  name: string;
}

export function parseId(id: string): PolicyId {
  const [kind = '', namespace = '', ...name] = id.split('/');
  return { kind, namespace, name: name.join('/') };
}

export function formatId({ kind, namespace, name }: PolicyId): string {
  return `${kind}/${namespace}/${name}`;
}

/** The name as one reads it: `blue/be`, or `deny-all` without a namespace. */
export function shortName(id: string): string {
  const { namespace, name } = parseId(id);
  return namespace ? `${namespace}/${name}` : name;
}

/** Route parameters cannot be empty: `-` stands for no namespace, which no namespace is called. */
export function routeParams(id: string): { kind: string; namespace: string; name: string } {
  const { kind, namespace, name } = parseId(id);
  return { kind, namespace: namespace || '-', name };
}

const resources: Record<string, string> = {
  NetworkPolicy: 'networkpolicies.projectcalico.org',
  GlobalNetworkPolicy: 'globalnetworkpolicies.projectcalico.org',
  StagedNetworkPolicy: 'stagednetworkpolicies.projectcalico.org',
  StagedGlobalNetworkPolicy: 'stagedglobalnetworkpolicies.projectcalico.org',
  StagedKubernetesNetworkPolicy: 'stagedkubernetesnetworkpolicies.projectcalico.org',
  KubernetesNetworkPolicy: 'networkpolicies.networking.k8s.io',
  ClusterNetworkPolicy: 'clusternetworkpolicies.policy.networking.k8s.io',
  Tier: 'tiers.projectcalico.org',
  NetworkSet: 'networksets.projectcalico.org',
  GlobalNetworkSet: 'globalnetworksets.projectcalico.org',
  HostEndpoint: 'hostendpoints.projectcalico.org',
};

/** A kubectl command about one object, with every part quoted that a shell would read. */
export function kubectl(verb: string, id: string, rest = ''): string {
  const { kind, namespace, name } = parseId(id);
  return ['kubectl', verb, resources[kind] ?? kind, quote(name), namespace ? `-n ${quote(namespace)}` : '', rest].filter(Boolean).join(' ');
}

/** A word as a POSIX shell must be given it. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Labels that the system gives to everything: they say nothing about one thing. */
export function isInternal(key: string): boolean {
  return /^(projectcalico\.org|pcns\.projectcalico\.org|pcsa\.projectcalico\.org)\/|^kubernetes\.io\/metadata\.name$/.test(key);
}
