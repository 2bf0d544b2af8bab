import { Button, Modal, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { DataTable, type Column } from '../../parts/data-table';
import { known, until } from './known';

type Domain = Schemas['SetDomain'];

/** What a set allows by name, and on demand which addresses that is now. */
export function Domains({ set }: { set: Schemas['NetworkSet'] }) {
  const [opened, setOpened] = useState(false);
  if (set.domains.length === 0) return <>–</>;
  return (
    <>
      <Text size="sm" ff="monospace">{set.domains.slice(0, 8).map((one) => one.domain).join(', ')}{set.domains.length > 8 ? ` and ${set.domains.length - 8} more` : ''}</Text>
      <Button size="compact-xs" variant="default" onClick={() => setOpened(true)} aria-label={`${known(set.domains)} of ${set.name}`}>{known(set.domains)}</Button>
      <Modal opened={opened} onClose={() => setOpened(false)} size="xl" title={`What the domains of ${set.name} stand for now`} closeButtonProps={{ 'aria-label': 'Close' }}>
        <Stack>
          <Text size="sm">Addresses that nodes learned from answers of trusted DNS servers. They count only where an egress rule that allows selects the set. A name that nobody has looked up stands for nothing yet.</Text>
          {set.domains.map((one) => <DomainView key={one.domain} domain={one} />)}
        </Stack>
      </Modal>
    </>
  );
}

function DomainView({ domain }: { domain: Domain }) {
  const rows = domain.names.flatMap((one) => one.addresses.map((address) => ({ name: one.name, ...address })));
  return (
    <section>
      <Title order={3} size="h6" ff="monospace">{domain.domain}</Title>
      {rows.length === 0 ? <Text size="sm">No address is known.</Text> : <DataTable label={`Addresses of ${domain.domain}`} rows={rows} rowKey={(row) => `${row.name} ${row.address}`} columns={columns} />}
      {domain.more > 0 && <Text size="sm">And {domain.more.toLocaleString('en')} names more.</Text>}
    </section>
  );
}

const columns: Column<Schemas['LearnedAddress'] & { name: string }>[] = [
  { header: 'Name', cell: (row) => <>{row.name}{row.via && <Text size="xs" c="dimmed">by way of {row.via}</Text>}</> },
  { header: 'Address', cell: (row) => <Text size="sm" ff="monospace">{row.address}</Text> },
  { header: 'Answered by', cell: (row) => row.server ?? 'not told' },
  { header: 'Counts', cell: (row) => <time dateTime={row.expires} title={row.expires}>{until(row.expires, Date.now())}</time> },
  { header: 'On nodes', cell: (row) => `${row.nodes.join(', ')}${row.nodeCount > row.nodes.length ? ` and ${row.nodeCount - row.nodes.length} more` : ''}` },
];
