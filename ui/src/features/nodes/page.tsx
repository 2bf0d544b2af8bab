import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { nodesQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DataTable, type Column } from '../../parts/data-table';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { forHowLong, stateSign } from './state';

/** Which nodes enforce what is stored: those that do not come first. */
export function NodesPage() {
  const query = useQuery({ ...nodesQuery, refetchInterval: 5000 });
  return (
    <Page title="Nodes" about="What is stored is enforced on each node by its agent. A node that is behind still enforces what it had." actions={<CopyCommand command="tierwall status" />}>
      <QueryView query={query}>{(data) => !data.available ? <Empty title="Not known">{data.reason}</Empty>
        : data.nodes.length === 0 ? <Empty title="There are no nodes">The list that the server publishes is empty.</Empty>
        : <>
          <Text size="sm" role="status">{data.inStep === data.nodes.length ? `All ${data.nodes.length} nodes are in step.` : `${data.inStep} of ${data.nodes.length} nodes are in step.`}</Text>
          <DataTable label="Nodes" rows={notInStepFirst(data.nodes)} rowKey={(row) => row.name} columns={columns} />
        </>}
      </QueryView>
    </Page>
  );
}

export function notInStepFirst(nodes: Schemas['NodeStatus'][]): Schemas['NodeStatus'][] {
  return [...nodes].sort((a, b) => Number(a.state === 'in step') - Number(b.state === 'in step') || a.name.localeCompare(b.name));
}

const columns: Column<Schemas['NodeStatus']>[] = [
  { header: 'Node', cell: (row) => row.name },
  { header: 'State', cell: (row) => `${stateSign(row.state)} ${row.state}` },
  { header: 'For', cell: (row) => <time dateTime={row.since} title={new Date(row.since).toLocaleString()}>{forHowLong(row.since, Date.now())}</time> },
  { header: 'Policies', cell: (row) => row.policies.toLocaleString('en') },
  { header: 'Changed by others', cell: (row) => (row.drift === 0 ? 'never' : row.drift === 1 ? 'once' : `${row.drift.toLocaleString('en')} times`) },
  { header: 'Last error', cell: (row) => row.error ?? '' },
];
