import { expect, it } from 'vitest';
import { complete } from './complete';

const labels = [{ key: 'app/tier', count: 2, distinct: 2, values: [{ value: 'FE', count: 1 }, { value: 'BE', count: 1 }] }];

it.each([
  ['  - act', ['action: '], 3],
  ['  - action: D', ['Deny'], 1],
  ['  types: [ Ingress, E', ['Egress'], 1],
  ['  selector: app', ['app/tier'], 3],
  ["  selector: app/tier == '", ["'FE'", "'BE'"], 1],
  ["    source: {selector: \"app/tier == 'F", ["'FE'"], 2],
  ["  selector: has(x) && a", ['app/tier', 'all()'], 1],
])('%s', (before, options, length) => {
  expect(complete(before, labels)).toEqual({ options, length });
});

it('has nothing to say inside a value', () => {
  expect(complete('  name: some thing', labels)).toBeUndefined();
});
