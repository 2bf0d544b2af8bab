/** Flows in words, and as files. */
import type { Schemas } from '../../api/client';

export type Flow = Schemas['Flow'];
type End = Schemas['FlowEnd'];
type Decision = Schemas['FlowDecision'];

/** What an end is called in commands: NAMESPACE/POD, hep:NAME, node:NAME, or its address. */
export function endRef(end: End): string {
  if (end.kind === 'pod') return `${end.namespace}/${end.name}`;
  if (end.kind === 'host') return `hep:${end.name}`;
  if (end.kind === 'node') return `node:${end.name}`;
  return end.address;
}

/** The set that an address is in, as a reference; undefined if it is in none. */
export function setOf(end: End): string | undefined {
  if (end.kind !== 'set') return undefined;
  return end.namespace ? `${end.namespace}/${end.name}` : end.name;
}

/** The labels of an end, which the record has as KEY=VALUE with commas between. */
export function labelsOf(end: End): Record<string, string> {
  if (!end.labels) return {};
  return Object.fromEntries(end.labels.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}

/** The port as commands write it: tcp/80, icmp/8/0. */
export function portOf(flow: Pick<Flow, 'protocol' | 'port' | 'icmp'>): string {
  const protocol = flow.protocol.toLowerCase();
  if (flow.icmp) return `${protocol}/${flow.icmp}`;
  return flow.port ? `${protocol}/${flow.port}` : protocol;
}

export interface Deciding {
  direction: 'egress' | 'ingress';
  decision: Decision;
}

/** The decision that made the verdict: the one that denied, or of two that allowed the destination's, if a policy made it. */
export function deciding(flow: Pick<Flow, 'egress' | 'ingress'>): Deciding | undefined {
  const { egress, ingress } = flow;
  if (egress && (egress.verdict === 'deny' || !ingress)) return { direction: 'egress', decision: egress };
  if (!ingress) return undefined;
  if (egress && ingress.verdict === 'allow' && ingress.path.length === 0) return { direction: 'egress', decision: egress };
  return { direction: 'ingress', decision: ingress };
}

/** Why, in one line of text. */
export function reasonText(of: Deciding | undefined): string {
  if (!of) return 'not known: it was open before the agent came';
  const { tier, policy, rule, policies, profile, reason } = of.decision;
  if (policy) return `${of.direction}: rule ${rule} of ${policy} in tier ${tier}`;
  if (reason === 'tier default') return `${of.direction}: end of tier ${tier} (${(policies ?? []).join(', ')})`;
  if (profile) return `${of.direction}: profile ${profile}`;
  return `${of.direction}: ${reason || 'reason not known'}`;
}

/** 1,234 B, 5.6 kB, 7.8 MB. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const at = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  return `${(bytes / 1000 ** at).toFixed(1)} ${['B', 'kB', 'MB', 'GB', 'TB'][at]}`;
}

const columns = ['last', 'verdict', 'source', 'source_address', 'destination', 'destination_address', 'port', 'connections', 'bytes_out', 'bytes_in', 'reason', 'node', 'reporter'] as const;

/** Flows for a spreadsheet. A cell that one would take for a formula begins with an apostrophe. */
export function csv(flows: readonly Flow[]): string {
  const rows = flows.map((flow) => [flow.last, flow.verdict, endRef(flow.source), flow.source.address, endRef(flow.destination), flow.destination.address, portOf(flow), flow.connections, flow.out.bytes, flow.in.bytes, reasonText(deciding(flow)), flow.node, flow.reporter]);
  return [columns, ...rows].map((row) => row.map((value) => cell(String(value))).join(',')).join('\r\n') + '\r\n';
}

function cell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
