import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateItem, editText, moveItem, readText, removeItem, type Edit } from './edit';
import { addRule, newPolicy, readPolicy, rulesPath, set, setOption, setScope, setType, type Policy } from './policy';

const start = `apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: p # keep: name
  labels: {team: net}
spec:
  # keep: order
  order: 10
  vendorField: {x: [1, 2, "3"]} # keep: unknown
  selector: app == 'a' # keep: selector
  ingress:
  - action: Allow # keep: rule a
    protocol: TCP
    vendor: 1
    source: {nets: [10.0.0.0/8]}
  # keep: above rule b
  - action: Deny
  egress:
  - {action: Pass}
`;

function policyOf(text: string): Policy {
  const policy = readPolicy(readText(text).value ?? {});
  if (!policy) throw new Error('not a policy');
  return policy;
}

function comments(text: string): string[] {
  return (text.match(/# .*/g) ?? []).sort();
}

const selector = fc.constantFrom('', 'all()', "x == 'y'", "has(k) && z in {'a', 'b'}");
const rule = fc.nat(1);
/** Edits that remove nothing that has a comment. */
const edit: fc.Arbitrary<(policy: Policy) => Edit> = fc.oneof(
  selector.map((value) => () => set(['spec', 'namespaceSelector'], value)),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => () => set(['spec', 'order'], Object.is(value, -0) ? 0 : value)),
  fc.boolean().map((on) => (policy: Policy) => setType(policy, 'Egress', on)),
  fc.constantFrom('preDNAT' as const, 'doNotTrack' as const, 'applyOnForward' as const).chain((option) => fc.boolean().map((on) => () => setOption(option, on))),
  fc.tuple(rule, selector).map(([index, value]) => () => set(['spec', 'ingress', index, 'source', 'selector'], value)),
  fc.tuple(rule, fc.array(fc.constantFrom(80, 443, '1:2', 'http'), { maxLength: 3 })).map(
    ([index, value]) => () => set(['spec', 'ingress', index, 'destination', 'ports'], value),
  ),
  fc.constant((policy: Policy) => addRule(policy, 'egress')),
  fc.constant(() => (document: Parameters<Edit>[0]) => moveItem(document, rulesPath('ingress'), 0, 1)),
  fc.constant(() => (document: Parameters<Edit>[0]) => moveItem(document, rulesPath('ingress'), 1, 0)),
  fc.constant(() => (document: Parameters<Edit>[0]) => duplicateItem(document, rulesPath('egress'), 0)),
);

describe('any edits of the form', () => {
  it('keep comments and unknown fields, and give a policy that reads', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 12 }), (edits) => {
        let text = start;
        for (const next of edits) text = editText(text, next(policyOf(text)));
        expect(comments(text)).toEqual(comments(start));
        expect(text).toContain('vendorField: {x: [1, 2, "3"]} # keep: unknown');
        expect(readText(text).value).toHaveProperty('spec.vendorField', { x: [1, 2, '3'] });
        expect(policyOf(text).ingress).toHaveLength(2);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('change what they are about and nothing else', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 6 }), selector.filter((value) => value !== ''), (edits, value) => {
        let text = start;
        for (const next of edits) text = editText(text, next(policyOf(text)));
        const before = readText(text).value;
        const after = readText(editText(text, set(['spec', 'selector'], value))).value;
        expect(after).toEqual({ ...before, spec: { ...(before?.spec as object), selector: value } });
      }),
      { numRuns: 30 },
    );
  }, 60_000);

  it('are undone by their opposite', () => {
    const there = editText(start, (document) => moveItem(document, rulesPath('ingress'), 0, 1));
    expect(there).not.toBe(start);
    expect(readText(editText(there, (document) => moveItem(document, rulesPath('ingress'), 0, 1))).value).toEqual(readText(start).value);
  });
});

describe('scope', () => {
  it('takes along what only a global policy has', () => {
    let text = editText(start, setOption('preDNAT', true));
    expect(policyOf(text)).toMatchObject({ preDNAT: true, applyOnForward: true });
    text = editText(text, setScope(policyOf(text), { global: false, namespace: 'blue' }));
    expect(policyOf(text)).toMatchObject({ kind: 'NetworkPolicy', namespace: 'blue', preDNAT: false, applyOnForward: false });
    text = editText(text, setScope(policyOf(text), { global: true }));
    expect(policyOf(text)).toMatchObject({ kind: 'GlobalNetworkPolicy', namespace: '' });
    expect(text).not.toContain('namespace');
  });

  it('keeps a staged policy staged', () => {
    const staged = start.replace('kind: Global', 'kind: StagedGlobal');
    expect(policyOf(editText(staged, setScope(policyOf(staged), { global: false, namespace: 'b' }))).kind).toBe('StagedNetworkPolicy');
  });
});

describe('types', () => {
  it('are completed from the rules, and written out when one is ticked', () => {
    expect(policyOf(start)).toMatchObject({ types: ['Ingress', 'Egress'], typesWritten: false });
    const text = editText(start, setType(policyOf(start), 'Egress', false));
    expect(policyOf(text)).toMatchObject({ types: ['Ingress'], typesWritten: true });
  });

  it('come to list the direction of a rule that is added', () => {
    const text = newPolicy('blue', 'default');
    expect(policyOf(editText(text, addRule(policyOf(text), 'egress'))).types).toEqual(['Ingress', 'Egress']);
  });
});

describe('removing', () => {
  it('leaves a rule that matches everything where its last condition went', () => {
    const text = editText(start, set(['spec', 'egress', 0, 'source', 'selector'], ''));
    expect(policyOf(text).egress).toHaveLength(1);
    const removed = editText(start, (document) => removeItem(document, rulesPath('egress'), 0));
    expect(policyOf(removed).egress).toHaveLength(0);
    expect(comments(removed)).toEqual(comments(start));
  });
});
