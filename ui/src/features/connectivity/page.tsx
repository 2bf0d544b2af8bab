import { Button, Group, Paper, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { connectivityQuery, matrixSize } from '../../api/queries';
import type { Schemas } from '../../api/client';
import { CopyCommand } from '../../parts/copy';
import { Page } from '../../parts/page';
import { Empty, QueryView } from '../../parts/query-view';
import { SearchBox } from '../../parts/search-box';
import { quote } from '../../api/names';
import { CellDialog } from './cell';
import { Matrix } from './matrix';

const route = getRouteApi('/app/connectivity');

/** Who can reach whom: groups of ends against each other, what policy allows beside what was seen. */
export function ConnectivityPage() {
  const { source, destination, ...asked } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(connectivityQuery(asked));
  const set = (part: Partial<typeof asked>) => void navigate({ search: (now) => ({ ...now, row: undefined, column: undefined, source: undefined, destination: undefined, ...part }), replace: true });
  const open = (from?: string, to?: string) => void navigate({ search: (now) => ({ ...now, source: from, destination: to }), replace: true });
  const any = Boolean(asked.from || asked.to || asked.port);
  return (
    <Page title="Connectivity" about="Which new connections policy allows, from each group of endpoints (down) to each other (across). A group is what no policy in force tells apart. Choose a cell for its ports and the reason."
      actions={<CopyCommand command={`tierwall explain --from ${quote(source ?? 'A')} --to ${quote(destination ?? 'B')} --port ${quote(asked.port ?? 'tcp/80')}`} />}>
      <Paper withBorder p="sm" component="search"><div className="filters">
        <SearchBox label="From" placeholder="namespace, name, label" value={asked.from} onSearch={(from) => set({ from })} />
        <SearchBox label="To" placeholder="namespace, name, label" value={asked.to} onSearch={(to) => set({ to })} />
        <SearchBox label="Port" placeholder="all; tcp/80" value={asked.port} onSearch={(port) => set({ port })} />
        <Button variant="default" disabled={!any} onClick={() => void navigate({ search: {}, replace: true })}>Clear</Button>
      </div></Paper>
      <QueryView query={query}>{(data) => data.totalRows === 0 || data.totalColumns === 0
        ? <Empty title="No pairs are shown">{any ? 'The filter leaves no source or no destination.' : 'There are no endpoints that you may see.'}</Empty>
        : <Stack gap="xs">
          <Windows data={data} onRow={(row) => void navigate({ search: (now) => ({ ...now, row: row || undefined }), replace: true })} onColumn={(column) => void navigate({ search: (now) => ({ ...now, column: column || undefined }), replace: true })} />
          <Observed of={data.observed} />
          {data.stages && <Text size="sm">⚠ Policies with doNotTrack, preDNAT or applyOnForward hold too. What they do is not in this table; <Link to="/explain">Can X reach Y?</Link> has it.</Text>}
          <Matrix data={data} onOpen={open} />
        </Stack>}
      </QueryView>
      {source && destination && <CellDialog from={source} to={destination} port={asked.port} onClose={() => open()} />}
    </Page>
  );
}

function Observed({ of }: { of: Schemas['ConnectivityObserved'] }) {
  const words = !of.available ? <>What was seen is not shown: {of.reason}.</>
    : of.since ? <>Seen: in the newest {of.records?.toLocaleString('en')} records, since <time dateTime={of.since}>{new Date(of.since).toLocaleString('en-GB')}</time>.</> : <>Nothing was recorded in the last hour.</>;
  return <Text size="sm" c="dimmed">✓ all ports are allowed, ◐ some are, ✕ none, – no policy is asked. {words}</Text>;
}

interface WindowsProps {
  data: Schemas['Connectivity'];
  onRow: (row: number) => void;
  onColumn: (column: number) => void;
}

/** Which part of the matrix is shown, and the ways to the rest. */
function Windows({ data, onRow, onColumn }: WindowsProps) {
  return (
    <Group gap="md">
      <WindowOf what="sources" first={data.row} shown={data.rows.length} total={data.totalRows} onFirst={onRow} />
      <WindowOf what="destinations" first={data.column} shown={data.columns.length} total={data.totalColumns} onFirst={onColumn} />
    </Group>
  );
}

function WindowOf({ what, first, shown, total, onFirst }: { what: string; first: number; shown: number; total: number; onFirst: (first: number) => void }) {
  if (shown === total) return <Text size="sm" role="status">{total.toLocaleString('en')} {total === 1 ? what.slice(0, -1) : what}</Text>;
  return (
    <div style={{ display: 'flex', gap: 8, alignItems: 'center', flexWrap: 'wrap' }}>
      <Text size="sm" role="status">Showing {what} {(first + 1).toLocaleString('en')}–{(first + shown).toLocaleString('en')} of {total.toLocaleString('en')}</Text>
      <Button size="xs" variant="default" disabled={first === 0} onClick={() => onFirst(Math.max(0, first - matrixSize))} aria-label={`Previous ${what}`}>Previous</Button>
      <Button size="xs" variant="default" disabled={first + shown >= total} onClick={() => onFirst(first + matrixSize)} aria-label={`Next ${what}`}>Next</Button>
    </div>
  );
}
