import fc from 'fast-check';
import { expect, test } from 'vitest';
import { align } from './align';

function shown(left: string, right: string): string {
  return align([...left], [...right], (a, b) => a === b).map((row) => (row.same ? row.left : `${row.left ?? '-'}${row.right ?? '-'}`)).join(' ');
}

test('what is in both stands in one row', () => {
  expect(shown('abc', 'abc')).toBe('a b c');
  expect(shown('abc', 'axc')).toBe('a bx c');
  expect(shown('ab', 'xab')).toBe('-x a b');
  expect(shown('abc', 'ac')).toBe('a b- c');
  expect(shown('', 'ab')).toBe('-a -b');
});

test('both lists are there, whole and in order', () => {
  const list = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
  fc.assert(fc.property(list, list, (left, right) => {
    const rows = align(left, right, (a, b) => a === b);
    expect(rows.flatMap((row) => row.left ?? [])).toEqual(left);
    expect(rows.flatMap((row) => row.right ?? [])).toEqual(right);
    for (const row of rows) expect(row.same).toBe(row.left !== undefined && row.left === row.right);
  }));
});
