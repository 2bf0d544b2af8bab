import { expect, test } from 'vitest';
import { merged } from './live';
import { policyFor } from './rule';
import { bytesText, csv, deciding, endRef, labelsOf, portOf, reasonText, type Flow } from './words';

const denied: Flow = {
  id: 7, node: 'node-1', reporter: 'destination', start: '2026-01-01T00:00:00Z', last: '2026-01-01T00:00:01Z',
  source: { kind: 'pod', namespace: 'red', name: 'fe-1', labels: 'app/tier=FE,pod-template-hash=abc', address: '10.0.0.1' },
  destination: { kind: 'pod', namespace: 'blue', name: 'be-1', labels: 'app/tier=BE', address: '10.0.0.2' },
  protocol: 'TCP', port: 80, verdict: 'deny', connections: 2, out: { packets: 2, bytes: 120 }, in: { packets: 0, bytes: 0 },
  egress: { verdict: 'allow', reason: 'no policy applies', path: [] },
  ingress: { verdict: 'deny', reason: 'rule', tier: 'security', policy: 'GlobalNetworkPolicy//block-red', rule: 2, path: [{ tier: 'security', policy: 'GlobalNetworkPolicy//block-red', rule: 2, action: 'Deny' }] },
};

test('who decided', () => {
  expect(reasonText(deciding(denied))).toBe('ingress: rule 2 of GlobalNetworkPolicy//block-red in tier security');
  expect(reasonText(deciding({ egress: { verdict: 'deny', reason: 'tier default', tier: 'default', policies: ['NetworkPolicy/red/out'], path: [] }, ingress: null }))).toBe('egress: end of tier default (NetworkPolicy/red/out)');
  expect(deciding({ egress: denied.ingress, ingress: { verdict: 'allow', reason: 'no policy applies', path: [] } })?.direction).toBe('egress');
  expect(reasonText(deciding({ egress: null, ingress: null }))).toMatch(/^not known/);
});

test('ends and ports', () => {
  expect(endRef({ kind: 'host', name: 'hep-1', address: '192.0.2.1' })).toBe('hep:hep-1');
  expect(endRef({ kind: 'set', name: 'partners', address: '192.0.2.7' })).toBe('192.0.2.7');
  expect(portOf(denied)).toBe('tcp/80');
  expect(portOf({ protocol: 'ICMP', port: 0, icmp: '8/0' })).toBe('icmp/8/0');
  expect(labelsOf(denied.source)).toEqual({ 'app/tier': 'FE', 'pod-template-hash': 'abc' });
  expect([bytesText(999), bytesText(1500), bytesText(2_500_000)]).toEqual(['999 B', '1.5 kB', '2.5 MB']);
});

test('a cell of an export is never a formula, and quotes are doubled', () => {
  const [, row] = csv([{ ...denied, node: '=HYPERLINK("x")' }]).split('\r\n');
  expect(row).toContain('"\'=HYPERLINK(""x"")"');
  expect(row).toContain('ingress: rule 2 of GlobalNetworkPolicy//block-red in tier security');
});

test('what came while the page was asked for is shown once', () => {
  expect(merged([{ ...denied, id: 9 }, denied], [denied, { ...denied, id: 3 }]).map((flow) => flow.id)).toEqual([9, 7, 3]);
});

test('a rule from a flow allows just that, for replicas too', () => {
  const text = policyFor(denied, 'ingress') ?? '';
  expect(text).toContain('namespace: blue');
  expect(text).toContain("selector: app/tier == 'BE'");
  expect(text).toContain("selector: app/tier == 'FE'");
  expect(text).not.toContain('pod-template-hash');
  expect(text).toContain("namespaceSelector: projectcalico.org/name == 'red'");
  expect(text).toMatch(/ports:\s+- 80/);
  expect(policyFor({ ...denied, destination: { kind: 'address', address: '192.0.2.1' } }, 'ingress')).toBeUndefined();
  expect(policyFor({ ...denied, source: { kind: 'address', address: '2001:db8::1' } }, 'ingress')).toContain('2001:db8::1/128');
});
