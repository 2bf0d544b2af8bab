import { Paper, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { namespacesQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DataTable, Pager, pageSize, type Column } from '../../parts/data-table';
import { LabelList, PolicyLink } from '../../parts/names';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { SearchBox } from '../../parts/search-box';

const route = getRouteApi('/app/namespaces');

const columns: Column<Schemas['Namespace']>[] = [
  { header: 'Name', cell: (row) => row.name },
  { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
  { header: 'Pods', cell: (row) => <Link to="/endpoints" search={{ namespace: [row.name] }}>{row.pods.toLocaleString('en')}</Link> },
  { header: 'Network sets', cell: (row) => <Link to="/networksets" search={{ namespace: [row.name] }}>{row.networkSets}</Link> },
  { header: 'Policies', cell: (row) => <Link to="/policies" search={{ namespace: [row.name] }}>{row.policies}</Link> },
  { header: 'Selected on by', cell: (row) => <Selecting policies={row.selectedBy} /> },
  { header: 'Service accounts', cell: (row) => row.serviceAccounts.length === 0 ? 'none' : <details>
    <summary>{row.serviceAccounts.length}</summary>
    {row.serviceAccounts.map((account) => <div key={account.name}><Text size="sm" fw={600}>{account.name} <Text span size="xs" c="dimmed" fw={400}>{account.pods} pods</Text></Text><LabelList labels={account.labels} /><Selecting policies={account.selectedBy} /></div>)}
  </details> },
];

function Selecting({ policies }: { policies: string[] }) {
  if (policies.length === 0) return <Text size="sm" c="dimmed">no policy</Text>;
  return <>{policies.slice(0, 5).map((id, at) => <span key={id}>{at > 0 && ', '}<PolicyLink id={id} /></span>)}{policies.length > 5 && ` and ${policies.length - 5} more`}</>;
}

export function NamespacesPage() {
  const { q, page = 1 } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(namespacesQuery({ q, limit: pageSize, offset: (page - 1) * pageSize }));
  const set = (part: { q?: string; page?: number }) => void navigate({ search: (now) => ({ ...now, page: undefined, ...part }), replace: true });
  return (
    <Page title="Namespaces and service accounts" about="Their labels, and the policies that ask for these labels." actions={<CopyCommand command="kubectl get namespaces,serviceaccounts -A --show-labels" />}>
      <Paper withBorder p="sm" component="search"><SearchBox label="Filter" placeholder="name, label" value={q} onSearch={(next) => set({ q: next })} maw={260} /></Paper>
      <QueryView query={query}>{(data) => data.total === 0 ? <Empty title="No namespaces are shown">{q ? 'The filter leaves none.' : 'There are none that you may see.'}</Empty> : <>
        <Pager offset={data.offset} shown={data.items.length} total={data.total} onPage={(next) => set({ page: next })} />
        <DataTable label="Namespaces" rows={data.items} rowKey={(row) => row.name} columns={columns} />
      </>}</QueryView>
    </Page>
  );
}
