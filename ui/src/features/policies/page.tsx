import { Button, MultiSelect, Paper, SegmentedControl, Select, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { Schemas } from '../../api/client';
import { policyKinds } from '../../app/router';
import { accessQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DeleteDialog } from '../../parts/delete-dialog';
import { CreatePolicy } from '../../parts/create-policy';
import { Page } from '../../parts/page';
import { SearchBox } from '../../parts/search-box';
import { kindWord } from '../../parts/names';
import { Board } from './board';
import { PolicyTable } from './table';

const route = getRouteApi('/app/policies');

export function PoliciesPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [deleted, setDeleted] = useState<string>();
  // The board is filtered at each letter, the address and with it the table when typing pauses.
  const [typed, setTyped] = useState<string>();
  useEffect(() => setTyped(undefined), [search.q]);
  return (
    <Page title="Policies" about="Tiers in the order in which they are evaluated, and in each its policies in theirs. The first rule that matches decides; Pass goes on to the next tier."
      actions={<>
        <SegmentedControl size="xs" aria-label="Shown as" value={search.view ?? 'board'} data={[{ value: 'board', label: 'Board' }, { value: 'table', label: 'Table' }]}
          onChange={(next) => void navigate({ search: (now) => ({ ...now, view: next === 'table' ? 'table' : undefined }), replace: true })} />
        <CopyCommand command="kubectl get tiers.projectcalico.org,globalnetworkpolicies.projectcalico.org,networkpolicies.projectcalico.org,networkpolicies.networking.k8s.io -A -o yaml" />
        <CreatePolicy />
      </>}>
      <Filters onType={setTyped} />
      {search.view === 'table' ? <PolicyTable onDelete={setDeleted} /> : <Board q={typed ?? search.q} onDelete={setDeleted} />}
      <DeleteDialog id={deleted} onClose={() => setDeleted(undefined)} />
    </Page>
  );
}

function Filters({ onType }: { onType: (q: string) => void }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tiers = useQuery({ ...accessQuery, select: tierNames });
  const set = (part: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...part, page: undefined }), replace: true });
  // On a narrow screen the filters would be all that one sees.
  const [open, setOpen] = useState(Boolean(search.tier || search.kind || search.namespace || search.endpoint || search.only));
  const any = search.q || search.tier || search.kind || search.namespace || search.endpoint || search.only;
  return (
    <Paper withBorder p="sm" component="search">
      <div className="filters" data-open={open}>
        <SearchBox label="Filter" placeholder="name, namespace, tier, selector" value={search.q} onType={onType} onSearch={(q) => set({ q })} />
        <Button variant="default" hiddenFrom="sm" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'Fewer filters' : 'More filters'}</Button>
        <MultiSelect label="Tiers" data={tiers.data ?? search.tier ?? []} value={search.tier ?? []} onChange={(tier) => set({ tier: tier.length ? tier : undefined })} searchable />
        <MultiSelect label="Kinds" data={policyKinds.map((kind) => ({ value: kind, label: kindWord(kind) }))} value={search.kind ?? []} onChange={(kind) => set({ kind: kind.length ? kind : undefined })} />
        <TagsInput label="Namespaces" value={search.namespace ?? []} onChange={(namespace) => set({ namespace: namespace.length ? namespace : undefined })} />
        <Select label="Only" clearable data={[{ value: 'problems', label: 'with problems' }, { value: 'staged', label: 'staged' }, { value: 'unused', label: 'that select nothing' }]} value={search.only ?? null} onChange={(only) => set({ only: (only ?? undefined) as typeof search.only })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <SearchBox label="Endpoint" placeholder="blue/be-1" value={search.endpoint} onSearch={(endpoint) => set({ endpoint })} />
        <Button variant="default" px="xs" disabled={!any} onClick={() => set({ q: undefined, tier: undefined, kind: undefined, namespace: undefined, endpoint: undefined, only: undefined })}>Clear the filter</Button>
      </div>
    </Paper>
  );
}

function tierNames(access: Schemas['Access']): string[] {
  return access.tiers.map((tier) => tier.tier);
}
