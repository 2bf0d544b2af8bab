import { Group, Paper, TagsInput, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { usePermission } from '../../api/access';
import type { Schemas } from '../../api/client';
import { formatId, shortName } from '../../api/names';
import { networkSetsQuery } from '../../api/queries';
import { CopyCommand, CopyMenu } from '../../parts/copy';
import { DataTable, Pager, pageSize, type Column } from '../../parts/data-table';
import { DeleteDialog } from '../../parts/delete-dialog';
import { Gated } from '../../parts/gated';
import { LabelList, PolicyLink } from '../../parts/names';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { SearchBox } from '../../parts/search-box';
import { Domains } from './domains';
import { EditSet } from './edit';

const route = getRouteApi('/app/networksets');
type Set = Schemas['NetworkSet'];

export function NetworkSetsPage() {
  const { q, namespace, page = 1 } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(networkSetsQuery({ q, namespace, limit: pageSize, offset: (page - 1) * pageSize }));
  const may = usePermission();
  const [edited, setEdited] = useState<Set | 'new'>();
  const [deleted, setDeleted] = useState<Set>();
  const anywhere = may({ verb: 'create', kind: 'NetworkSet' }).allowed ? may({ verb: 'create', kind: 'NetworkSet' }) : may({ verb: 'create', kind: 'GlobalNetworkSet' });
  const set = (part: { q?: string; namespace?: string[]; page?: number }) => void navigate({ search: (now) => ({ ...now, page: undefined, ...part }), replace: true });
  return (
    <Page title="Network sets" about="Networks and domains with labels, which rules match by selector: in a namespace, or global." actions={<>
      <CopyCommand command="kubectl get networksets.projectcalico.org,globalnetworksets.projectcalico.org -A" />
      <Gated size="xs" permission={anywhere} onClick={() => setEdited('new')}>Create network set</Gated>
    </>}>
      <Paper withBorder p="sm" component="search"><Group align="flex-end">
        <SearchBox label="Filter" placeholder="name, label, network, domain" value={q} onSearch={(next) => set({ q: next })} />
        <TagsInput label="Namespaces" value={namespace ?? []} onChange={(next) => set({ namespace: next.length ? next : undefined })} miw={140} />
      </Group></Paper>
      <QueryView query={query}>{(data) => data.total === 0
        ? <Empty title="No network sets are shown">{q || namespace ? 'The filter leaves none.' : 'There are none that you may see.'}</Empty>
        : <>
          <Pager offset={data.offset} shown={data.items.length} total={data.total} onPage={(next) => set({ page: next })} />
          {data.namesLeftOut > 0 && <Text size="sm">Nodes know {data.namesLeftOut.toLocaleString('en')} addresses of names more than are shown here.</Text>}
          <DataTable label="Network sets" rows={data.items} rowKey={idOf} columns={columns(setEdited, setDeleted, may)} />
        </>}
      </QueryView>
      {edited && <EditSet set={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
      <DeleteDialog id={deleted && idOf(deleted)} onClose={() => setDeleted(undefined)}>
        {deleted && deleted.usedBy.length > 0 && <Text size="sm">Rules that match it now, and then match nothing of it: {deleted.usedBy.map((one) => `${shortName(one.policy)} ${one.direction} rule ${one.rule}`).join(', ')}.</Text>}
        {deleted && deleted.usedBy.length === 0 && <Text size="sm">No rule matches it.</Text>}
      </DeleteDialog>
    </Page>
  );
}

function idOf(set: Set): string {
  return formatId({ kind: set.kind, namespace: set.namespace ?? '', name: set.name });
}

function columns(onEdit: (set: Set) => void, onDelete: (set: Set) => void, may: ReturnType<typeof usePermission>): Column<Set>[] {
  return [
    { header: 'Name', cell: (row) => row.name },
    { header: 'Scope', cell: (row) => row.namespace ?? 'global' },
    { header: 'Networks', cell: (row) => <Text size="sm" ff="monospace">{row.nets.slice(0, 8).join(', ') || 'none'}{row.nets.length > 8 ? ` and ${row.nets.length - 8} more` : ''}</Text> },
    { header: 'Domains', cell: (row) => <Domains set={row} /> },
    { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
    { header: 'Used by', cell: (row) => row.usedBy.length === 0 ? 'no rule' : row.usedBy.slice(0, 5).map((one, at) => <span key={at}>{at > 0 && ', '}<PolicyLink id={one.policy} /> {one.direction} {one.rule}</span>) },
    { header: 'Overlaps', cell: (row) => row.overlaps.length === 0 ? '–' : row.overlaps.slice(0, 3).map((one, at) => <Text key={at} size="sm">{one.net} with {shortName(one.with)} {one.otherNet}</Text>) },
    { header: 'Actions', cell: (row) => {
      const wanted = { kind: row.kind, ...(row.namespace ? { namespace: row.namespace } : {}) };
      return <Group gap={4} wrap="nowrap">
        <Gated size="compact-xs" variant="default" permission={may({ verb: 'update', ...wanted })} onClick={() => onEdit(row)}>Edit</Gated>
        <CopyMenu id={idOf(row)} />
        <Gated size="compact-xs" variant="default" permission={may({ verb: 'delete', ...wanted })} onClick={() => onDelete(row)}>Delete…</Gated>
      </Group>;
    } },
  ];
}
