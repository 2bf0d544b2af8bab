import type { LabelKey } from '../api';

/** What can stand after a text on its line, and how many characters of it are begun. */
export interface Completion {
  options: string[];
  length: number;
}

const fieldNames = [
  'action', 'applyOnForward', 'apiVersion', 'destination', 'doNotTrack', 'domains', 'egress', 'icmp', 'ingress', 'ipVersion', 'kind', 'metadata', 'name',
  'namespace', 'namespaceSelector', 'names', 'nets', 'notNets', 'notPorts', 'notProtocol', 'notSelector', 'order', 'ports', 'preDNAT', 'protocol',
  'selector', 'serviceAccounts', 'serviceAccountSelector', 'services', 'source', 'spec', 'stagedAction', 'tier', 'types',
];

const values: Record<string, string[]> = {
  action: ['Allow', 'Deny', 'Pass', 'Log'],
  protocol: ['TCP', 'UDP', 'SCTP', 'UDPLite', 'ICMP', 'ICMPv6'],
  notProtocol: ['TCP', 'UDP', 'SCTP', 'UDPLite', 'ICMP', 'ICMPv6'],
  types: ['Ingress', 'Egress'],
  kind: ['NetworkPolicy', 'GlobalNetworkPolicy', 'StagedNetworkPolicy', 'StagedGlobalNetworkPolicy', 'ClusterNetworkPolicy'],
  apiVersion: ['projectcalico.org/v3', 'networking.k8s.io/v1', 'policy.networking.k8s.io/v1alpha2'],
};

/** Completes a field's name, a value that is one of few, or a label in a selector. */
export function complete(before: string, labels: LabelKey[]): Completion | undefined {
  const selector = /[sS]elector:\s*["']?(.*)$/.exec(before)?.[1];
  if (selector !== undefined) return inSelector(selector, labels);
  const field = /(\w+):\s*(?:\[\s*|.*,\s*)?(\w*)$/.exec(before);
  if (field) return begun(values[field[1] ?? ''] ?? [], field[2] ?? '');
  const name = /^[\s-]*(\w*)$/.exec(before)?.[1];
  return name === undefined ? undefined : begun(fieldNames.map((known) => `${known}: `), name);
}

function inSelector(text: string, labels: LabelKey[]): Completion | undefined {
  const value = /([A-Za-z0-9_./-]+)\s*(?:==|!=|contains|starts with|ends with)\s*(['"][^'"]*)$/.exec(text);
  if (value) return begun((labels.find((known) => known.key === value[1])?.values ?? []).map((known) => `'${known.value}'`), value[2] ?? '');
  const key = /(?:^|[(!&|]\s*)([A-Za-z0-9_./-]*)$/.exec(text)?.[1];
  return key === undefined ? undefined : begun([...labels.map((known) => known.key), 'has(', 'all()', 'global()'], key);
}

function begun(options: string[], start: string): Completion {
  return { options: options.filter((option) => option.startsWith(start) && option !== start), length: start.length };
}
