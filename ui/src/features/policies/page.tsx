import { Button, Group, MultiSelect, Paper, SegmentedControl, Select, TagsInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { policyKinds } from '../../app/router';
import { tiersQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DeleteDialog } from '../../parts/delete-dialog';
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
  return (
    <Page title="Policies" about="Tiers in the order in which they are evaluated, and in each its policies in theirs. The first rule that matches decides; Pass goes on to the next tier."
      actions={<>
        <SegmentedControl size="xs" aria-label="Shown as" value={search.view ?? 'board'} data={[{ value: 'board', label: 'Board' }, { value: 'table', label: 'Table' }]}
          onChange={(next) => void navigate({ search: (now) => ({ ...now, view: next === 'table' ? 'table' : undefined }), replace: true })} />
        <CopyCommand command="kubectl get tiers.projectcalico.org,globalnetworkpolicies.projectcalico.org,networkpolicies.projectcalico.org,networkpolicies.networking.k8s.io -A -o yaml" />
        <Button component={Link} to="/policies/new" size="xs">Create policy</Button>
      </>}>
      <Filters />
      {search.view === 'table' ? <PolicyTable onDelete={setDeleted} /> : <Board onDelete={setDeleted} />}
      <DeleteDialog id={deleted} onClose={() => setDeleted(undefined)} />
    </Page>
  );
}

function Filters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tiers = useQuery(tiersQuery);
  const set = (part: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...part, page: undefined }), replace: true });
  const any = search.q || search.tier || search.kind || search.namespace || search.endpoint || search.only;
  return (
    <Paper withBorder p="sm" component="search">
      <Group align="flex-end" gap="sm">
        <SearchBox label="Filter" placeholder="name, namespace" value={search.q} onSearch={(q) => set({ q })} />
        <MultiSelect label="Tiers" data={tiers.data?.items.map((tier) => tier.name) ?? search.tier ?? []} value={search.tier ?? []} onChange={(tier) => set({ tier: tier.length ? tier : undefined })} searchable miw={160} />
        <MultiSelect label="Kinds" data={policyKinds.map((kind) => ({ value: kind, label: kindWord(kind) }))} value={search.kind ?? []} onChange={(kind) => set({ kind: kind.length ? kind : undefined })} miw={160} />
        <TagsInput label="Namespaces" value={search.namespace ?? []} onChange={(namespace) => set({ namespace: namespace.length ? namespace : undefined })} miw={140} />
        <Select label="Only" clearable data={[{ value: 'problems', label: 'with problems' }, { value: 'staged', label: 'staged' }, { value: 'unused', label: 'that select nothing' }]} value={search.only ?? null} onChange={(only) => set({ only: (only ?? undefined) as typeof search.only })} w={170} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <SearchBox label="Applies to endpoint" placeholder="blue/be-1" value={search.endpoint} onSearch={(endpoint) => set({ endpoint })} />
        {any && <Button variant="default" onClick={() => set({ q: undefined, tier: undefined, kind: undefined, namespace: undefined, endpoint: undefined, only: undefined })}>Clear the filter</Button>}
      </Group>
    </Paper>
  );
}
