import { Button, Group, NumberInput, Paper, Select, Stack, TagsInput, Text } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Schemas } from '../../api/client';
import type { FlowFilter } from '../../api/queries';
import { quote } from '../../api/names';
import { CopyCommand } from '../../parts/copy';
import { Page } from '../../parts/page';
import { Empty, Failure, sentence } from '../../parts/query-view';
import { SearchBox } from '../../parts/search-box';
import { added, useLiveFlows } from './live';
import { FlowTable } from './table';
import { csv, lostParts } from './words';

const route = getRouteApi('/app/flows');

const times = { '5m': 'last 5 minutes', '1h': 'last hour', '24h': 'last 24 hours' };
const minutes: Record<keyof typeof times, number> = { '5m': 5, '1h': 60, '24h': 1440 };

/** Connections as they are made, and attempts that are denied, each with what decided. */
export function FlowsPage() {
  const { since, ...search } = route.useSearch();
  const [held, setHeld] = useState(false);
  // The time is fixed when it is chosen: a list that follows only grows.
  const from = useMemo(() => (since ? new Date(Date.now() - minutes[since] * 60_000).toISOString() : undefined), [since]);
  const filter: FlowFilter = { ...search, since: from, limit: 200 };
  const { rows, waiting, lost, following, query } = useLiveFlows(filter, held);
  const first = query.data?.pages[0];
  return (
    <Page title="Flows" about="Connections as they are made and attempts that are denied: source, destination, port, verdict, and the policy and rule that decided. Newest first."
      actions={<>
        <Button size="xs" variant={held ? 'filled' : 'default'} onClick={() => setHeld(!held)} aria-pressed={held}>{held ? `Go on (${waiting.toLocaleString('en')} new)` : 'Pause'}</Button>
        <Button size="xs" variant="default" disabled={rows.length === 0} onClick={() => download('flows.csv', 'text/csv', csv(rows))}>CSV</Button>
        <Button size="xs" variant="default" disabled={rows.length === 0} onClick={() => download('flows.json', 'application/json', JSON.stringify(rows, null, 2))}>JSON</Button>
        <CopyCommand command={command({ since, ...search })} />
      </>}>
      <Filters />
      {query.error && !first && <Failure error={query.error} retry={() => void query.refetch()} />}
      {first && !first.available && <Empty title="No flows are shown here">{sentence(first.reason ?? 'not known')} What a connection <em>would</em> meet is known all the same: <Link to="/explain">Can X reach Y?</Link></Empty>}
      {first?.available && <Stack gap="xs">
        <Text size="sm" c="dimmed" role="status">{held ? `Held: ${waiting.toLocaleString('en')} new` : following ? 'Following' : 'Not following: the server is away'}. {rows.length.toLocaleString('en')} shown{first.oldest && <>; kept since <time dateTime={first.oldest}>{new Date(first.oldest).toLocaleString('en-GB')}</time></>}.{first.namespaces && <> You see flows with an end in {first.namespaces.join(', ')}.</>}</Text>
        <Lost lost={added(first.lost, { ...lost, records: 0 })} />
        {Boolean(lost.records) && <Text size="sm">⚠ {lost.records?.toLocaleString('en')} records are not in the list: they came too fast for this page, or were lost before. <Button size="compact-xs" variant="default" onClick={() => void query.refetch()}>Ask anew</Button></Text>}
        {rows.length === 0
          ? <Empty title="No flows">{Object.values({ since, ...search }).some(Boolean) ? 'None that the filter leaves.' : <>Nothing was recorded yet. Agents tell of connections as they are made; <Link to="/nodes">Nodes</Link> shows whether they report.</>}</Empty>
          : <FlowTable rows={rows} />}
        {query.hasNextPage && <Group><Button size="xs" variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>Show older ones</Button></Group>}
      </Stack>}
    </Page>
  );
}

/** What is missing is said, never passed over. */
function Lost({ lost }: { lost: Schemas['FlowLoss'] }) {
  const parts = lostParts(lost);
  return parts.length === 0 ? null : <Text size="sm">⚠ Not in any record: {parts.join(', ')}.</Text>;
}

function Filters() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (part: Partial<typeof search>) => void navigate({ search: (now) => ({ ...now, ...part }), replace: true });
  const any = Object.values(search).some((value) => value !== undefined);
  return (
    <Paper withBorder p="sm" component="search">
      <div className="filters">
        <Select label="Verdict" placeholder="any" clearable data={[{ value: 'allow', label: 'allowed' }, { value: 'deny', label: 'denied' }]} value={search.verdict ?? null} onChange={(verdict) => set({ verdict: (verdict ?? undefined) as typeof search.verdict })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <TagsInput label="Namespaces" placeholder={search.namespace ? '' : 'all'} value={search.namespace ?? []} onChange={(namespace) => set({ namespace: namespace.length ? namespace : undefined })} />
        <SearchBox label="Endpoint" placeholder="blue/be-1" value={search.endpoint} onSearch={(endpoint) => set({ endpoint })} />
        <SearchBox label="Policy" placeholder="name" value={search.policy} onSearch={(policy) => set({ policy })} />
        <NumberInput label="Port" placeholder="any" min={1} max={65535} allowDecimal={false} hideControls value={search.port ?? ''} onChange={(port) => set({ port: typeof port === 'number' && port > 0 && port < 65536 ? port : undefined })} />
        <Select label="Time" placeholder="all kept" clearable data={Object.entries(times).map(([value, label]) => ({ value, label }))} value={search.since ?? null} onChange={(since) => set({ since: (since ?? undefined) as typeof search.since })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <Select label="Events" placeholder="all" clearable data={[{ value: 'connection', label: 'connections' }, { value: 'log', label: 'what Log rules logged' }]} value={search.event ?? null} onChange={(event) => set({ event: (event ?? undefined) as typeof search.event })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <Select label="Staged would" placeholder="any" clearable data={[{ value: 'denied', label: 'deny' }, { value: 'allowed', label: 'allow' }, { value: 'any', label: 'change' }]} value={search.newly ?? null} onChange={(newly) => set({ newly: (newly ?? undefined) as typeof search.newly })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <Button variant="default" disabled={!any} onClick={() => void navigate({ search: {}, replace: true })}>Clear</Button>
      </div>
    </Paper>
  );
}

function command(search: ReturnType<typeof route.useSearch>): string {
  const flags = [
    search.verdict && `--verdict ${search.verdict}`, ...(search.namespace ?? []).map((one: string) => `-n ${quote(one)}`), search.endpoint && `--endpoint ${quote(search.endpoint)}`,
    search.policy && `--policy ${quote(search.policy)}`, search.port && `--port ${search.port}`, search.since && `--since ${search.since}`, search.newly && `--newly ${search.newly}`, search.event && `--event ${search.event}`,
  ];
  return ['tierwall flows --follow', ...flags.filter(Boolean)].join(' ');
}

function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

