import { Button, Group, Table, Text, UnstyledButton } from '@mantine/core';
import type { ReactNode } from 'react';

export interface Column<Row> {
  header: string;
  cell: (row: Row) => ReactNode;
  /** The server's word for sorting by it; without one the column cannot be sorted by. */
  sort?: string;
}

interface Sorting {
  by: string | undefined;
  onSort: (by: string | undefined) => void;
}

/** A table that scrolls by itself where it is too wide, and is sorted by the server. */
export function DataTable<Row>({ label, columns, rows, rowKey, sorting }: { label: string; columns: Column<Row>[]; rows: Row[]; rowKey: (row: Row) => string; sorting?: Sorting }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={label}>
      <Table striped withTableBorder verticalSpacing={6}>
        <Table.Thead><Table.Tr>{columns.map((column) => <Heading key={column.header} column={column} sorting={sorting} />)}</Table.Tr></Table.Thead>
        <Table.Tbody>{rows.map((row) => <Table.Tr key={rowKey(row)}>{columns.map((column, at) => <Table.Td key={column.header}>{at === 0 ? <div className="name">{column.cell(row)}</div> : column.cell(row)}</Table.Td>)}</Table.Tr>)}</Table.Tbody>
      </Table>
    </div>
  );
}

function Heading<Row>({ column, sorting }: { column: Column<Row>; sorting: Sorting | undefined }) {
  if (!column.sort || !sorting) return <Table.Th scope="col">{column.header}</Table.Th>;
  const up = sorting.by === column.sort;
  const down = sorting.by === `-${column.sort}`;
  return (
    <Table.Th scope="col" aria-sort={up ? 'ascending' : down ? 'descending' : 'none'}>
      <UnstyledButton fw={700} fz="sm" onClick={() => sorting.onSort(up ? `-${column.sort}` : down ? undefined : column.sort)}>{column.header}<span aria-hidden> {up ? '▲' : down ? '▼' : '↕'}</span></UnstyledButton>
    </Table.Th>
  );
}

export const pageSize = 100;

/** Which part of how many, and the way to the rest. `page` counts from 1. */
export function Pager({ offset, shown, total, onPage }: { offset: number; shown: number; total: number; onPage: (page: number | undefined) => void }) {
  const page = Math.floor(offset / pageSize) + 1;
  if (total <= pageSize && page === 1) return <Text size="sm" c="dimmed" role="status">{total === 1 ? '1 in all' : `${total.toLocaleString('en')} in all`}</Text>;
  return (
    <Group gap="xs">
      <Text size="sm" role="status">Showing {shown === 0 ? 'none' : `${(offset + 1).toLocaleString('en')}–${(offset + shown).toLocaleString('en')}`} of {total.toLocaleString('en')}</Text>
      <Button size="xs" variant="default" disabled={page === 1} onClick={() => onPage(page > 2 ? page - 1 : undefined)}>Previous</Button>
      <Button size="xs" variant="default" disabled={offset + shown >= total} onClick={() => onPage(page + 1)}>Next</Button>
    </Group>
  );
}
