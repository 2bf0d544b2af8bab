import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { changeSet, newSet, parseLabels, type SetFields } from './document';

const fields: SetFields = { scope: 'Namespace', namespace: 'blue', name: 'on', labels: ['role=db', 'note=a=b'], nets: ['10.0.0.0/8'], domains: [] };

test('a new set is the object that the fields say', () => {
  expect(parse(newSet(fields))).toEqual({ apiVersion: 'projectcalico.org/v3', kind: 'NetworkSet', metadata: { name: 'on', namespace: 'blue', labels: { role: 'db', note: 'a=b' } }, spec: { nets: ['10.0.0.0/8'] } });
  expect(parse(newSet({ ...fields, scope: 'Global' })).metadata.namespace).toBeUndefined();
});

test('domains are written where there are any', () => {
  expect(parse(newSet({ ...fields, domains: ['*.example.com'] })).spec).toEqual({ nets: ['10.0.0.0/8'], allowedEgressDomains: ['*.example.com'] });
  expect(parse(changeSet('spec:\n  allowedEgressDomains: [a.b]\n', fields)).spec).toEqual({ nets: ['10.0.0.0/8'] });
});

test('an edit keeps what the form does not know', () => {
  const text = changeSet('# ours\nkind: NetworkSet\nmetadata:\n  name: s\n  annotations: {a: b}\nspec:\n  allowedEgressDomains: ["*.example.com"]\n  nets: []\n', { ...fields, domains: ['*.example.com'] });
  expect(text).toContain('# ours');
  const object = parse(text);
  expect(object.spec).toEqual({ allowedEgressDomains: ['*.example.com'], nets: ['10.0.0.0/8'] });
  expect(object.metadata.annotations).toEqual({ a: 'b' });
});

test('what is no label is named', () => {
  expect(parseLabels(['a=b', '=c']).wrong).toBe('=c');
});
