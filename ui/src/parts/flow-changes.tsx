import { Badge, Group, Table, Text, Title } from '@mantine/core';
import type { Schemas } from '../api/client';
import { deciding, portOf, reasonText } from '../features/flows/words';

/** Recorded flows that would be decided otherwise, by groups of equal ends. */
export function FlowChanges({ title, changes, none }: { title: string; changes: Schemas['StagedChange'][]; none: string }) {
  return (
    <section>
      <Group gap="xs" mb={4}><Title order={2} size="h5">{title}</Title><Badge variant="outline" color="gray" c="inherit">{changes.length}</Badge></Group>
      {changes.length === 0 ? <Text size="sm" c="dimmed">{none}</Text>
        : <div className="scroll" tabIndex={0} role="region" aria-label={title}>
          <Table withTableBorder verticalSpacing={6}>
            <Table.Thead><Table.Tr>{['From', 'To', 'Port', 'Connections', 'Last', 'Now', 'Then'].map((one) => <Table.Th key={one} scope="col">{one}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>{changes.map((change) => <Table.Tr key={`${change.source} ${change.destination} ${portOf(change)}`}>
              <Table.Td>{change.source}</Table.Td><Table.Td>{change.destination}</Table.Td><Table.Td>{portOf(change)}</Table.Td>
              <Table.Td>{change.connections.toLocaleString('en')}</Table.Td><Table.Td><time dateTime={change.last}>{new Date(change.last).toLocaleString()}</time></Table.Td>
              <Table.Td>{decisionText(change, change.before)}</Table.Td><Table.Td>{decisionText(change, change.after)}</Table.Td>
            </Table.Tr>)}</Table.Tbody>
          </Table>
        </div>}
    </section>
  );
}

/** Which end a change is at is what its flows say: the one that this decision is of. */
function decisionText(change: Schemas['StagedChange'], decision: Schemas['FlowDecision']): string {
  const [flow] = change.flows;
  const direction = flow?.egress?.endpoint !== undefined && flow.egress.endpoint === decision.endpoint ? 'egress' : 'ingress';
  return `${decision.verdict}, ${reasonText(deciding({ [direction]: decision } as never))}`;
}
