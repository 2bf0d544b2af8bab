/**
 * Carrying an edit of the canonical text over to the text that a user wrote.
 *
 * The yaml library keeps comments and order but not every space. What the user
 * wrote stays, byte for byte, except for the lines that an edit is about.
 */

/** Above this many cells the alignment would be felt while typing; the canonical text is taken instead. */
const maxCells = 4_000_000;

/**
 * Applies to `original` what changes from `before` to `after`, where `before` is
 * another spelling of `original`. Undefined if the texts are too long to align.
 */
export function carryOver(original: string, before: string, after: string): string | undefined {
  if (original === before) return after;
  const [source, from, to] = [original, before, after].map((text) => text.split('\n')) as [string[], string[], string[]];
  const kept = align(from, to);
  const home = align(from.map(spaceless), source.map(spaceless));
  if (!kept || !home) return undefined;
  const result: string[] = [];
  let [fromAt, toAt, sourceAt] = [0, 0, 0];
  // Where the user indents what the canonical text indents so far.
  const indents = new Map<number, number>();
  for (let anchor = 0; anchor <= from.length; anchor++) {
    const last = anchor === from.length;
    const inTo = last ? to.length : kept[anchor];
    const inSource = last ? source.length : home[anchor];
    // Only a line that is in all three can part what changed from what did not.
    if (inTo === undefined || inSource === undefined) continue;
    const unchanged = inTo - toAt === anchor - fromAt && from.slice(fromAt, anchor).every((line, i) => line === to[toAt + i]);
    result.push(...(unchanged ? source.slice(sourceAt, inSource) : to.slice(toAt, inTo).map((line) => indentLike(line, indents))));
    if (!last) {
      result.push(source[inSource] ?? '');
      indents.set(indentation(from[anchor]), indentation(source[inSource]));
    }
    [fromAt, toAt, sourceAt] = [anchor + 1, inTo + 1, inSource + 1];
  }
  return result.join('\n');
}

/** Two spellings of a line differ in spaces. */
function spaceless(line: string): string {
  return line.replace(/\s+/g, '');
}

function indentation(line = ''): number {
  return line.length - line.trimStart().length;
}

function indentLike(line: string, indents: Map<number, number>): string {
  if (line.trim() === '') return line;
  const canonical = indentation(line);
  const closest = [...indents.keys()].filter((known) => known <= canonical).reduce((a, b) => Math.max(a, b), 0);
  return ' '.repeat((indents.get(closest) ?? closest) + canonical - closest) + line.trimStart();
}

/** For each line of `a` the index of the line of `b` that is the same in a longest common subsequence. */
function align(a: string[], b: string[]): (number | undefined)[] | undefined {
  const pairs: (number | undefined)[] = new Array<number | undefined>(a.length).fill(undefined);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) pairs[start] = start++;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) pairs[--endA] = --endB;
  const [rows, columns] = [endA - start, endB - start];
  if (rows * columns > maxCells) return undefined;
  const width = columns + 1;
  const lengths = new Uint32Array((rows + 1) * width);
  const length = (row: number, column: number) => lengths[row * width + column] ?? 0;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      lengths[row * width + column] =
        a[start + row] === b[start + column]
          ? length(row + 1, column + 1) + 1
          : Math.max(length(row + 1, column), length(row, column + 1));
    }
  }
  for (let [row, column] = [0, 0]; row < rows && column < columns; ) {
    if (a[start + row] === b[start + column]) pairs[start + row++] = start + column++;
    else if (length(row + 1, column) >= length(row, column + 1)) row++;
    else column++;
  }
  return pairs;
}
