import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeOperator, printRows, readSelector, termProblem, type Group } from './builder';
import { operators, parseSelector, type Term } from './syntax';

const key = fc.stringMatching(/^[A-Za-z0-9_./-]{1,20}$/);
const value = fc.string({ maxLength: 12 }).filter((text) => !(text.includes("'") && text.includes('"')));
const term: fc.Arbitrary<Term> = fc
  .record({ key, operator: fc.constantFrom(...operators), values: fc.array(value, { minLength: 1, maxLength: 3 }) })
  .map(({ operator, ...rest }) => changeOperator({ ...rest, operator: 'in' }, operator));
const rows: fc.Arbitrary<Group[]> = fc.array(fc.array(term, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 });

describe('rows and text are the same selector', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(rows, (groups) => {
        expect(readSelector(printRows(groups))).toEqual({ as: 'rows', groups });
      }),
      { numRuns: 500 },
    );
  });

  it('gives a reading for any text', () => {
    fc.assert(fc.property(fc.string(), (text) => readSelector(text).as !== undefined), { numRuns: 500 });
  });
});

describe('readSelector', () => {
  it.each([
    ['', { as: 'none' }],
    ['  \n', { as: 'none' }],
    ['all()', { as: 'all' }],
    [' all( ) ', { as: 'all' }],
    ["app/tier == 'FE'", { as: 'rows', groups: [[{ key: 'app/tier', operator: '==', values: ['FE'] }]] }],
    ['app=="a"', { as: 'rows', groups: [[{ key: 'app', operator: '==', values: ['a'] }]] }],
    ["a notin {'x',}", { as: 'rows', groups: [[{ key: 'a', operator: 'not in', values: ['x'] }]] }],
    ["a startswith 'x'", { as: 'rows', groups: [[{ key: 'a', operator: 'starts with', values: ['x'] }]] }],
    ['!has(a)', { as: 'rows', groups: [[{ key: 'a', operator: '!has', values: [] }]] }],
    [
      "has(in) && in in {'1'} || has == ''",
      {
        as: 'rows',
        groups: [
          [
            { key: 'in', operator: 'has', values: [] },
            { key: 'in', operator: 'in', values: ['1'] },
          ],
          [{ key: 'has', operator: '==', values: [''] }],
        ],
      },
    ],
  ])('%s', (text, reading) => {
    expect(readSelector(text)).toEqual(reading);
  });

  it('keeps as text what rows cannot say, and says what it is', () => {
    expect(readSelector("!a == 'b'")).toEqual({ as: 'text', reason: 'it has a negation (!) of more than has()' });
    expect(readSelector("a == 'b' && (has(c) || has(d))")).toEqual({ as: 'text', reason: 'it has alternatives (||) inside a condition' });
    expect(readSelector("all() && a == 'b'")).toEqual({ as: 'text', reason: 'it combines all() with conditions' });
    expect(readSelector('global()')).toEqual({ as: 'text', reason: 'it uses global()' });
  });

  it('sees through parentheses that change nothing', () => {
    expect(readSelector('((has(a) && has(b)) && has(c)) || (has(d))')).toMatchObject({ as: 'rows', groups: [{ length: 3 }, { length: 1 }] });
  });
});

describe('parseSelector says where', () => {
  it.each([
    ["a == 'b", 5, 'unterminated string'],
    ['a', 1, 'expected an operator such as == or in'],
    ['a == b', 5, 'expected a quoted value'],
    ["(a == 'b'", 9, 'expected )'],
    ["a in {'b'", 9, 'expected }'],
    ["a == 'b' c", 9, 'unexpected content at end of selector'],
    ["a == 'b' &&", 11, 'expected a label, has(), all() or a parenthesis'],
    ['has(a', 5, 'expected )'],
  ])('%s', (text, offset, message) => {
    expect(parseSelector(text)).toEqual({ problem: { message, offset } });
  });
});

describe('rows that are not finished', () => {
  it('are left out of the text', () => {
    expect(printRows([[{ key: '', operator: '==', values: ['x'] }], [{ key: 'a', operator: 'has', values: [] }]])).toBe('has(a)');
  });

  it('say what they cannot hold', () => {
    expect(termProblem({ key: 'a b', operator: 'has', values: [] })).toMatch(/label key/);
    expect(termProblem({ key: 'a', operator: '==', values: [`'"`] })).toMatch(/both kinds of quotes/);
    expect(termProblem({ key: 'a', operator: '==', values: [`it's`] })).toBeUndefined();
  });
});
