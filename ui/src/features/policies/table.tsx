import { Badge, Group, Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { usePermission } from '../../api/access';
import type { Schemas } from '../../api/client';
import { kubectl } from '../../api/names';
import { boardQuery, policiesQuery } from '../../api/queries';
import { CopyCommand, CopyYaml } from '../../parts/copy';
import { DataTable, Pager, pageSize, type Column } from '../../parts/data-table';
import { Gated } from '../../parts/gated';
import { kindWord, PolicyLink } from '../../parts/names';
import { Programmed } from '../../parts/programmed';
import { Empty, Failure, QueryView } from '../../parts/query-view';
import { MoveDialog } from './move-dialog';
import { useMove } from './use-move';

const route = getRouteApi('/app/policies');

/** The board's twin: one row a policy, in the order of evaluation unless sorted. */
export function PolicyTable({ onDelete }: { onDelete: (id: string) => void }) {
  const [moved, setMoved] = useState<Schemas['PolicyCard']>();
  const { q, tier, kind, namespace, endpoint, only, sort, page = 1 } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(policiesQuery({ q, tier, kind, namespace, endpoint, only, sort: sort ?? 'evaluation', limit: pageSize, offset: (page - 1) * pageSize }));
  const set = (part: { page?: number; sort?: typeof sort }) => void navigate({ search: (now) => ({ ...now, ...part }), replace: true });
  return (
    <QueryView query={query}>{(data) => data.total === 0
      ? <Empty title="No policies are shown">{q || tier || kind || namespace || endpoint || only ? 'The filter leaves none.' : 'There are none that you may see.'}</Empty>
      : <>
        <Pager offset={data.offset} shown={data.items.length} total={data.total} onPage={(next) => set({ page: next })} />
        <DataTable label="Policies" rows={data.items} rowKey={(row) => row.id} columns={columns(onDelete, setMoved)} sorting={{ by: sort, onSort: (by) => set({ sort: by as typeof sort, page: undefined }) }} />
        {moved && <MoveFromTable card={moved} onClose={() => setMoved(undefined)} />}
      </>}
    </QueryView>
  );
}

/** The dialog of the board: it needs all policies of the tiers, which a page of the table does not have. */
function MoveFromTable({ card, onClose }: { card: Schemas['PolicyCard']; onClose: () => void }) {
  const board = useQuery(boardQuery({}));
  const carry = useMove();
  if (board.error) return <Modal opened onClose={onClose} title={`Move ${card.name}`} closeButtonProps={{ 'aria-label': 'Close' }}><Failure error={board.error} /></Modal>;
  if (!board.data) return null;
  return <MoveDialog card={card} tiers={board.data.tiers} onClose={onClose} onMove={(plan) => {
    onClose();
    void carry(card.id, plan);
  }} />;
}

function columns(onDelete: (id: string) => void, onMove: (card: Schemas['PolicyCard']) => void): Column<Schemas['PolicyCard']>[] {
  return [
    { header: 'Tier', sort: 'tier', cell: (row) => row.tier },
    { header: 'Place', cell: (row) => row.place ?? '–' },
    { header: 'Order', sort: 'order', cell: (row) => row.order ?? 'none' },
    { header: 'Name', sort: 'name', cell: (row) => <PolicyLink id={row.id}>{row.name}</PolicyLink> },
    { header: 'Namespace', sort: 'namespace', cell: (row) => row.namespace ?? 'global' },
    { header: 'Kind', sort: 'kind', cell: (row) => kindWord(row.kind) },
    { header: 'Endpoints', sort: 'endpoints', cell: (row) => <Link to="/endpoints" search={{ policy: row.id }}>{row.endpoints.toLocaleString('en')}</Link> },
    { header: 'Types', cell: (row) => row.types.join(', ') },
    { header: 'State', cell: (row) => row.staged ? <Badge variant="outline" color="grape" c="inherit" styles={{ root: { overflow: 'visible' }, label: { overflow: 'visible' } }}>Staged</Badge> : row.problems.length > 0 ? `⚠ ${row.problems[0]?.message}` : row.programmed ? <Programmed of={row.programmed} /> : 'enforced' },
    { header: 'Actions', cell: (row) => <Actions card={row} onDelete={onDelete} onMove={onMove} /> },
  ];
}

function Actions({ card, onDelete, onMove }: { card: Schemas['PolicyCard']; onDelete: (id: string) => void; onMove: (card: Schemas['PolicyCard']) => void }) {
  const may = usePermission();
  const of = { kind: card.kind, ...(card.namespace ? { namespace: card.namespace } : {}), ...(card.kind.includes('Kubernetes') || card.kind === 'ClusterNetworkPolicy' ? {} : { tier: card.tier }) };
  return (
    <Group gap={4} wrap="nowrap">
      <CopyYaml id={card.id} size="compact-xs" /><CopyCommand command={kubectl('get', card.id, '-o yaml')} size="compact-xs" />
      <Gated size="compact-xs" variant="default" permission={card.movable ? may({ verb: 'update', ...of }) : { allowed: false, missing: 'a policy with an order of its own' }} onClick={() => onMove(card)}>Move…</Gated>
      <Gated size="compact-xs" variant="default" permission={may({ verb: 'delete', ...of })} onClick={() => onDelete(card.id)}>Delete…</Gated>
    </Group>
  );
}
