import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { nodesQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DataTable, type Column } from '../../parts/data-table';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { forHowLong, stateSign, stateWords } from './state';

/** Which nodes enforce what is stored: those that do not come first. */
export function NodesPage() {
  const query = useQuery({ ...nodesQuery, refetchInterval: 5000 });
  return (
    <Page title="Nodes" about="What is stored is enforced on each node by its agent. A node that is behind still enforces what it had." actions={<CopyCommand command="tierwall status" />}>
      <QueryView query={query}>{(data) => !data.available ? <Empty title="Not known">{data.reason}</Empty>
        : data.nodes.length === 0 ? <Empty title="There are no nodes">The list that the server publishes is empty.</Empty>
        : <>
          <Text size="sm" role="status">{stateWords(data)}</Text>
          <DataTable label="Nodes" rows={worstFirst(data.nodes)} rowKey={(row) => row.name} columns={columns} />
        </>}
      </QueryView>
    </Page>
  );
}

export function worstFirst(nodes: Schemas['NodeStatus'][]): Schemas['NodeStatus'][] {
  const rank = (node: Schemas['NodeStatus']) => (node.state !== 'in step' ? 0 : node.warning ? 1 : 2);
  return [...nodes].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

const notTold: Record<Schemas['NodeStatus']['state'], string> = { 'in step': 'nothing', behind: 'its agent gave no reason', silent: 'its agent has not reported; what it enforced last still holds', 'no agent': 'no agent has reported from it: nothing is known to be enforced there' };

const columns: Column<Schemas['NodeStatus']>[] = [
  { header: 'Node', cell: (row) => row.name },
  { header: 'State', cell: (row) => <Text span size="sm" style={{ whiteSpace: 'nowrap' }}>{`${stateSign(row.state)} ${row.state}`}</Text> },
  { header: 'For', cell: (row) => <time style={{ whiteSpace: 'nowrap' }} dateTime={row.since} title={new Date(row.since).toLocaleString()}>{forHowLong(row.since, Date.now())}</time> },
  { header: 'Policies', cell: (row) => (row.state === 'no agent' ? '–' : row.policies.toLocaleString('en')) },
  { header: 'Changed by others', cell: (row) => (row.state === 'no agent' ? '–' : row.drift === 0 ? 'never' : row.drift === 1 ? 'once' : `${row.drift.toLocaleString('en')} times`) },
  { header: 'What is wrong', cell: (row) => <>{row.error && <Text size="sm">✕ {row.error}</Text>}{row.warning && <Text size="sm">⚠ {row.warning}</Text>}{!row.error && !row.warning && <Text span inherit c="dimmed">{notTold[row.state]}</Text>}</> },
];
