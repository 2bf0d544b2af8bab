import { Group, Modal, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { connectivityCellQuery } from '../../api/queries';
import { DataTable, type Column } from '../../parts/data-table';
import { EndpointLink, PolicyLink } from '../../parts/names';
import { Verdict } from '../../parts/preview-changes';
import { Empty, QueryView } from '../../parts/query-view';
import { GroupName } from './matrix';

type Reach = Schemas['ConnectivityReach'];

const columns: Column<Reach>[] = [
  { header: 'Ports', cell: (row) => <>{row.ports}{row.of && <Text size="xs" c="dimmed">{row.of}</Text>}</> },
  { header: 'Verdict', cell: (row) => <Verdict verdict={row.verdict} /> },
  { header: 'Because', cell: (row) => row.because },
  { header: 'Policy', cell: (row) => (row.policy ? <PolicyLink id={row.policy} /> : 'none') },
];

/** What becomes of connections between two groups, port by port, and why. */
export function CellDialog({ from, to, port, onClose }: { from: string; to: string; port: string | undefined; onClose: () => void }) {
  const query = useQuery(connectivityCellQuery({ from, to, port }));
  return (
    <Modal opened onClose={onClose} size="xl" title={`From ${from} to ${to}${port ? ` on ${port}` : ''}`} closeButtonProps={{ 'aria-label': 'Close' }}>
      <QueryView query={query}>{(answer) => <Stack>
        <Group align="flex-start" grow><End title="Source" group={answer.from} /><End title="Destination" group={answer.to} /></Group>
        {answer.unasked ? <Empty title="No policy is asked">{answer.unasked}.</Empty>
          : <DataTable label="Ports" rows={answer.reach} rowKey={(row) => `${row.ports} ${row.of ?? ''}`} columns={columns} />}
        <Group gap="lg">
          <Link to="/explain" search={{ from, to, port }}>Explain one connection</Link>
          <Link to="/flows" search={{ endpoint: answer.to.count > 0 ? to : from }}>Flows of {answer.to.count > 0 ? to : from}</Link>
        </Group>
      </Stack>}</QueryView>
    </Modal>
  );
}

function End({ title, group }: { title: string; group: Schemas['ConnectivityGroup'] }) {
  const shown = group.refs.slice(0, 12);
  const more = (group.count || group.refs.length) - shown.length;
  return (
    <section>
      <Text size="xs" c="dimmed">{title}</Text>
      <GroupName group={group} />
      {(group.count > 1 || group.kind === 'addresses') && <Text size="sm">{shown.map((ref, at) => <span key={ref}>{at > 0 && ', '}{group.kind === 'addresses' || ref.startsWith('node:') ? ref : <EndpointLink of={ref} />}</span>)}{more > 0 && ` and ${more.toLocaleString('en')} more`}</Text>}
    </section>
  );
}
