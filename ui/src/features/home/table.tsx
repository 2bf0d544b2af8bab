import { Stack } from '@mantine/core';
import type { Schemas } from '../../api/client';
import { DataTable } from '../../parts/data-table';
import { EndpointLink, LabelList } from '../../parts/names';

/** The picture's twin: everything in it, as rows. */
export function ClusterTable({ cluster }: { cluster: Schemas['Cluster'] }) {
  return (
    <Stack>
      <DataTable label="Groups of pods" rows={cluster.pods} rowKey={(row) => row.refs[0] ?? ''} columns={[
        { header: 'Namespace', cell: (row) => row.namespace }, { header: 'Node', cell: (row) => row.node }, { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
        { header: 'Service account', cell: (row) => row.serviceAccount }, { header: 'Pods', cell: (row) => row.count },
        { header: 'Which', cell: (row) => <>{row.refs.slice(0, 5).map((ref, at) => <span key={ref}>{at > 0 && ', '}<EndpointLink of={ref} /></span>)}{row.count > 5 && ` and ${row.count - 5} more`}</> },
      ]} />
      <DataTable label="Host endpoints" rows={cluster.hostEndpoints} rowKey={(row) => row.ref} columns={[
        { header: 'Host endpoint', cell: (row) => <EndpointLink of={row.ref} /> }, { header: 'Node', cell: (row) => row.node }, { header: 'Interface', cell: (row) => row.interface }, { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
      ]} />
      <DataTable label="Network sets" rows={cluster.networkSets} rowKey={(row) => `${row.namespace}/${row.name}`} columns={[
        { header: 'Network set', cell: (row) => row.name }, { header: 'Namespace', cell: (row) => row.namespace ?? 'global' }, { header: 'Networks', cell: (row) => row.nets.slice(0, 10).join(', ') }, { header: 'Labels', cell: (row) => <LabelList labels={row.labels} /> },
      ]} />
    </Stack>
  );
}
