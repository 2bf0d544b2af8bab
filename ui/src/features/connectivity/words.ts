/** What cells of the matrix say, and the way of keys through them. */
import type { Schemas } from '../../api/client';

type Cell = Schemas['ConnectivityCell'];

const signs: Record<Cell['verdict'], string> = { allow: '✓', deny: '✕', partly: '◐', unasked: '–' };

/** A sign, and where only some ports are allowed, the first of them. */
export function cellSign(cell: Cell): string {
  if (cell.verdict !== 'partly') return signs[cell.verdict];
  const [first = '', ...rest] = cell.allowed ?? [];
  const more = rest.length + (cell.more ?? 0);
  return `${signs.partly} ${first}${more > 0 ? ` +${more}` : ''}`;
}

/** The same in words. */
export function cellName(cell: Cell): string {
  switch (cell.verdict) {
    case 'allow': return 'all ports are allowed';
    case 'deny': return 'denied';
    case 'partly': return `allowed only on ${(cell.allowed ?? []).join(', ')}${cell.more ? ` and ${cell.more} more` : ''}`;
    case 'unasked': return 'no policy is asked';
  }
}

/** What was seen between the two; nothing where nothing is known, or of a denial that nobody tried. */
export function seenWords(cell: Cell, known: boolean): string {
  if (!known) return '';
  const { allowed = 0, denied = 0 } = cell.seen ?? {};
  const parts = [allowed > 0 ? `${short(allowed)} seen` : '', denied > 0 ? `${short(denied)} denied` : ''].filter(Boolean);
  if (parts.length > 0) return parts.join(', ');
  return cell.verdict === 'allow' || cell.verdict === 'partly' ? 'not seen' : '';
}

function short(n: number): string {
  return new Intl.NumberFormat('en', { notation: 'compact' }).format(n);
}

/** Where a key leads in a table of so many rows and columns; undefined for a key that leads nowhere. */
export function moved([row, column]: readonly [number, number], key: string, [rows, columns]: readonly [number, number]): readonly [number, number] | undefined {
  const steps: Record<string, readonly [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -columns], End: [0, columns] };
  const step = steps[key];
  if (!step) return undefined;
  const within = (n: number, of: number) => Math.max(0, Math.min(n, of - 1));
  return [within(row + step[0], rows), within(column + step[1], columns)];
}
