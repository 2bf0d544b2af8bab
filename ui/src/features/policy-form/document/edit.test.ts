import { describe, expect, it } from 'vitest';
import { duplicateItem, editText, insertItem, moveItem, readText, removeItem, setField } from './edit';

const handWritten = `# who may talk to the frontends
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: fe, namespace: blue} # short form
spec:
    selector:   app/tier == 'FE'   # the frontends
    futureField: {kept: [1, 2]}
    ingress:
    # the backend first
    - action: Allow
      protocol: TCP
      source: {selector: "app/tier == 'BE'"}   # quoted
    # then the rest
    - {action: Deny}
`;

describe('an edit of a hand-written text', () => {
  it('changes one line', () => {
    const text = editText(handWritten, (d) => setField(d, ['spec', 'selector'], "app/tier == 'BE'"));
    expect(text).toBe(handWritten.replace("selector:   app/tier == 'FE'   # the", "selector: app/tier == 'BE' # the"));
  });

  it('adds a field beside what is there', () => {
    const text = editText(handWritten, (d) => setField(d, ['spec', 'order'], 12.5));
    expect(text).toBe(`${handWritten}    order: 12.5\n`);
  });

  it('removes a field and what it leaves empty, and no rule', () => {
    const text = editText(handWritten, (d) => setField(d, ['spec', 'ingress', 0, 'source', 'selector'], ''));
    expect(text).toBe(handWritten.replace(`      source: {selector: "app/tier == 'BE'"}   # quoted\n`, ''));
  });

  it('does nothing when nothing changes', () => {
    expect(editText(handWritten, (d) => setField(d, ['spec', 'selector'], "app/tier == 'FE'"))).toBe(handWritten);
  });

  it('moves a rule with its comment', () => {
    const text = editText(handWritten, (d) => moveItem(d, ['spec', 'ingress'], 1, 0));
    expect(text.indexOf('# then the rest')).toBeLessThan(text.indexOf('action: Deny'));
    expect(text.indexOf('action: Deny')).toBeLessThan(text.indexOf('# the backend first'));
    expect(text.indexOf('# the backend first')).toBeLessThan(text.indexOf('action: Allow'));
    expect(text).toContain('{kept: [1, 2]}');
  });

  it('removes a rule with its comment, and leaves the other', () => {
    const text = editText(handWritten, (d) => removeItem(d, ['spec', 'ingress'], 0));
    expect(text).not.toContain('the backend first');
    expect(text).toContain('# then the rest\n    - {action: Deny}\n');
  });

  it('removes the list with its last rule', () => {
    let text = editText(handWritten, (d) => removeItem(d, ['spec', 'ingress'], 0));
    text = editText(text, (d) => removeItem(d, ['spec', 'ingress'], 0));
    expect(readText(text).value).not.toHaveProperty('spec.ingress');
  });

  it('makes a copy that shares nothing', () => {
    let text = editText(handWritten, (d) => duplicateItem(d, ['spec', 'ingress'], 1));
    text = editText(text, (d) => setField(d, ['spec', 'ingress', 2, 'action'], 'Pass'));
    expect(readText(text).value).toHaveProperty('spec.ingress.1.action', 'Deny');
    expect(readText(text).value).toHaveProperty('spec.ingress.2.action', 'Pass');
  });

  it('makes what is missing on the way', () => {
    let text = editText('kind: NetworkPolicy\nspec:\n', (d) => insertItem(d, ['spec', 'ingress'], { action: 'Allow' }));
    text = editText(text, (d) => setField(d, ['spec', 'ingress', 0, 'source', 'nets'], ['10.0.0.0/8']));
    expect(text).toBe('kind: NetworkPolicy\nspec:\n  ingress:\n    - action: Allow\n      source:\n        nets: [ 10.0.0.0/8 ]\n');
  });

  it('keeps the comments of the items of a list', () => {
    const before = 'spec:\n  nets:\n    - 10.0.0.0/8 # the office\n    - 11.0.0.0/8\n';
    expect(editText(before, (d) => setField(d, ['spec', 'nets'], ['10.0.0.0/8', '12.0.0.0/8']))).toBe(
      'spec:\n  nets:\n    - 10.0.0.0/8 # the office\n    - 12.0.0.0/8\n',
    );
  });

  it('quotes what Kubernetes would read as something else', () => {
    const text = editText('spec: {}\n', (d) => setField(d, ['spec', 'a'], { yes: 'no', number: '80', date: 'on' }));
    expect(text).toContain('"no"');
    expect(text).toContain('"80"');
    expect(text).toContain('"on"');
  });

  it('writes a number where a quoted one stood', () => {
    expect(editText('spec:\n  port: "80"\n', (d) => setField(d, ['spec', 'port'], 81))).toBe('spec:\n  port: 81\n');
  });

  it('gives an alias a copy of its own', () => {
    const text = editText('spec:\n  one: &x {nets: [1.0.0.0/8]}\n  two: *x\n', (d) => setField(d, ['spec', 'two', 'nets'], ['2.0.0.0/8']));
    expect(readText(text).value).toEqual({ spec: { one: { nets: ['1.0.0.0/8'] }, two: { nets: ['2.0.0.0/8'] } } });
  });
});

describe('what cannot be read', () => {
  it.each([
    ['a: b: c', 1, /nested mappings/i],
    ['spec:\n  a: [', 2, /flow sequence/i],
    ['kind: A\n---\nkind: B\n', 2, /several/],
    ['- a', 1, /not an object/],
    ['', 1, /nothing here/],
    ['a: *nowhere', 1, /alias/i],
  ])('%j is said with its place', (text, line, message) => {
    const { problem } = readText(text);
    expect(problem?.message).toMatch(message);
    expect(problem?.line).toBe(line);
  });

  it('is not edited', () => {
    expect(editText('a: [', (d) => setField(d, ['b'], 'c'))).toBe('a: [');
  });
});
