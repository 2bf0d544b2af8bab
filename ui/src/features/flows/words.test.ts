import { expect, test } from 'vitest';
import { added, merged } from './live';
import { policyFor, ruleFrom } from './rule';
import { kept } from './place';
import { bytesText, csv, deciding, endRef, labelsOf, lostParts, portOf, reasonText, whyText, type Flow } from './words';

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

test('a host endpoint on the way that denied is what decided', () => {
  const host = { endpoint: 'hep:eth0', stage: 'forward', verdict: 'deny' as const, reason: 'rule', tier: 'security', policy: 'GlobalNetworkPolicy//hosts', rule: 0, path: [] };
  const allowed = { verdict: 'allow' as const, reason: 'no policy applies', path: [] };
  expect(reasonText(deciding({ egress: allowed, ingress: null, host }))).toBe('egress: rule 0 of GlobalNetworkPolicy//hosts in tier security, in the forward stage of hep:eth0');
  expect(deciding({ egress: allowed, ingress: null, host: { ...host, verdict: 'allow' } })?.decision).toBe(allowed);
});

test('what a Log rule logged says which rule, not what decided', () => {
  const logged = { prefix: 'audit', tier: 'security', policy: 'GlobalNetworkPolicy//look', rule: 3, direction: 'ingress' as const, packets: 2 };
  expect(whyText({ ...denied, logged })).toBe('ingress: rule 3 of GlobalNetworkPolicy//look in tier security logged it with the prefix audit');
  expect(csv([{ ...denied, connections: 0, logged }]).split('\r\n')[1]).toMatch(/,log,deny,.*,0,2,120,0,ingress: rule 3/);
});

test('losses are summed up and told, each with its number', () => {
  expect(lostParts(added({ denied: 1_200, records: 1 }, { denied: 34, logged: 2 }))).toEqual(['1,234 denied attempts that came too fast', '1 record that could not be kept while the server was away', '2 packets that Log rules met beyond their limit']);
  expect(lostParts({})).toEqual([]);
});

test('who has scrolled down keeps the first row before the eyes, who is at the top sees what comes', () => {
  const rows = [{ id: 'a', top: -40, bottom: -10 }, { id: 'b', top: -10, bottom: 20 }, { id: 'c', top: 20, bottom: 50 }];
  expect(kept(rows, 300)?.id).toBe('c');
  expect(kept(rows, 0)).toBeUndefined();
  expect(kept([{ id: 'z', top: -90, bottom: -60 }], 300)?.id).toBe('z');
});

test('names that a spreadsheet would run, or that would break a line, stay text', () => {
  const odd = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '\u200b=1', '\u00a0@x', 'a,b', 'say "hi"', 'two\nlines', '\r=1', 'żółw 🐢'];
  const rows = odd.map((node) => csv([{ ...denied, node }]).slice(csv([]).length, -2));
  for (const [at, row] of rows.entries()) {
    const cell = /,("(?:[^"]|"")*"|[^,]*),destination$/.exec(row)?.[1] ?? '';
    const read = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
    expect(read.replace(/^'/, ''), row).toBe(odd[at]);
    expect(read, row).not.toMatch(/^[\s\p{C}]*[=+\-@]/u);
  }
});

test('a cell of an export is never a formula, and quotes are doubled', () => {
  const [, row] = csv([{ ...denied, node: '=HYPERLINK("x")' }]).split('\r\n');
  expect(row).toContain('"\'=HYPERLINK(""x"")"');
  expect(row).toContain('ingress: rule 2 of GlobalNetworkPolicy//block-red in tier security');
});

test('a rule is for the tier that denied, and says what it is worth', () => {
  const by = deciding(denied)!;
  expect(ruleFrom(denied, by).policy).toContain('tier: security');
  expect(ruleFrom(denied, by).why).toMatch(/smaller order/);
  expect(ruleFrom({ ...denied, destination: { kind: 'host', name: 'eth0', address: '192.0.2.1' } }, by)).toEqual({ why: 'No rule can be made from it: the destination, where it was decided, is not a pod.' });
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
