/** A policy that would allow what a flow was, to begin with in the form. */
import { stringify } from 'yaml';
import { labelsOf, type Flow } from './words';

type End = Flow['source'];

/** The text of a new policy for the end that decided; undefined where neither end is a pod, to which a namespaced policy could apply. */
export function policyFor(flow: Flow, direction: 'egress' | 'ingress'): string | undefined {
  const [subject, peer] = direction === 'ingress' ? [flow.destination, flow.source] : [flow.source, flow.destination];
  if (subject.kind !== 'pod' || !subject.namespace) return undefined;
  const rule: Record<string, unknown> = { action: 'Allow' };
  if (flow.protocol) rule['protocol'] = /^\d+$/.test(flow.protocol) ? Number(flow.protocol) : flow.protocol;
  const here = peerOf(peer, subject.namespace);
  const ports = flow.port ? { ports: [flow.port] } : {};
  if (direction === 'ingress') {
    rule['source'] = here;
    if (flow.port) rule['destination'] = ports;
  } else {
    rule['destination'] = { ...here, ...ports };
  }
  return stringify({
    apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy', metadata: { name: '', namespace: subject.namespace },
    spec: { tier: 'default', selector: selectorOf(subject), types: [direction === 'ingress' ? 'Ingress' : 'Egress'], [direction]: [rule] },
  });
}

function peerOf(peer: End, namespace: string): Record<string, unknown> {
  if (peer.kind !== 'pod') return { nets: [`${peer.address}/${peer.address.includes(':') ? 128 : 32}`] };
  return { selector: selectorOf(peer), ...(peer.namespace === namespace ? {} : { namespaceSelector: `projectcalico.org/name == ${literal(peer.namespace ?? '')}` }) };
}

/** What selects an end and its replicas: its labels, without those that its controller gives each of them or each version. */
function selectorOf(end: End): string {
  const all = Object.entries(labelsOf(end)).filter(([key]) => !/(^|\/)(pod-template-hash|controller-revision-hash|pod-template-generation|pod-name|pod-index)$/.test(key));
  return all.length === 0 ? 'all()' : all.map(([key, value]) => `${key} == ${literal(value)}`).join(' && ');
}

/** Values of labels have no quotes in them. */
function literal(value: string): string {
  return `'${value}'`;
}
