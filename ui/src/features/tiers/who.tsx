import { Alert, Modal, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { Schemas } from '../../api/client';
import { tierSubjectsQuery } from '../../api/queries';
import { CopyCommand } from '../../parts/copy';
import { DataTable, type Column } from '../../parts/data-table';
import { Empty, QueryView } from '../../parts/query-view';
import { Rights } from './rights';

type Subject = Schemas['TierSubject'];

const words: Record<Subject['kind'], string> = { User: 'user', Group: 'group', ServiceAccount: 'service account' };

const columns: Column<Subject>[] = [
  { header: 'Who', cell: (row) => <>{words[row.kind]} <b>{row.namespace ? `${row.namespace}/` : ''}{row.name}</b></> },
  { header: 'May', cell: (row) => <Rights access={row.access} /> },
  { header: 'Through', cell: (row) => row.through.map((binding) => <Text key={binding} size="xs">{binding.replace('//', ' ')}</Text>) },
];

/** Who may do what in a tier, from the cluster's roles as far as the user may read them. */
export function WhoDialog({ tier, onClose }: { tier: string; onClose: () => void }) {
  const query = useQuery(tierSubjectsQuery(tier));
  return (
    <Modal opened onClose={onClose} size="xl" title={`Who may do what in tier ${tier}`} closeButtonProps={{ 'aria-label': 'Close' }}>
      <QueryView query={query}>{(data) => !data.available ? <Empty title="Not known">{data.reason}</Empty>
        : <Stack gap="sm">
          {data.reason && <Alert variant="outline" color="yellow" role="status">{data.reason}</Alert>}
          {data.subjects.length === 0 ? <Empty title="Nobody">No role that you may read gives a right in this tier.</Empty>
            : <DataTable label={`Rights in tier ${tier}`} rows={data.subjects} rowKey={(row) => `${row.kind}/${row.namespace ?? ''}/${row.name}`} columns={columns} />}
          <Text size="sm" c="dimmed">Each line is what its own bindings give. Who is in a group has the rights of the group too.</Text>
          <CopyCommand command="kubectl get clusterrolebindings,rolebindings -A -o wide" />
        </Stack>}
      </QueryView>
    </Modal>
  );
}
