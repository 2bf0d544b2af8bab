/** A policy that would allow what a flow was, to begin with in the form. */
import { stringify } from 'yaml';
import { isInternal } from '../../api/names';
import { labelsOf, type Deciding, type Flow } from './words';

type End = Flow['source'];

/** The text of a new policy that would allow the flow at the end that decided, or why there can be none; and what it does not change. */
export function ruleFrom(flow: Flow, { direction, decision }: Deciding): { policy?: string; why?: string } {
  // Only a policy of the tier that denied, or of one before it, comes to decide.
  const tier = decision.verdict === 'deny' && decision.tier ? decision.tier : 'default';
  const policy = policyFor(flow, direction, tier);
  if (!policy) return { why: `No rule can be made from it: the ${direction === 'ingress' ? 'destination' : 'source'}, where it was decided, is not a pod.` };
  if (decision.verdict === 'deny' && decision.policy) return { policy, why: `A rule in tier ${tier} counts if its policy has a smaller order than the one that denied.` };
  return { policy };
}

/** The text of a new policy for the end that decided; undefined where it is not a pod, to which a namespaced policy could apply. */
export function policyFor(flow: Flow, direction: 'egress' | 'ingress', tier = 'default'): string | undefined {
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
    spec: { tier, selector: selectorOf(subject), types: [direction === 'ingress' ? 'Ingress' : 'Egress'], [direction]: [rule] },
  });
}

function peerOf(peer: End, namespace: string): Record<string, unknown> {
  if (peer.kind !== 'pod') return { nets: [`${peer.address}/${peer.address.includes(':') ? 128 : 32}`] };
  return { selector: selectorOf(peer), ...(peer.namespace === namespace ? {} : { namespaceSelector: `projectcalico.org/name == ${literal(peer.namespace ?? '')}` }) };
}

/** What selects an end and its replicas: its labels, without those that the system gives, or its controller to each of them or each version. */
function selectorOf(end: End): string {
  const all = Object.entries(labelsOf(end)).filter(([key]) => !isInternal(key) && !/(^|\/)(pod-template-hash|controller-revision-hash|pod-template-generation|pod-name|pod-index)$/.test(key));
  return all.length === 0 ? 'all()' : all.map(([key, value]) => `${key} == ${literal(value)}`).join(' && ');
}

/** Values of labels have no quotes in them. */
function literal(value: string): string {
  return `'${value}'`;
}
