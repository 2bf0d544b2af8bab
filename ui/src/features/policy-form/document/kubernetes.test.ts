import { expect, it } from 'vitest';
import { editText, readText } from './edit';
import { parseLabelSelector, setLabelSelector, type LabelCondition } from './kubernetes';

const empty = 'spec:\n  podSelector: {} # all\n';
const rows: LabelCondition[] = [
  { key: 'app', operator: '=', values: ['a'] },
  { key: 'env', operator: 'NotIn', values: ['x', 'y'] },
  { key: 'z', operator: 'Exists', values: [] },
];

it('reads back what it wrote', () => {
  const text = editText(empty, setLabelSelector(['spec', 'podSelector'], rows));
  expect(parseLabelSelector((readText(text).value?.spec as Record<string, unknown>).podSelector)).toEqual(rows);
});

it('keeps {} when the last row goes: absent is something else', () => {
  const text = editText(empty, setLabelSelector(['spec', 'podSelector'], rows));
  expect(readText(editText(text, setLabelSelector(['spec', 'podSelector'], []))).value).toEqual({ spec: { podSelector: {} } });
});

it('writes a second condition on a key in the long form', () => {
  const text = editText(empty, setLabelSelector(['spec', 'podSelector'], [rows[0], { ...rows[0], values: ['b'] }] as LabelCondition[]));
  expect(readText(text).value).toEqual({ spec: { podSelector: { matchLabels: { app: 'a' }, matchExpressions: [{ key: 'app', operator: 'In', values: ['b'] }] } } });
});
