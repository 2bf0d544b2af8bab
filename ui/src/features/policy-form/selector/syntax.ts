/**
 * The selector language as text and as a tree: just enough to offer rows for
 * what rows can say. It decides nothing: what a selector takes in, and whether
 * it is valid at all, is the server's answer. The grammar is the one of the Go
 * package `selector`.
 */

/** The comparisons that a row can make, spelled as they are printed. */
export const operators = ['==', '!=', 'in', 'not in', 'contains', 'starts with', 'ends with', 'has', '!has'] as const;
export type Operator = (typeof operators)[number];

/** One comparison of a label. `has` and `!has` have no values, `in` and `not in` any number, the rest one. */
export interface Term {
  key: string;
  operator: Operator;
  values: string[];
}

export type Tree =
  | { type: 'term'; term: Term }
  | { type: 'all' }
  | { type: 'global' }
  | { type: 'not'; of: Tree }
  | { type: 'and' | 'or'; of: Tree[] };

/** What is wrong with a text, and where (an offset in UTF-16 units). */
export interface SyntaxProblem {
  message: string;
  offset: number;
}

export type Parsed = { tree: Tree; problem?: undefined } | { tree?: undefined; problem: SyntaxProblem };

/** Parses a selector. A blank one is `all()`. */
export function parseSelector(text: string): Parsed {
  const parser = new Parser(text);
  try {
    return { tree: parser.selector() };
  } catch (thrown) {
    if (thrown instanceof SelectorError) return { problem: { message: thrown.message, offset: thrown.offset } };
    throw thrown;
  }
}

class SelectorError extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

const space = /[ \t\r\n]*/y;
const label = /[A-Za-z0-9_./-]{1,512}/y;
const notIn = /not[ \t\r\n]*in(?=[ \t\r\n{])/y;
const word = /in(?=[ \t\r\n{])|contains(?=[ \t\r\n'"])|starts[ \t\r\n]*with(?=[ \t\r\n'"])|ends[ \t\r\n]*with(?=[ \t\r\n'"])/y;

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  selector(): Tree {
    this.skip();
    if (this.at === this.text.length) return { type: 'all' };
    const tree = this.or();
    if (this.at < this.text.length) this.fail('unexpected content at end of selector');
    return tree;
  }

  private or(): Tree {
    const of = [this.and()];
    while (this.take('||')) of.push(this.and());
    return of.length === 1 && of[0] ? of[0] : { type: 'or', of };
  }

  private and(): Tree {
    const of = [this.operand()];
    while (this.take('&&')) of.push(this.operand());
    return of.length === 1 && of[0] ? of[0] : { type: 'and', of };
  }

  private operand(): Tree {
    this.skip();
    // "!" before "=" cannot begin an operand, so it is always a negation here.
    if (this.take('!')) return { type: 'not', of: this.operand() };
    return this.term();
  }

  private term(): Tree {
    if (this.take('(')) {
      const tree = this.or();
      if (!this.take(')')) this.fail('expected )');
      return tree;
    }
    const call = this.call('all') ?? this.call('global');
    if (call) return { type: call };
    if (this.text.startsWith('has(', this.at)) return this.has();
    return this.comparison();
  }

  private call<T extends 'all' | 'global'>(name: T): T | undefined {
    const match = this.match(new RegExp(`${name}\\([ \\t\\r\\n]*\\)`, 'y'));
    if (match === undefined) return undefined;
    this.skip();
    return name;
  }

  private has(): Tree {
    this.at += 'has('.length;
    this.skip();
    const key = this.match(label);
    if (key === undefined) this.fail('expected a label');
    this.skip();
    if (!this.take(')')) this.fail('expected )');
    return { type: 'term', term: { key, operator: 'has', values: [] } };
  }

  private comparison(): Tree {
    const key = this.match(label);
    if (key === undefined) this.fail('expected a label, has(), all() or a parenthesis');
    this.skip();
    const operator = this.operator();
    const values = operator === 'in' || operator === 'not in' ? this.set() : [this.string()];
    return { type: 'term', term: { key, operator, values } };
  }

  private operator(): Operator {
    if (this.take('==')) return '==';
    if (this.take('!=')) return '!=';
    if (this.match(notIn) !== undefined) return this.after('not in');
    const found = this.match(word);
    if (found === undefined) this.fail('expected an operator such as == or in');
    if (found.startsWith('starts')) return this.after('starts with');
    if (found.startsWith('ends')) return this.after('ends with');
    return this.after(found === 'in' ? 'in' : 'contains');
  }

  private after(operator: Operator): Operator {
    this.skip();
    return operator;
  }

  private set(): string[] {
    if (!this.take('{')) this.fail('expected {');
    const values: string[] = [];
    while (!this.take('}')) {
      values.push(this.string());
      if (this.take(',')) continue;
      if (!this.take('}')) this.fail('expected }');
      break;
    }
    return values;
  }

  private string(): string {
    const quote = this.text[this.at];
    if (quote !== "'" && quote !== '"') this.fail('expected a quoted value');
    const end = this.text.indexOf(quote, this.at + 1);
    if (end < 0) this.fail('unterminated string');
    const value = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    this.skip();
    return value;
  }

  private take(token: string): boolean {
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    this.skip();
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return undefined;
    this.at += found[0].length;
    return found[0];
  }

  private skip(): void {
    this.match(space);
  }

  private fail(message: string): never {
    throw new SelectorError(message, this.at);
  }
}
