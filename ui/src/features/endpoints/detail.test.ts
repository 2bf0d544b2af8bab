import { expect, test } from 'vitest';
import { isInternal } from '../../api/names';
import { inheritedFrom } from './detail';

test('inherited labels are told by where they come from, without the prefixes', () => {
  expect(inheritedFrom({ 'pcns.color': 'blue', 'pcsa.team': 'a', 'pcns.kubernetes.io/metadata.name': 'blue', plain: 'x' })).toEqual([
    { title: 'Labels of its namespace', labels: { color: 'blue', 'kubernetes.io/metadata.name': 'blue' } }, { title: 'Labels of its service account', labels: { team: 'a' } }, { title: 'Labels of its profiles', labels: { plain: 'x' } },
  ]);
  expect(inheritedFrom({})).toEqual([]);
});

test('labels of the system are told from those that people write', () => {
  expect(['projectcalico.org/namespace', 'kubernetes.io/metadata.name'].every(isInternal)).toBe(true);
  expect(['app', 'example.com/projectcalico.org', 'kubernetes.io/os'].some(isInternal)).toBe(false);
});
