/** Two lists beside each other: what is in both stands in one row, and so does what was put in the place of something. */

export interface Row<T> {
  left: T | undefined;
  right: T | undefined;
  /** Both are there, and alike. */
  same: boolean;
}

/** Aligns two lists by the longest run of elements that both have in the same order. */
export function align<T>(left: readonly T[], right: readonly T[], alike: (a: T, b: T) => boolean): Row<T>[] {
  // common[i][j] is how many elements left[i..] and right[j..] have in common.
  const common = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      common[i]![j] = alike(left[i]!, right[j]!) ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const rows: Row<T>[] = [];
  let [gone, come]: [T[], T[]] = [[], []];
  const changed = () => {
    for (let k = 0; k < Math.max(gone.length, come.length); k++) rows.push({ left: gone[k], right: come[k], same: false });
    [gone, come] = [[], []];
  };
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && alike(left[i]!, right[j]!)) {
      changed();
      rows.push({ left: left[i++], right: right[j++], same: true });
    } else if (j >= right.length || (i < left.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      gone.push(left[i++]!);
    } else {
      come.push(right[j++]!);
    }
  }
  changed();
  return rows;
}
