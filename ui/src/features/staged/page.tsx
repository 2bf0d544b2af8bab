import { Button, Group, Modal, Select, Stack, Table, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Schemas } from '../../api/client';
import { shortName } from '../../api/names';
import { decideStaged } from '../../api/objects';
import { stagedPossibleQuery, stagedQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { enforcedKindWord, PolicyLink } from '../../parts/names';
import { SideBySide } from '../policies/side-by-side';
import { FlowChanges } from '../../parts/flow-changes';
import { Page } from '../../parts/page';
import { PreviewChanges } from '../../parts/preview-changes';
import { Empty, Failure, QueryView } from '../../parts/query-view';

const route = getRouteApi('/app/staged');

const times = { '15m': 'last 15 minutes', '1h': 'last hour', '24h': 'last 24 hours', '168h': 'last 7 days' };
const hours: Record<keyof typeof times, number> = { '15m': 0.25, '1h': 1, '24h': 24, '168h': 168 };

interface Deed {
  policy: string;
  action: 'enforce' | 'discard';
}

/** Staged policies, and what enforcing all of them would change in what was seen. */
export function StagedPage() {
  const { since } = route.useSearch();
  const navigate = route.useNavigate();
  const [deed, setDeed] = useState<Deed>();
  const [compared, setCompared] = useState<Schemas['StagedPolicy']>();
  const from = useMemo(() => (since ? new Date(Date.now() - hours[since] * 3_600_000).toISOString() : undefined), [since]);
  const query = useQuery(stagedQuery(from));
  return (
    <Page title="Staged policies" about="Evaluated on every connection, enforced on none. Recorded flows are decided again as if everything staged were enforced."
      actions={<>
        <Select size="xs" aria-label="Flows of" placeholder="all flows kept" clearable data={Object.entries(times).map(([value, label]) => ({ value, label }))} value={since ?? null} onChange={(next) => void navigate({ search: { since: (next ?? undefined) as typeof since }, replace: true })} clearButtonProps={{ 'aria-label': 'Clear' }} />
        <CopyCommand command={`tierwall staged${since ? ` --since ${since}` : ''}`} />
      </>}>
      <QueryView query={query}>{(report) => report.staged.length === 0
        ? <Empty title={report.view.hidden.some((one) => one.kind.startsWith('Staged')) ? 'Nothing is staged that you may see' : 'Nothing is staged'}>A policy is staged when its kind is StagedNetworkPolicy, StagedGlobalNetworkPolicy or StagedKubernetesNetworkPolicy: save one as such in the <Link to="/policies/new">form</Link>.</Empty>
        : <>
          <Policies all={report.staged} onDo={setDeed} onCompare={setCompared} />
          {report.flows ? <Empty title="What would change is not shown">{report.flows.reason}</Empty> : <Changes report={report} />}
          <Possible />
        </>}
      </QueryView>
      <Modal opened={compared !== undefined} onClose={() => setCompared(undefined)} size="80%" title={compared ? `${shortName(compared.policy)}: staged and enforced` : ''} closeButtonProps={{ 'aria-label': 'Close' }}>
        {compared && <SideBySide staged={compared.policy} replaces={compared.replaces || undefined} deletes={compared.action === 'Delete'} />}
      </Modal>
      <Confirm deed={deed} onClose={() => setDeed(undefined)} />
    </Page>
  );
}

function Policies({ all, onDo, onCompare }: { all: Schemas['StagedPolicy'][]; onDo: (deed: Deed) => void; onCompare: (policy: Schemas['StagedPolicy']) => void }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Staged policies">
      <Table withTableBorder verticalSpacing={6}>
        <Table.Thead><Table.Tr>{['Policy', 'Kind', 'Enforcing it', ''].map((one) => <Table.Th key={one} scope="col">{one || <span className="visually-hidden">Actions</span>}</Table.Th>)}</Table.Tr></Table.Thead>
        <Table.Tbody>{all.map((one) => <Table.Tr key={one.policy}>
          <Table.Td><PolicyLink id={one.policy} /></Table.Td>
          <Table.Td>{enforcedKindWord(one.policy.split('/', 1)[0] ?? '')}</Table.Td>
          <Table.Td>{one.action === 'Delete' ? (one.replaces ? <>deletes <PolicyLink id={one.replaces} /></> : 'deletes what is not there') : one.replaces ? <>replaces <PolicyLink id={one.replaces} /></> : 'makes a new policy'}</Table.Td>
          <Table.Td><Group gap={6} wrap="nowrap" justify="flex-end">
            <Button size="xs" variant="default" onClick={() => onCompare(one)} aria-label={`Compare ${shortName(one.policy)}`}>Compare…</Button>
            <Button size="xs" onClick={() => onDo({ policy: one.policy, action: 'enforce' })} aria-label={`Enforce ${shortName(one.policy)}`}>Enforce…</Button>
            <Button size="xs" variant="default" onClick={() => onDo({ policy: one.policy, action: 'discard' })} aria-label={`Discard ${shortName(one.policy)}`}>Discard…</Button>
          </Group></Table.Td>
        </Table.Tr>)}</Table.Tbody>
      </Table>
    </div>
  );
}

