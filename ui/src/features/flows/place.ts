/** Keeping a place in a list that grows at its top. */

interface Box {
  id: string;
  top: number;
  bottom: number;
}

/** The first row that is whole before the eyes, which is to stay there; none for who has not scrolled down: he looks at what comes. */
export function kept(rows: readonly Box[], scrolled: number): Box | undefined {
  if (scrolled <= 0) return undefined;
  return rows.find((row) => row.top >= 0) ?? rows.at(-1);
}
