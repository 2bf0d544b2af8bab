import { Badge, Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { usePermission } from '../../api/access';
import type { Schemas } from '../../api/client';
import { tiersQuery } from '../../api/queries';
import { CopyCommand, CopyMenu } from '../../parts/copy';
import { DataTable, type Column } from '../../parts/data-table';
import { DeleteDialog } from '../../parts/delete-dialog';
import { Gated } from '../../parts/gated';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { EditTier } from './edit';
import { Rights } from './rights';
import { WhoDialog } from './who';

type Tier = Schemas['Tier'];

export function TiersPage() {
  const query = useQuery(tiersQuery);
  const may = usePermission();
  const [edited, setEdited] = useState<Tier | 'new'>();
  const [deleted, setDeleted] = useState<Tier>();
  const [who, setWho] = useState<string>();
  return (
    <Page title="Tiers" about="Groups of policies, evaluated from the lowest order to the highest. Who may write policies in a tier is said by access rules; a team cannot open what an earlier tier has closed." actions={<>
      <CopyCommand command="kubectl get tiers.projectcalico.org" />
      <Gated size="xs" permission={may({ verb: 'create', kind: 'Tier' })} onClick={() => setEdited('new')}>Create tier</Gated>
    </>}>
      <QueryView query={query}>{(data) => data.items.length === 0 ? <Empty title="No tiers are shown">There are none that you may see.</Empty>
        : <DataTable label="Tiers" rows={data.items} rowKey={(row) => row.name} columns={columns(setEdited, setDeleted, setWho, may)} />}
      </QueryView>
      {who !== undefined && <WhoDialog tier={who} onClose={() => setWho(undefined)} />}
      {edited && <EditTier tier={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
      <DeleteDialog id={deleted && `Tier//${deleted.name}`} onClose={() => setDeleted(undefined)}>
        {deleted && deleted.policies > 0 && <Text size="sm">It has {deleted.policies} policies. A tier with policies stays until they are gone.</Text>}
      </DeleteDialog>
    </Page>
  );
}

function columns(onEdit: (tier: Tier) => void, onDelete: (tier: Tier) => void, onWho: (tier: string) => void, may: ReturnType<typeof usePermission>): Column<Tier>[] {
  return [
    { header: 'Name', cell: (row) => <>{row.name} {row.builtin && <Badge size="xs">built in</Badge>} {row.missing && <Badge size="xs" variant="outline" color="red" c="inherit">does not exist</Badge>}</> },
    { header: 'Order', cell: (row) => row.order?.toLocaleString('en') ?? 'none: last' },
    { header: 'At its end', cell: (row) => <span className="nowrap">{row.end === 'Deny' ? '✕ deny' : '→ pass'}</span> },
    { header: 'Policies', cell: (row) => <Link to="/policies" search={{ tier: [row.name] }}>{row.policies}</Link> },
    { header: 'What you may do in it', cell: (row) => <Rights access={row.access} /> },
    { header: 'Who else', cell: (row) => row.missing ? '' : <Button size="compact-xs" variant="default" onClick={() => onWho(row.name)}>Who may…</Button> },
    { header: 'Actions', cell: (row) => row.missing ? 'policies name it' : <Group gap={4} wrap="nowrap">
      <Gated size="compact-xs" variant="default" permission={may({ verb: 'update', kind: 'Tier' })} onClick={() => onEdit(row)}>Edit</Gated>
      <CopyMenu id={`Tier//${row.name}`} />
      <Gated size="compact-xs" variant="default" permission={row.builtin ? { allowed: false, missing: 'a tier that is not built in' } : may({ verb: 'delete', kind: 'Tier' })} onClick={() => onDelete(row)}>Delete…</Gated>
    </Group> },
  ];
}