function Changes({ report }: { report: Schemas['StagedReport'] }) {
  return (
    <Stack gap="md">
      <Title order={2} size="h4">In what was seen</Title>
      <FlowChanges title="Newly denied" changes={report.denied} none="Nothing that was seen would be denied that is allowed now." />
      <FlowChanges title="Newly allowed" changes={report.allowed} none="Nothing that was seen would be allowed that is denied now." />
      <Text size="sm">{report.unchanged.toLocaleString('en')} connections would be decided as they are now{report.unknown > 0 && <>; of {report.unknown.toLocaleString('en')} it is not known, since an end is gone</>}.</Text>
    </Stack>
  );
}

/** What could change, whether somebody has tried it or not: from the tables alone, and so apart from what was seen. */
function Possible() {
  const query = useQuery(stagedPossibleQuery);
  return (
    <section aria-labelledby="possible">
      <Title order={2} size="h4" id="possible" mb="xs">What is possible, seen or not</Title>
      <QueryView query={query}>{(preview) => <PreviewChanges preview={preview} />}</QueryView>
    </section>
  );
}

function Confirm({ deed, onClose }: { deed: Deed | undefined; onClose: () => void }) {
  return (
    <Modal opened={deed !== undefined} onClose={onClose} title={deed ? `${deed.action === 'enforce' ? 'Enforce' : 'Discard'} ${shortName(deed.policy)}?` : ''} closeButtonProps={{ 'aria-label': 'Close' }}>
      {deed && <ConfirmBody deed={deed} onClose={onClose} />}
    </Modal>
  );
}

function ConfirmBody({ deed, onClose }: { deed: Deed; onClose: () => void }) {
  const client = useQueryClient();
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const enforce = deed.action === 'enforce';
  const go = async () => {
    setBusy(true);
    try {
      await decideStaged(deed);
      notifications.show({ message: enforce ? `${shortName(deed.policy)} is enforced.` : `${shortName(deed.policy)} is discarded.` });
      onClose();
      await client.invalidateQueries();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack>
      <Text size="sm">{enforce ? 'What is enforced changes in one write, for new connections; then the staged policy is taken away. Connections that are open go on.' : 'The staged policy is taken away. What is enforced stays as it is.'}</Text>
      {error && <Failure error={error} />}
      <Group justify="flex-end">
        <CopyCommand command={`tierwall staged ${deed.action} ${deed.policy}`} size="sm" />
        <Button variant="default" onClick={onClose}>Not now</Button>
        <Button color={enforce ? undefined : 'red.9'} loading={busy} onClick={() => void go()}>{enforce ? 'Enforce' : 'Discard'}</Button>
      </Group>
    </Stack>
  );
}
