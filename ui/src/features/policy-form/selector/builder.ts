/**
 * Selectors as rows: alternatives ("OR") of rows that all hold. What rows cannot
 * say stays text.
 */
import { parseSelector, type Term, type Tree } from './syntax';

/** Rows of an alternative, all of which hold. */
export type Group = Term[];

/**
 * What a selector is to the builder.
 * - `none`: no text, so nothing is selected on
 * - `all`: exactly `all()`, the Match All choice
 * - `rows`: what rows can say
 * - `text`: valid, but more than rows can say; `reason` says what
 * - `broken`: not a selector; `reason` says why and `offset` where
 */
export type Reading =
  | { as: 'none' }
  | { as: 'all' }
  | { as: 'rows'; groups: Group[] }
  | { as: 'text'; reason: string }
  | { as: 'broken'; reason: string; offset: number };

/** Reads a selector for the builder. */
export function readSelector(text: string): Reading {
  if (text.trim() === '') return { as: 'none' };
  const { tree, problem } = parseSelector(text);
  if (problem) return { as: 'broken', reason: problem.message, offset: problem.offset };
  if (tree.type === 'all') return { as: 'all' };
  const groups: Group[] = [];
  for (const alternative of tree.type === 'or' ? flatten('or', tree.of) : [tree]) {
    const group: Group = [];
    for (const operand of alternative.type === 'and' ? flatten('and', alternative.of) : [alternative]) {
      const term = asTerm(operand);
      if (!term) return { as: 'text', reason: whyText(operand) };
      group.push(term);
    }
    groups.push(group);
  }
  return { as: 'rows', groups };
}

/** (a && b) && c is a && b && c, so the parentheses need not stop the builder. */
function flatten(type: 'and' | 'or', of: Tree[]): Tree[] {
  return of.flatMap((tree) => (tree.type === type ? flatten(type, tree.of) : [tree]));
}

function asTerm(tree: Tree): Term | undefined {
  if (tree.type === 'term') return tree.term;
  if (tree.type === 'not' && tree.of.type === 'term' && tree.of.term.operator === 'has') {
    return { ...tree.of.term, operator: '!has' };
  }
  return undefined;
}

function whyText(tree: Tree): string {
  switch (tree.type) {
    case 'not':
      return 'it has a negation (!) of more than has()';
    case 'or':
      return 'it has alternatives (||) inside a condition';
    case 'all':
      return 'it combines all() with conditions';
    case 'global':
      return 'it uses global()';
    case 'and':
    case 'term':
      return 'it is nested';
  }
}

/** Writes rows as a selector. Rows without a key are left out: they are not finished. */
export function printRows(groups: Group[]): string {
  return groups
    .map((group) => group.filter((term) => term.key !== ''))
    .filter((group) => group.length > 0)
    .map((group) => group.map(printTerm).join(' && '))
    .join(' || ');
}

/** Writes one row. */
export function printTerm({ key, operator, values }: Term): string {
  switch (operator) {
    case 'has':
      return `has(${key})`;
    case '!has':
      return `!has(${key})`;
    case 'in':
    case 'not in':
      return `${key} ${operator} {${values.map(quote).join(', ')}}`;
    default:
      return `${key} ${operator} ${quote(values[0] ?? '')}`;
  }
}

function quote(value: string): string {
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

/** Why a row cannot be written, or undefined if it can. The language has no escapes. */
export function termProblem({ key, values }: Term): string | undefined {
  if (key !== '' && !/^[A-Za-z0-9_./-]{1,512}$/.test(key)) {
    return 'A label key has letters, digits and "_", ".", "/", "-" only.';
  }
  if (values.some((value) => value.includes("'") && value.includes('"'))) {
    return 'A value cannot contain both kinds of quotes.';
  }
  return undefined;
}

/** The values that a row keeps when its operator changes. */
export function changeOperator(term: Term, operator: Term['operator']): Term {
  if (operator === 'has' || operator === '!has') return { ...term, operator, values: [] };
  if (operator === 'in' || operator === 'not in') return { ...term, operator };
  return { ...term, operator, values: term.values.slice(0, 1) };
}
