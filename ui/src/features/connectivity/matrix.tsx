import { Text } from '@mantine/core';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import type { Schemas } from '../../api/client';
import { isInternal } from '../../api/names';
import { cellName, cellSign, moved, seenWords } from './words';

interface Props {
  data: Schemas['Connectivity'];
  /** A cell was chosen: the groups' examples. */
  onOpen: (from: string, to: string) => void;
}

/** Sources down, destinations across. One cell is in the order of Tab; the arrow keys go from it to the others. */
export function Matrix({ data, onOpen }: Props) {
  const [at, setAt] = useState<readonly [number, number]>([0, 0]);
  const table = useRef<HTMLTableElement>(null);
  const [row, column] = [Math.min(at[0], data.rows.length - 1), Math.min(at[1], data.columns.length - 1)];
  const going = useRef(false);
  useEffect(() => {
    if (going.current) table.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    going.current = false;
  }, [row, column]);
  const keys = (event: KeyboardEvent) => {
    const next = moved([row, column], event.key, [data.rows.length, data.columns.length]);
    if (!next) return;
    event.preventDefault();
    going.current = true;
    setAt(next);
  };
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Matrix">
      <table className="matrix" ref={table} onKeyDown={keys}>
        <thead><tr>
          <th scope="col"><span aria-hidden>from ↓ to →</span><span className="visually-hidden">Source</span></th>
          {data.columns.map((group) => <th key={group.example} scope="col"><GroupName group={group} /></th>)}
        </tr></thead>
        <tbody>{data.rows.map((from, r) => <tr key={from.example}>
          <th scope="row"><GroupName group={from} /></th>
          {data.columns.map((to, c) => {
            const cell = data.cells[r]?.[c];
            if (!cell) return <td key={to.example} />;
            return (
              <td key={to.example} data-verdict={cell.verdict}>
                <button type="button" tabIndex={r === row && c === column ? 0 : -1} onFocus={() => setAt([r, c])} onClick={() => onOpen(from.example, to.example)}>
                  <span className="visually-hidden">{from.title} to {to.title}: {cellName(cell)}</span>
                  <span aria-hidden>{cellSign(cell)}</span>
                  {seenWords(cell, Boolean(data.observed.records)) && <small>{seenWords(cell, Boolean(data.observed.records))}</small>}
                </button>
              </td>
            );
          })}
        </tr>)}</tbody>
      </table>
    </div>
  );
}

/** A group by one of its members, with the labels that all of them have. */
export function GroupName({ group }: { group: Schemas['ConnectivityGroup'] }) {
  const labels = Object.entries(group.labels ?? {}).filter(([key]) => !isInternal(key));
  return (
    <div title={`${group.refs.join(', ')}${group.count > group.refs.length ? ' …' : ''}`}>
      <Text size="sm" fw={600}>{group.kind === 'addresses' ? group.title : group.example}{group.count > 1 && <Text span size="xs" fw={400}> +{(group.count - 1).toLocaleString('en')}</Text>}</Text>
      {labels.length > 0 && <Text size="xs" fw={400} c="dimmed" lineClamp={2}>{labels.map(([key, value]) => `${key}=${value}`).join(', ')}</Text>}
    </div>
  );
}
