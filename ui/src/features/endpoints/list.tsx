import { Button, Checkbox, Paper, Select, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { quote } from '../../api/names';
import { endpointsQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DataTable, Pager, pageSize, type Column } from '../../parts/data-table';
import { EndpointLink, LabelList } from '../../parts/names';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { SearchBox } from '../../parts/search-box';

const route = getRouteApi('/app/endpoints');

const columns: Column<Schemas['EndpointRow']>[] = [
  { header: 'Name', sort: 'name', cell: (row) => <EndpointLink of={row.ref} /> },
  { header: 'Kind', cell: (row) => (row.kind === 'Pod' ? 'pod' : 'host endpoint') },
  { header: 'Namespace', sort: 'namespace', cell: (row) => row.namespace ?? '' },
  { header: 'Addresses', cell: (row) => <>{row.addresses.map((one) => <div key={one} className="nowrap">{one}</div>)}</> },
  { header: 'Node', sort: 'node', cell: (row) => row.node },
  { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
  { header: 'Policies in', cell: (row) => count(row.ingressPolicies) },
  { header: 'Policies out', cell: (row) => count(row.egressPolicies) },
];

function count(policies: number) {
  return policies === 0 ? <span className="nowrap">0 ⚠ open</span> : policies;
}

export function EndpointsPage() {
  const { page = 1, ...filter } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(endpointsQuery({ ...filter, limit: pageSize, offset: (page - 1) * pageSize }));
  const set = (part: Partial<typeof filter> & { page?: number }) => void navigate({ search: (now) => ({ ...now, page: undefined, ...part }), replace: true });
  const { sort, ...narrowing } = filter;
  const any = Object.values(narrowing).some((value) => value !== undefined);
  return (
    <Page title="Endpoints" about="Pods and host endpoints: what policies apply to." actions={<CopyCommand command={`tierwall select --kind ${filter.kind === 'HostEndpoint' ? 'hostendpoints' : 'pods'} ${quote(filter.selector ?? 'all()')}`} />}>
      <Paper withBorder p="sm" component="search">
        <div className="filters">
          <SearchBox label="Filter" placeholder="name, label, address" value={filter.q} onSearch={(q) => set({ q })} />
          <SearchBox label="Selector" placeholder="app/tier == 'FE'" value={filter.selector} onSearch={(selector) => set({ selector })} />
          <TagsInput label="Namespaces" value={filter.namespace ?? []} onChange={(namespace) => set({ namespace: namespace.length ? namespace : undefined })} />
          <SearchBox label="Node" value={filter.node} onSearch={(node) => set({ node })} />
          <SearchBox label="Policy that applies" placeholder="NetworkPolicy/blue/be" value={filter.policy} onSearch={(policy) => set({ policy })} />
          <Select label="Kind" clearable data={[{ value: 'Pod', label: 'pods' }, { value: 'HostEndpoint', label: 'host endpoints' }]} value={filter.kind ?? null} onChange={(kind) => set({ kind: (kind ?? undefined) as typeof filter.kind })} clearButtonProps={{ 'aria-label': 'Clear' }} />
          <Checkbox label="Only unprotected" checked={filter.unprotected ?? false} onChange={(event) => set({ unprotected: event.currentTarget.checked || undefined })} />
          {any && <Button variant="default" onClick={() => void navigate({ search: { sort }, replace: true })}>Clear the filter</Button>}
        </div>
      </Paper>
      <QueryView query={query}>{(data) => data.total === 0
        ? <Empty title="No endpoints are shown">{any ? 'The filter leaves none.' : 'There are no pods and no host endpoints that you may see.'}</Empty>
        : <>
          <Pager offset={data.offset} shown={data.items.length} total={data.total} onPage={(next) => set({ page: next })} />
          <DataTable label="Endpoints" rows={data.items} rowKey={(row) => row.ref} columns={columns} sorting={{ by: sort, onSort: (by) => set({ sort: by as typeof sort }) }} />
        </>}
      </QueryView>
    </Page>
  );
}
