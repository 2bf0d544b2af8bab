/** Fills what `world.ts` leaves empty: nodes with errors and warnings, names that were learned, flows of every sort, staged policies. */
import { stringify } from 'yaml';
import type { Server } from './server';
import { flow, Node } from './told';

const long = 'a-network-set-whose-name-is-as-long-as-people-make-them-in-earnest';

const objects = [
  { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkSet', metadata: { name: long, labels: { role: 'partner', 'example.com/owner-of-this-set': 'the-team-that-looks-after-partners' } },
    spec: { nets: Array.from({ length: 30 }, (_, at) => `198.51.${at}.0/24`), allowedEgressDomains: ['*.updates.example.com', 'api.partner.example', 'nobody-has-asked.example'] } },
  { apiVersion: 'projectcalico.org/v3', kind: 'GlobalNetworkPolicy', metadata: { name: 'platform.partners' },
    spec: { tier: 'platform', order: 30, selector: "app/tier == 'FE'", types: ['Egress'], egress: [{ action: 'Allow', destination: { selector: "role == 'partner'" } }, { action: 'Pass' }] } },
  { apiVersion: 'projectcalico.org/v3', kind: 'StagedNetworkPolicy', metadata: { name: 'platform.blue', namespace: 'blue' },
    spec: { tier: 'platform', order: 10, selector: "app/tier == 'BE'", ingress: [{ action: 'Deny', protocol: 'TCP', source: { selector: "app/tier == 'FE'" }, destination: { ports: [80] } }, { action: 'Pass' }] } },
  { apiVersion: 'projectcalico.org/v3', kind: 'StagedGlobalNetworkPolicy', metadata: { name: 'security.outside' }, spec: { tier: 'security', stagedAction: 'Delete' } },
];

/** Tells the server all of it. Returns a node that can tell more. */
export async function fillUp(server: Server): Promise<Node> {
  server.kubectl(['create', '-f', '-'], objects.map((one) => stringify(one)).join('---\n'));
  const [one, two] = [new Node(server, 'node-1'), new Node(server, 'node-2')];
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const learned = (name: string, addr: string, more: object = {}) => ({ name, addr, server: '10.96.0.10', seen: new Date().toISOString(), expires: soon, ...more });
  await one.report({
    warning: 'connections are recorded without bytes: the kernel does not count them (net.netfilter.nf_conntrack_acct is 0)',
    learned: [learned('eu.updates.example.com', '198.18.0.7', { via: 'edge-7.cdn.example' }), learned('us.updates.example.com', '198.18.0.8'), learned('api.partner.example', '2001:db8:77::1'), learned('api.partner.example', '198.18.0.9')],
  });
  await two.report({ error: 'the kernel refused the tables: too many elements in set c4; 3 policies are not enforced as they are now', behind: new Date(Date.now() - 95_000).toISOString(), drift: 3 });
  const guard = { policy: 'NetworkPolicy/blue/platform.blue', tier: 'platform' };
  await one.flows([
    flow('blue/fe-1', 'blue/be-1', { ...guard, connections: 12_345, bytes: 987_654_321, ago: 40 }),
    flow('red/fe-1', 'blue/be-1', { verdict: 'deny', policy: 'GlobalNetworkPolicy//security.outside', tier: 'security', rule: 0, connections: 7, ago: 35 }),
    flow('red/fe-1', 'blue/be-1', { verdict: 'deny', port: 9090, ago: 30, more: { ingress: { endpoint: 'blue/be-1', verdict: 'deny', reason: 'tier default', path: [{ tier: 'platform', action: 'Deny', policies: ['NetworkPolicy/blue/platform.blue'] }] } } }),
    flow('203.0.113.200', 'green/be-1', { port: 443, bytes: 1_234, ago: 25 }),
    flow('red/fe-1', 'red/be-1', { ago: 20, more: { protocol: 'ICMP', port: 0, icmp: '8/0' } }),
    flow('blue/fe-1', '2001:db8:9::1', { port: 443, ago: 18, more: { source: { kind: 'pod', namespace: 'blue', name: 'fe-1', node: 'node-1', labels: 'app/tier=FE', address: 'fd00:244:1::11' }, destination: { kind: 'set', name: 'globalnetworkset-3', address: '2001:db8:9::1' }, reporter: 'source', egress: { endpoint: 'blue/fe-1', verdict: 'allow', reason: 'no policy applies', path: [] }, ingress: null } }),
    flow('blue/fe-1', 'blue/be-1', { ...guard, connections: 0, ago: 15, more: { logged: { prefix: 'tierwall', tier: 'platform', policy: 'NetworkPolicy/blue/platform.blue', rule: 0, direction: 'ingress', packets: 2 } } }),
    flow('green/fe-1', 'blue/be-1', { ...guard, port: 8080, ago: 5, bytes: 4_096 }),
  ], { denied: 1200, connections: 3, records: 45 });
  return one;
}
