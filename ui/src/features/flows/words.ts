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
export function deciding(flow: Pick<Flow, 'egress' | 'ingress' | 'host'>): Deciding | undefined {
  const { egress, ingress, host } = flow;
  if (egress?.verdict === 'deny') return { direction: 'egress', decision: egress };
  if (ingress?.verdict === 'deny') return { direction: 'ingress', decision: ingress };
  // A host endpoint on the way, through whose interface it was to be forwarded.
  if (host?.verdict === 'deny') return { direction: egress ? 'egress' : 'ingress', decision: host };
  if (ingress && (!egress || ingress.path.length > 0)) return { direction: 'ingress', decision: ingress };
  return egress ? { direction: 'egress', decision: egress } : undefined;
}

/** What a Log rule did, in one line of text. */
export function loggedText({ direction, tier, policy, profile, rule, prefix }: Schemas['FlowLogged']): string {
  const at = policy ? `rule ${rule} of ${policy} in tier ${tier}` : `rule ${rule} of profile ${profile}`;
  return `${direction ? `${direction}: ` : ''}${at} logged it with the prefix ${prefix}`;
}

/** Why, in one line of text: what logged it, if the record is of a Log rule. */
export function whyText(flow: Flow): string {
  return flow.logged ? loggedText(flow.logged) : reasonText(deciding(flow));
}

/** Why a policy decided, in one line of text. */
export function reasonText(of: Deciding | undefined): string {
  if (!of) return 'not known: it was open before the agent came';
  const stage = of.decision.stage ? `, in the ${of.decision.stage} stage of ${of.decision.endpoint}` : '';
  return withoutStage(of) + stage;
}

function withoutStage(of: Deciding): string {
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

const columns = ['last', 'event', 'verdict', 'source', 'source_address', 'destination', 'destination_address', 'port', 'connections', 'packets', 'bytes_out', 'bytes_in', 'reason', 'staged_would', 'node', 'reporter'] as const;

/** Flows for a spreadsheet. A cell that one would take for a formula begins with an apostrophe. */
export function csv(flows: readonly Flow[]): string {
  const rows = flows.map((flow) => [flow.last, flow.logged ? 'log' : 'connection', flow.verdict, endRef(flow.source), flow.source.address, endRef(flow.destination), flow.destination.address, portOf(flow), flow.connections,
    flow.logged?.packets ?? flow.out.packets + flow.in.packets, flow.out.bytes, flow.in.bytes, whyText(flow), flow.pending && flow.pending.verdict !== flow.verdict ? flow.pending.verdict : '', flow.node, flow.reporter]);
  return [columns, ...rows].map((row) => row.map((value) => cell(String(value))).join(',')).join('\r\n') + '\r\n';
}

/** What a spreadsheet must not run, it is kept from even where spaces or what nobody sees stand before it. */
function cell(value: string): string {
  const safe = /^[\s\p{C}]*[=+\-@]|^[\t\r\n]/u.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What of a filter's flows is missing, in words; empty for nothing. */
export function lostParts(lost: Schemas['FlowLoss']): string[] {
  const of = (n: number | undefined, one: string, many: string) => (n ? [`${n.toLocaleString('en')} ${n === 1 ? one : many}`] : []);
  return [
    ...of(lost.denied, 'denied attempt that came too fast', 'denied attempts that came too fast'), ...of(lost.connections, 'connection whose events were dropped', 'connections whose events were dropped'),
    ...of(lost.records, 'record that could not be kept while the server was away', 'records that could not be kept while the server was away'), ...of(lost.logged, 'packet that a Log rule met beyond its limit', 'packets that Log rules met beyond their limit'),
  ];
}
